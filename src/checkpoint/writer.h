/* Writer: a tree of objects becomes a file, in any format but CHECKPOINT_TAR. The formats
 * themselves are formats/writers.h's: this gives them a file, and the file its name. */
#ifndef PACO_CHECKPOINT_WRITER_H
#define PACO_CHECKPOINT_WRITER_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/formats/writers.h"

/* Writes a file so that it appears whole or not at all: a new temporary file beside it, sync,
 * rename, sync of the folder. `format` is any but CHECKPOINT_TAR. A device, a pipe or a folder in
 * its place is STATUS_IO and stays; a link is replaced, not what it points to. */
Status checkpoint_save(const char *path, CheckpointFormat format, const Object *root,
                       const TensorFetch *fetch, const FileOps *ops);

#endif
