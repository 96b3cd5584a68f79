/* Philox 4x32-10 and the draws made from it.
 *
 * A stream is (key: the seed; counter: block number, epoch and purpose, sample). A block gives four
 * numbers. How many a draw takes is part of what a seed means: rng_uniform and rng_normal take a
 * fixed number, rng_below one more for every number that it rejects. */
#include "base/rng.h"

#include "base/fnv.h"

#include <math.h>
#include <string.h>

void rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    /* Multipliers, Weyl increments (golden ratio, sqrt(3) - 1) and the number of rounds are those
     * of the paper: another choice is another generator. */
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

Rng rng_stream(uint64_t seed, uint32_t epoch, uint64_t sample, RngPurpose purpose)
{
    return (Rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, epoch << 8 | (uint32_t)purpose, (uint32_t)sample, (uint32_t)(sample >> 32)},
    };
}

uint32_t rng_bits(Rng *rng)
{
    if (rng->left == 0) {
        rng_philox(rng->counter, rng->key, rng->block);
        rng->counter[0]++;
        rng->left = 4;
    }
    return rng->block[4 - rng->left--];
}

double rng_uniform(Rng *rng)
{
    uint64_t high = rng_bits(rng) >> 5, low = rng_bits(rng) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

/* The draw is the upper half of x * below. Of the 2^32 numbers x, some draws would get one more
 * than others; the x whose lower half is less than 2^32 mod below are that one, and rejected. */
uint32_t rng_below(Rng *rng, uint32_t below)
{
    uint32_t limit = -below % below; /* 2^32 mod below, in 32 bits */
    for (;;) {
        uint64_t product = (uint64_t)rng_bits(rng) * below;
        if ((uint32_t)product >= limit)
            return (uint32_t)(product >> 32);
    }
}

double rng_normal(Rng *rng)
{
    double u = 1.0 - rng_uniform(rng), v = rng_uniform(rng); /* u > 0: it has a logarithm */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void rng_permutation(Rng *rng, uint32_t *order, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = rng_below(rng, i), t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}

uint64_t rng_hash(const char *text)
{
    return fnv_add(FNV_BEGIN, text, strlen(text));
}
