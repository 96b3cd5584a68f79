/* PNG through libpng, the colours of Pillow's convert("RGB"): alpha and transparency are
 * dropped, 16-bit colours keep their high byte, 16-bit grey saturates at 255, palette indices
 * beyond the palette are grey. Ancillary chunks are not looked at. */
#include "image/decode_job.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

typedef struct Png {
    png_structp png;
    png_infop info;
    DecodeJob *job;
    size_t at;       /* bytes read */
    Status status;
    uint8_t *raw;    /* pixels as libpng gives them, where they are not RGB */
    uint8_t **rows;
    int channels;    /* bytes per pixel: 1 palette index, 2 sixteen-bit grey, 3 RGB in place */
} Png;

static void on_error(png_structp png, png_const_charp text)
{
    Png *self = png_get_error_ptr(png);
    self->status = status_fail(STATUS_INPUT, "%s: PNG, byte %zu: %s", self->job->name, self->at,
                               text);
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
    job->image = image_new(job->whole.width, job->whole.height);
    if (self->channels != 3)
        self->raw = mem_alloc(stride * height);
    self->rows = mem_alloc(height * sizeof *self->rows);
    for (size_t y = 0; y < height; y++)
        self->rows[y] = (self->raw ? self->raw : job->image.pixels) + y * stride;
    png_read_image(png, self->rows);
    png_read_end(png, NULL);
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

/* Everything that may jump away. */
static void decode(Png *self)
{
    png_structp png = self->png;
    if (setjmp(png_jmpbuf(png)))
        return;
    png_set_read_fn(png, self, on_read);
    /* The size has limits of this program's (decode_job.c), which say more when they are
     * reached. */
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    /* They could hold anything of any size. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, self->info);
    self->status = decode_header(self->job, png_get_image_width(png, self->info),
                                 png_get_image_height(png, self->info));
    if (self->status != STATUS_OK)
        return;
    choose_transforms(self);
    read_pixels(self);
    if (self->channels == 1)
        map_palette(self);
    if (self->channels == 2)
        map_grey16(self);
}

Status decode_png(DecodeJob *job)
{
    Png self = {.job = job};
    self.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &self, on_error, on_warning);
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
