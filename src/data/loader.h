/* Loader: worker threads that turn a data set into batches of augmented uint8 images.
 *
 * Batches sit in a ring of `depth` slots. Workers take samples of the next unfinished slots; the
 * consumer receives slots in order. What a batch holds depends on (seed, epoch, step) only, never
 * on the number of threads. Loading runs on from epoch to epoch without a gap. Failures of workers
 * arrive at the consumer, with their text, at the batch they belong to. Normalisation is left to
 * the device. */
#ifndef PACO_DATA_LOADER_H
#define PACO_DATA_LOADER_H

#include "base/status.h"
#include "comm/ranks.h"
#include "data/dataset.h"
#include "image/recipe.h"

#include <stdbool.h>
#include <stdint.h>

/* CORRUPT(name, word of --on-corrupt): what becomes of an image that cannot be read or decoded.
 * FAIL: the batch that needs it fails. SKIP: another image, of the same class where one is
 * readable, takes its place (a function of seed, epoch and sample); LOADER_EVAL leaves it out
 * instead; reported; when more than one and above 1 % of the images of the data set, each counted
 * once, are found unreadable, the loader fails. */
#define CORRUPT_LIST(X) X(FAIL, "fail") X(SKIP, "skip")

typedef enum OnCorrupt {
#define X(name, word) CORRUPT_##name,
    CORRUPT_LIST(X)
#undef X
} OnCorrupt;

typedef enum LoaderViews {
    LOADER_PAIR,  /* query and key view of the recipe */
    LOADER_QUERY, /* the query view only (baselines) */
    LOADER_EVAL,  /* the evaluation view, images in order, once; the last batch may be short */
} LoaderViews;

typedef struct LoaderSpec {
    const Dataset *data;      /* outlives the loader */
    LoaderViews views;
    const Recipe *recipe;     /* unused by LOADER_EVAL */
    RecipeOptions options;    /* options.size is the side of the images delivered */
    uint64_t seed;
    Ranks ranks; /* of the recipe, and whose samples to deliver; LOADER_EVAL: of `all` processes
                    this is number `first`, which gets batches first, first + all, ... */
    int batch;                /* B, images per rank and step */
    bool balanced;            /* class-balanced sampling */
    OnCorrupt on_corrupt;
    bool shared;              /* other processes load of this list, too: unreadable images count
                                 towards the limit when all know of them (loader_count_bad) */
    int threads;              /* 0: one per core */
    int depth;                /* slots of the ring, at least 2; 0: 3 */
    uint32_t epoch;           /* where to start */
    int64_t step;             /* 0 <= step < steps per epoch */
    uint32_t epochs;          /* the loader ends before this epoch; LOADER_EVAL ignores it */
} LoaderSpec;

/* n = own ranks x B images, rank after rank; key views stand in the order of the shuffle, where the
 * share's places may be those of other ranks' images. LOADER_EVAL: fewer in the last batch and
 * where images were left out, down to none. */
typedef struct Batch {
    int n;
    uint32_t epoch;
    int64_t step;
    const uint8_t *query;    /* [n][size][size][3] RGB */
    const uint8_t *key;      /* likewise, of the places of the share; NULL unless LOADER_PAIR */
    const int32_t *labels;   /* [n] */
    const uint32_t *samples; /* [n] image numbers in the data set, substitutes included */
    const uint32_t *key_samples; /* likewise, of the key views */
    const int32_t *order; /* [R B] the key shuffle (sampler_shuffle); unless LOADER_PAIR: NULL */
} Batch;

typedef struct LoaderStats {
    double wait_seconds;   /* time the consumer spent waiting in loader_next: the data time */
    int64_t batches;       /* delivered */
    int64_t corrupt;       /* different images found unreadable so far; of a shared list: counted */
    int64_t skipped;       /* samples replaced (LOADER_EVAL: left out) so far */
} LoaderStats;

typedef struct Loader Loader;

/* STATUS_USAGE where the data set is smaller than one step. */
Status loader_open(const LoaderSpec *spec, Loader **out);
/* The next batch, valid until the next call of loader_next or loader_close; *batch is NULL at the
 * end. After a failure every further call fails the same way. Call from one thread. */
Status loader_next(Loader *loader, const Batch **batch);
LoaderStats loader_stats(const Loader *loader);
/* Of a shared list: up to `room` images that this loader found unreadable and did not tell yet;
 * returns how many. */
int loader_bad(Loader *loader, uint32_t *images, int room);
/* Counts an image of a shared list that a loader, this one or another process's, has told. Where
 * all processes do that in the same order, all find one too many at the same image: STATUS_INPUT. */
Status loader_count_bad(Loader *loader, uint32_t image);
/* Stops the threads at any moment and frees everything. NULL is allowed. */
void loader_close(Loader *loader);

#endif
