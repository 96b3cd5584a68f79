/* Limits of the checkpoint reader. Each has its own message and exit code 5 where it is reached.
 * They lie far above what a checkpoint needs (a ResNet-200 with its optimizer: 3 MB of objects) and
 * keep what a hostile file can cost below 64 MiB and one second. */
#ifndef PACO_CHECKPOINT_BYTES_LIMITS_H
#define PACO_CHECKPOINT_BYTES_LIMITS_H

enum {
    LIMIT_MEMORY = 40 << 20, /* objects, names, tables of one file */
    LIMIT_PICKLE = 64 << 20, /* bytes of one pickle */
    LIMIT_CONVERTED =
        24 << 20,        /* bytes of a pickle, and of the tree behind it, that a conversion makes */
    LIMIT_OPS = 8 << 20, /* opcodes of one pickle */
    LIMIT_STACK = 1 << 20,       /* values on the pickle stack */
    LIMIT_MEMO = 2 << 20,        /* memo entries of one pickle */
    LIMIT_NESTING = 256,         /* containers within containers, and open marks */
    LIMIT_VISITS = 10,           /* visits of the tree walk for each opcode read */
    LIMIT_STRING = 1 << 20,      /* bytes of one string */
    LIMIT_TENSORS = 1 << 20,     /* tensors of one file */
    LIMIT_ENTRIES = 1000 * 1000, /* entries of one zip */
    LIMIT_NAME = 4096,           /* bytes of an entry's name and of a key path */
    LIMIT_RANK = 8,              /* dimensions of a tensor */
    LIMIT_VIEW = 64 << 20, /* bytes all tensors may always have in memory; else 4 times the file */
    LIMIT_INFLATED = 32 << 20, /* bytes of a deflated record that is seen through a view */
    LIMIT_INFLATIONS = 4,      /* times LIMIT_VIEW, or 4 times the file, that are inflated in all */
    LIMIT_HEADER = 32 << 20,   /* bytes of a safetensors header */
};

#endif
