/* Long-tailed subsets as published, with the parts of numpy's legacy generator that they need:
 * MT19937 seeded from one integer, bounded integers by masked rejection, Fisher-Yates downwards. */
#include "data/longtail.h"

#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MT_N = 624, MT_M = 397 };

void legacy_seed(LegacyRandom *random, uint32_t seed)
{
    for (uint32_t i = 0; i < MT_N; i++) {
        random->state[i] = seed;
        seed = 1812433253u * (seed ^ (seed >> 30)) + i + 1;
    }
    random->at = MT_N;
}

static void refill(LegacyRandom *random)
{
    uint32_t *s = random->state;
    for (int i = 0; i < MT_N; i++) {
        uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % MT_N] & 0x7fffffffu);
        s[i] = s[(i + MT_M) % MT_N] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    random->at = 0;
}

static uint32_t next_bits(LegacyRandom *random)
{
    /* The generator makes 624 numbers at a time. */
    if (random->at == MT_N)
        refill(random);
    uint32_t y = random->state[random->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* Uniform in [0, last]: masked draws until one fits. */
static uint32_t next_upto(LegacyRandom *random, uint32_t last)
{
    /* All ones up to the highest bit of `last`. */
    uint32_t mask = last, value;
    for (int shift = 1; shift < 32; shift *= 2)
        mask |= mask >> shift;
    do
        value = next_bits(random) & mask;
    while (value > last);
    return value;
}

void legacy_shuffle(LegacyRandom *random, uint32_t *values, uint32_t n)
{
    for (uint32_t i = n; i-- > 1;) {
        uint32_t j = next_upto(random, i), t = values[i];
        values[i] = values[j];
        values[j] = t;
    }
}

void longtail_counts(const LongTail *tail, int64_t total, int classes, int64_t *counts)
{
    /* In double and truncated, as the published code computes it. */
    double largest = (double)total / classes;
    for (int c = 0; c < classes; c++) {
        if (tail->form == LONGTAIL_EXP && classes > 1)
            counts[c] = (int64_t)(largest * pow(tail->factor, c / (classes - 1.0)));
        else if (tail->form == LONGTAIL_STEP && c >= classes / 2)
            counts[c] = c < classes / 2 * 2 ? (int64_t)(largest * tail->factor) : 0;
        else
            counts[c] = (int64_t)largest;
    }
}

Status longtail_draw(const LongTail *tail, const char *source, const int32_t *labels, int64_t total,
                     int classes, uint32_t **chosen, int64_t *n)
{
    int64_t *counts = mem_zero((size_t)classes, sizeof *counts);
    uint32_t *kept = mem_alloc((size_t)total * sizeof *kept);
    uint32_t *of_class = mem_alloc((size_t)total * sizeof *of_class);
    LegacyRandom random;
    Status status = STATUS_OK;
    longtail_counts(tail, total, classes, counts);
    legacy_seed(&random, 0);
    *n = 0;
    for (int c = 0; c < classes && status == STATUS_OK; c++) {
        int64_t have = 0;
        for (int64_t i = 0; i < total; i++)
            if (labels[i] == c)
                of_class[have++] = (uint32_t)i;
        /* Also the images that are not kept take part: the generator goes on from there. */
        legacy_shuffle(&random, of_class, (uint32_t)have);
        if (have < counts[c]) {
            status = status_fail(STATUS_INPUT,
                                 "%s: class %d: too few images for the long-tailed subset "
                                 "(%lld vs %lld)",
                                 source, c, (long long)have, (long long)counts[c]);
        } else {
            memcpy(kept + *n, of_class, (size_t)counts[c] * sizeof *kept);
            *n += counts[c];
        }
    }
    free(counts);
    free(of_class);
    if (status != STATUS_OK)
        free(kept);
    else
        *chosen = kept;
    return status;
}
