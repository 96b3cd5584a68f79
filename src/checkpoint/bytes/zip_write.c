/* The three kinds of record that a zip has, as PyTorch's own writer lays them out. */
#include "checkpoint/bytes/zip_write.h"

#include "base/arena.h"
#include "base/check.h"
#include "checkpoint/bytes/crc.h"
#include "checkpoint/bytes/little.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGN = 64,
    DOS_DATE = 0x0021,   /* the first day that the format knows: files do not depend on the clock */
    PADDING_ID = 0x4246, /* an extra field that only takes up room */
    WIDE_ID = 1,         /* the extra field of Zip64 */
    FLAG_UTF8 = 0x0800,
    VERSION_PLAIN = 20,
    VERSION_WIDE = 45,
};

struct ZipRecord {
    char name[ZIP_NAME_MOST + 1];
    uint64_t offset, size;
    uint32_t crc;
};

/* A field of 16 or 32 bits whose value is too large is all ones; the value then stands in a Zip64
 * field or record. */
static bool is_wide(uint64_t value)
{
    return value >= 0xffffffff;
}

static void store32(uint8_t *to, uint64_t value)
{
    little_store(to, is_wide(value) ? 0xffffffff : value, 4);
}

static void store16(uint8_t *to, uint64_t value)
{
    little_store(to, value < 0xffff ? value : 0xffff, 2);
}

/* What local header and directory say alike of a record, from its flags on: flags, method, time,
 * date, CRC, both sizes, length of the name, length of the extra fields. */
static void store_common(uint8_t *to, const ZipRecord *r, size_t extra)
{
    little_store(to, FLAG_UTF8, 2);
    little_store(to + 6, DOS_DATE, 2);
    little_store(to + 8, r->crc, 4);
    store32(to + 12, r->size);
    store32(to + 16, r->size);
    little_store(to + 20, strlen(r->name), 2);
    little_store(to + 22, extra, 2);
}

/* The Zip64 field of a record: both sizes where they are wide, the offset where it is asked for and
 * wide. Returns its bytes, 0 where nothing is wide. */
static size_t store_wide(uint8_t extra[28], const ZipRecord *r, bool with_offset)
{
    size_t used = 4;
    for (int i = 0; is_wide(r->size) && i < 2; i++, used += 8)
        little_store(extra + used, r->size, 8);
    if (with_offset && is_wide(r->offset)) {
        little_store(extra + used, r->offset, 8);
        used += 8;
    }
    little_store(extra, WIDE_ID, 2);
    little_store(extra + 2, used - 4, 2);
    return used > 4 ? used : 0;
}

static int version(size_t wide_bytes)
{
    return wide_bytes ? VERSION_WIDE : VERSION_PLAIN;
}

/* The local header, with padding so that what follows it begins at a multiple of ALIGN. */
static Status put_local(const ZipWriter *w, const ZipRecord *r)
{
    uint8_t header[30] = "PK\3\4", extra[28 + 4 + ALIGN];
    size_t length = strlen(r->name), used = store_wide(extra, r, false);
    little_store(header + 4, (uint64_t)version(used), 2);
    uint64_t end = r->offset + sizeof header + length + used + 4;
    size_t padding = (size_t)(ALIGN - end % ALIGN) % ALIGN;
    little_store(extra + used, PADDING_ID, 2);
    little_store(extra + used + 2, padding, 2);
    memset(extra + used + 4, 'Z', padding);
    used += 4 + padding;
    store_common(header + 6, r, used);
    TRY(sink_write(w->sink, header, sizeof header));
    TRY(sink_write(w->sink, r->name, length));
    return sink_write(w->sink, extra, used);
}

/* A record of the directory. */
static Status put_central(const ZipWriter *w, const ZipRecord *r)
{
    uint8_t header[46] = "PK\1\2", extra[28];
    size_t used = store_wide(extra, r, true);
    little_store(header + 4, (uint64_t)version(used), 2); /* written by, needed to read */
    little_store(header + 6, (uint64_t)version(used), 2);
    store_common(header + 8, r, used);
    store32(header + 42, r->offset);
    TRY(sink_write(w->sink, header, sizeof header));
    TRY(sink_write(w->sink, r->name, strlen(r->name)));
    return sink_write(w->sink, extra, used);
}

/* The Zip64 end record and its locator, for a directory of `size` bytes at `offset`. */
static Status put_wide_end(const ZipWriter *w, uint64_t offset, uint64_t size)
{
    uint8_t end[56] = "PK\6\6", locator[20] = "PK\6\7";
    little_store(end + 4, sizeof end - 12, 8);
    little_store(end + 12, VERSION_WIDE, 2);
    little_store(end + 14, VERSION_WIDE, 2);
    little_store(end + 24, w->count, 8);
    little_store(end + 32, w->count, 8);
    little_store(end + 40, size, 8);
    little_store(end + 48, offset, 8);
    little_store(locator + 8, offset + size, 8);
    little_store(locator + 16, 1, 4);
    TRY(sink_write(w->sink, end, sizeof end));
    return sink_write(w->sink, locator, sizeof locator);
}

Status zip_writer_add(ZipWriter *w, const char *name, const void *bytes, uint64_t size)
{
    size_t length = strlen(name);
    /* Names are this program's own. */
    CHECKF(length <= ZIP_NAME_MOST, "%s", name);
    if (w->count == w->room) {
        w->room = w->room ? 2 * w->room : 256;
        w->records = mem_grow(w->records, w->room * sizeof *w->records);
    }
    ZipRecord *r = &w->records[w->count++];
    *r = (ZipRecord){.offset = sink_position(w->sink), .size = size};
    memcpy(r->name, name, length + 1);
    r->crc = crc_add(0, bytes, (size_t)size);
    TRY(put_local(w, r));
    return sink_write(w->sink, bytes, (size_t)size);
}

Status zip_writer_finish(ZipWriter *w)
{
    uint8_t end[22] = "PK\5\6";
    uint64_t offset = sink_position(w->sink);
    for (uint32_t i = 0; i < w->count; i++)
        TRY(put_central(w, &w->records[i]));
    uint64_t size = sink_position(w->sink) - offset;
    /* Readers look for the Zip64 record where a field is saturated. */
    if (w->count >= 0xffff || is_wide(offset) || is_wide(size))
        TRY(put_wide_end(w, offset, size));
    store16(end + 8, w->count);
    store16(end + 10, w->count);
    store32(end + 12, size);
    store32(end + 16, offset);
    return sink_write(w->sink, end, sizeof end);
}

void zip_writer_free(ZipWriter *w)
{
    free(w->records);
    w->records = NULL;
}
