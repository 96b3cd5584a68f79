/* Zip: the container of torch.save since 1.6. Every record of the directory is held against its
 * local header, its descriptor and its neighbours before anything in it is read. */
#ifndef PACO_CHECKPOINT_BYTES_ZIP_H
#define PACO_CHECKPOINT_BYTES_ZIP_H

#include "checkpoint/bytes/pool.h"
#include "checkpoint/bytes/stream.h"

typedef struct ZipEntry {
    const char *name;     /* whole, with the prefix */
    uint64_t packed, size; /* bytes in the file, and inflated */
    uint64_t local;       /* offset of the local header */
    uint64_t data;        /* offset of the first byte */
    uint64_t end;         /* behind the data and the descriptor */
    uint32_t crc;
    bool deflated;
    uint16_t flags;
} ZipEntry;

typedef struct Zip {
    const Source *source;
    ZipEntry *entries; /* [count], in directory order */
    uint32_t count;
    uint32_t *by_name; /* [count], indices sorted by name */
    const char *prefix; /* with its '/' */
    size_t prefix_length;
    bool unchecked; /* every CRC is zero: the writer was told not to compute any */
} Zip;

/* Reads and checks the directory and all headers; memory belongs to the pool. */
Status zip_open(const Source *source, Pool *pool, Zip *zip);
/* Index of prefix + name, or -1. */
int64_t zip_find(const Zip *zip, const char *name);
/* The entry's bytes, inflated. */
Status zip_stream(const Zip *zip, int64_t entry, Stream *stream);
/* Compares a CRC of the entry's bytes with the directory's; `key` for the message, or NULL. */
Status zip_check_crc(const Zip *zip, int64_t entry, uint32_t crc, const char *key);
/* Reads the whole entry once and checks its CRC, and that a deflated one ends where it should. */
Status zip_verify(const Zip *zip, int64_t entry, const char *key);

#endif
