/* Affine maps: rotation, shear, translation. Bilinear and bicubic in doubles as Pillow computes
 * them; nearest neighbour along the three ways Pillow takes: a table of columns for maps without
 * shear, 16.16 fixed point, and running doubles where that would overflow. */
#include "image/image_ops.h"

#include "base/arena.h"
#include "image/kernels.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The pixel a coordinate lies in; -1 left of all and for what is no index. */
static int pixel_of(double v)
{
    return v >= 0.0 && v < 2147483648.0 ? (int)v : -1;
}

/* No shear: column x always comes from the same place. */
static void nearest_scale(const Image *in, const double m[6], Image *out)
{
    /* Sums, not products: Pillow adds one step per pixel, and where the sum rounds otherwise
     * another pixel is taken. */
    int *column = mem_alloc((size_t)in->width * sizeof *column);
    double x_at = m[2] + m[0] * 0.5, y_at = m[5] + m[4] * 0.5;
    for (int x = 0; x < in->width; x++, x_at += m[0]) {
        int from = pixel_of(x_at);
        column[x] = from < in->width ? from : -1;
    }
    size_t stride = (size_t)in->width * 3;
    for (int y = 0; y < in->height; y++, y_at += m[4]) {
        int from = pixel_of(y_at);
        if (from < 0 || from >= in->height)
            continue;
        const uint8_t *row = in->pixels + (size_t)from * stride;
        uint8_t *to = out->pixels + (size_t)y * stride;
        for (int x = 0; x < in->width; x++)
            if (column[x] >= 0)
                memcpy(to + 3 * x, row + 3 * column[x], 3);
    }
    free(column);
}

static void nearest_fixed(const Image *in, const double m[6], Image *out)
{
    int64_t f[6];
    /* Half a pixel in: coordinates are those of edges, samples those of centres. */
    double scaled[6] = {m[0], m[1], m[2] + m[0] * 0.5 + m[1] * 0.5,
                        m[3], m[4], m[5] + m[3] * 0.5 + m[4] * 0.5};
    for (int i = 0; i < 6; i++)
        f[i] = (int64_t)floor(scaled[i] * 65536.0 + 0.5);
    size_t stride = (size_t)in->width * 3;
    for (int y = 0; y < in->height; y++) {
        uint8_t *to = out->pixels + (size_t)y * stride;
        int64_t x_at = f[2] + y * f[1], y_at = f[5] + y * f[4];
        for (int x = 0; x < in->width; x++, x_at += f[0], y_at += f[3], to += 3) {
            int64_t from_x = x_at >> 16, from_y = y_at >> 16;
            if (from_x >= 0 && from_x < in->width && from_y >= 0 && from_y < in->height)
                memcpy(to, in->pixels + (size_t)from_y * stride + (size_t)from_x * 3, 3);
        }
    }
}

static void nearest_running(const Image *in, const double m[6], Image *out)
{
    double x_row = m[2] + m[1] * 0.5 + m[0] * 0.5, y_row = m[5] + m[4] * 0.5 + m[3] * 0.5;
    size_t stride = (size_t)in->width * 3;
    for (int y = 0; y < in->height; y++, x_row += m[1], y_row += m[4]) {
        uint8_t *to = out->pixels + (size_t)y * stride;
        double x_at = x_row, y_at = y_row;
        for (int x = 0; x < in->width; x++, x_at += m[0], y_at += m[3], to += 3) {
            int from_x = pixel_of(x_at), from_y = pixel_of(y_at);
            if (from_x >= 0 && from_x < in->width && from_y >= 0 && from_y < in->height)
                memcpy(to, in->pixels + (size_t)from_y * stride + (size_t)from_x * 3, 3);
        }
    }
}

/* 16.16 fixed point holds 32768 to either side; all corners within it, everything is. */
static bool corner_fits(const double m[6], int x, int y)
{
    return fabs(x * m[0] + y * m[1] + m[2]) < 32768.0 && fabs(x * m[3] + y * m[4] + m[5]) < 32768.0;
}

static void nearest(const Image *in, const double m[6], Image *out)
{
    int w = in->width, h = in->height;
    /* The ways are tried in Pillow's order: where two would do they may differ by a pixel. */
    if (m[1] == 0 && m[3] == 0)
        nearest_scale(in, m, out);
    else if (corner_fits(m, 0, 0) && corner_fits(m, w, h) && corner_fits(m, 0, h) &&
             corner_fits(m, w, 0))
        nearest_fixed(in, m, out);
    else
        nearest_running(in, m, out);
}

void image_affine(Image *image, const double matrix[6], ImageFilter filter, const uint8_t fill[3])
{
    Image out = image_new(image->width, image->height);
    size_t stride = (size_t)image->width * 3, pixels = (size_t)image->width * (size_t)image->height;
    /* Kernels leave alone what comes from outside. */
    for (size_t i = 0; i < pixels; i++)
        memcpy(out.pixels + 3 * i, fill, 3);
    if (filter == IMAGE_NEAREST) {
        nearest(image, matrix, &out);
    } else {
        const Kernels *k = kernels();
        for (int y = 0; y < image->height; y++)
            (filter == IMAGE_BILINEAR ? k->affine_bilinear : k->affine_bicubic)(
                image->pixels, image->width, image->height, matrix, y,
                out.pixels + (size_t)y * stride, image->width);
    }
    image_free(image);
    *image = out;
}

/* Python's round(v, 15): to the nearest decimal. */
static double round15(double v)
{
    char text[64];
    snprintf(text, sizeof text, "%.15f", v);
    return strtod(text, NULL);
}

static void reverse_pixels(Image *image)
{
    uint8_t *a = image->pixels, *b = a + ((size_t)image->width * (size_t)image->height - 1) * 3;
    for (; a < b; a += 3, b -= 3) {
        uint8_t t[3];
        memcpy(t, a, 3);
        memcpy(a, b, 3);
        memcpy(b, t, 3);
    }
}

/* A quarter turn of a square, counter-clockwise or clockwise. */
static void quarter_turn(Image *image, bool clockwise)
{
    int n = image->width;
    Image out = image_new(n, n);
    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++) {
            int from_x = clockwise ? y : n - 1 - y, from_y = clockwise ? n - 1 - x : x;
            memcpy(out.pixels + ((size_t)y * (size_t)n + (size_t)x) * 3,
                   image->pixels + ((size_t)from_y * (size_t)n + (size_t)from_x) * 3, 3);
        }
    image_free(image);
    *image = out;
}

void image_rotate(Image *image, double degrees, ImageFilter filter, const uint8_t fill[3])
{
    static const double pi = 3.14159265358979323846;
    /* Pillow turns by multiples of 90 degrees without sampling. */
    double turn = fmod(degrees, 360.0);
    if (turn < 0)
        turn += 360.0;
    if (turn == 0 || turn == 360.0)
        return;
    if (turn == 180) {
        reverse_pixels(image);
        return;
    }
    if ((turn == 90 || turn == 270) && image->width == image->height) {
        quarter_turn(image, turn == 270);
        return;
    }
    /* Counter-clockwise for the viewer; the map goes from the output to the input, and rows
     * downwards. */
    double angle = -(turn * (pi / 180.0)), cx = image->width / 2.0, cy = image->height / 2.0;
    double m[6] = {round15(cos(angle)),  round15(sin(angle)), 0,
                   round15(-sin(angle)), round15(cos(angle)), 0};
    m[2] = m[0] * -cx + m[1] * -cy + cx;
    m[5] = m[3] * -cx + m[4] * -cy + cy;
    image_affine(image, m, filter, fill);
}

void image_shear_x(Image *image, double factor, ImageFilter filter, const uint8_t fill[3])
{
    image_affine(image, (double[6]){1, factor, 0, 0, 1, 0}, filter, fill);
}

void image_shear_y(Image *image, double factor, ImageFilter filter, const uint8_t fill[3])
{
    image_affine(image, (double[6]){1, 0, 0, factor, 1, 0}, filter, fill);
}

void image_translate_x(Image *image, double fraction, ImageFilter filter, const uint8_t fill[3])
{
    image_affine(image, (double[6]){1, 0, fraction * image->width, 0, 1, 0}, filter, fill);
}

void image_translate_y(Image *image, double fraction, ImageFilter filter, const uint8_t fill[3])
{
    image_affine(image, (double[6]){1, 0, 0, 0, 1, fraction * image->height}, filter, fill);
}
