/* PNG through libpng, the colours of Pillow's convert("RGB"): alpha and transparency are
 * dropped, 16-bit colours keep their high byte, 16-bit grey saturates at 255, palette indices
 * beyond the palette are grey.
 *
 * Damage is what Pillow calls so: up to the first chunk of pixels every checksum must be right; of
 * the pixels zlib must make sense until the last row is there, whatever their checksums; what
 * follows is not looked at. */
#include "image/decode_job.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <zlib.h>

typedef struct Png {
    png_structp png;
    png_infop info;
    DecodeJob *job;
    size_t at;       /* bytes read */
    Status status;
    uint8_t *raw;    /* pixels as libpng gives them, where they are not RGB */
    uint8_t **rows;
    bool no_memory;  /* an allocation of libpng's failed */
    int channels;    /* bytes per pixel: 1 palette index, 2 sixteen-bit grey, 3 RGB in place */
} Png;

static uint32_t number(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Whether the last row of the last pass has been made: what libpng looks at behind it, Pillow does
 * not. */
static bool all_rows(png_structp png, png_infop info)
{
    bool interlaced = png_get_interlace_type(png, info) != PNG_INTERLACE_NONE;
    return png_get_current_row_number(png) >= png_get_image_height(png, info) &&
           (!interlaced || png_get_current_pass_number(png) >= 7);
}

static void on_error(png_structp png, png_const_charp text)
{
    Png *self = png_get_error_ptr(png);
    if (self->rows && all_rows(png, self->info))
        png_longjmp(png, 1);
    Status code = self->no_memory ? STATUS_LIMIT : STATUS_INPUT;
    self->status = status_fail(code, "%s: PNG, byte %zu: %s", self->job->name, self->at, text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png, (void)text;
}

static void on_read(png_structp png, png_bytep to, size_t count)
{
    Png *self = png_get_io_ptr(png);
    if (count > self->job->size - self->at)
        png_error(png, "truncated");
    memcpy(to, self->job->bytes + self->at, count);
    self->at += count;
    /* A chunk of pixels that would be longer than the file is as long as the file. */
    size_t left = self->job->size - self->at;
    if (count == 8 && memcmp(to + 4, "IDAT", 4) == 0 && number(to) > left)
        for (int i = 0; i < 4; i++)
            to[i] = (png_byte)(left >> 8 * (3 - i));
}

static void choose_transforms(Png *self)
{
    png_structp png = self->png;
    int type = png_get_color_type(png, self->info), depth = png_get_bit_depth(png, self->info);
    self->channels = type == PNG_COLOR_TYPE_PALETTE ? 1 : 3;
    if (type == PNG_COLOR_TYPE_GRAY && depth == 16)
        self->channels = 2;
    /* A byte for each pixel, also where there are several in one. */
    png_set_packing(png);
    /* Palette and 16-bit grey come as they are: Pillow maps them in ways that libpng does not. */
    if (self->channels != 3)
        return;
    if (depth == 16)
        png_set_strip_16(png);
    if (type == PNG_COLOR_TYPE_GRAY && depth < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    if (type & PNG_COLOR_MASK_ALPHA)
        png_set_strip_alpha(png);
    if (!(type & PNG_COLOR_MASK_COLOR))
        png_set_gray_to_rgb(png);
}

static void read_pixels(Png *self)
{
    DecodeJob *job = self->job;
    png_structp png = self->png;
    size_t height = (size_t)job->whole.height;
    size_t stride = (size_t)job->whole.width * (size_t)self->channels;
    png_set_interlace_handling(png);
    png_read_update_info(png, self->info);
    /* The buffer is made for what was asked of libpng: anything else would write beside it. */
    if (png_get_rowbytes(png, self->info) != stride)
        png_error(png, "unexpected row size");
    /* Rows depend on those before: there is no part of a PNG that costs less. */
    job->box = job->whole;
    size_t raw = self->channels != 3 ? stride * height : 0;
    self->status = decode_memory(job, raw);
    if (self->status != STATUS_OK)
        return;
    if (raw)
        self->raw = mem_alloc(raw);
    self->rows = mem_alloc(height * sizeof *self->rows);
    for (size_t y = 0; y < height; y++)
        self->rows[y] = (self->raw ? self->raw : job->image.pixels) + y * stride;
    png_read_image(png, self->rows);
}

static void map_palette(Png *self)
{
    uint8_t table[256][3];
    png_colorp colours = NULL;
    int count = 0;
    png_get_PLTE(self->png, self->info, &colours, &count);
    for (int i = 0; i < 256; i++) {
        bool given = i < count;
        table[i][0] = given ? colours[i].red : (uint8_t)i;
        table[i][1] = given ? colours[i].green : (uint8_t)i;
        table[i][2] = given ? colours[i].blue : (uint8_t)i;
    }
    size_t n = (size_t)self->job->image.width * (size_t)self->job->image.height;
    for (size_t i = 0; i < n; i++)
        memcpy(self->job->image.pixels + 3 * i, table[self->raw[i]], 3);
}

static void map_grey16(Png *self)
{
    size_t n = (size_t)self->job->image.width * (size_t)self->job->image.height;
    for (size_t i = 0; i < n; i++)
        memset(self->job->image.pixels + 3 * i, self->raw[2 * i] ? 255 : self->raw[2 * i + 1], 3);
}

static void map_pixels(Png *self)
{
    if (self->channels == 1)
        map_palette(self);
    if (self->channels == 2)
        map_grey16(self);
}

/* The size, and the checksums of all chunks before the first one of pixels. */
static Status check_chunks(DecodeJob *job)
{
    for (size_t at = 8;;) {
        if (job->size - at < 12)
            return status_fail(STATUS_INPUT, "%s: PNG, byte %zu: truncated", job->name, at);
        const uint8_t *chunk = job->bytes + at;
        uint32_t length = number(chunk);
        if (memcmp(chunk + 4, "IDAT", 4) == 0)
            return STATUS_OK;
        if (length > job->size - at - 12)
            return status_fail(STATUS_INPUT, "%s: PNG, byte %zu: truncated", job->name, at);
        if (crc32(0, chunk + 4, length + 4) != number(chunk + 8 + length))
            return status_fail(STATUS_INPUT, "%s: PNG, byte %zu: wrong checksum", job->name, at);
        if (at == 8 && memcmp(chunk + 4, "IHDR", 4) == 0 && length == 13)
            TRY(decode_header(job, number(chunk + 8), number(chunk + 12)));
        at += (size_t)length + 12;
    }
}

static png_voidp take_memory(png_structp png, png_alloc_size_t bytes)
{
    Png *self = png_get_mem_ptr(png);
    void *memory = malloc(bytes);
    self->no_memory = self->no_memory || !memory;
    return memory;
}

static void give_memory(png_structp png, png_voidp memory)
{
    (void)png;
    free(memory);
}

/* Everything that may jump away. */
static void decode(Png *self)
{
    png_structp png = self->png;
    if (setjmp(png_jmpbuf(png))) {
        if (self->status == STATUS_OK)
            map_pixels(self);
        return;
    }
    png_set_read_fn(png, self, on_read);
    /* The size has limits of this program's (decode_job.c), which say more when they are
     * reached. */
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    /* They could hold anything of any size. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_crc_action(png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE); /* checked before */
    png_read_info(png, self->info);
    choose_transforms(self);
    read_pixels(self);
    if (self->status == STATUS_OK)
        map_pixels(self);
}

Status look_at_png(DecodeJob *job, bool all)
{
    const uint8_t *chunk = job->bytes + 8;
    if (job->size < 33)
        return all ? status_fail(STATUS_INPUT, "%s: PNG, byte 8: truncated", job->name) : STATUS_OK;
    if (number(chunk) != 13 || memcmp(chunk + 4, "IHDR", 4) != 0 ||
        crc32(0, chunk + 4, 17) != number(chunk + 21))
        return status_fail(STATUS_INPUT, "%s: PNG, byte 8: damaged header", job->name);
    return decode_header(job, number(chunk + 8), number(chunk + 12));
}

Status decode_png(DecodeJob *job)
{
    Png self = {.job = job};
    TRY(check_chunks(job));
    self.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &self, on_error, on_warning, &self,
                                        take_memory, give_memory);
    self.info = self.png ? png_create_info_struct(self.png) : NULL;
    if (self.info)
        decode(&self);
    else
        self.status = status_fail(STATUS_LIMIT, "%s: PNG: out of memory", job->name);
    free(self.raw);
    free(self.rows);
    png_destroy_read_struct(&self.png, &self.info, NULL);
    return self.status;
}
