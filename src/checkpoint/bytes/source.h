/* Source: the bytes of a checkpoint, read by pread alone, so that a file that shrinks under the
 * reader is an error and no signal. It knows no format and keeps nothing of what it has read. */
#ifndef PACO_CHECKPOINT_BYTES_SOURCE_H
#define PACO_CHECKPOINT_BYTES_SOURCE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct Source {
    const char *path; /* for messages; not owned */
    uint64_t size;
    int fd;                /* -1 for memory */
    const uint8_t *memory; /* NULL for a file */
} Source;

/* Opens a regular file that is not empty. Anything else: STATUS_IO, an empty file STATUS_INPUT. */
Status source_open(Source *source, const char *path);
/* Bytes in memory, not owned: for harnesses and tests. */
Source source_memory(const char *name, const uint8_t *bytes, uint64_t size);
void source_close(Source *source);
/* Exactly `bytes` bytes at `offset`; the caller has compared them with source->size. A file that
 * has become shorter is STATUS_IO. */
Status source_read(const Source *source, uint64_t offset, void *to, size_t bytes);

#endif
