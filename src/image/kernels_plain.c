/* The plain inner loops, for every processor. */
#include "image/kernels.h"

#include "image/kernels_affine.h"
#include "image/kernels_loops.h"

/* Weights may sum to a little more than one: clipped. */
static uint8_t clip_fixed(int32_t sum)
{
    sum >>= RESAMPLE_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static void resample_rows(const ResampleWeights *w, const uint8_t *in, size_t in_stride,
                          const uint8_t *end, uint8_t *out, size_t out_stride, int rows)
{
    (void)end;
    for (int y = 0; y < rows; y++, in += in_stride, out += out_stride)
        for (int i = 0; i < w->count; i++) {
            const int32_t *weight = w->weight + (size_t)i * (size_t)w->stride;
            const uint8_t *p = in + (size_t)w->first[i] * 3;
            int32_t r = 1 << (RESAMPLE_BITS - 1), g = r, b = r;
            for (int t = 0; t < w->taps[i]; t++, p += 3) {
                r += p[0] * weight[t];
                g += p[1] * weight[t];
                b += p[2] * weight[t];
            }
            out[3 * i] = clip_fixed(r);
            out[3 * i + 1] = clip_fixed(g);
            out[3 * i + 2] = clip_fixed(b);
        }
}

static void resample_column(const uint8_t *in, size_t stride, int taps, const int32_t *weight,
                            const int16_t *high, const int16_t *low, uint8_t *out, size_t n)
{
    /* In blocks, rows outside, so that the inner loop becomes vector code. */
    (void)high, (void)low;
    enum { BLOCK = 64 };
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        size_t count = n - begin < BLOCK ? n - begin : BLOCK;
        int32_t sum[BLOCK];
        /* Half of what is shifted out: rounds to nearest. */
        for (size_t i = 0; i < count; i++)
            sum[i] = 1 << (RESAMPLE_BITS - 1);
        for (int t = 0; t < taps; t++) {
            const uint8_t *row = in + (size_t)t * stride + begin;
            for (size_t i = 0; i < count; i++)
                sum[i] += row[i] * weight[t];
        }
        for (size_t i = 0; i < count; i++)
            out[begin + i] = clip_fixed(sum[i]);
    }
}

static void blend_constant(uint8_t *p, size_t n, int base, float factor)
{
    loop_blend_constant(p, n, base, factor);
}

static void blend_luma(uint8_t *rgb, size_t pixels, float factor)
{
    for (size_t i = 0; i < pixels; i++, rgb += 3) {
        int luma = loop_luma(rgb);
        for (int c = 0; c < 3; c++)
            rgb[c] = loop_clip((float)luma + factor * (float)(rgb[c] - luma));
    }
}

static uint64_t luma_sum(const uint8_t *rgb, size_t pixels)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < pixels; i++)
        sum += (uint64_t)loop_luma(rgb + 3 * i);
    return sum;
}

static void grayscale(uint8_t *rgb, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++, rgb += 3)
        rgb[0] = rgb[1] = rgb[2] = (uint8_t)loop_luma(rgb);
}

static void affine_bilinear(const uint8_t *in, int width, int height, const double m[6], int y,
                            uint8_t *out, int n)
{
    AffineSource s;
    for (int x = 0; x < n; x++)
        if (affine_source(m, x, y, width, height, &s))
            affine_pixel_bilinear(in, width, height, &s, out + 3 * x);
}

static void affine_bicubic(const uint8_t *in, int width, int height, const double m[6], int y,
                           uint8_t *out, int n)
{
    AffineSource s;
    for (int x = 0; x < n; x++)
        if (affine_source(m, x, y, width, height, &s))
            affine_pixel_bicubic(in, width, height, &s, out + 3 * x);
}

const Kernels *kernels_plain(void)
{
    static const Kernels plain = KERNELS_TABLE("plain");
    return &plain;
}
