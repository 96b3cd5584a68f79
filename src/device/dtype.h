/* Element types, of values and of what devices store. */
#ifndef PACO_DEVICE_DTYPE_H
#define PACO_DEVICE_DTYPE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* X(name, word, bytes per element): what images between operators may be stored in (--amp), and
 * then all types. Bits lie packed on devices (plan/types.c). */
#define STORAGE_LIST(X) X(F32, "fp32", 4) X(F16, "fp16", 2) X(BF16, "bf16", 2)
#define DTYPE_LIST(X)                                                                              \
    STORAGE_LIST(X) X(F64, "fp64", 8) X(I32, "int32", 4) X(U8, "uint8", 1) X(BIT, "bit", 1)

typedef enum DType {
#define X(name, word, bytes) DTYPE_##name,
    DTYPE_LIST(X)
#undef X
} DType;

static inline int64_t dtype_bytes(DType t)
{
    static const int bytes[] = {
#define X(name, word, size) size,
        DTYPE_LIST(X)
#undef X
    };
    return bytes[t];
}

static inline const char *dtype_word(DType t)
{
    static const char *const words[] = {
#define X(name, word, bytes) word,
        DTYPE_LIST(X)
#undef X
    };
    return words[t];
}

/* X(name, word): what products of float32 numbers are made of: of the numbers themselves, or on
 * CUDA of the numbers rounded to TF32, 10 digits of their fraction. Sums are float32's. */
#define MATH_LIST(X) X(STRICT, "strict") X(TF32, "tf32")

typedef enum Math {
#define X(name, word) MATH_##name,
    MATH_LIST(X)
#undef X
} Math;

static inline const char *math_word(Math m)
{
    static const char *const words[] = {
#define X(name, word) word,
        MATH_LIST(X)
#undef X
    };
    return words[m];
}

/* The math of this word, or -1. */
static inline int math_find(const char *word)
{
#define X(name, text)            \
    if (strcmp(word, text) == 0) \
        return MATH_##name;
    MATH_LIST(X)
#undef X
    return -1;
}

/* ", products in tf32"; nothing of float32's own, which go without saying. */
static inline const char *math_phrase(Math m)
{
    static const char *const phrases[] = {
#define X(name, word) ", products in " word,
        MATH_LIST(X)
#undef X
    };
    return m == MATH_STRICT ? "" : phrases[m];
}

/* " in fp16", " in bf16"; nothing of float32, which goes without saying. */
static inline const char *storage_phrase(DType t)
{
    static const char *const phrases[] = {
#define X(name, word, bytes) " in " word,
        STORAGE_LIST(X)
#undef X
    };
    return t == DTYPE_F32 ? "" : phrases[t];
}

/* The storage type of this word, or -1. */
static inline int storage_find(const char *word)
{
#define X(name, text, bytes)      \
    if (strcmp(word, text) == 0) \
        return DTYPE_##name;
    STORAGE_LIST(X)
#undef X
    return -1;
}

/* The formats of 16 bits: digits of the fraction, exponent of the smallest normal number. */
static inline int half_digits(DType t)
{
    return t == DTYPE_F16 ? 10 : 7;
}

static inline int half_least(DType t)
{
    return t == DTYPE_F16 ? -14 : -126;
}

/* x as the type holds it: rounded once, to nearest, ties to even; beyond the largest it is
 * infinite. Integers are left alone: whoever has them has whole ones. */
static inline double dtype_round(DType t, double x)
{
    if (t == DTYPE_F32)
        return (float)x;
    if ((t != DTYPE_F16 && t != DTYPE_BF16) || x == 0 || !isfinite(x))
        return x;
    int e = ilogb(x);
    double unit = ldexp(1, (e > half_least(t) ? e : half_least(t)) - half_digits(t));
    double rounded = rint(x / unit) * unit;
    double beyond = t == DTYPE_F16 ? 65536 : ldexp(1, 128);
    return fabs(rounded) >= beyond ? copysign(INFINITY, x) : rounded;
}

/* The bits of x in a format of 16 bits, and the number that such bits are. */
static inline uint16_t half_bits(DType t, double x)
{
    const int digits = half_digits(t), least = half_least(t);
    const uint16_t sign = signbit(x) ? 0x8000 : 0;
    const uint16_t infinite = (uint16_t)(t == DTYPE_F16 ? 0x7c00 : 0x7f80);
    if (isnan(x))
        return (uint16_t)(sign | infinite | 1u << (digits - 1));
    double r = fabs(dtype_round(t, x));
    if (isinf(r))
        return sign | infinite;
    if (r < ldexp(1, least)) /* zero, or without the leading one */
        return (uint16_t)(sign | (unsigned)ldexp(r, digits - least));
    int e = ilogb(r);
    return (uint16_t)(sign | (unsigned)((e - least + 1) << digits) |
                      ((unsigned)ldexp(r, digits - e) & ((1u << digits) - 1)));
}

static inline double half_value(DType t, uint16_t bits)
{
    const int digits = half_digits(t), least = half_least(t);
    const int e = (bits & 0x7fff) >> digits, fraction = bits & ((1 << digits) - 1);
    const int most = t == DTYPE_F16 ? 31 : 255;
    double x = e == most ? (fraction ? NAN : INFINITY)
               : e == 0  ? ldexp(fraction, least - digits)
                         : ldexp(fraction + (1 << digits), e - 1 + least - digits);
    return bits & 0x8000 ? -x : x;
}

#endif
