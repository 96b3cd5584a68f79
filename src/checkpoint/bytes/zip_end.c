/* The end of a zip: end record, Zip64 record and locator. Nothing is believed of a number in them
 * before it has been compared with the file's size. */
#include "checkpoint/bytes/zip_parts.h"

#include "base/arena.h"
#include "checkpoint/bytes/limits.h"
#include "checkpoint/bytes/little.h"

#include <stdlib.h>
#include <string.h>

enum { END_BYTES = 22, LOCATOR_BYTES = 20, WIDE_END_BYTES = 56 };

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
    /* All of them are looked at: a comment may hold what looks like an end record. */
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
        ZIP_FAIL("end", base + (uint64_t)last, "ambiguous: two end of central directory records");
    if (last < 0)
        ZIP_FAIL("end", source->size, "no end of central directory (truncated file?)");
    if (found < 0)
        ZIP_FAIL("end", base + (uint64_t)last,
                 "end of central directory with a comment of %u bytes, but "
                 "%llu bytes follow at offset %llu",
                 comment, (unsigned long long)(n - (uint64_t)last - END_BYTES),
                 (unsigned long long)(base + (uint64_t)last + END_BYTES));
    *end = base + (uint64_t)found;
    return STATUS_OK;
}

/* The Zip64 end record, which must lie right before its locator. *end becomes where the directory
 * ends. */
static Status read_wide_end(const Source *source, uint64_t *end, ZipDirectory *d, bool needed)
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
            ZIP_FAIL("end", *end,
                     "fields of the end record say Zip64, but there is no Zip64 record");
        return STATUS_OK;
    }
    uint64_t at = little64(raw + 8);
    if (little32(raw + 4) != 0 || little32(raw + 16) > 1)
        ZIP_FAIL("zip64", locator, "file is part of a set of several disks");
    if (locator < WIDE_END_BYTES || at != locator - WIDE_END_BYTES)
        ZIP_FAIL("zip64", locator, "Zip64 locator points to offset %llu (expected %llu)",
                 (unsigned long long)at, (unsigned long long)(locator - WIDE_END_BYTES));
    TRY(source_read(source, at, raw, WIDE_END_BYTES));
    if (memcmp(raw, "PK\6\6", 4) != 0 || little64(raw + 4) != WIDE_END_BYTES - 12)
        ZIP_FAIL("zip64", at, "no Zip64 end record where the locator points");
    if (little32(raw + 16) || little32(raw + 20) || little64(raw + 24) != little64(raw + 32))
        ZIP_FAIL("zip64", at, "file is part of a set of several disks");
    ZipDirectory wide = {
        .count = little64(raw + 32), .size = little64(raw + 40), .offset = little64(raw + 48)};
    if ((d->count != 0xffff && d->count != wide.count) ||
        (d->size != 0xffffffff && d->size != wide.size) ||
        (d->offset != 0xffffffff && d->offset != wide.offset))
        ZIP_FAIL("zip64", at, "Zip64 end record contradicts the end record (%llu vs %llu entries)",
                 (unsigned long long)wide.count, (unsigned long long)d->count);
    /* The fields of 32 bits agree or are saturated: the wide ones are believed. */
    *d = wide;
    *end = at;
    return STATUS_OK;
}

Status zip_read_end(const Source *source, ZipDirectory *d)
{
    uint8_t raw[END_BYTES];
    uint64_t end = 0, sum;
    TRY(find_end(source, &end));
    TRY(source_read(source, end, raw, END_BYTES));
    if (little16(raw + 4) || little16(raw + 6) || little16(raw + 8) != little16(raw + 10))
        ZIP_FAIL("end", end, "file is part of a set of several disks");
    *d = (ZipDirectory){
        .count = little16(raw + 10), .size = little32(raw + 12), .offset = little32(raw + 16)};
    /* A saturated field is a promise of a Zip64 record. */
    bool needed = d->count == 0xffff || d->size == 0xffffffff || d->offset == 0xffffffff;
    TRY(read_wide_end(source, &end, d, needed));
    /* Only a directory that could really hold so many reaches a limit; else it is malformed,
     * below. */
    if (d->count > LIMIT_ENTRIES && d->count <= d->size / ZIP_CENTRAL_BYTES &&
        d->size <= source->size) {
        Place place = {source->path, "end", end, NULL};
        return place_fail(STATUS_LIMIT, &place, "too many entries (%llu vs at most %d)",
                          (unsigned long long)d->count, LIMIT_ENTRIES);
    }
    if (__builtin_add_overflow(d->offset, d->size, &sum) || sum != end)
        ZIP_FAIL(
            "end", end, "central directory at offset %llu with %llu bytes does not end at %llu",
            (unsigned long long)d->offset, (unsigned long long)d->size, (unsigned long long)end);
    if (d->count > d->size / ZIP_CENTRAL_BYTES || (d->count == 0 && d->size))
        ZIP_FAIL("end", end, "%llu entries cannot lie in a central directory of %llu bytes",
                 (unsigned long long)d->count, (unsigned long long)d->size);
    if (d->count == 0)
        ZIP_FAIL("end", end, "zip without entries");
    return STATUS_OK;
}
