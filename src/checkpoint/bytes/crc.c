/* CRC-32 by folding (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ",
 * Intel 2009): 64 bytes are kept as four polynomials that are multiplied forward over the next 64,
 * then reduced. What is left at the end, and every processor without the instruction, goes through
 * zlib. */
#include "checkpoint/bytes/crc.h"

#include <zlib.h>

static uint32_t crc_zlib(uint32_t crc, const uint8_t *bytes, size_t size)
{
    for (size_t n; size; bytes += n, size -= n) {
        n = size < (1u << 30) ? size : 1u << 30;
        crc = (uint32_t)crc32(crc, bytes, (uInt)n);
    }
    return crc;
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#define TARGET __attribute__((target("pclmul,sse4.1")))

/* x * constants (both halves) + next: one step forward. */
TARGET static __m128i fold(__m128i x, __m128i constants, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(x, constants, 0x00),
            high = _mm_clmulepi64_si128(x, constants, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

TARGET static __m128i load(const uint8_t *bytes)
{
    return _mm_loadu_si128((const __m128i *)bytes);
}

/* `size` is a multiple of 16, at least 64; `state` is the inverted CRC. */
TARGET static uint32_t fold_all(uint32_t state, const uint8_t *bytes, size_t size)
{
    const __m128i by64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i by16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i last = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    const __m128i mask = _mm_setr_epi32(-1, 0, -1, 0);
    __m128i x[4];
    for (int i = 0; i < 4; i++)
        x[i] = load(bytes + 16 * i);
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)state));
    for (bytes += 64, size -= 64; size >= 64; bytes += 64, size -= 64)
        for (int i = 0; i < 4; i++)
            x[i] = fold(x[i], by64, load(bytes + 16 * i));
    for (int i = 1; i < 4; i++)
        x[0] = fold(x[0], by16, x[i]);
    for (; size; bytes += 16, size -= 16)
        x[0] = fold(x[0], by16, load(bytes));
    /* 128 bits to 64, to 32, then Barrett's reduction. */
    __m128i a = _mm_xor_si128(_mm_srli_si128(x[0], 8), _mm_clmulepi64_si128(x[0], by16, 0x10));
    a = _mm_xor_si128(_mm_srli_si128(a, 4),
                      _mm_clmulepi64_si128(_mm_and_si128(a, mask), last, 0x00));
    __m128i q = _mm_and_si128(_mm_clmulepi64_si128(_mm_and_si128(a, mask), barrett, 0x10), mask);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(a, _mm_clmulepi64_si128(q, barrett, 0x00)), 1);
}

static int has_instruction(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c & 1u << 1 && c & 1u << 19;
}

uint32_t crc_add(uint32_t crc, const void *data, size_t size)
{
    static int fast = -1; /* every thread finds the same answer */
    const uint8_t *bytes = data;
    if (fast < 0)
        fast = has_instruction();
    if (fast && size >= 64) {
        size_t folded = size & ~(size_t)15;
        crc = ~fold_all(~crc, bytes, folded);
        bytes += folded;
        size -= folded;
    }
    return crc_zlib(crc, bytes, size);
}
#else
uint32_t crc_add(uint32_t crc, const void *data, size_t size)
{
    return crc_zlib(crc, data, size);
}
#endif
