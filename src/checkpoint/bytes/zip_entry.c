/* One entry of a zip: its record in the directory, and its own header, extra fields and descriptor,
 * which must say the same. What only other writers use (encryption, methods but stored and
 * deflated, several disks) is refused. */
#include "checkpoint/bytes/zip_parts.h"

#include "base/arena.h"
#include "base/utf8.h"
#include "checkpoint/bytes/limits.h"
#include "checkpoint/bytes/little.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOCAL_BYTES = 30,
    FLAG_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13,
    FLAG_DESCRIPTOR = 1 << 3,
    FLAG_KNOWN = 1 << 1 | 1 << 2 | FLAG_DESCRIPTOR | 1 << 11,
};

/* ---- the directory's record */

/* Finds the Zip64 field among the extra fields: *wide and its *bytes; NULL when there is none. */
static Status find_wide(const Source *source, const char *name, uint64_t at, const uint8_t *extra,
                        size_t length, const uint8_t **wide, size_t *bytes)
{
    *wide = NULL;
    for (size_t used = 0, n; used < length; used += 4 + n) {
        if (length - used < 4 || little16(extra + used + 2) > length - used - 4)
            ZIP_FAIL(name, at, "extra field runs over its end");
        n = little16(extra + used + 2);
        if (little16(extra + used) != 1)
            continue;
        if (*wide)
            ZIP_FAIL(name, at, "two Zip64 extra fields");
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
    /* The field holds just the values that did not fit, in a fixed order, and nothing else. */
    for (int i = 0; i < count; i++)
        needed += *fields[i] == 0xffffffff ? 8 : 0;
    TRY(find_wide(source, name, at, extra, length, &from, &n));
    if (needed && !from)
        ZIP_FAIL(name, at, "Zip64 extra field is missing");
    if (from && n != needed)
        ZIP_FAIL(name, at, "Zip64 extra field of %zu bytes (expected %zu)", n, needed);
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

/* What the directory says of an entry by itself, before its own header is looked at. */
static Status check_entry(const Source *source, const ZipEntry *e, unsigned method, uint64_t at)
{
    uint64_t sum;
    if (e->flags & FLAG_ENCRYPTED)
        ZIP_FAIL(e->name, at, "encrypted (flags 0x%04x)", e->flags);
    if (e->flags & ~FLAG_KNOWN)
        ZIP_FAIL(e->name, at, "flags 0x%04x are not supported", e->flags);
    if (method != 0 && method != 8)
        ZIP_FAIL(e->name, at, "compression method %u is not supported (only 0 and 8)", method);
    if (method == 0 && e->packed != e->size)
        ZIP_FAIL(e->name, at, "stored entry with two sizes (%llu vs %llu)",
                 (unsigned long long)e->packed, (unsigned long long)e->size);
    if (__builtin_add_overflow(e->local, e->packed, &sum) || sum > source->size)
        ZIP_FAIL(e->name, at,
                 "%llu bytes at offset %llu reach over the end of the file (%llu bytes)",
                 (unsigned long long)e->packed, (unsigned long long)e->local,
                 (unsigned long long)source->size);
    /* Deflate makes at most 1032 bytes of one. */
    if (method == 8 && e->size / 1032 > e->packed)
        ZIP_FAIL(e->name, at, "%llu bytes cannot inflate to %llu", (unsigned long long)e->packed,
                 (unsigned long long)e->size);
    return STATUS_OK;
}

Status zip_read_entry(Stream *stream, Pool *pool, uint32_t index, ZipEntry *e)
{
    const Source *source = stream->source;
    uint64_t at = stream->begin + stream->at;
    uint8_t raw[ZIP_CENTRAL_BYTES];
    if (stream_left(stream) < ZIP_CENTRAL_BYTES)
        ZIP_FAIL("directory", at, "entry %u runs over the end of the central directory", index);
    TRY(stream_read(stream, raw, ZIP_CENTRAL_BYTES));
    /* A wrong signature here means that the sizes before it were wrong. */
    if (memcmp(raw, "PK\1\2", 4) != 0)
        ZIP_FAIL("directory", at, "entry %u has no signature", index);
    size_t n = little16(raw + 28), extra = little16(raw + 30), comment = little16(raw + 32);
    if (n + extra + comment > stream_left(stream))
        ZIP_FAIL("directory", at, "entry %u runs over the end of the central directory", index);
    /* At most three times 64 KiB. */
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
    /* In the order that the format prescribes. */
    uint64_t *fields[] = {&e->size, &e->packed, &e->local};
    if (status == STATUS_OK)
        status = read_extra(source, e->name, at, rest + n, extra, fields, 3);
    free(rest);
    TRY(status);
    if (little16(raw + 34) != 0)
        ZIP_FAIL(e->name, at, "entry lies on another disk");
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
        ZIP_FAIL(e->name, e->local, "Zip64 extra field of %zu bytes (expected 8, 16, 24 or 28)", n);
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
    ZIP_FAIL(e->name, e->local,
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
    /* With 32-bit sizes or, after entries beyond 4 GiB, with 64-bit ones: the sizes tell which. */
    bool begins = n >= 16 && memcmp(raw, "PK\7\10", 4) == 0 && little32(raw + 4) == e->crc;
    if (begins && little32(raw + 8) == e->packed && little32(raw + 12) == e->size) {
        e->end += 16;
    } else if (begins && n == 24 && little64(raw + 8) == e->packed &&
               little64(raw + 16) == e->size) {
        e->end += 24;
    } else {
        ZIP_FAIL(e->name, e->end, "data descriptor contradicts the directory");
    }
    return STATUS_OK;
}

Status zip_read_local(const Source *source, ZipEntry *e, uint64_t directory)
{
    uint8_t raw[LOCAL_BYTES];
    if (e->local > directory || directory - e->local < LOCAL_BYTES)
        ZIP_FAIL(e->name, e->local, "local header lies outside the data (they end at %llu)",
                 (unsigned long long)directory);
    TRY(source_read(source, e->local, raw, LOCAL_BYTES));
    if (memcmp(raw, "PK\3\4", 4) != 0)
        ZIP_FAIL(e->name, e->local, "no local header here (signature 0x%08x)", little32(raw));
    size_t n = little16(raw + 26), extra = little16(raw + 28);
    /* Extra fields may differ from the directory's, and so where the data begin is only known
     * here. */
    uint64_t room = directory - e->local - LOCAL_BYTES;
    if (n + extra > room || e->packed > room - n - extra)
        ZIP_FAIL(e->name, e->local, "data reach into the central directory");
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
        ZIP_FAIL(e->name, e->local,
                 "local header contradicts the directory (flags 0x%04x, method %u)",
                 little16(raw + 6), little16(raw + 8));
    e->data = e->local + LOCAL_BYTES + n + extra;
    e->end = e->data + e->packed;
    return e->flags & FLAG_DESCRIPTOR ? check_descriptor(source, e) : STATUS_OK;
}
