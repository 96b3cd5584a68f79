/* Counting by bits: an exponent of ones, which a compiler vectorises, unlike isfinite. */
#include "checkpoint/finite.h"

#include "base/log.h"

#include <inttypes.h>
#include <string.h>

static bool is_not_finite(float value)
{
    const uint32_t exponent = 0x7f800000;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & exponent) == exponent;
}

uint64_t not_finite_floats(const float *values, uint64_t n)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < n; i++)
        count += is_not_finite(values[i]);
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
        log_warn("%s: elements that are NaN or infinite: %" PRIu64 ", the first in %.200s", path,
                 found->count, found->first);
}

void not_finite_look(NotFinite *found, const char *key, const float *values, uint64_t n)
{
    uint64_t count = not_finite_floats(values, n), i = 0;
    if (count && !found->first) {
        while (!is_not_finite(values[i]))
            i++;
        found->index = i;
    }
    not_finite_add(found, key, count);
}

Status not_finite_tell(const NotFinite *found, const char *path, bool strict)
{
    if (strict && found->count)
        return status_fail(STATUS_NAN,
                           "%s: key '%.200s': element %" PRIu64 " is not finite (%" PRIu64
                           " such elements in all)",
                           path, found->first, found->index, found->count);
    not_finite_warn(found, path);
    return STATUS_OK;
}
