/* Counting by bits: an exponent of ones, which a compiler vectorises, unlike isfinite. */
#include "checkpoint/finite.h"

#include "base/log.h"

#include <inttypes.h>
#include <string.h>

uint64_t not_finite_floats(const float *values, uint64_t n)
{
    const uint32_t exponent = 0x7f800000;
    uint64_t count = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        count += (bits & exponent) == exponent;
    }
    return count;
}

void not_finite_add(NotFinite *found, const char *key, uint64_t count)
{
    if (count && !found->first)
        found->first = key;
    found->count += count;
}

void not_finite_warn(const NotFinite *found, const char *path)
{
    if (found->count)
        log_warn("%s: elements that are NaN or infinite: %" PRIu64 ", the first in %.200s", path, found->count,
                 found->first);
}
