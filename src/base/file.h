/* Files: whole reads with limits, and paths. */
#ifndef PACO_BASE_FILE_H
#define PACO_BASE_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the whole regular file into *bytes (malloc'd, one zero byte follows it). More than `limit`
 * bytes is STATUS_LIMIT; a missing or unreadable file, a directory or a device is STATUS_IO. */
Status file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size);
/* folder/name, malloc'd; just name where it is absolute or folder is NULL or "". */
char *file_join(const char *folder, const char *name);
/* Where built programs and tuning results are kept: `chosen`, else XDG_CACHE_HOME/openpaco, else
 * ~/.cache/openpaco; malloc'd. NULL when the environment names no place. */
char *file_cache_folder(const char *chosen);
/* The last component of a path. */
const char *file_name(const char *path);
bool file_exists(const char *path);
/* Makes the folder and its parents. */
Status file_make_folder(const char *path);

#endif
