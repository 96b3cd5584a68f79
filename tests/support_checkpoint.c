/* Support of the checkpoint tests. */
#define _XOPEN_SOURCE 700 /* nftw, mkdtemp */
#include "support_checkpoint.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/file.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

bool full_mode(void)
{
    const char *full = getenv("PACO_FULL");
    return full && *full && strcmp(full, "0") != 0;
}

char *temporary_folder(void)
{
    const char *base = getenv("TMPDIR");
    char *path = file_join(base ? base : "/tmp", "paco_test_XXXXXX");
    CHECKF(mkdtemp(path), "%s", path);
    return path;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st, (void)kind, (void)where;
    return remove(path);
}

void remove_folder(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void bytes_add(Bytes *b, const void *data, size_t size)
{
    if (b->size + size > b->room) {
        b->room = (b->size + size) * 2 + 64;
        b->data = mem_grow(b->data, b->room);
    }
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

void bytes_text(Bytes *b, const char *text) { bytes_add(b, text, strlen(text)); }

void bytes_byte(Bytes *b, int value)
{
    uint8_t byte = (uint8_t)value;
    bytes_add(b, &byte, 1);
}

void bytes_little(Bytes *b, uint64_t value, int count)
{
    for (int i = 0; i < count; i++)
        bytes_byte(b, (int)(i < 8 ? value >> 8 * i & 255 : 0));
}

void bytes_free(Bytes *b)
{
    free(b->data);
    *b = (Bytes){0};
}

Bytes bytes_read(const char *path)
{
    Bytes b = {0};
    CHECKF(file_read(path, (size_t)1 << 30, &b.data, &b.size) == STATUS_OK, "%s", status_text());
    b.room = b.size;
    return b;
}

void bytes_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    CHECKF(file && fwrite(data, 1, size, file) == size && fclose(file) == 0, "%s", path);
}

void pickle_text(Bytes *p, const char *text)
{
    bytes_byte(p, 'X');
    bytes_little(p, strlen(text), 4);
    bytes_text(p, text);
}

void pickle_int(Bytes *p, int64_t value)
{
    if (value >= 0 && value < 256) {
        bytes_byte(p, 'K');
        bytes_byte(p, (int)value);
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
        bytes_byte(p, 'J');
        bytes_little(p, (uint64_t)value, 4);
    } else {
        bytes_text(p, "\x8a\x08");
        bytes_little(p, (uint64_t)value, 8);
    }
}

void pickle_global(Bytes *p, const char *module, const char *name)
{
    bytes_byte(p, 'c');
    bytes_text(p, module);
    bytes_byte(p, '\n');
    bytes_text(p, name);
    bytes_byte(p, '\n');
}

static void pickle_sizes(Bytes *p, int rank, const int64_t *size)
{
    bytes_byte(p, '(');
    for (int i = 0; i < rank; i++)
        pickle_int(p, size[i]);
    bytes_byte(p, 't');
}

void pickle_tensor(Bytes *p, const char *stem, const char *key, int64_t numel, int64_t offset,
                   int rank, const int64_t *size, const int64_t *stride, bool legacy)
{
    char class_name[64];
    snprintf(class_name, sizeof class_name, "%sStorage", stem);
    pickle_global(p, "torch._utils", "_rebuild_tensor_v2");
    bytes_text(p, "((");
    pickle_text(p, "storage");
    pickle_global(p, "torch", class_name);
    pickle_text(p, key);
    pickle_text(p, "cpu");
    pickle_int(p, numel);
    bytes_text(p, legacy ? "NtQ" : "tQ");
    pickle_int(p, offset);
    pickle_sizes(p, rank, size);
    pickle_sizes(p, rank, stride);
    bytes_byte(p, 0x89);
    pickle_global(p, "collections", "OrderedDict");
    bytes_text(p, ")RtR");
}

static Bytes deflated(const void *data, size_t size)
{
    Bytes out = {.room = compressBound(size) + 64};
    out.data = mem_alloc(out.room);
    z_stream z = {0};
    CHECK(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)size;
    z.next_out = out.data;
    z.avail_out = (uInt)out.room;
    CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out.size = z.total_out;
    deflateEnd(&z);
    return out;
}

void zip_build_entry(ZipBuild *zip, const char *name, const void *data, size_t size,
                     const ZipField *field)
{
    zip_build_named(zip, name, strlen(name), data, size, field);
}

void zip_build_named(ZipBuild *zip, const char *name, size_t length, const void *data, size_t size,
                     const ZipField *field)
{
    ZipField none = {0};
    const ZipField *f = field ? field : &none;
    uint32_t crc = f->no_crc ? 0 : (uint32_t)crc32(0, data, (uInt)size) ^ (f->bad_crc ? 1u : 0);
    Bytes packed = {0};
    if (f->deflate)
        packed = deflated(data, size);
    else
        bytes_add(&packed, data, size);
    bytes_little(&packed, 0, (int)f->tail);
    uint64_t offset = zip->file.size;
    uint16_t method = f->method ? f->method : f->deflate ? 8 : 0;
    uint16_t flags = (uint16_t)(f->flags | (f->descriptor ? 8 : 0));
    const char *local_name = f->local_name ? f->local_name : name;
    size_t local_length = f->local_name ? strlen(f->local_name) : length;
    uint64_t declared = size + (uint64_t)f->size_change,
             held = packed.size + (uint64_t)f->packed_change;
    Bytes *b = &zip->file;
    bytes_little(b, f->local_signature ? f->local_signature : 0x04034b50, 4);
    bytes_little(b, 20, 2);
    bytes_little(b, (uint64_t)(flags ^ f->local_flags), 2);
    bytes_little(b, method, 2);
    bytes_little(b, 0, 4);
    bytes_little(b, f->descriptor ? 0 : crc, 4);
    bytes_little(b, f->descriptor ? 0 : held, 4);
    bytes_little(b, f->descriptor ? 0 : declared, 4);
    bytes_little(b, local_length, 2);
    bytes_little(b, f->extra_size, 2);
    bytes_add(b, local_name, local_length);
    bytes_add(b, f->local_extra, f->extra_size);
    bytes_add(b, packed.data, packed.size);
    if (f->descriptor) {
        bytes_text(b, "PK\7\10");
        bytes_little(b, crc, 4);
        bytes_little(b, held, f->wide_descriptor ? 8 : 4);
        bytes_little(b, declared + (f->bad_descriptor ? 1 : 0), f->wide_descriptor ? 8 : 4);
    }
    b = &zip->central;
    bytes_text(b, "PK\1\2");
    bytes_little(b, 20 << 16 | 20, 4);
    bytes_little(b, flags, 2);
    bytes_little(b, method, 2);
    bytes_little(b, 0, 4);
    bytes_little(b, crc, 4);
    bytes_little(b, held, 4);
    bytes_little(b, declared, 4);
    bytes_little(b, length, 2);
    bytes_little(b, 0, 12);
    bytes_little(b, offset + (uint64_t)f->offset_change, 4);
    bytes_add(b, name, length);
    zip->count++;
    bytes_free(&packed);
}

void zip_build_end(ZipBuild *zip, const char *comment)
{
    uint64_t at = zip->file.size;
    bytes_add(&zip->file, zip->central.data, zip->central.size);
    bytes_text(&zip->file, "PK\5\6");
    bytes_little(&zip->file, 0, 4);
    bytes_little(&zip->file, zip->count, 2);
    bytes_little(&zip->file, zip->count, 2);
    bytes_little(&zip->file, zip->central.size, 4);
    bytes_little(&zip->file, at, 4);
    bytes_little(&zip->file, strlen(comment), 2);
    bytes_text(&zip->file, comment);
}

void zip_build_free(ZipBuild *zip)
{
    bytes_free(&zip->file);
    bytes_free(&zip->central);
    zip->count = 0;
}
