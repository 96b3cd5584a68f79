/* BMP, read here: a header, a palette, rows from the bottom up in multiples of four bytes, plain or
 * in runs (RLE8, RLE4). Of 16 and 32 bits the masks that Pillow knows. */
#include "image/decode_job.h"

#include "base/arena.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PLAIN, RUNS8, RUNS4, MASKS };

typedef struct Bmp {
    DecodeJob *job;
    uint32_t header, bits, compression, colours;
    uint32_t width, height, pixels; /* pixels: place of the rows */
    bool top_down;
    uint32_t masks[3];
    uint8_t palette[256][3];
} Bmp;

static uint32_t get16(const uint8_t *b)
{
    return b[0] | (uint32_t)b[1] << 8;
}

static uint32_t get32(const uint8_t *b)
{
    return get16(b) | get16(b + 2) << 16;
}

static Status bad(const Bmp *bmp, const char *what)
{
    return status_fail(STATUS_INPUT, "%s: BMP: %s", bmp->job->name, what);
}

/* ------------------------------------------------------------------------------------ header */

static void read_palette(Bmp *bmp, size_t at, size_t entry)
{
    const DecodeJob *job = bmp->job;
    for (uint32_t i = 0; i < 256; i++) {
        size_t from = at + i * entry;
        bool given = i < bmp->colours && from + 3 <= job->size;
        for (int c = 0; c < 3; c++)
            bmp->palette[i][c] = given ? job->bytes[from + 2 - (size_t)c] : (uint8_t)i;
    }
}

static Status read_sizes(Bmp *bmp)
{
    const uint8_t *b = bmp->job->bytes;
    bool old = bmp->header == 12;
    if (old) {
        bmp->width = get16(b + 18);
        bmp->height = get16(b + 20);
        bmp->bits = get16(b + 24);
        return STATUS_OK;
    }
    int32_t height = (int32_t)get32(b + 22);
    bmp->width = get32(b + 18);
    bmp->top_down = height < 0;
    bmp->height = height < 0 ? 0u - (uint32_t)height : (uint32_t)height;
    bmp->bits = get16(b + 28);
    bmp->compression = get32(b + 30);
    bmp->colours = get32(b + 46);
    return STATUS_OK;
}

static Status read_header(Bmp *bmp)
{
    const DecodeJob *job = bmp->job;
    if (job->size < 18)
        return bad(bmp, "truncated");
    bmp->pixels = get32(job->bytes + 10);
    bmp->header = get32(job->bytes + 14);
    bool known = bmp->header == 12 || bmp->header == 40 || bmp->header == 52 ||
                 bmp->header == 56 || bmp->header == 64 || bmp->header == 108 || bmp->header == 124;
    if (!known || job->size < 14 + (size_t)bmp->header)
        return bad(bmp, "unknown header");
    TRY(read_sizes(bmp));
    size_t behind = 14 + (size_t)bmp->header;
    if (bmp->compression == MASKS) {
        if (job->size < 66)
            return bad(bmp, "truncated");
        for (int c = 0; c < 3; c++)
            bmp->masks[c] = get32(job->bytes + 54 + 4 * c);
        behind = bmp->header == 40 ? behind + 12 : behind;
    }
    if (bmp->bits <= 8 && bmp->colours == 0)
        bmp->colours = 1u << bmp->bits;
    if (bmp->bits <= 8)
        read_palette(bmp, behind, bmp->header == 12 ? 3 : 4);
    return STATUS_OK;
}

/* Whether there is a reader for what the header says. */
static Status check_kind(Bmp *bmp)
{
    static const uint32_t wide[3] = {0xff0000, 0xff00, 0xff}, other[3] = {0xff, 0xff00, 0xff0000},
                          shifted[3] = {0xff000000, 0xff0000, 0xff00},
                          five[3] = {0x7c00, 0x3e0, 0x1f}, six[3] = {0xf800, 0x7e0, 0x1f};
    bool good = false;
    if (bmp->compression == MASKS && bmp->bits == 32)
        good = !memcmp(bmp->masks, wide, sizeof wide) || !memcmp(bmp->masks, other, sizeof other) ||
               !memcmp(bmp->masks, shifted, sizeof shifted);
    else if (bmp->compression == MASKS && bmp->bits == 24)
        good = !memcmp(bmp->masks, wide, sizeof wide);
    else if (bmp->compression == MASKS && bmp->bits == 16)
        good = !memcmp(bmp->masks, five, sizeof five) || !memcmp(bmp->masks, six, sizeof six);
    else if (bmp->compression == PLAIN)
        good = bmp->bits == 1 || bmp->bits == 4 || bmp->bits == 8 || bmp->bits == 16 ||
               bmp->bits == 24 || bmp->bits == 32;
    else
        good = (bmp->compression == RUNS8 && bmp->bits == 8) ||
               (bmp->compression == RUNS4 && bmp->bits == 4);
    if (!good)
        return status_fail(STATUS_INPUT, "%s: BMP: %u bits with compression %u are not read",
                           bmp->job->name, bmp->bits, bmp->compression);
    if (bmp->compression != MASKS)
        memcpy(bmp->masks, bmp->bits == 16 ? five : wide, sizeof wide);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ pixels */

/* A colour's share of a pixel as a byte. */
static uint8_t share(uint32_t pixel, uint32_t mask)
{
    uint32_t shift = (uint32_t)__builtin_ctz(mask), most = mask >> shift;
    return (uint8_t)((pixel & mask) >> shift) == 0
               ? 0
               : (uint8_t)(((pixel & mask) >> shift) * 255 / most);
}

static void convert_row(const Bmp *bmp, const uint8_t *row, uint8_t *to)
{
    for (uint32_t x = 0; x < bmp->width; x++, to += 3) {
        if (bmp->bits <= 8) {
            uint32_t bit = x * bmp->bits, index = row[bit / 8] >> (8 - bmp->bits - bit % 8);
            memcpy(to, bmp->palette[index & ((1u << bmp->bits) - 1)], 3);
            continue;
        }
        const uint8_t *p = row + x * (bmp->bits / 8);
        uint32_t pixel = bmp->bits == 16 ? get16(p) : get16(p) | (uint32_t)p[2] << 16;
        pixel |= bmp->bits == 32 ? (uint32_t)p[3] << 24 : 0;
        for (int c = 0; c < 3; c++)
            to[c] = share(pixel, bmp->masks[c]);
    }
}

static uint8_t *row_of(const Bmp *bmp, uint32_t y)
{
    uint32_t at = bmp->top_down ? y : bmp->height - 1 - y;
    return bmp->job->image.pixels + (size_t)at * bmp->width * 3;
}

static Status read_plain(const Bmp *bmp)
{
    const DecodeJob *job = bmp->job;
    size_t stride = ((size_t)bmp->width * bmp->bits + 31) / 32 * 4;
    size_t last =
        ((size_t)bmp->width * bmp->bits + 7) / 8; /* of the last row no filler is needed */
    if (bmp->pixels > job->size || job->size - bmp->pixels < stride * (bmp->height - 1) + last)
        return bad(bmp, "truncated");
    for (uint32_t y = 0; y < bmp->height; y++)
        convert_row(bmp, job->bytes + bmp->pixels + y * stride, row_of(bmp, y));
    return STATUS_OK;
}

/* Runs, as a program of bytes: count and colour; or 0 and: 0 end of row, 1 end, 2 move, n literals.
 * As Pillow reads it: a move is in the third and fourth byte behind its mark, of an odd number of
 * 4-bit literals the last is lost, and a picture must be whole. */
typedef struct Runs {
    const uint8_t *file, *at, *end;
    uint8_t *indices; /* [height * width] as the file has them, rows from the first */
    size_t filled, all;
    uint32_t bits, width, x; /* x: the place in its row, as the counts have it */
} Runs;

static void put(Runs *r, uint8_t index)
{
    if (r->filled < r->all)
        r->indices[r->filled++] = index;
}

static void put_run(Runs *r, uint32_t count, uint8_t value)
{
    uint8_t two[2] = {r->bits == 8 ? value : value >> 4, r->bits == 8 ? value : value & 15};
    uint32_t left = r->x < r->width ? r->width - r->x : 0; /* a run ends with its row */
    count = count < left ? count : left;
    for (uint32_t k = 0; k < count; k++)
        put(r, two[k % 2]);
    r->x += count;
}

static bool put_literals(Runs *r, uint32_t count)
{
    uint32_t bytes = r->bits == 8 ? count : count / 2;
    if ((size_t)(r->end - r->at) < bytes)
        return false;
    for (uint32_t k = 0; k < bytes; k++, r->at++) {
        put(r, r->bits == 8 ? *r->at : *r->at >> 4);
        if (r->bits == 4)
            put(r, *r->at & 15);
    }
    r->x += count;
    r->at += (r->at - r->file) % 2 && r->at < r->end;
    return true;
}

static bool move(Runs *r)
{
    if (r->end - r->at < 4)
        return false;
    for (size_t n = r->at[2] + (size_t)r->at[3] * r->width; n > 0 && r->filled < r->all; n--)
        put(r, 0);
    r->x = (uint32_t)(r->filled % r->width);
    r->at += 4;
    return true;
}

/* Whether the picture is whole. */
static bool read_runs(Runs *r)
{
    while (r->filled < r->all && r->end - r->at >= 2) {
        uint8_t count = r->at[0], value = r->at[1];
        r->at += 2;
        if (count > 0) {
            put_run(r, count, value);
        } else if (value == 0) {
            while (r->filled % r->width)
                put(r, 0);
            r->x = 0;
        } else if (value == 1 || !(value == 2 ? move(r) : put_literals(r, value))) {
            break;
        }
    }
    return r->filled == r->all;
}

static Status read_packed(const Bmp *bmp)
{
    const DecodeJob *job = bmp->job;
    if (bmp->pixels > job->size)
        return bad(bmp, "truncated");
    size_t all = (size_t)bmp->width * bmp->height;
    Runs runs = {.file = job->bytes,
                 .at = job->bytes + bmp->pixels,
                 .end = job->bytes + job->size,
                 .indices = mem_zero(all, 1),
                 .all = all,
                 .bits = bmp->bits,
                 .width = bmp->width};
    bool good = read_runs(&runs);
    for (uint32_t y = 0; y < bmp->height && good; y++)
        for (uint32_t x = 0; x < bmp->width; x++)
            memcpy(row_of(bmp, y) + 3 * (size_t)x,
                   bmp->palette[runs.indices[(size_t)y * bmp->width + x]], 3);
    free(runs.indices);
    return good ? STATUS_OK : bad(bmp, "truncated");
}

Status decode_bmp(DecodeJob *job)
{
    Bmp bmp = {.job = job};
    TRY(read_header(&bmp));
    TRY(check_kind(&bmp));
    TRY(decode_header(job, bmp.width, bmp.height));
    job->box = job->whole;
    bool packed = bmp.compression == RUNS8 || bmp.compression == RUNS4;
    /* Plain rows are all there before memory is taken; runs can stand for much. */
    TRY(decode_memory(job, packed ? (size_t)bmp.width * bmp.height : 0));
    return packed ? read_packed(&bmp) : read_plain(&bmp);
}
