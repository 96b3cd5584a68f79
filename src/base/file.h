/* Files: whole reads with limits, whole writes that never leave half a file, and paths. */
#ifndef PACO_BASE_FILE_H
#define PACO_BASE_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Reads the whole regular file into *bytes (malloc'd, one zero byte follows it). More than `limit`
 * bytes is STATUS_LIMIT; a missing or unreadable file, a directory or a device is STATUS_IO. */
Status file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size);
/* As file_read, of a file that is this user's own and no link: what is kept in a cache folder is
 * believed. */
Status file_read_own(const char *path, size_t limit, uint8_t **bytes, size_t *size);
/* The first `room` bytes of the file, or all of a shorter one, into head; else as file_read: for a
 * look at many files. */
Status file_look(const char *path, size_t limit, uint8_t *head, size_t room, size_t *length);
/* folder/name, malloc'd; just name where it is absolute or folder is NULL or "". */
char *file_join(const char *folder, const char *name);
/* Where built programs and tuning results are kept: `chosen`, else XDG_CACHE_HOME/openpaco, else
 * ~/.cache/openpaco; malloc'd. NULL when the environment names no place. */
char *file_cache_folder(const char *chosen);
/* Makes it, for this user alone (0700); STATUS_IO where it is a link or another user's. */
Status file_make_cache(const char *path);
/* The folder that the running program lies in, malloc'd; NULL where the system does not say. */
char *file_program_folder(void);
/* The last component of a path. */
const char *file_name(const char *path);
bool file_exists(const char *path);
/* Whether there certainly is no such file: not one that merely cannot be reached. */
bool file_missing(const char *path);
bool file_is_folder(const char *path);
/* Makes the folder and its parents. */
Status file_make_folder(const char *path);

/* A file that is written whole. The text goes to `file`; it lands in PATH.PID.tmp, which takes the
 * place of PATH when all of it is on the disk, so that whoever had a good file keeps it until there
 * is a better one. What is there and is no regular file (a device, a pipe, a link: /dev/stdout) is
 * written directly instead, and never removed. */
typedef struct FileOutput {
    const char *path; /* not owned */
    char *temporary;  /* NULL where PATH is written directly */
    FILE *file;
} FileOutput;

Status file_output_open(FileOutput *out, const char *path);
/* Puts the file in its place. Where anything failed, also a write before, the temporary is removed.
 */
Status file_output_close(FileOutput *out);
/* Gives up: removes the temporary. */
void file_output_abandon(FileOutput *out);

#endif
