/* FileOps: what writing does to the file system, as a table, so that tests can put failures into
 * it. The system's own table, and the two things that every writer of whole files does with one:
 * name a failure, and give a finished file its name. Reading does not go through it. */
#ifndef PACO_CHECKPOINT_BYTES_FILE_OPS_H
#define PACO_CHECKPOINT_BYTES_FILE_OPS_H

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

/* STATUS_IO from errno: "path: file@at: cannot WHAT: ...", with a hint where the disk is full. */
Status file_ops_fail(const char *path, uint64_t at, const char *what);
/* Renames and makes the new name last: syncs the folder. */
Status file_publish(const FileOps *ops, const char *from, const char *to);

#endif
