/* The plain kernels and those for this processor give the same bytes, at every width and odd
 * offset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/rng.h"
#include "image/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 32 };

static const Kernels *plain, *fast;
static Rng rng;

/* A buffer of n bytes at an odd place, between guards. */
typedef struct Bytes {
    uint8_t *memory, *at;
    size_t n;
} Bytes;

static Bytes bytes_random(size_t n, int span)
{
    Bytes b = {.memory = mem_alloc(n + 2 * GUARD + 1), .n = n};
    b.at = b.memory + GUARD + 1;
    memset(b.memory, 0xA5, n + 2 * GUARD + 1);
    for (size_t i = 0; i < n; i++)
        b.at[i] = (uint8_t)(span == 2 ? 255 * rng_below(&rng, 2) : rng_below(&rng, (uint32_t)span));
    return b;
}

static Bytes bytes_copy(const Bytes *from)
{
    Bytes b = bytes_random(from->n, 256);
    memcpy(b.at, from->at, from->n);
    return b;
}

/* Equal, with guards untouched; both freed. */
static void assert_same(Bytes *a, Bytes *b, const char *what, size_t size)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->at[i] != b->at[i])
            fail_msg("%s, %zu: byte %zu: plain %d, %s %d", what, size, i, a->at[i], fast->name,
                     b->at[i]);
    for (size_t i = 0; i < GUARD; i++)
        assert_int_equal(b->at[b->n + i], 0xA5);
    for (size_t i = 0; i <= GUARD; i++)
        assert_int_equal(b->memory[i], 0xA5);
    free(a->memory);
    free(b->memory);
}

static void point_kernels(void **state)
{
    (void)state;
    static const float factors[] = {0, 0.1f, 0.6f, 1, 1.37f, 1.9f, -0.5f, 5};
    for (size_t pixels = 1; pixels < 200; pixels += 1 + pixels / 20)
        for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
            Bytes a = bytes_random(3 * pixels, f % 2 ? 2 : 256), b = bytes_copy(&a);
            assert_int_equal(plain->luma_sum(a.at, pixels), fast->luma_sum(b.at, pixels));
            plain->blend_constant(a.at, 3 * pixels, (int)(37 * f), factors[f]);
            fast->blend_constant(b.at, 3 * pixels, (int)(37 * f), factors[f]);
            assert_memory_equal(a.at, b.at, a.n);
            plain->blend_luma(a.at, pixels, factors[f]);
            fast->blend_luma(b.at, pixels, factors[f]);
            assert_memory_equal(a.at, b.at, a.n);
            plain->hue(a.at, pixels, (int)(31 * f));
            fast->hue(b.at, pixels, (int)(31 * f));
            assert_memory_equal(a.at, b.at, a.n);
            plain->grayscale(a.at, pixels);
            fast->grayscale(b.at, pixels);
            assert_same(&a, &b, "point kernels", pixels);
        }
}

/* More pixels than one 32-bit lane can sum, all white. */
static void luma_of_many(void **state)
{
    (void)state;
    size_t pixels = 3000001;
    uint8_t *white = mem_alloc(3 * pixels);
    memset(white, 255, 3 * pixels);
    assert_true(fast->luma_sum(white, pixels) == 255 * (uint64_t)pixels);
    assert_true(plain->luma_sum(white, pixels) == 255 * (uint64_t)pixels);
    free(white);
}

static void box_kernel(void **state)
{
    (void)state;
    for (int radius = 0; radius < 6; radius++)
        for (size_t n = 1; n < 300; n += 1 + n / 10) {
            Bytes line[15], a = bytes_random(n, 256), b = bytes_copy(&a);
            const uint8_t *at[15];
            for (int i = 0; i < 2 * radius + 3; i++) {
                line[i] = bytes_random(n, i % 2 ? 2 : 256);
                at[i] = line[i].at;
            }
            uint32_t centre = (uint32_t)((1 << 24) / (2 * (radius + 0.37f) + 1));
            uint32_t edge = ((1u << 24) - (uint32_t)(2 * radius + 1) * centre) / 2;
            plain->box(at, radius, centre, edge, a.at, n);
            fast->box(at, radius, centre, edge, b.at, n);
            assert_same(&a, &b, "box", n);
            for (int i = 0; i < 2 * radius + 3; i++)
                free(line[i].memory);
        }
}

static void sharpness_kernel(void **state)
{
    (void)state;
    for (size_t pixels = 3; pixels < 200; pixels += 1 + pixels / 20) {
        Bytes rows = bytes_random(9 * pixels, pixels % 2 ? 2 : 256);
        Bytes a = bytes_random(3 * pixels, 256), b = bytes_copy(&a);
        const uint8_t *row = rows.at + 3 * pixels;
        float factor = (float)pixels / 50;
        plain->sharpness(rows.at, row, row + 3 * pixels, a.at, pixels, factor);
        fast->sharpness(rows.at, row, row + 3 * pixels, b.at, pixels, factor);
        assert_same(&a, &b, "sharpness", pixels);
        free(rows.memory);
    }
}

/* Random windows and weights that sum to one, 22 bits. */
static ResampleWeights weights_random(int count, int inputs, int most)
{
    int stride = (most + 3) / 4 * 4;
    size_t all = (size_t)count * (size_t)stride;
    ResampleWeights w = {.count = count, .stride = stride};
    w.first = mem_alloc((size_t)count * sizeof *w.first);
    w.taps = mem_alloc((size_t)count * sizeof *w.taps);
    w.weight = mem_zero(all, sizeof *w.weight);
    w.high = mem_zero(all, sizeof *w.high);
    w.low = mem_zero(all, sizeof *w.low);
    for (int i = 0; i < count; i++) {
        int taps = 1 + (int)rng_below(&rng, (uint32_t)(most < inputs ? most : inputs));
        int32_t left = 1 << RESAMPLE_BITS;
        w.taps[i] = taps;
        w.first[i] = (int)rng_below(&rng, (uint32_t)(inputs - taps + 1));
        for (int t = 0; t < taps; t++) {
            int32_t part = t + 1 < taps ? (int32_t)rng_below(&rng, (uint32_t)left + 1) : left;
            size_t at = (size_t)i * (size_t)stride + (size_t)t;
            w.weight[at] = part;
            w.high[at] = (int16_t)(part >> RESAMPLE_SPLIT);
            w.low[at] = (int16_t)(part & ((1 << RESAMPLE_SPLIT) - 1));
            left -= part;
        }
    }
    return w;
}

static void resample_kernels(void **state)
{
    (void)state;
    for (int trial = 0; trial < 300; trial++) {
        int inputs = 1 + (int)rng_below(&rng, 60), rows = 1 + (int)rng_below(&rng, 9);
        int count = 1 + (int)rng_below(&rng, 40);
        ResampleWeights w = weights_random(count, inputs, 1 + (int)rng_below(&rng, 11));
        Bytes in = bytes_random((size_t)inputs * 3 * (size_t)rows, 256);
        size_t stride = (size_t)count * 3 + 4, n = stride * (size_t)rows;
        Bytes a = bytes_random(n, 256), b = bytes_copy(&a);
        plain->resample_rows(&w, in.at, (size_t)inputs * 3, in.at + in.n, a.at, stride, rows);
        fast->resample_rows(&w, in.at, (size_t)inputs * 3, in.at + in.n, b.at, stride, rows);
        for (int y = 0; y < rows; y++)
            assert_memory_equal(a.at + (size_t)y * stride, b.at + (size_t)y * stride,
                                (size_t)count * 3);
        size_t width = 1 + rng_below(&rng, 100);
        Bytes tall = bytes_random(width * (size_t)inputs, 2), c = bytes_random(width, 256),
              d = bytes_copy(&c);
        plain->resample_column(tall.at + width * (size_t)w.first[0], width, w.taps[0], w.weight,
                               w.high, w.low, c.at, width);
        fast->resample_column(tall.at + width * (size_t)w.first[0], width, w.taps[0], w.weight,
                              w.high, w.low, d.at, width);
        assert_same(&c, &d, "resample_column", width);
        free(a.memory), free(b.memory), free(in.memory), free(tall.memory);
        free(w.first), free(w.taps), free(w.weight), free(w.high), free(w.low);
    }
}

static void affine_kernels(void **state)
{
    (void)state;
    for (int trial = 0; trial < 200; trial++) {
        int width = 1 + (int)rng_below(&rng, 40), height = 1 + (int)rng_below(&rng, 40);
        double turn = rng_uniform(&rng) * 6.3, size = 0.3 + rng_uniform(&rng);
        double m[6] = {size * cos(turn), size * sin(turn), width * (rng_uniform(&rng) - 0.3),
                       -size * sin(turn), size * cos(turn), height * (rng_uniform(&rng) - 0.3)};
        if (trial % 4 == 0)
            m[0] = m[4] = 1, m[3] = 0, m[5] = 0; /* a shear along x */
        Bytes in = bytes_random((size_t)width * (size_t)height * 3, trial % 2 ? 2 : 256);
        for (int y = 0; y < height; y++)
            for (int cubic = 0; cubic < 2; cubic++) {
                Bytes a = bytes_random((size_t)width * 3, 256), b = bytes_copy(&a);
                (cubic ? plain->affine_bicubic : plain->affine_bilinear)(in.at, width, height, m, y,
                                                                         a.at, width);
                (cubic ? fast->affine_bicubic : fast->affine_bilinear)(in.at, width, height, m, y,
                                                                       b.at, width);
                assert_same(&a, &b, cubic ? "bicubic" : "bilinear", (size_t)trial);
            }
        free(in.memory);
    }
}

int main(void)
{
    plain = kernels_plain();
    fast = kernels_avx2();
    rng = rng_stream(20, 0, 0, RNG_TEST);
    if (!fast) {
        printf("skipped: this processor (or build) has only the plain kernels\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(point_kernels),   cmocka_unit_test(luma_of_many),
        cmocka_unit_test(box_kernel),      cmocka_unit_test(sharpness_kernel),
        cmocka_unit_test(resample_kernels), cmocka_unit_test(affine_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
