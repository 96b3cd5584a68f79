/* Zips: the entries of the directory, the relations between them (names, order, overlap, the common
 * folder), and their bytes. Nothing is allocated from a number of the file before that number has
 * been compared with its size. */
#include "checkpoint/bytes/zip.h"

#include "base/arena.h"
#include "checkpoint/bytes/crc.h"
#include "checkpoint/bytes/zip_parts.h"

#include <stdlib.h>
#include <string.h>

/* Entries by a property, for comparing neighbours. */
typedef struct Sorted {
    const ZipEntry *entry;
    uint32_t index;
} Sorted;

/* ASCII alone: what a locale folds differs from machine to machine. */
static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static int compare_folded(const char *a, const char *b)
{
    while (*a && lower((unsigned char)*a) == lower((unsigned char)*b))
        a++, b++;
    return lower((unsigned char)*a) - lower((unsigned char)*b);
}

static int by_folded_name(const void *a, const void *b)
{
    const Sorted *x = a, *y = b;
    int order = compare_folded(x->entry->name, y->entry->name);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const Sorted *)a)->entry->name, ((const Sorted *)b)->entry->name);
}

static int by_offset(const void *a, const void *b)
{
    const ZipEntry *x = ((const Sorted *)a)->entry, *y = ((const Sorted *)b)->entry;
    return (x->local > y->local) - (x->local < y->local);
}

/* Names that differ in case only are one file on some systems: such a zip holds another thing
 * there. */
static Status check_names(const Zip *zip, Sorted *sorted)
{
    const Source *source = zip->source;
    qsort(sorted, zip->count, sizeof *sorted, by_folded_name);
    for (uint32_t i = 1; i < zip->count; i++) {
        const ZipEntry *a = sorted[i - 1].entry, *b = sorted[i].entry;
        if (compare_folded(a->name, b->name) == 0)
            ZIP_FAIL(b->name, b->local,
                     strcmp(a->name, b->name) == 0 ? "entry stands twice in the "
                                                     "directory (%.100s)"
                                                   : "entry differs from %.100s in case only",
                     a->name);
    }
    return STATUS_OK;
}

/* Each entry ends before the next begins, and the first begins the file: no byte is read as two
 * things, none in front of all is hidden. */
static Status check_overlaps(const Zip *zip, Sorted *sorted, uint64_t directory)
{
    const Source *source = zip->source;
    qsort(sorted, zip->count, sizeof *sorted, by_offset);
    for (uint32_t i = 0; i < zip->count; i++) {
        const ZipEntry *a = sorted[i].entry, *b = i + 1 < zip->count ? sorted[i + 1].entry : NULL;
        if (a->end > (b ? b->local : directory))
            ZIP_FAIL(a->name, a->local, "entries %.100s and %.100s overlap", a->name,
                     b ? b->name : "central directory");
    }
    if (sorted[0].entry->local != 0)
        ZIP_FAIL(sorted[0].entry->name, sorted[0].entry->local,
                 "%llu bytes stand before the first entry",
                 (unsigned long long)sorted[0].entry->local);
    return STATUS_OK;
}

/* PyTorch puts all records into one folder, of any name. */
static Status check_prefix(Zip *zip, Pool *pool)
{
    const Source *source = zip->source;
    const char *first = zip->entries[0].name, *slash = strchr(first, '/');
    if (!slash)
        ZIP_FAIL(first, zip->entries[0].local, "entry lies in no folder: no PyTorch checkpoint");
    zip->prefix_length = (size_t)(slash - first) + 1;
    if (!(zip->prefix = pool_text(pool, first, zip->prefix_length))) {
        Place place = {source->path, first, 0, NULL};
        return place_full(&place);
    }
    for (uint32_t i = 0; i < zip->count; i++)
        if (strncmp(zip->entries[i].name, zip->prefix, zip->prefix_length) != 0)
            ZIP_FAIL(zip->entries[i].name, zip->entries[i].local,
                     "entry lies outside the folder '%.100s'", zip->prefix);
    return STATUS_OK;
}

/* Charged twice what the table takes: sorting may use as much again. */
static Status relate(Zip *zip, Pool *pool, uint64_t directory)
{
    Place place = {zip->source->path, "directory", directory, NULL};
    size_t bytes = zip->count * sizeof(Sorted);
    zip->by_name = pool_alloc(pool, zip->count * sizeof *zip->by_name);
    if (!zip->by_name || !pool_charge(pool, 2 * bytes))
        return place_full(&place);
    Sorted *sorted = mem_alloc(bytes);
    for (uint32_t i = 0; i < zip->count; i++)
        sorted[i] = (Sorted){&zip->entries[i], i};
    Status status = check_names(zip, sorted);
    if (status == STATUS_OK)
        status = check_overlaps(zip, sorted, directory);
    /* By whole names: zip_find compares what follows the common folder, which sorts alike. */
    qsort(sorted, zip->count, sizeof *sorted, by_name);
    for (uint32_t i = 0; i < zip->count; i++)
        zip->by_name[i] = sorted[i].index;
    free(sorted);
    pool_release(pool, 2 * bytes);
    TRY(status);
    return check_prefix(zip, pool);
}

/* Records of the directory first, then each entry's own header: a header can then be held
 * against the whole of what the directory says of it. */
static Status read_directory(Zip *zip, Pool *pool, const ZipDirectory *d)
{
    Stream stream;
    Status status = STATUS_OK;
    stream_open(&stream, zip->source, "directory", d->offset, d->size);
    /* A writer that computed no CRCs wrote zeros: real data of which every CRC is zero do not
     * occur. */
    zip->unchecked = true;
    for (uint32_t i = 0; i < zip->count && status == STATUS_OK; i++) {
        status = zip_read_entry(&stream, pool, i, &zip->entries[i]);
        zip->unchecked = zip->unchecked && zip->entries[i].crc == 0;
    }
    if (status == STATUS_OK && stream_left(&stream)) {
        Place place = stream_place(&stream);
        status =
            place_fail(STATUS_INPUT, &place, "%llu bytes behind the last entry of the directory",
                       (unsigned long long)stream_left(&stream));
    }
    stream_close(&stream);
    for (uint32_t i = 0; i < zip->count && status == STATUS_OK; i++)
        status = zip_read_local(zip->source, &zip->entries[i], d->offset);
    return status;
}

/* The number of entries has been compared with the directory's size, and that with the file's. */
Status zip_open(const Source *source, Pool *pool, Zip *zip)
{
    ZipDirectory d = {0};
    *zip = (Zip){.source = source};
    TRY(zip_read_end(source, &d));
    zip->count = (uint32_t)d.count;
    if (!(zip->entries = pool_alloc(pool, zip->count * sizeof *zip->entries))) {
        Place place = {source->path, "directory", d.offset, NULL};
        return place_full(&place);
    }
    TRY(read_directory(zip, pool, &d));
    return relate(zip, pool, d.offset);
}

int64_t zip_find(const Zip *zip, const char *name)
{
    for (uint32_t low = 0, high = zip->count; low < high;) {
        uint32_t middle = low + (high - low) / 2, index = zip->by_name[middle];
        int order = strcmp(zip->entries[index].name + zip->prefix_length, name);
        if (order == 0)
            return index;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* The stream carries the entry's name into messages. */
Status zip_stream(const Zip *zip, int64_t entry, Stream *stream)
{
    const ZipEntry *e = &zip->entries[entry];
    if (e->deflated)
        return stream_open_deflated(stream, zip->source, e->name, e->data, e->packed, e->size);
    stream_open(stream, zip->source, e->name, e->data, e->size);
    return STATUS_OK;
}

Status zip_check_crc(const Zip *zip, int64_t entry, uint32_t crc, const char *key)
{
    const ZipEntry *e = &zip->entries[entry];
    Place place = {zip->source->path, e->name, e->data, key};
    if (crc == e->crc || zip->unchecked)
        return STATUS_OK;
    return place_fail(STATUS_INPUT, &place, "crc 0x%08x ≠ 0x%08x: the bytes are damaged", crc,
                      e->crc);
}

Status zip_verify(const Zip *zip, int64_t entry, const char *key)
{
    enum { CHUNK = 256 * 1024 };
    Stream stream;
    TRY(zip_stream(zip, entry, &stream));
    stream.key = key;
    /* In pieces that stay in the cache, so that the CRC costs no second pass over memory. */
    uint8_t *buffer = mem_alloc(CHUNK);
    Status status = STATUS_OK;
    uint32_t crc = 0;
    while (status == STATUS_OK && stream_left(&stream)) {
        size_t n = stream_left(&stream) < CHUNK ? (size_t)stream_left(&stream) : CHUNK;
        status = stream_read(&stream, buffer, n);
        crc = status == STATUS_OK ? crc_add(crc, buffer, n) : crc;
    }
    if (status == STATUS_OK)
        status = stream_finish(&stream);
    free(buffer);
    stream_close(&stream);
    TRY(status);
    return zip_check_crc(zip, entry, crc, key);
}
