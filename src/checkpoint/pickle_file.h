/* A bare pickle as data: the same machine that reads checkpoints, over a file that Python's pickle
 * wrote (CIFAR as torchvision downloads it). Nothing is called; arrays of numpy are seen for what
 * they are, and their bytes stay in the file until they are asked for. */
#ifndef PACO_CHECKPOINT_PICKLE_FILE_H
#define PACO_CHECKPOINT_PICKLE_FILE_H

#include "base/status.h"
#include "checkpoint/objects/object.h"

typedef struct PickleFile PickleFile;

/* Whether a file begins as a pickle of protocol 2 to 5 does. */
bool pickle_file_likely(const uint8_t *bytes, size_t size);
/* Reads a file of at most `most` bytes. STATUS_INPUT where it is no pickle, or one that names what
 * no data needs. */
Status pickle_file_open(const char *path, uint64_t most, PickleFile **out);
void pickle_file_close(PickleFile *file);
const Object *pickle_file_root(const PickleFile *file);
/* A numpy array of bytes [rows][columns] in C order: its bytes, malloc'd. STATUS_INPUT where the
 * object is anything else or its size another; `what` names it in messages. */
Status pickle_file_bytes(const PickleFile *file, const Object *array, const char *what,
                         int64_t columns, int64_t *rows, uint8_t **bytes);

#endif
