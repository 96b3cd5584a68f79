/* Sampler: which images make up step s of epoch e, a function of (seed, epoch, step) alone.
 *
 * An epoch is a permutation of the data set, wrapped to a multiple of R ranks; rank r takes every
 * R-th entry; incomplete batches are dropped. Class-balanced sampling walks the classes in a new
 * random order each round and the images of each class in a random order, as many draws as the data
 * set has images.
 *
 * An entry is a 64-bit key: image number in the low half; the high half is 0 where an image occurs
 * first in an epoch and differs wherever it occurs again. Random views are drawn by key, so that an
 * image drawn twice looks different. */
#ifndef PACO_DATA_SAMPLER_H
#define PACO_DATA_SAMPLER_H

#include "base/status.h"
#include "data/dataset.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct SamplerSpec {
    uint64_t seed;
    int ranks;     /* R >= 1 */
    int batch;     /* B >= 1, images per rank and step */
    bool balanced; /* class-balanced */
} SamplerSpec;

typedef struct Sampler Sampler;

/* STATUS_USAGE where the data set is smaller than one step. It must outlive the sampler. */
Status sampler_open(const Dataset *dataset, const SamplerSpec *spec, Sampler **out);
void sampler_close(Sampler *sampler);
/* Steps of an epoch. */
int64_t sampler_steps(const Sampler *sampler);
/* Steps of an epoch of `count` images: floor(ceil(count / R) / B). */
int64_t sampler_steps_of(int64_t count, int ranks, int batch);
/* keys[B] of rank `rank` at (epoch, step). The order of the latest epoch asked for is kept; asking
 * for another one makes it anew. Not thread-safe. */
void sampler_batch(Sampler *sampler, uint32_t epoch, int64_t step, int rank, uint64_t *keys);

/* The key shuffle of a step, a permutation order[R B]: place i encodes image order[i], both counted
 * rank after rank. */
void sampler_shuffle(const Sampler *sampler, uint32_t epoch, int64_t step, int32_t *order);

static inline uint32_t sampler_image(uint64_t key) { return (uint32_t)key; }

#endif
