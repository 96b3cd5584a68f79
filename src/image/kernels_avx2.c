/* Inner loops for AVX2 (this file alone is compiled for it). Integers are exact whatever their
 * order, and floating-point sums are taken in the order of the plain loops, without fused
 * multiply-add: both give the same bytes. */
#include "image/kernels.h"

#if defined(__AVX2__)

#include "image/kernels_affine.h"
#include "image/kernels_loops.h"

#include <immintrin.h>
#include <string.h>

static int32_t pair_at(const int16_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Two sums of products, high and low parts, to bytes before packing. */
static inline __m256i join(__m256i high, __m256i low)
{
    __m256i half = _mm256_set1_epi32(1 << (RESAMPLE_BITS - 1));
    __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, RESAMPLE_SPLIT), low);
    return _mm256_srai_epi32(_mm256_add_epi32(sum, half), RESAMPLE_BITS);
}

/* Words r0 r1 g0 g1 b0 b1 0 0 of two neighbouring RGB pixels, in each half; the pair begins at
 * byte 0 or 6. */
static inline __m256i pixel_pairs(__m256i bytes, int second)
{
    const char o = second ? 6 : 0, z = (char)0x80;
    const __m128i one = _mm_setr_epi8(o, z, (char)(o + 3), z, (char)(o + 1), z, (char)(o + 4), z,
                                      (char)(o + 2), z, (char)(o + 5), z, z, z, z, z);
    return _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(one));
}

/* Two rows at once, one in each half of the registers. */
static void two_rows(const ResampleWeights *w, const uint8_t *in, size_t in_stride, uint8_t *out,
                     size_t out_stride)
{
    for (int i = 0; i < w->count; i++) {
        size_t at = (size_t)i * (size_t)w->stride;
        const uint8_t *p = in + (size_t)w->first[i] * 3;
        __m256i high = _mm256_setzero_si256(), low = high;
        for (int t = 0; t < w->taps[i]; t += 4, p += 12) {
            __m256i bytes = _mm256_inserti128_si256(
                _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p)),
                _mm_loadu_si128((const __m128i *)(p + in_stride)), 1);
            __m256i a = pixel_pairs(bytes, 0), b = pixel_pairs(bytes, 1);
            const int16_t *h = w->high + at + t, *l = w->low + at + t;
            high = _mm256_add_epi32(high, _mm256_madd_epi16(a, _mm256_set1_epi32(pair_at(h))));
            low = _mm256_add_epi32(low, _mm256_madd_epi16(a, _mm256_set1_epi32(pair_at(l))));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(b, _mm256_set1_epi32(pair_at(h + 2))));
            low = _mm256_add_epi32(low, _mm256_madd_epi16(b, _mm256_set1_epi32(pair_at(l + 2))));
        }
        __m256i sum = join(high, low);
        sum = _mm256_packus_epi16(_mm256_packs_epi32(sum, sum), sum);
        int32_t first = _mm_cvtsi128_si32(_mm256_castsi256_si128(sum));
        int32_t second = _mm_cvtsi128_si32(_mm256_extracti128_si256(sum, 1));
        memcpy(out + 3 * i, &first, 4);
        memcpy(out + out_stride + 3 * i, &second, 4);
    }
}

static void resample_rows(const ResampleWeights *w, const uint8_t *in, size_t in_stride,
                          const uint8_t *end, uint8_t *out, size_t out_stride, int rows)
{
    /* The vectors read four pixels at a time: rows near the end of the image, where that would
     * be beyond it, are left to the plain loop. */
    size_t reach = 0; /* bytes read from the beginning of a row */
    for (int i = 0; i < w->count; i++) {
        size_t last = ((size_t)w->first[i] + (size_t)(w->taps[i] + 3) / 4 * 4) * 3 + 4;
        reach = last > reach ? last : reach;
    }
    int y = 0;
    for (; y + 1 < rows && (size_t)(end - in) >= in_stride + reach; y += 2) {
        two_rows(w, in, in_stride, out, out_stride);
        in += 2 * in_stride;
        out += 2 * out_stride;
    }
    kernels_plain()->resample_rows(w, in, in_stride, end, out, out_stride, rows - y);
}

static inline void column16(const uint8_t *in, size_t stride, int taps, const int16_t *high,
                            const int16_t *low, uint8_t *out)
{
    __m256i h0 = _mm256_setzero_si256(), h1 = h0, l0 = h0, l1 = h0;
    /* Two rows at once: madd multiplies pairs of words and adds. Of an odd last one the pair's
     * weight is zero, so any row will do. */
    for (int t = 0; t < taps; t += 2, in += 2 * stride) {
        __m128i a = _mm_loadu_si128((const __m128i *)in);
        __m128i b = t + 1 < taps ? _mm_loadu_si128((const __m128i *)(in + stride)) : a;
        __m256i w0 = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b));
        __m256i w1 = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b));
        __m256i h = _mm256_set1_epi32(pair_at(high + t)), l = _mm256_set1_epi32(pair_at(low + t));
        h0 = _mm256_add_epi32(h0, _mm256_madd_epi16(w0, h));
        h1 = _mm256_add_epi32(h1, _mm256_madd_epi16(w1, h));
        l0 = _mm256_add_epi32(l0, _mm256_madd_epi16(w0, l));
        l1 = _mm256_add_epi32(l1, _mm256_madd_epi16(w1, l));
    }
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(join(h0, l0), join(h1, l1)), 0xd8);
    __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words),
                                     _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)out, bytes);
}

static void resample_column(const uint8_t *in, size_t stride, int taps, const int32_t *weight,
                            const int16_t *high, const int16_t *low, uint8_t *out, size_t n)
{
    if (n < 16) {
        kernels_plain()->resample_column(in, stride, taps, weight, high, low, out, n);
        return;
    }
    for (size_t i = 0; i + 16 <= n; i += 16)
        column16(in + i, stride, taps, high, low, out + i);
    /* The last sixteen once more: bytes that were made already are made alike. */
    if (n % 16)
        column16(in + n - 16, stride, taps, high, low, out + n - 16);
}

/* Sixteen RGB pixels as one register per channel. */
typedef struct Planes {
    __m128i r, g, b;
} Planes;

#define MASK(...) _mm_setr_epi8(__VA_ARGS__)
#define PICK3(a, ma, b, mb, c, mc)                                               \
    _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(a, ma), _mm_shuffle_epi8(b, mb)), \
                 _mm_shuffle_epi8(c, mc))

static inline Planes planes_load(const uint8_t *rgb)
{
    const __m128i a = _mm_loadu_si128((const __m128i *)rgb);
    const __m128i b = _mm_loadu_si128((const __m128i *)(rgb + 16));
    const __m128i c = _mm_loadu_si128((const __m128i *)(rgb + 32));
    return (Planes){
        PICK3(a, MASK(0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
              b, MASK(-1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14, -1, -1, -1, -1, -1),
              c, MASK(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 4, 7, 10, 13)),
        PICK3(a, MASK(1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
              b, MASK(-1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1),
              c, MASK(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14)),
        PICK3(a, MASK(2, 5, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
              b, MASK(-1, -1, -1, -1, -1, 1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1),
              c, MASK(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15)),
    };
}

static inline void planes_store(uint8_t *rgb, Planes p)
{
    __m128i a = PICK3(p.r, MASK(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5),
                      p.g, MASK(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1),
                      p.b, MASK(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1));
    __m128i b = PICK3(p.r, MASK(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1),
                      p.g, MASK(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10),
                      p.b, MASK(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1));
    __m128i c = PICK3(p.r, MASK(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1),
                      p.g, MASK(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1),
                      p.b, MASK(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15));
    _mm_storeu_si128((__m128i *)rgb, a);
    _mm_storeu_si128((__m128i *)(rgb + 16), b);
    _mm_storeu_si128((__m128i *)(rgb + 32), c);
}

/* Luma of eight pixels, of the halves r, g, b of a Planes unpacked by `lower`. The weight of
 * green does not fit 16 bits and is taken twice by half. */
static inline __m256i luma8(__m128i rg, __m128i gb)
{
    const __m256i k0 = _mm256_set1_epi32(19235 << 16 | 19595);
    const __m256i k1 = _mm256_set1_epi32(7471 << 16 | 19235);
    __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(_mm256_cvtepu8_epi16(rg), k0),
                                   _mm256_madd_epi16(_mm256_cvtepu8_epi16(gb), k1));
    return _mm256_srli_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(0x8000)), 16);
}

static inline __m256i luma_low(Planes p)
{
    return luma8(_mm_unpacklo_epi8(p.r, p.g), _mm_unpacklo_epi8(p.g, p.b));
}

static inline __m256i luma_high(Planes p)
{
    return luma8(_mm_unpackhi_epi8(p.r, p.g), _mm_unpackhi_epi8(p.g, p.b));
}

/* Two times eight numbers of 0..255 to sixteen bytes. */
static inline __m128i pack16(__m256i a, __m256i b)
{
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

static inline __m256i blend8(__m256i value, __m256i base, __m256 factor)
{
    /* Multiplied, then added, each rounded: a fused multiply-add would round once. */
    __m256 away = _mm256_cvtepi32_ps(_mm256_sub_epi32(value, base));
    __m256 sum = _mm256_add_ps(_mm256_cvtepi32_ps(base), _mm256_mul_ps(factor, away));
    sum = _mm256_min_ps(_mm256_max_ps(sum, _mm256_setzero_ps()), _mm256_set1_ps(255.0f));
    return _mm256_cvttps_epi32(sum);
}

static inline __m128i blend16(__m128i value, __m256i base_low, __m256i base_high, __m256 factor)
{
    return pack16(blend8(_mm256_cvtepu8_epi32(value), base_low, factor),
                  blend8(_mm256_cvtepu8_epi32(_mm_srli_si128(value, 8)), base_high, factor));
}

static void blend_constant(uint8_t *p, size_t n, int base, float factor)
{
    __m256i b = _mm256_set1_epi32(base);
    __m256 f = _mm256_set1_ps(factor);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + i));
        _mm_storeu_si128((__m128i *)(p + i), blend16(v, b, b, f));
    }
    loop_blend_constant(p + i, n - i, base, factor);
}

static void blend_luma(uint8_t *rgb, size_t pixels, float factor)
{
    __m256 f = _mm256_set1_ps(factor);
    size_t i = 0;
    for (; i + 16 <= pixels; i += 16, rgb += 48) {
        Planes p = planes_load(rgb);
        __m256i low = luma_low(p), high = luma_high(p);
        planes_store(rgb, (Planes){blend16(p.r, low, high, f), blend16(p.g, low, high, f),
                                   blend16(p.b, low, high, f)});
    }
    kernels_plain()->blend_luma(rgb, pixels - i, factor);
}

static uint64_t luma_sum(const uint8_t *rgb, size_t pixels)
{
    /* In blocks that a lane of 32 bits can hold. */
    uint64_t total = 0;
    size_t i = 0;
    while (i + 16 <= pixels) {
        __m256i sum = _mm256_setzero_si256();
        for (int block = 0; block < 4096 && i + 16 <= pixels; block++, i += 16) { /* below 2^31 */
            Planes p = planes_load(rgb + 3 * i);
            sum = _mm256_add_epi32(sum, _mm256_add_epi32(luma_low(p), luma_high(p)));
        }
        uint32_t lanes[8];
        _mm256_storeu_si256((__m256i *)lanes, sum);
        for (int lane = 0; lane < 8; lane++)
            total += lanes[lane];
    }
    return total + kernels_plain()->luma_sum(rgb + 3 * i, pixels - i);
}

static void grayscale(uint8_t *rgb, size_t pixels)
{
    size_t i = 0;
    for (; i + 16 <= pixels; i += 16, rgb += 48) {
        Planes p = planes_load(rgb);
        __m128i grey = pack16(luma_low(p), luma_high(p));
        planes_store(rgb, (Planes){grey, grey, grey});
    }
    kernels_plain()->grayscale(rgb, pixels - i);
}

/* The three channels of a pixel (and a byte beyond it) as integers. */
static inline __m128i pixel_load(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm_cvtepu8_epi32(_mm_cvtsi32_si128(v));
}

static inline void pixel_store(uint8_t *out, __m256d value)
{
    /* Clipped before truncation, which is then Pillow's. */
    value = _mm256_min_pd(_mm256_max_pd(value, _mm256_setzero_pd()), _mm256_set1_pd(255.0));
    __m128i v = _mm256_cvttpd_epi32(value);
    v = _mm_packus_epi16(_mm_packs_epi32(v, v), v);
    uint32_t bits = (uint32_t)_mm_cvtsi128_si32(v);
    memcpy(out, &bits, 2);
    out[2] = (uint8_t)(bits >> 16);
}

static inline __m256d lerp_row(const uint8_t *p, double dx)
{
    __m128i a = pixel_load(p), b = pixel_load(p + 3);
    __m256d rise = _mm256_cvtepi32_pd(_mm_sub_epi32(b, a));
    return _mm256_add_pd(_mm256_cvtepi32_pd(a), _mm256_mul_pd(rise, _mm256_set1_pd(dx)));
}

/* v2 + d (p2 + d (p3 + d p4)) */
static inline __m256d cubic(__m256d v2, __m256d p2, __m256d p3, __m256d p4, __m256d d)
{
    __m256d inner = _mm256_add_pd(p3, _mm256_mul_pd(d, p4));
    inner = _mm256_add_pd(p2, _mm256_mul_pd(d, inner));
    return _mm256_add_pd(v2, _mm256_mul_pd(d, inner));
}

/* Along a row; p is the pixel left of the sample. The differences are integers and exact. */
static inline __m256d cubic_row(const uint8_t *p, double dx)
{
    __m128i v2 = pixel_load(p + 3);
    if (dx == 0)
        return _mm256_cvtepi32_pd(v2);
    __m128i v1 = pixel_load(p), v3 = pixel_load(p + 6), v4 = pixel_load(p + 9);
    __m128i a = _mm_sub_epi32(v1, v2), b = _mm_sub_epi32(v3, v4);
    __m128i p3 = _mm_add_epi32(_mm_slli_epi32(a, 1), b), p4 = _mm_sub_epi32(_mm_setzero_si128(),
                                                                            _mm_add_epi32(a, b));
    return cubic(_mm256_cvtepi32_pd(v2), _mm256_cvtepi32_pd(_mm_sub_epi32(v3, v1)),
                 _mm256_cvtepi32_pd(p3), _mm256_cvtepi32_pd(p4), _mm256_set1_pd(dx));
}

static inline __m256d cubic_column(__m256d v1, __m256d v2, __m256d v3, __m256d v4, double dy)
{
    /* In the order of affine_cubic: these are no integers. */
    __m256d p3 = _mm256_mul_pd(_mm256_set1_pd(2.0), _mm256_sub_pd(v1, v2));
    p3 = _mm256_sub_pd(_mm256_add_pd(p3, v3), v4);
    __m256d p4 = _mm256_add_pd(_mm256_sub_pd(_mm256_sub_pd(v2, v1), v3), v4);
    return cubic(v2, _mm256_sub_pd(v3, v1), p3, p4, _mm256_set1_pd(dy));
}

/* The sample right and below of p. */
static inline __m256d sample_linear(const uint8_t *p, size_t stride, const AffineSource *s)
{
    __m256d v = lerp_row(p, s->dx);
    if (s->dy == 0)
        return v;
    __m256d w = lerp_row(p + stride, s->dx);
    return _mm256_add_pd(v, _mm256_mul_pd(_mm256_sub_pd(w, v), _mm256_set1_pd(s->dy)));
}

/* The sample among the 4 x 4 pixels from p on. */
static inline __m256d sample_cubic(const uint8_t *p, size_t stride, const AffineSource *s)
{
    __m256d v = cubic_row(p + stride, s->dx);
    if (s->dy == 0)
        return v;
    return cubic_column(cubic_row(p, s->dx), v, cubic_row(p + 2 * stride, s->dx),
                        cubic_row(p + 3 * stride, s->dx), s->dy);
}

/* Where all pixels that a sample needs, and a byte beyond the last, are in the image they are taken
 * as vectors; near its edges the plain arithmetic is. */
static LOOP_INLINE void affine_row(const uint8_t *in, int width, int height, const double m[6],
                                   int y, uint8_t *out, int n, bool is_cubic)
{
    const int before = is_cubic ? 1 : 0; /* pixels left of the sample and above it */
    size_t stride = (size_t)width * 3;
    AffineSource s;
    for (int x = 0; x < n; x++, out += 3) {
        if (!affine_source(m, x, y, width, height, &s))
            continue;
        if (s.x < before || s.x + 2 + before >= width || s.y < before ||
            s.y + 1 + before >= height) {
            if (is_cubic)
                affine_pixel_bicubic(in, width, height, &s, out);
            else
                affine_pixel_bilinear(in, width, height, &s, out);
            continue;
        }
        const uint8_t *p = in + (size_t)(s.y - before) * stride + (size_t)(s.x - before) * 3;
        pixel_store(out, is_cubic ? sample_cubic(p, stride, &s) : sample_linear(p, stride, &s));
    }
}

static void affine_bilinear(const uint8_t *in, int width, int height, const double m[6], int y,
                            uint8_t *out, int n)
{
    affine_row(in, width, height, m, y, out, n, false);
}

static void affine_bicubic(const uint8_t *in, int width, int height, const double m[6], int y,
                           uint8_t *out, int n)
{
    affine_row(in, width, height, m, y, out, n, true);
}

const Kernels *kernels_avx2(void)
{
    static const Kernels avx2 = KERNELS_TABLE("avx2");
    /* The file is compiled for AVX2; the processor has the last word. */
    return __builtin_cpu_supports("avx2") ? &avx2 : NULL;
}

#else

const Kernels *kernels_avx2(void)
{
    return NULL;
}

#endif
