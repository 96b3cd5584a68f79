/* Inner loops that a compiler turns into vector code by itself: compiled once for every processor
 * (kernels_plain.c) and once for AVX2 (kernels_avx2.c). No function here may leave its file. */
#ifndef PACO_DATA_KERNELS_LOOPS_H
#define PACO_DATA_KERNELS_LOOPS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

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
static inline __attribute__((always_inline)) void box_of_radius(const uint8_t *const *line, int radius,
                                                                uint32_t centre, uint32_t edge,
                                                                uint8_t *restrict out, size_t n)
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

static void loop_box(const uint8_t *const *line, int radius, uint32_t centre, uint32_t edge, uint8_t *out,
                     size_t n)
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

/* Pillow sums nine products with 1/13 and 5/13 in float32 and adds 1/2; a sum of 13ths never comes so near
 * an integer that rounding mattered, so integers give the same. */
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

/* RGB to HSV bytes, H moved by `shift` of 256, and back: Pillow's conversions, float32 and float64 where
 * Pillow's are. Every branch is a choice between values, so that the loop has none. */
static void loop_hue(uint8_t *rgb, size_t pixels, int shift)
{
    for (size_t i = 0; i < pixels; i++) {
        int r = rgb[3 * i], g = rgb[3 * i + 1], b = rgb[3 * i + 2];
        int most = r > g ? r : g, least = r < g ? r : g;
        most = most > b ? most : b;
        least = least < b ? least : b;
        int range = most > least ? most - least : 1;
        float span = (float)range, top = (float)(most > 0 ? most : 1);
        float rc = (float)(most - r) / span, gc = (float)(most - g) / span, bc = (float)(most - b) / span;
        float h = r == most ? bc - gc : g == most ? (float)(2.0 + rc - bc) : (float)(4.0 + gc - rc);
        double turn = h / 6.0 + 1.0;
        h = (float)(turn >= 1.0 ? turn - 1.0 : turn);
        int uh = most > least ? (int)(h * 255.0) : 0;
        int us = most > least ? (int)(span / top * 255.0) : 0;
        uh = (uh + shift) & 255;

        double sector = uh * 6.0 / 255.0;
        int whole = (int)sector;
        float f = (float)(sector - whole), s = (float)(us / 255.0);
        int p = (int)((float)most * (1.0 - s) + 0.5);
        int q = (int)((float)most * (1.0 - (double)(s * f)) + 0.5);
        int t = (int)((float)most * (1.0 - s * (1.0 - f)) + 0.5);
        int k = whole % 6;
        rgb[3 * i] = (uint8_t)(us == 0 ? most : k == 0 || k == 5 ? most : k == 1 ? q : k == 4 ? t : p);
        rgb[3 * i + 1] = (uint8_t)(us == 0 ? most : k == 0 ? t : k == 1 || k == 2 ? most : k == 3 ? q : p);
        rgb[3 * i + 2] = (uint8_t)(us == 0 ? most : k == 2 ? t : k == 3 || k == 4 ? most : k == 5 ? q : p);
    }
}

#endif
