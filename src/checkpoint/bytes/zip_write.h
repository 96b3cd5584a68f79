/* Zip writing: stored records one after another, their data at multiples of 64, each with its CRC
 * and size in front; then the directory. Sizes and offsets beyond 32 bits go into Zip64 fields. It
 * does not compress, and needs all bytes of a record at once: their CRC stands before them. */
#ifndef PACO_CHECKPOINT_BYTES_ZIP_WRITE_H
#define PACO_CHECKPOINT_BYTES_ZIP_WRITE_H

#include "checkpoint/bytes/sink.h"

typedef struct ZipRecord ZipRecord;

typedef struct ZipWriter {
    Sink *sink;
    ZipRecord *records; /* [count], for the directory; malloc'd */
    uint32_t count, room;
} ZipWriter;

/* Writes one record. `name`, of at most ZIP_NAME_MOST bytes, is its whole path. */
enum { ZIP_NAME_MOST = 39 };
Status zip_writer_add(ZipWriter *writer, const char *name, const void *bytes, uint64_t size);
/* Writes the directory and the end records: nothing may follow. */
Status zip_writer_finish(ZipWriter *writer);
void zip_writer_free(ZipWriter *writer);

#endif
