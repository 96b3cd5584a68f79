/* What the writer does to the file system, as a table: tests put failures into it. Sink: a file
 * being written through it, with its SHA-256. */
#ifndef PACO_CHECKPOINT_FILE_OPS_H
#define PACO_CHECKPOINT_FILE_OPS_H

#include "base/sha256.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Each is what the system call of that name does, and sets errno. */
typedef struct FileOps {
    int (*create)(const char *path); /* a new or emptied file for writing; its descriptor, or -1 */
    ssize_t (*write)(int fd, const void *bytes, size_t size);
    int (*sync)(int fd);
    int (*close)(int fd);
    int (*rename)(const char *from, const char *to);
    int (*remove)(const char *path);
    int (*symlink)(const char *target, const char *path);
    int (*sync_folder)(const char *path);
} FileOps;

/* The system's own. */
extern const FileOps file_ops_system;

typedef struct Sink {
    const FileOps *ops;
    const char *path; /* not owned */
    int fd;
    uint64_t at;      /* bytes written so far */
    uint8_t *buffer;
    size_t used;
    Sha256 sha;
} Sink;

/* Creates the file. A full disk is then a failed write; so is a size limit, as the program ignores
 * SIGXFSZ. */
Status sink_open(Sink *sink, const FileOps *ops, const char *path);
Status sink_write(Sink *sink, const void *bytes, size_t size);
/* Writes what is buffered, syncs and closes; the digest of all bytes comes back (may be NULL). The
 * file is removed when that fails. */
Status sink_finish(Sink *sink, uint8_t digest[SHA256_BYTES]);
/* Closes and removes an unfinished file. */
void sink_abandon(Sink *sink);

/* Renames and makes the new name last: syncs the folder. */
Status file_publish(const FileOps *ops, const char *from, const char *to);

#endif
