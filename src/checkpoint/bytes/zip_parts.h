/* What the files of the zip reader share: zip_end.c finds the directory, zip_entry.c reads one
 * entry of it and holds it against its own header, zip.c relates the entries to each other and
 * hands out their bytes. Private to src/checkpoint/bytes. */
#ifndef PACO_CHECKPOINT_BYTES_ZIP_PARTS_H
#define PACO_CHECKPOINT_BYTES_ZIP_PARTS_H

#include "checkpoint/bytes/pool.h"
#include "checkpoint/bytes/stream.h"
#include "checkpoint/bytes/zip.h"

enum { ZIP_CENTRAL_BYTES = 46 }; /* of a directory entry, without its name and the rest */

typedef struct ZipDirectory {
    uint64_t offset, size, count;
} ZipDirectory;

/* Fails at an entry (or "end", "directory") and offset of `source`, which is in scope. */
#define ZIP_FAIL(entry, at, ...)                                    \
    do {                                                            \
        Place place_ = {source->path, (entry), (at), NULL};         \
        return place_fail(STATUS_INPUT, &place_, __VA_ARGS__);      \
    } while (0)

/* Finds the directory: it ends where the end records begin, holds at least one entry and no more
 * than LIMIT_ENTRIES. */
Status zip_read_end(const Source *source, ZipDirectory *directory);
/* Reads entry `index` of the directory, whose stream stands at it; its name goes to the pool. */
Status zip_read_entry(Stream *directory, Pool *pool, uint32_t index, ZipEntry *entry);
/* Reads the entry's own header and descriptor, which must agree with the directory; sets where its
 * data begin and end. The directory begins at offset `directory`. */
Status zip_read_local(const Source *source, ZipEntry *entry, uint64_t directory);

#endif
