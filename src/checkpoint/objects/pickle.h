/* Pickle: a machine that reads protocols 2 to 5 as data. It never imports, calls or builds
 * anything: GLOBAL makes a note of a name, REDUCE and NEWOBJ a note of a call. Opcodes that no
 * state dict needs (INST, OBJ, EXT, PERSID, NEWOBJ_EX, the text forms of protocol 0, sets, buffers)
 * are refused. */
#ifndef PACO_CHECKPOINT_OBJECTS_PICKLE_H
#define PACO_CHECKPOINT_OBJECTS_PICKLE_H

#include "checkpoint/bytes/pool.h"
#include "checkpoint/bytes/stream.h"
#include "checkpoint/objects/pickle_hooks.h"

typedef struct PickleResult {
    Object *root;
    uint64_t begin; /* offset of the pickle in the file: objects' `at` counts from here */
    uint64_t ops;   /* opcodes read */
} PickleResult;

/* Reads one pickle from the stream, to just behind its STOP. */
Status pickle_read(Pool *pool, Stream *stream, const PickleHooks *hooks, PickleResult *result);

#endif
