/* Inner loops that a compiler turns into vector code by itself: compiled once for every processor
 * (kernels_plain.c) and once for AVX2 (kernels_avx2.c). No function here may leave its file. */
#ifndef PACO_IMAGE_KERNELS_LOOPS_H
#define PACO_IMAGE_KERNELS_LOOPS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define LOOP_INLINE inline __attribute__((always_inline))

static inline uint8_t loop_clip(float v)
{
    return (uint8_t)(int)(v <= 0.0f ? 0.0f : v >= 255.0f ? 255.0f : v);
}

static inline int loop_luma(const uint8_t *rgb)
{
    return (rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16;
}

static void loop_blend_constant(uint8_t *p, size_t n, int base, float factor)
{
    for (size_t i = 0; i < n; i++)
        p[i] = loop_clip((float)base + factor * (float)(p[i] - base));
}

/* The box with its radius known to the compiler. */
static LOOP_INLINE void box_of_radius(const uint8_t *const *line, int radius, uint32_t centre,
                                      uint32_t edge, uint8_t *restrict out, size_t n)
{
    const uint8_t *first = line[0], *last = line[2 * radius + 2];
    for (size_t i = 0; i < n; i++) {
        uint32_t sum = 0;
        for (int t = 1; t <= 2 * radius + 1; t++)
            sum += line[t][i];
        uint32_t beside = (uint32_t)first[i] + last[i];
        out[i] = (uint8_t)((sum * centre + beside * edge + (1u << 23)) >> 24);
    }
}

static void loop_box(const uint8_t *const *line, int radius, uint32_t centre, uint32_t edge,
                     uint8_t *out, size_t n)
{
    switch (radius) {
    case 0: {
        const uint8_t *const l[3] = {line[0], line[1], line[2]};
        box_of_radius(l, 0, centre, edge, out, n);
        break;
    }
    case 1: {
        const uint8_t *const l[5] = {line[0], line[1], line[2], line[3], line[4]};
        box_of_radius(l, 1, centre, edge, out, n);
        break;
    }
    default:
        box_of_radius(line, radius, centre, edge, out, n);
    }
}

/* Pillow sums nine products with 1/13 and 5/13 in float32 and adds 1/2; a sum of 13ths never
 * comes so near an integer that rounding mattered, so integers give the same. */
static void loop_sharpness(const uint8_t *above, const uint8_t *row, const uint8_t *below,
                           uint8_t *restrict out, size_t pixels, float factor)
{
    for (size_t i = 3; i < 3 * (pixels - 1); i++) {
        int sum = above[i - 3] + above[i] + above[i + 3] + row[i - 3] + 5 * row[i] + row[i + 3] +
                  below[i - 3] + below[i] + below[i + 3];
        int smooth = (sum + 6) * 20165 >> 18; /* (sum + 6) / 13 for sums up to 3315 */
        out[i] = loop_clip((float)smooth + factor * (float)(row[i] - smooth));
    }
}

enum { HUE_BLOCK = 64 };

/* HSV bytes of a block of pixels from Pillow's arithmetic, float32 and float64 where Pillow's
 * is; every branch is a choice between values, so that the loop becomes vector code. */
static LOOP_INLINE void hue_forward(const int *red, const int *green, const int *blue, int *hue,
                                    int *saturation, int *value)
{
    for (int i = 0; i < HUE_BLOCK; i++) {
        int r = red[i], g = green[i], b = blue[i];
        int most = r > g ? r : g, least = r < g ? r : g;
        most = most > b ? most : b;
        least = least < b ? least : b;
        int coloured = most > least;
        float span = (float)(coloured ? most - least : 1), top = (float)(most > 0 ? most : 1);
        float rc = (float)(most - r) / span, gc = (float)(most - g) / span;
        float bc = (float)(most - b) / span;
        float from_red = bc - gc, from_green = (float)(2.0 + rc - bc);
        float from_blue = (float)(4.0 + gc - rc);
        float other = g == most ? from_green : from_blue;
        double turn = (r == most ? from_red : other) / 6.0 + 1.0;
        float h = (float)(turn >= 1.0 ? turn - 1.0 : turn);
        hue[i] = coloured ? (int)(h * 255.0) : 0;
        saturation[i] = coloured ? (int)(span / top * 255.0) : 0;
        value[i] = most;
    }
}

/* The three other values that a colour's channels can have, and its sixth of the circle of hues. */
static LOOP_INLINE void hue_back(const int *hue, const int *saturation, const int *value, int *p,
                                 int *q, int *t, int *sixth)
{
    for (int i = 0; i < HUE_BLOCK; i++) {
        double sector = hue[i] * 6.0 / 255.0;
        int whole = (int)sector;
        float f = (float)(sector - whole), s = (float)(saturation[i] / 255.0);
        double v = value[i];
        p[i] = (int)(v * (1.0 - s) + 0.5);
        q[i] = (int)(v * (1.0 - s * f) + 0.5);
        t[i] = (int)(v * (1.0 - s * (1.0 - f)) + 0.5);
        sixth[i] = whole;
    }
}

/* RGB to HSV, H moved by `shift` of 256, and back. */
static void loop_hue(uint8_t *rgb, size_t pixels, int shift)
{
    /* Which of v, q, p, t is red, green and blue in each sixth (hue 255 is the seventh). Where the
     * saturation is 0 all four are the same. */
    static const uint8_t pick[7][3] = {{0, 3, 2}, {1, 0, 2}, {2, 0, 3}, {2, 1, 0},
                                       {3, 2, 0}, {0, 2, 1}, {0, 3, 2}};
    int red[HUE_BLOCK] = {0}, green[HUE_BLOCK] = {0}, blue[HUE_BLOCK] = {0}, hue[HUE_BLOCK];
    int saturation[HUE_BLOCK], sixth[HUE_BLOCK], channel[4][HUE_BLOCK];
    for (size_t n; pixels > 0; pixels -= n, rgb += 3 * n) {
        n = pixels < HUE_BLOCK ? pixels : HUE_BLOCK;
        for (size_t i = 0; i < n; i++)
            red[i] = rgb[3 * i], green[i] = rgb[3 * i + 1], blue[i] = rgb[3 * i + 2];
        hue_forward(red, green, blue, hue, saturation, channel[0]);
        for (int i = 0; i < HUE_BLOCK; i++)
            hue[i] = (hue[i] + shift) & 255;
        hue_back(hue, saturation, channel[0], channel[2], channel[1], channel[3], sixth);
        for (size_t i = 0; i < 3 * n; i++)
            rgb[i] = (uint8_t)channel[pick[sixth[i / 3]][i % 3]][i / 3];
    }
}

/* The table of a file of kernels, whose functions bear the names of the members; the loops above
 * are everybody's. */
#define KERNELS_TABLE(text)                                                                  \
    {                                                                                        \
        .name = (text), .resample_rows = resample_rows, .resample_column = resample_column,  \
        .blend_constant = blend_constant, .blend_luma = blend_luma, .luma_sum = luma_sum,    \
        .grayscale = grayscale, .hue = loop_hue, .box = loop_box,                            \
        .sharpness = loop_sharpness, .affine_bilinear = affine_bilinear,                     \
        .affine_bicubic = affine_bicubic,                                                    \
    }

#endif
