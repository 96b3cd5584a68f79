/* Image files made at test time, with libjpeg's and libpng's writers. */
#include "support_image.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

Image image_pattern(int width, int height, uint64_t seed)
{
    Image image = image_new(width, height);
    Rng rng = rng_stream(seed, 0, 0, RNG_TEST);
    uint8_t *p = image.pixels;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                *p++ = (uint8_t)(115 + 90 * sin(0.11 * (c + 1) * x + 0.07 * (3 - c) * y) +
                                 (double)rng_below(&rng, 40));
    return image;
}

static void cmyk_row(const uint8_t *rgb, uint8_t *out, int width)
{
    for (int x = 0; x < width; x++, rgb += 3, out += 4) {
        memcpy(out, rgb, 3);
        out[3] = (uint8_t)((rgb[0] + rgb[1] + rgb[2]) / 3);
    }
}

uint8_t *jpeg_write(const Image *image, const JpegKind *kind, size_t *size)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long length = 0;
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &bytes, &length);
    info.image_width = (JDIMENSION)image->width;
    info.image_height = (JDIMENSION)image->height;
    info.input_components = kind->components == 4 ? 4 : 3;
    info.in_color_space = kind->components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_set_defaults(&info);
    if (kind->components == 1)
        jpeg_set_colorspace(&info, JCS_GRAYSCALE);
    if (kind->ycck)
        jpeg_set_colorspace(&info, JCS_YCCK);
    jpeg_set_quality(&info, kind->quality ? kind->quality : 90, TRUE);
    if (kind->components == 3) {
        info.comp_info[0].h_samp_factor = kind->h ? kind->h : 1;
        info.comp_info[0].v_samp_factor = kind->v ? kind->v : 1;
    }
    info.arith_code = kind->arithmetic;
    info.restart_interval = (unsigned)kind->restart;
    if (kind->progressive)
        jpeg_simple_progression(&info);
    jpeg_start_compress(&info, TRUE);
    uint8_t *line = mem_alloc((size_t)image->width * 4);
    while (info.next_scanline < info.image_height) {
        uint8_t *row = image->pixels + (size_t)info.next_scanline * (size_t)image->width * 3;
        if (kind->components == 4)
            cmyk_row(row, line, image->width);
        JSAMPROW rows = kind->components == 4 ? line : row;
        jpeg_write_scanlines(&info, &rows, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    free(line);
    *size = length;
    return bytes;
}

typedef struct Sink {
    uint8_t *bytes;
    size_t size;
} Sink;

static void on_write(png_structp png, png_bytep data, size_t count)
{
    Sink *sink = png_get_io_ptr(png);
    sink->bytes = mem_grow(sink->bytes, sink->size + count);
    memcpy(sink->bytes + sink->size, data, count);
    sink->size += count;
}

static void on_flush(png_structp png)
{
    (void)png;
}

uint8_t *png_write(int width, int height, int type, int depth, bool interlaced, int palette_size,
                   uint8_t **rows, size_t *size)
{
    Sink sink = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    CHECK(png && info);
    png_set_write_fn(png, &sink, on_write, on_flush);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, type,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_color palette[256];
    for (int i = 0; i < 256; i++)
        palette[i] = (png_color){(png_byte)(3 * i), (png_byte)(255 - i), (png_byte)(i ^ 85)};
    if (type == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, palette, palette_size);
    png_set_benign_errors(png, 1);
    png_set_check_for_invalid_index(png, -1);
    png_write_info(png, info);
    png_write_image(png, rows);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    *size = sink.size;
    return sink.bytes;
}
