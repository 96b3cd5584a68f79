/* The words that every room of the checkpoint reader shares: which formats there are, how a file is
 * opened, and what is listed of each of its tensors. */
#ifndef PACO_CHECKPOINT_OBJECTS_FORMAT_H
#define PACO_CHECKPOINT_OBJECTS_FORMAT_H

#include "checkpoint/objects/object.h"

#include <stdbool.h>
#include <stdint.h>

/* FORMAT(name, word of `paco convert --format`, "" for one that is only read, text) */
#define CHECKPOINT_FORMATS(X)                    \
    X(ZIP, "zip", "PyTorch zip")                 \
    X(LEGACY, "legacy", "PyTorch legacy stream") \
    X(TAR, "", "PyTorch tar (0.1.9 and before)") \
    X(SAFETENSORS, "safetensors", "safetensors")

typedef enum CheckpointFormat {
#define X(name, word, text) CHECKPOINT_##name,
    CHECKPOINT_FORMATS(X)
#undef X
} CheckpointFormat;

typedef struct CheckpointOptions {
    bool require_crc; /* refuse a zip without CRCs instead of warning */
    bool quiet;       /* no warnings */
} CheckpointOptions;

typedef struct CheckpointTensor {
    const char *key; /* path through the tree */
    StoredTensor *tensor; /* NULL where it is of a kind that cannot be read; then: */
    const char *why; /* what it is */
    bool parameter;  /* stored as nn.Parameter */
    uint64_t at;     /* offset of its description in the file */
} CheckpointTensor;

typedef struct Checkpoint Checkpoint;

#endif
