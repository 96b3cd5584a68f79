/* Gaussian blur as Pillow makes it, three passes of an extended box filter each way (Gwosdek et
 * al., SSVM 2011), every pass rounded to 8 bits; and sharpness, a blend with a 3x3 smoothed
 * image. */
#include "image/image_ops.h"

#include "base/arena.h"
#include "base/check.h"
#include "image/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PASSES = 3 };

/* A box of 2 radius + 1 pixels weighing `centre` each and two pixels beside it weighing `edge`,
 * of 2^24. */
typedef struct Box {
    int radius;
    uint32_t centre, edge;
} Box;

/* The box whose three-fold use has this deviation; float32 where Pillow's are. */
static Box box_of(double sigma)
{
    float radius = (float)sigma;
    float variance = radius * radius / PASSES;
    float length = (float)sqrt(12.0 * variance + 1.0);
    float whole = (float)floor((length - 1.0) / 2.0);
    /* The share of the pixel beside, so that the variance is just that asked for. */
    float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
    part /= 6 * (variance - (whole + 1) * (whole + 1));
    float full = whole + part;
    Box box = {.radius = (int)full};
    box.centre = (uint32_t)((float)(1 << 24) / (full * 2 + 1));
    box.edge = ((1u << 24) - (uint32_t)(box.radius * 2 + 1) * box.centre) / 2;
    return box;
}

/* Rows: each into a line with its end pixels repeated `margin` times, then through the passes. */
static void blur_rows(const Image *image, const Box *box)
{
    int margin = box->radius + 1, width = image->width, lines = 2 * margin + 1;
    size_t n = (size_t)width * 3, room = n + 6 * (size_t)margin;
    uint8_t *padded = mem_alloc(room);
    const uint8_t **line = mem_alloc((size_t)lines * sizeof *line);
    /* One line, seen from every place: the sum over lines is then the sum along the row. */
    for (int i = 0; i < lines; i++)
        line[i] = padded + 3 * i;
    for (int y = 0; y < image->height; y++) {
        uint8_t *row = image->pixels + (size_t)y * n;
        for (int pass = 0; pass < PASSES; pass++) {
            memcpy(padded + 3 * margin, row, n);
            for (int i = 0; i < margin; i++) {
                memcpy(padded + 3 * i, row, 3);
                memcpy(padded + 3 * (margin + width + i), row + n - 3, 3);
            }
            kernels()->box(line, box->radius, box->centre, box->edge, row, n);
        }
    }
    free(line);
    free(padded);
}

/* One pass down the columns, from in to out; rows beyond the ends repeat the last. */
static void blur_columns(const uint8_t *in, uint8_t *out, int height, size_t n, const Box *box)
{
    int margin = box->radius + 1, lines = 2 * margin + 1;
    const uint8_t **line = mem_alloc((size_t)lines * sizeof *line);
    for (int y = 0; y < height; y++) {
        for (int i = 0; i < lines; i++) {
            int from = y + i - margin;
            from = from < 0 ? 0 : from >= height ? height - 1 : from;
            line[i] = in + (size_t)from * n;
        }
        kernels()->box(line, box->radius, box->centre, box->edge, out + (size_t)y * n, n);
    }
    free(line);
}

void image_gaussian_blur(Image *image, double sigma)
{
    CHECK(sigma >= 0 && sigma <= 1000);
    Box box = box_of(sigma);
    blur_rows(image, &box);
    Image other = image_new(image->width, image->height);
    for (int pass = 0; pass < PASSES; pass++) {
        blur_columns(image->pixels, other.pixels, image->height, (size_t)image->width * 3, &box);
        /* Two buffers take turns. */
        Image t = *image;
        *image = other;
        other = t;
    }
    image_free(&other);
}

void image_sharpness(Image *image, double factor)
{
    if (image->width < 3 || image->height < 3)
        return; /* no inner pixels: Pillow's filter copies the border */
    Image out = image_copy(image);
    size_t n = (size_t)image->width * 3;
    for (int y = 1; y < image->height - 1; y++) {
        const uint8_t *row = image->pixels + (size_t)y * n;
        kernels()->sharpness(row - n, row, row + n, out.pixels + (size_t)y * n,
                             (size_t)image->width, (float)factor);
    }
    image_free(image);
    *image = out;
}
