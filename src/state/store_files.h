/* What the store does to files: write one and look at it before it gets its name, hash, link, lock,
 * set aside. It knows paths, not checkpoints; which of them are kept is store.c's. Private to
 * src/state. */
#ifndef PACO_STATE_STORE_FILES_H
#define PACO_STATE_STORE_FILES_H

#include "base/sha256.h"
#include "base/status.h"
#include "checkpoint/bytes/sink.h"

#include <stdbool.h>
#include <stdint.h>

/* Ending of what was set aside: NAME.damaged. */
#define STORE_DAMAGED ".damaged"
/* Ending of what is being written; a save that was killed leaves it. */
#define STORE_UNFINISHED ".tmp"

/* What a file should be, and is: its length and the SHA-256 of its bytes. */
typedef struct FileSum {
    uint64_t bytes;
    char sha[SHA256_TEXT]; /* "" when it is not known */
} FileSum;

/* Whether there is nothing of this name (not: nothing that this process may look at). */
bool store_file_absent(const char *path);
/* The sum of what is on the disk. */
Status store_file_sum(const char *path, FileSum *sum);
/* Compares; STATUS_INPUT where it differs. */
Status store_file_check(const char *path, const FileSum *expected);
/* Has `write` fill a file beside `path`, syncs it, reads it back, and gives it its name. On failure
 * what was there before is there still. */
Status store_file_write(const FileOps *ops, const char *path,
                        Status (*write)(Sink *sink, void *context), void *context, FileSum *sum);
/* FOLDER/name -> target, a file of the folder, replaced in one step. Where the file system has no
 * symbolic links (vfat, exFAT, SMB) it becomes a copy, with a warning the first time; one that
 * cannot be made is a warning: the target is there. */
Status store_file_link(const FileOps *ops, const char *folder, const char *name,
                       const char *target);
/* Whether FOLDER/name is such a link to the target, or a copy of it, whose sum is known. */
bool store_file_linked(const char *folder, const char *name, const char *target,
                       const FileSum *sum);
/* Renames to PATH.damaged; a failure is a warning. */
void store_file_set_aside(const char *path);
/* Creates and locks folder/lock; STATUS_IO when another process has it. *fd holds the lock until it
 * is closed, and is to be closed in any case where it is not -1. */
Status store_lock(const char *folder, int *fd);

#endif
