/* Sink: a file being written through a table of file operations, buffered, with the SHA-256 of all
 * its bytes. It is synced when it is finished and removed when it fails; giving it its name is
 * another step (file_publish), and so is reading it back. */
#ifndef PACO_CHECKPOINT_BYTES_SINK_H
#define PACO_CHECKPOINT_BYTES_SINK_H

#include "base/sha256.h"
#include "base/status.h"
#include "checkpoint/bytes/file_ops.h"

#include <stddef.h>
#include <stdint.h>

typedef struct Sink {
    const FileOps *ops;
    const char *path; /* not owned */
    int fd;
    uint64_t at;      /* bytes given to the file so far */
    uint8_t *buffer;
    size_t used;      /* bytes in the buffer */
    Sha256 sha;
} Sink;

/* Creates the file. A full disk is then a failed write; so is a size limit, as the program ignores
 * SIGXFSZ. */
Status sink_open(Sink *sink, const FileOps *ops, const char *path);
Status sink_write(Sink *sink, const void *bytes, size_t size);
/* Where in the file the next byte will be. */
uint64_t sink_position(const Sink *sink);
/* Writes what is buffered, syncs and closes; the digest of all bytes comes back (may be NULL). The
 * file is removed when that fails. */
Status sink_finish(Sink *sink, uint8_t digest[SHA256_BYTES]);
/* Closes and removes an unfinished file. */
void sink_abandon(Sink *sink);

#endif
