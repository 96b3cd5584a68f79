/* Counter-based random numbers: Philox 4x32-10 (Salmon et al., SC 2011).
 *
 * A draw is a function of (seed, epoch, sample, purpose) and of its place in that stream; there is
 * no hidden state, so order and pictures do not depend on threads, processes or devices. */
#ifndef PACO_BASE_RNG_H
#define PACO_BASE_RNG_H

#include <stdint.h>

/* What a stream is for: streams of different purpose never share numbers. */
typedef enum RngPurpose {
    RNG_ORDER = 1,   /* the permutation of an epoch */
    RNG_VIEW_Q = 2,  /* augmentation of the query view */
    RNG_VIEW_K = 3,  /* augmentation of the key view */
    RNG_SHUFFLE = 4, /* key shuffle across ranks; `sample` is the step */
    RNG_INIT = 5,    /* initial values; `sample` is the hash of the parameter's name */
    RNG_QUEUE = 6,   /* initial queue */
    RNG_SYNTHETIC = 7,
    RNG_SUBSTITUTE = 8, /* replacement of an unreadable image */
    RNG_TEST = 9,
} RngPurpose;

typedef struct Rng {
    uint32_t key[2];     /* seed */
    uint32_t counter[4]; /* block number, epoch with purpose, sample low, sample high */
    uint32_t block[4];   /* numbers of the current block */
    int left;            /* numbers of it still unused */
} Rng;

/* One block of Philox 4x32-10. */
void rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* The stream of (seed, epoch < 2^24, sample, purpose), at its beginning. */
Rng rng_stream(uint64_t seed, uint32_t epoch, uint64_t sample, RngPurpose purpose);
/* The next 32 bits. */
uint32_t rng_bits(Rng *rng);
/* Uniform in [0, 1), 53 bits. */
double rng_uniform(Rng *rng);
/* Uniform integer in [0, below), without bias; below >= 1. */
uint32_t rng_below(Rng *rng, uint32_t below);
/* Standard normal (Box-Muller; takes two uniforms, gives one number). */
double rng_normal(Rng *rng);
/* order[0..n-1] becomes a uniform permutation of 0..n-1 (Fisher-Yates). */
void rng_permutation(Rng *rng, uint32_t *order, uint32_t n);
/* FNV-1a, 64 bits, of a string: for streams named by text. */
uint64_t rng_hash(const char *text);

#endif
