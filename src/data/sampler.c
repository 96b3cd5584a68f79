/* The order of an epoch. Kept as keys of all its entries: 8 bytes per image of the data set. */
#include "data/sampler.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

struct Sampler {
    const Dataset *data;
    SamplerSpec spec;
    int64_t steps;
    bool ordered;     /* keys are those of `epoch` */
    uint32_t epoch;
    uint64_t *keys;   /* [count] */
    uint32_t *images; /* [count] scratch: a permutation of the images */
};

int64_t sampler_steps_of(int64_t count, int ranks, int batch)
{
    return (count + ranks - 1) / ranks / batch;
}

Status sampler_open(const Dataset *dataset, const SamplerSpec *spec, Sampler **out)
{
    CHECK(spec->ranks >= 1 && spec->batch >= 1);
    int64_t steps = sampler_steps_of(dataset->count, spec->ranks, spec->batch);
    /* Less than one step would be epochs without an end. */
    if (steps == 0)
        return status_fail(
            STATUS_USAGE, "--batch: larger than the data (%lld vs %lld images of %s)",
            (long long)spec->batch * spec->ranks, (long long)dataset->count, dataset->source);
    Sampler *s = mem_zero(1, sizeof *s);
    s->data = dataset;
    s->spec = *spec;
    s->steps = steps;
    s->keys = mem_alloc((size_t)dataset->count * sizeof *s->keys);
    s->images = mem_alloc((size_t)dataset->count * sizeof *s->images);
    *out = s;
    return STATUS_OK;
}

void sampler_close(Sampler *s)
{
    if (!s)
        return;
    free(s->images);
    free(s->keys);
    free(s);
}

int64_t sampler_steps(const Sampler *s)
{
    return s->steps;
}

/* The images of each class in random order: pool[first[c] ..] from the permutation s->images. */
static uint32_t *shuffle_classes(const Sampler *s)
{
    const Dataset *d = s->data;
    uint32_t *pool = mem_alloc((size_t)d->count * sizeof *pool);
    int64_t *at = mem_alloc((size_t)d->classes * sizeof *at);
    memcpy(at, d->first, (size_t)d->classes * sizeof *at);
    for (int64_t i = 0; i < d->count; i++)
        pool[at[d->labels[s->images[i]]]++] = s->images[i];
    free(at);
    return pool;
}

/* Rounds through all classes that have images, each round in a new order; in every class the images
 * in turn, again from the start when they are used up. */
static void order_balanced(Sampler *s)
{
    const Dataset *d = s->data;
    uint32_t *pool = shuffle_classes(s), *round = mem_alloc((size_t)d->classes * sizeof *round);
    int64_t *used = mem_zero((size_t)d->classes, sizeof *used);
    /* Another stream than the permutation's. */
    Rng rng = rng_stream(s->spec.seed, s->epoch, 1, RNG_ORDER);
    for (int64_t i = 0; i < d->count;) {
        rng_permutation(&rng, round, (uint32_t)d->classes);
        for (int k = 0; k < d->classes && i < d->count; k++) {
            uint32_t c = round[k];
            if (d->counts[c] == 0)
                continue;
            /* How often the image was drawn before: a key of its own for each time. */
            uint64_t before = (uint64_t)(used[c] / d->counts[c]);
            s->keys[i++] = before << 32 | pool[d->first[c] + used[c] % d->counts[c]];
            used[c]++;
        }
    }
    free(pool);
    free(round);
    free(used);
}

static void order_epoch(Sampler *s, uint32_t epoch)
{
    s->epoch = epoch;
    s->ordered = true;
    Rng rng = rng_stream(s->spec.seed, epoch, 0, RNG_ORDER);
    rng_permutation(&rng, s->images, (uint32_t)s->data->count);
    if (s->spec.balanced) {
        order_balanced(s);
        return;
    }
    for (int64_t i = 0; i < s->data->count; i++)
        s->keys[i] = s->images[i];
}

/* Key of the i-th entry of the wrapped epoch; what the wrap repeats is marked in the top byte. */
static uint64_t wrapped_key(const Sampler *s, int64_t i)
{
    uint64_t round = (uint64_t)(i / s->data->count);
    return s->keys[i % s->data->count] + (round << 56);
}

void sampler_batch(Sampler *s, uint32_t epoch, int64_t step, int rank, uint64_t *keys)
{
    CHECKF(step >= 0 && step < s->steps && rank >= 0 && rank < s->spec.ranks, "step %lld rank %d",
           (long long)step, rank);
    /* Epochs come one after another: one order is kept. */
    if (!s->ordered || s->epoch != epoch)
        order_epoch(s, epoch);
    for (int b = 0; b < s->spec.batch; b++)
        keys[b] = wrapped_key(s, rank + (step * s->spec.batch + b) * s->spec.ranks);
}

void sampler_shuffle(const Sampler *s, uint32_t epoch, int64_t step, int32_t *order)
{
    Rng rng = rng_stream(s->spec.seed, epoch, (uint64_t)step, RNG_SHUFFLE);
    rng_permutation(&rng, (uint32_t *)order, (uint32_t)(s->spec.batch * s->spec.ranks));
}
