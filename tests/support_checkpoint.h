/* Support of the checkpoint tests: files, and small pickles and zips built by hand. */
#ifndef PACO_TESTS_SUPPORT_CHECKPOINT_H
#define PACO_TESTS_SUPPORT_CHECKPOINT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the long form of the tests is asked for: PACO_FULL=1. */
bool full_mode(void);
/* A new temporary folder, malloc'd; removed with everything in it. */
char *temporary_folder(void);
void remove_folder(const char *path);

/* Bytes that grow. */
typedef struct Bytes {
    uint8_t *data;
    size_t size, room;
} Bytes;
void bytes_add(Bytes *bytes, const void *data, size_t size);
void bytes_text(Bytes *bytes, const char *text);
void bytes_byte(Bytes *bytes, int value);
void bytes_little(Bytes *bytes, uint64_t value, int count);
void bytes_free(Bytes *bytes);
Bytes bytes_read(const char *path);
void bytes_write(const char *path, const void *data, size_t size);

/* Pickle opcodes for building. */
void pickle_text(Bytes *p, const char *text);
void pickle_int(Bytes *p, int64_t value);
void pickle_global(Bytes *p, const char *module, const char *name);
/* A tensor of one dimension or none: storage class stem "Float", key, elements of the storage,
 * offset, size and stride. Legacy references have a sixth item. */
void pickle_tensor(Bytes *p, const char *stem, const char *key, int64_t numel, int64_t offset,
                   int rank, const int64_t *size, const int64_t *stride, bool legacy);

/* A stored zip written entry by entry, each field of which can be spoilt afterwards. */
typedef struct ZipBuild {
    Bytes file, central;
    unsigned count;
} ZipBuild;
typedef struct ZipField {
    const char *local_name; /* NULL: as in the directory */
    const char *local_extra; /* NULL: none; else bytes of extra_size */
    size_t extra_size;
    uint16_t flags, method, local_flags;
    bool no_crc, bad_crc, descriptor, bad_descriptor, wide_descriptor, deflate;
    size_t tail;             /* bytes behind the deflated data that belong to the entry */
    int64_t size_change;   /* added to the declared inflated size, everywhere */
    int64_t packed_change; /* added to the declared packed size, everywhere */
    int64_t offset_change; /* added to the local offset in the directory */
    uint32_t local_signature; /* 0: the right one */
} ZipField;
void zip_build_entry(ZipBuild *zip, const char *name, const void *data, size_t size,
                     const ZipField *field);
/* The same with a name of any bytes. */
void zip_build_named(ZipBuild *zip, const char *name, size_t length, const void *data, size_t size,
                     const ZipField *field);
/* Appends directory and end record; the finished file is zip->file. */
void zip_build_end(ZipBuild *zip, const char *comment);
void zip_build_free(ZipBuild *zip);

#endif
