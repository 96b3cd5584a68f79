/* Inner loops of the image operations, in a plain version and one for AVX2, chosen when the
 * program runs. Both give the same bytes: tests/test_image_kernels.c. */
#ifndef PACO_IMAGE_KERNELS_H
#define PACO_IMAGE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Weights of one axis of a resampling: output i is the sum over t < taps[i] of weight[i][t] times
 * input first[i] + t, in units of 2^-22. Weights beyond taps[i] are zero, stride is a multiple of
 * 4. high and low are the same weights split: weight = high * 2^15 + low, 0 <= low < 2^15. */
typedef struct ResampleWeights {
    int count;  /* outputs */
    int stride;
    int *first; /* [count] */
    int *taps;  /* [count], at least 1 */
    int32_t *weight;     /* [count][stride] */
    int16_t *high, *low; /* [count][stride] */
} ResampleWeights;

enum { RESAMPLE_BITS = 22, RESAMPLE_SPLIT = 15 };

typedef struct Kernels {
    const char *name;
    /* One RGB row of `in_pixels` pixels to weights->count pixels, `rows` times. Up to 16 bytes
     * beyond an input row are read only while they lie before `end`; one byte beyond each output
     * row is written. */
    void (*resample_rows)(const ResampleWeights *weights, const uint8_t *in, size_t in_stride,
                          const uint8_t *end, uint8_t *out, size_t out_stride, int rows);
    /* One output row of n bytes from `taps` input rows. */
    void (*resample_column)(const uint8_t *in, size_t stride, int taps, const int32_t *weight,
                            const int16_t *high, const int16_t *low, uint8_t *out, size_t n);
    /* p = clip(base + factor (p - base)), float32, truncated. */
    void (*blend_constant)(uint8_t *p, size_t n, int base, float factor);
    /* The same with the pixel's own luma as base. */
    void (*blend_luma)(uint8_t *rgb, size_t pixels, float factor);
    uint64_t (*luma_sum)(const uint8_t *rgb, size_t pixels);
    void (*grayscale)(uint8_t *rgb, size_t pixels);
    void (*hue)(uint8_t *rgb, size_t pixels, int shift);
    /* out = (centre * sum(line[1..2r+1]) + edge * (line[0] + line[2r+2]) + 2^23) >> 24, n bytes. */
    void (*box)(const uint8_t *const *line, int radius, uint32_t centre, uint32_t edge,
                uint8_t *out, size_t n);
    /* Sharpness of one row's inner pixels: below, row and above hold `pixels` RGB pixels. */
    void (*sharpness)(const uint8_t *above, const uint8_t *row, const uint8_t *below, uint8_t *out,
                      size_t pixels, float factor);
    /* Row y of an affine map with Pillow's double arithmetic: pixels that come from outside the
     * image are left as they are. in: [height][width][3]; out: n pixels. */
    void (*affine_bilinear)(const uint8_t *in, int width, int height, const double matrix[6], int y,
                            uint8_t *out, int n);
    void (*affine_bicubic)(const uint8_t *in, int width, int height, const double matrix[6], int y,
                           uint8_t *out, int n);
} Kernels;

/* The fastest for this processor. PACO_SIMD=plain in the environment asks for the plain ones. */
const Kernels *kernels(void);
const Kernels *kernels_plain(void);
/* NULL where the processor (or the build) has no AVX2. */
const Kernels *kernels_avx2(void);

#endif
