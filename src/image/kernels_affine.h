/* Affine maps pixel by pixel, in Pillow's double arithmetic. Used whole by the plain kernels,
 * and for the pixels near the edges by the AVX2 ones. */
#ifndef PACO_IMAGE_KERNELS_AFFINE_H
#define PACO_IMAGE_KERNELS_AFFINE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where an output pixel comes from: `x`, `y` the sample up and left of it, `dx`, `dy` how far
 * beyond. */
typedef struct AffineSource {
    int x, y;
    double dx, dy;
} AffineSource;

/* False where that is outside the image. */
static inline bool affine_source(const double m[6], int x, int y, int width, int height,
                                 AffineSource *s)
{
    double x_out = x + 0.5, y_out = y + 0.5;
    double x_in = m[0] * x_out + m[1] * y_out + m[2];
    double y_in = m[3] * x_out + m[4] * y_out + m[5];
    /* Written so that a NaN is outside, too. */
    if (!(x_in >= 0.0 && x_in < width && y_in >= 0.0 && y_in < height))
        return false;
    x_in -= 0.5;
    y_in -= 0.5;
    /* The floor of what is no less than -0.5. */
    s->x = x_in >= 0.0 ? (int)x_in : -1;
    s->y = y_in >= 0.0 ? (int)y_in : -1;
    s->dx = x_in - s->x;
    s->dy = y_in - s->y;
    return true;
}

/* Pixels beyond an edge are those at the edge. */
static inline int affine_clip(int at, int size)
{
    return at < 0 ? 0 : at < size ? at : size - 1;
}

static inline double affine_cubic(double v1, double v2, double v3, double v4, double d)
{
    double p2 = -v1 + v3, p3 = 2 * (v1 - v2) + v3 - v4, p4 = -v1 + v2 - v3 + v4;
    return v2 + d * (p2 + d * (p3 + d * p4));
}

static inline void affine_pixel_bilinear(const uint8_t *in, int width, int height,
                                         const AffineSource *s, uint8_t *out)
{
    size_t stride = (size_t)width * 3;
    int left = 3 * affine_clip(s->x, width), right = 3 * affine_clip(s->x + 1, width);
    const uint8_t *row = in + (size_t)affine_clip(s->y, height) * stride;
    const uint8_t *next = s->y + 1 < height ? in + (size_t)(s->y + 1) * stride : NULL;
    for (int c = 0; c < 3; c++) {
        double v = row[left + c] + (row[right + c] - row[left + c]) * s->dx;
        double w = next ? next[left + c] + (next[right + c] - next[left + c]) * s->dx : v;
        out[c] = (uint8_t)(v + (w - v) * s->dy);
    }
}

static inline void affine_pixel_bicubic(const uint8_t *in, int width, int height,
                                        const AffineSource *s, uint8_t *out)
{
    int column[4];
    for (int t = 0; t < 4; t++)
        column[t] = 3 * affine_clip(s->x - 1 + t, width);
    for (int c = 0; c < 3; c++) {
        double v[4];
        for (int t = 0; t < 4; t++) {
            int y = s->y - 1 + t;
            if (t > 0 && (y < 0 || y >= height)) {
                v[t] = v[t - 1]; /* rows beyond an end repeat what came before */
                continue;
            }
            const uint8_t *row = in + (size_t)affine_clip(y, height) * (size_t)width * 3 + c;
            v[t] = affine_cubic(row[column[0]], row[column[1]], row[column[2]], row[column[3]],
                                s->dx);
        }
        double value = affine_cubic(v[0], v[1], v[2], v[3], s->dy);
        out[c] = (uint8_t)(value <= 0.0 ? 0 : value >= 255.0 ? 255 : value);
    }
}

#endif
