/* SplitMix64 over FNV-1a of the name: the oracle's counter-based numbers. */
#include "verify/oracle_numbers.h"

#include "base/arena.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

static uint64_t splitmix(uint64_t x)
{
    uint64_t z = x + 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static uint64_t start_of(const char *name, uint64_t seed)
{
    return rng_hash(name) + seed * 0x9E3779B97F4A7C15u;
}

uint64_t oracle_bits(const char *name, uint64_t seed, uint64_t i)
{
    return splitmix(start_of(name, seed) + i);
}

void oracle_uniform(const char *name, uint64_t seed, int64_t n, double *out)
{
    uint64_t start = start_of(name, seed);
    for (int64_t i = 0; i < n; i++)
        out[i] = (double)(splitmix(start + (uint64_t)i) >> 40) * 0x1p-23 - 1;
}

void oracle_integers(const char *name, uint64_t seed, int64_t n, uint32_t below, int32_t *out)
{
    uint64_t start = start_of(name, seed);
    for (int64_t i = 0; i < n; i++)
        out[i] = (int32_t)((splitmix(start + (uint64_t)i) >> 32) % below);
}

typedef struct Keyed {
    uint64_t key;
    int32_t index;
} Keyed;

static int by_key(const void *a, const void *b)
{
    const Keyed *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->index - y->index;
}

void oracle_permutation(const char *name, uint64_t seed, int32_t n, int32_t *out)
{
    Keyed *keyed = mem_alloc((size_t)n * sizeof *keyed);
    for (int32_t i = 0; i < n; i++)
        keyed[i] = (Keyed){oracle_bits(name, seed, (uint64_t)i), i};
    qsort(keyed, (size_t)n, sizeof *keyed, by_key);
    for (int32_t i = 0; i < n; i++)
        out[i] = keyed[i].index;
    free(keyed);
}

void oracle_unit_rows(const char *name, uint64_t seed, int64_t n, int64_t d, double *out)
{
    oracle_uniform(name, seed, n * d, out);
    for (int64_t i = 0; i < n; i++) {
        double squares = 0;
        for (int64_t j = 0; j < d; j++)
            squares += out[i * d + j] * out[i * d + j];
        for (int64_t j = 0; j < d; j++)
            out[i * d + j] = (float)(out[i * d + j] / sqrt(squares));
    }
}
