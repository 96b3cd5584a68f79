/* Zip reading: end record, Zip64, directory, local headers, descriptors; then the relations between
 * entries. Nothing is allocated from a number of the file before that number has been compared with
 * its size. */
#include "checkpoint/bytes/zip.h"

#include "checkpoint/bytes/crc.h"
#include "checkpoint/limits.h"

#include <stdlib.h>
#include <string.h>

enum {
    END_BYTES = 22,
    LOCATOR_BYTES = 20,
    WIDE_END_BYTES = 56,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
    FLAG_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13,
    FLAG_DESCRIPTOR = 1 << 3,
    FLAG_KNOWN = 1 << 1 | 1 << 2 | FLAG_DESCRIPTOR | 1 << 11,
};

typedef struct Directory {
    uint64_t offset, size, count;
} Directory;

#define FAIL_AT(entry, at, ...)                                         \
    do {                                                                \
        Place place_ = {source->path, (entry), (at), NULL};             \
        return place_fail(STATUS_INPUT, &place_, __VA_ARGS__);          \
    } while (0)

/* ---- the end of the file */

/* Looks through the last 64 KiB for end records. Exactly one may reach the end of the file with
 * its comment, and no other may begin behind it: two readers could otherwise see two different
 * files. */
static Status find_end(const Source *source, uint64_t *end)
{
    enum { TAIL = 65535 + END_BYTES };
    size_t n = source->size < TAIL ? (size_t)source->size : TAIL;
    uint64_t base = source->size - n;
    uint8_t *tail = mem_alloc(n);
    Status status = source_read(source, base, tail, n);
    int64_t found = -1, last = -1;
    bool twice = false;
    for (size_t i = 0; status == STATUS_OK && i + END_BYTES <= n; i++) {
        if (memcmp(tail + i, "PK\5\6", 4) != 0)
            continue;
        last = (int64_t)i;
        twice = twice || found >= 0;
        if (i + END_BYTES + little16(tail + i + 20) == n && found < 0)
            found = (int64_t)i;
    }
    unsigned comment = last >= 0 ? little16(tail + last + 20) : 0;
    free(tail);
    TRY(status);
    if (twice)
        FAIL_AT("end", base + (uint64_t)last, "ambiguous: two end of central directory records");
    if (last < 0)
        FAIL_AT("end", source->size, "no end of central directory (truncated file?)");
    if (found < 0)
        FAIL_AT("end", base + (uint64_t)last,
                "end of central directory with a comment of %u bytes, but "
                "%llu bytes follow at offset %llu",
                comment, (unsigned long long)(n - (uint64_t)last - END_BYTES),
                (unsigned long long)(base + (uint64_t)last + END_BYTES));
    *end = base + (uint64_t)found;
    return STATUS_OK;
}

/* The Zip64 end record, which must lie right before its locator. *end becomes where the directory
 * ends. */
static Status read_wide_end(const Source *source, uint64_t *end, Directory *d, bool needed)
{
    uint8_t raw[WIDE_END_BYTES];
    uint64_t locator = *end - LOCATOR_BYTES;
    bool there = *end >= LOCATOR_BYTES;
    if (there) {
        TRY(source_read(source, locator, raw, LOCATOR_BYTES));
        there = memcmp(raw, "PK\6\7", 4) == 0;
    }
    if (!there) {
        if (needed)
            FAIL_AT("end", *end,
                    "fields of the end record say Zip64, but there is no Zip64 record");
        return STATUS_OK;
    }
    uint64_t at = little64(raw + 8);
    if (little32(raw + 4) != 0 || little32(raw + 16) > 1)
        FAIL_AT("zip64", locator, "file is part of a set of several disks");
    if (locator < WIDE_END_BYTES || at != locator - WIDE_END_BYTES)
        FAIL_AT("zip64", locator, "Zip64 locator points to offset %llu (expected %llu)",
                (unsigned long long)at, (unsigned long long)(locator - WIDE_END_BYTES));
    TRY(source_read(source, at, raw, WIDE_END_BYTES));
    if (memcmp(raw, "PK\6\6", 4) != 0 || little64(raw + 4) != WIDE_END_BYTES - 12)
        FAIL_AT("zip64", at, "no Zip64 end record where the locator points");
    if (little32(raw + 16) || little32(raw + 20) || little64(raw + 24) != little64(raw + 32))
        FAIL_AT("zip64", at, "file is part of a set of several disks");
    Directory wide = {
        .count = little64(raw + 32), .size = little64(raw + 40), .offset = little64(raw + 48)};
    if ((d->count != 0xffff && d->count != wide.count) ||
        (d->size != 0xffffffff && d->size != wide.size) ||
        (d->offset != 0xffffffff && d->offset != wide.offset))
        FAIL_AT("zip64", at, "Zip64 end record contradicts the end record (%llu vs %llu entries)",
                (unsigned long long)wide.count, (unsigned long long)d->count);
    *d = wide;
    *end = at;
    return STATUS_OK;
}

static Status read_end(const Source *source, Directory *d)
{
    uint8_t raw[END_BYTES];
    uint64_t end = 0, sum;
    TRY(find_end(source, &end));
    TRY(source_read(source, end, raw, END_BYTES));
    if (little16(raw + 4) || little16(raw + 6) || little16(raw + 8) != little16(raw + 10))
        FAIL_AT("end", end, "file is part of a set of several disks");
    *d = (Directory){
        .count = little16(raw + 10), .size = little32(raw + 12), .offset = little32(raw + 16)};
    bool needed = d->count == 0xffff || d->size == 0xffffffff || d->offset == 0xffffffff;
    TRY(read_wide_end(source, &end, d, needed));
    if (d->count > LIMIT_ENTRIES && d->count <= d->size / CENTRAL_BYTES &&
        d->size <= source->size) {
        Place place = {source->path, "end", end, NULL};
        return place_fail(STATUS_LIMIT, &place, "too many entries (%llu vs at most %d)",
                          (unsigned long long)d->count, LIMIT_ENTRIES);
    }
    if (__builtin_add_overflow(d->offset, d->size, &sum) || sum != end)
        FAIL_AT("end", end, "central directory at offset %llu with %llu bytes does not end at %llu",
                (unsigned long long)d->offset, (unsigned long long)d->size,
                (unsigned long long)end);
    if (d->count > d->size / CENTRAL_BYTES || (d->count == 0 && d->size))
        FAIL_AT("end", end, "%llu entries cannot lie in a central directory of %llu bytes",
                (unsigned long long)d->count, (unsigned long long)d->size);
    if (d->count == 0)
        FAIL_AT("end", end, "zip without entries");
    return STATUS_OK;
}

/* ---- one entry of the directory */

/* Finds the Zip64 field among the extra fields: *wide and its *bytes; NULL when there is none. */
static Status find_wide(const Source *source, const char *name, uint64_t at, const uint8_t *extra,
                        size_t length, const uint8_t **wide, size_t *bytes)
{
    *wide = NULL;
    for (size_t used = 0, n; used < length; used += 4 + n) {
        if (length - used < 4 || little16(extra + used + 2) > length - used - 4)
            FAIL_AT(name, at, "extra field runs over its end");
        n = little16(extra + used + 2);
        if (little16(extra + used) != 1)
            continue;
        if (*wide)
            FAIL_AT(name, at, "two Zip64 extra fields");
        *wide = extra + used + 4;
        *bytes = n;
    }
    return STATUS_OK;
}

/* Takes the 64-bit values of a Zip64 extra field for those of `fields` that are saturated. */
static Status read_extra(const Source *source, const char *name, uint64_t at, const uint8_t *extra,
                         size_t length, uint64_t *fields[], int count)
{
    const uint8_t *from;
    size_t needed = 0, n = 0;
    for (int i = 0; i < count; i++)
        needed += *fields[i] == 0xffffffff ? 8 : 0;
    TRY(find_wide(source, name, at, extra, length, &from, &n));
    if (needed && !from)
        FAIL_AT(name, at, "Zip64 extra field is missing");
    if (from && n != needed)
        FAIL_AT(name, at, "Zip64 extra field of %zu bytes (expected %zu)", n, needed);
    for (int i = 0; i < count; i++)
        if (*fields[i] == 0xffffffff) {
            *fields[i] = little64(from);
            from += 8;
        }
    return STATUS_OK;
}

/* Names are only compared, never used as paths; but one that tries to be a path is no honest
 * file. */
static const char *name_fault(const char *name, size_t length)
{
    if (length == 0)
        return "empty";
    if (length > LIMIT_NAME)
        return "longer than 4096 bytes";
    if (memchr(name, 0, length))
        return "with a NUL byte";
    if (!utf8_valid(name, length))
        return "not UTF-8";
    if (name[0] == '/' || memchr(name, '\\', length) || (length > 1 && name[1] == ':'))
        return "an absolute or foreign path";
    for (size_t i = 0, from = 0; i <= length; i++)
        if (i == length || name[i] == '/') {
            size_t n = i - from;
            if ((n == 0 && i < length) || (n == 1 && name[from] == '.') ||
                (n == 2 && name[from] == '.' && name[from + 1] == '.'))
                return "a path out of the archive";
            from = i + 1;
        }
    return NULL;
}

static Status check_entry(const Source *source, const ZipEntry *e, unsigned method, uint64_t at)
{
    uint64_t sum;
    if (e->flags & FLAG_ENCRYPTED)
        FAIL_AT(e->name, at, "encrypted (flags 0x%04x)", e->flags);
    if (e->flags & ~FLAG_KNOWN)
        FAIL_AT(e->name, at, "flags 0x%04x are not supported", e->flags);
    if (method != 0 && method != 8)
        FAIL_AT(e->name, at, "compression method %u is not supported (only 0 and 8)", method);
    if (method == 0 && e->packed != e->size)
        FAIL_AT(e->name, at, "stored entry with two sizes (%llu vs %llu)",
                (unsigned long long)e->packed, (unsigned long long)e->size);
    if (__builtin_add_overflow(e->local, e->packed, &sum) || sum > source->size)
        FAIL_AT(e->name, at,
                "%llu bytes at offset %llu reach over the end of the file (%llu bytes)",
                (unsigned long long)e->packed, (unsigned long long)e->local,
                (unsigned long long)source->size);
    if (method == 8 && e->size / 1032 > e->packed)
        FAIL_AT(e->name, at, "%llu bytes cannot inflate to %llu", (unsigned long long)e->packed,
                (unsigned long long)e->size);
    return STATUS_OK;
}

static Status read_central(Stream *stream, Pool *pool, uint32_t index, ZipEntry *e)
{
    const Source *source = stream->source;
    uint64_t at = stream->begin + stream->at;
    uint8_t raw[CENTRAL_BYTES];
    if (stream_left(stream) < CENTRAL_BYTES)
        FAIL_AT("directory", at, "entry %u runs over the end of the central directory", index);
    TRY(stream_read(stream, raw, CENTRAL_BYTES));
    if (memcmp(raw, "PK\1\2", 4) != 0)
        FAIL_AT("directory", at, "entry %u has no signature", index);
    size_t n = little16(raw + 28), extra = little16(raw + 30), comment = little16(raw + 32);
    if (n + extra + comment > stream_left(stream))
        FAIL_AT("directory", at, "entry %u runs over the end of the central directory", index);
    uint8_t *rest = mem_alloc(n + extra + comment);
    Status status = stream_read(stream, rest, n + extra + comment);
    const char *fault = status == STATUS_OK ? name_fault((const char *)rest, n) : NULL;
    if (fault) {
        Place place = {source->path, "directory", at, NULL};
        status = place_fail(STATUS_INPUT, &place, "name of entry %u is %s", index, fault);
    }
    e->crc = little32(raw + 16);
    e->packed = little32(raw + 20);
    e->size = little32(raw + 24);
    e->local = little32(raw + 42);
    e->flags = little16(raw + 8);
    e->deflated = little16(raw + 10) == 8;
    if (status == STATUS_OK && !(e->name = pool_text(pool, (const char *)rest, n))) {
        Place place = stream_place(stream);
        status = place_full(&place);
    }
    uint64_t *fields[] = {&e->size, &e->packed, &e->local};
    if (status == STATUS_OK)
        status = read_extra(source, e->name, at, rest + n, extra, fields, 3);
    free(rest);
    TRY(status);
    if (little16(raw + 34) != 0)
        FAIL_AT(e->name, at, "entry lies on another disk");
    return check_entry(source, e, little16(raw + 10), at);
}

/* ---- the entry's own header and descriptor */

/* Where sizes follow in a descriptor, PyTorch's writer leaves them zero and yet adds a Zip64 field
 * to entries beyond 4 GiB: of offset, sizes or both, in no place that the format has for them. Only
 * its length is held to. */
static Status skip_extra(const Source *source, const ZipEntry *e, const uint8_t *extra,
                         size_t length)
{
    const uint8_t *wide;
    size_t n = 0;
    TRY(find_wide(source, e->name, e->local, extra, length, &wide, &n));
    if (wide && n != 8 && n != 16 && n != 24 && n != 28)
        FAIL_AT(e->name, e->local, "Zip64 extra field of %zu bytes (expected 8, 16, 24 or 28)", n);
    return STATUS_OK;
}

/* Sizes in the local header may be absent (zero) where a descriptor follows; else they must
 * agree. */
static Status check_local_sizes(const Source *source, const ZipEntry *e, const uint8_t *raw,
                                const uint8_t *extra, size_t length)
{
    uint32_t crc = little32(raw + 14);
    uint64_t packed = little32(raw + 18), size = little32(raw + 22);
    uint64_t *fields[] = {&size, &packed};
    if (e->flags & FLAG_DESCRIPTOR && crc == 0 && packed == 0 && size == 0)
        return skip_extra(source, e, extra, length);
    TRY(read_extra(source, e->name, e->local, extra, length, fields, 2));
    if (crc == e->crc && packed == e->packed && size == e->size)
        return STATUS_OK;
    FAIL_AT(e->name, e->local,
            "local header contradicts the directory (crc 0x%08x, %llu, %llu bytes vs "
            "0x%08x, %llu, %llu)",
            crc, (unsigned long long)packed, (unsigned long long)size, e->crc,
            (unsigned long long)e->packed, (unsigned long long)e->size);
}

static Status check_descriptor(const Source *source, ZipEntry *e)
{
    uint8_t raw[24] = {0};
    uint64_t left = source->size - e->end;
    size_t n = left < sizeof raw ? (size_t)left : sizeof raw;
    TRY(source_read(source, e->end, raw, n));
    bool begins = n >= 16 && memcmp(raw, "PK\7\10", 4) == 0 && little32(raw + 4) == e->crc;
    if (begins && little32(raw + 8) == e->packed && little32(raw + 12) == e->size) {
        e->end += 16;
    } else if (begins && n == 24 && little64(raw + 8) == e->packed &&
               little64(raw + 16) == e->size) {
        e->end += 24;
    } else {
        FAIL_AT(e->name, e->end, "data descriptor contradicts the directory");
    }
    return STATUS_OK;
}

static Status check_local(const Source *source, ZipEntry *e, uint64_t directory)
{
    uint8_t raw[LOCAL_BYTES];
    if (e->local > directory || directory - e->local < LOCAL_BYTES)
        FAIL_AT(e->name, e->local, "local header lies outside the data (they end at %llu)",
                (unsigned long long)directory);
    TRY(source_read(source, e->local, raw, LOCAL_BYTES));
    if (memcmp(raw, "PK\3\4", 4) != 0)
        FAIL_AT(e->name, e->local, "no local header here (signature 0x%08x)", little32(raw));
    size_t n = little16(raw + 26), extra = little16(raw + 28);
    uint64_t room = directory - e->local - LOCAL_BYTES;
    if (n + extra > room || e->packed > room - n - extra)
        FAIL_AT(e->name, e->local, "data reach into the central directory");
    char *name = mem_alloc(n + extra);
    Status status = source_read(source, e->local + LOCAL_BYTES, name, n + extra);
    if (status == STATUS_OK && (n != strlen(e->name) || memcmp(name, e->name, n) != 0)) {
        Place place = {source->path, e->name, e->local, NULL};
        status = place_fail(STATUS_INPUT, &place, "local header names '%.*s' (expected '%.100s')",
                            n < 100 ? (int)n : 100, name, e->name);
    }
    if (status == STATUS_OK)
        status = check_local_sizes(source, e, raw, (const uint8_t *)name + n, extra);
    free(name);
    TRY(status);
    if (little16(raw + 6) != e->flags || little16(raw + 8) != (e->deflated ? 8 : 0))
        FAIL_AT(e->name, e->local,
                "local header contradicts the directory (flags 0x%04x, method %u)",
                little16(raw + 6), little16(raw + 8));
    e->data = e->local + LOCAL_BYTES + n + extra;
    e->end = e->data + e->packed;
    return e->flags & FLAG_DESCRIPTOR ? check_descriptor(source, e) : STATUS_OK;
}

/* ---- relations between entries */

typedef struct Sorted {
    const ZipEntry *entry;
    uint32_t index;
} Sorted;

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

static Status check_names(const Zip *zip, Sorted *sorted)
{
    const Source *source = zip->source;
    qsort(sorted, zip->count, sizeof *sorted, by_folded_name);
    for (uint32_t i = 1; i < zip->count; i++) {
        const ZipEntry *a = sorted[i - 1].entry, *b = sorted[i].entry;
        if (compare_folded(a->name, b->name) == 0)
            FAIL_AT(b->name, b->local, strcmp(a->name, b->name) == 0 ? "entry stands twice in the "
                    "directory (%.100s)" : "entry differs from %.100s in case only", a->name);
    }
    return STATUS_OK;
}

static Status check_overlaps(const Zip *zip, Sorted *sorted, uint64_t directory)
{
    const Source *source = zip->source;
    qsort(sorted, zip->count, sizeof *sorted, by_offset);
    for (uint32_t i = 0; i < zip->count; i++) {
        const ZipEntry *a = sorted[i].entry, *b = i + 1 < zip->count ? sorted[i + 1].entry : NULL;
        if (a->end > (b ? b->local : directory))
            FAIL_AT(a->name, a->local, "entries %.100s and %.100s overlap", a->name,
                    b ? b->name : "central directory");
    }
    if (sorted[0].entry->local != 0)
        FAIL_AT(sorted[0].entry->name, sorted[0].entry->local,
                "%llu bytes stand before the first entry",
                (unsigned long long)sorted[0].entry->local);
    return STATUS_OK;
}

static Status check_prefix(Zip *zip, Pool *pool)
{
    const Source *source = zip->source;
    const char *first = zip->entries[0].name, *slash = strchr(first, '/');
    if (!slash)
        FAIL_AT(first, zip->entries[0].local, "entry lies in no folder: no PyTorch checkpoint");
    zip->prefix_length = (size_t)(slash - first) + 1;
    if (!(zip->prefix = pool_text(pool, first, zip->prefix_length))) {
        Place place = {source->path, first, 0, NULL};
        return place_full(&place);
    }
    for (uint32_t i = 0; i < zip->count; i++)
        if (strncmp(zip->entries[i].name, zip->prefix, zip->prefix_length) != 0)
            FAIL_AT(zip->entries[i].name, zip->entries[i].local,
                    "entry lies outside the folder '%.100s'", zip->prefix);
    return STATUS_OK;
}

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
    qsort(sorted, zip->count, sizeof *sorted, by_name);
    for (uint32_t i = 0; i < zip->count; i++)
        zip->by_name[i] = sorted[i].index;
    free(sorted);
    pool_release(pool, 2 * bytes);
    TRY(status);
    return check_prefix(zip, pool);
}

static Status read_directory(Zip *zip, Pool *pool, const Directory *d)
{
    Stream stream;
    Status status = STATUS_OK;
    stream_open(&stream, zip->source, "directory", d->offset, d->size);
    zip->unchecked = true;
    for (uint32_t i = 0; i < zip->count && status == STATUS_OK; i++) {
        status = read_central(&stream, pool, i, &zip->entries[i]);
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
        status = check_local(zip->source, &zip->entries[i], d->offset);
    return status;
}

Status zip_open(const Source *source, Pool *pool, Zip *zip)
{
    Directory d = {0};
    *zip = (Zip){.source = source};
    TRY(read_end(source, &d));
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
