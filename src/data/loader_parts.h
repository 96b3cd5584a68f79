/* Private to the loader: what its threads and its consumer share. loader.c makes batches,
 * loader_judge.c says what becomes of those with images that could not be used. */
#ifndef PACO_DATA_LOADER_PARTS_H
#define PACO_DATA_LOADER_PARTS_H

#include "data/loader.h"
#include "data/sampler.h"

#include <pthread.h>

/* One image to load: its views, and where in the batch they go; -1: not wanted. */
typedef struct Job {
    uint64_t sample;
    int query, key;
} Job;

/* An image that could not be used. */
typedef struct Trouble {
    int position; /* among the jobs of the batch */
    int order;    /* of the tries for this position */
    uint32_t image;
    bool fatal; /* nothing took its place */
    Status status;
    char text[STATUS_TEXT_MAX];
} Trouble;

/* An unreadable image of a shared list that is not counted yet. */
typedef struct Found {
    uint32_t image;
    char *text; /* as the user was told */
} Found;

typedef struct Slot {
    Batch batch; /* what the consumer sees; its arrays are the ones below */
    Job *jobs;   /* [2 n] at most: those with a query first, in order */
    int job_count;
    uint8_t *query, *key;
    int32_t *labels, *order;
    uint32_t *samples, *key_samples;
    int taken, done; /* jobs handed to workers, finished */
    Trouble *troubles;
    int trouble_count, trouble_room;
} Slot;

enum { BAD_SEEN = 1, BAD_COUNTED = 2 };

struct Loader {
    LoaderSpec spec;
    int n;             /* images of a full batch */
    size_t view_bytes; /* of one image */
    int64_t steps;     /* per epoch */
    Sampler *sampler;  /* NULL for LOADER_EVAL */
    uint64_t *drawn;   /* [R B] samples of the batch that is being opened */
    Slot *slots;       /* [depth] */
    int chunk;         /* samples a worker takes at once */

    pthread_mutex_t lock;
    pthread_cond_t work, ready;
    bool stop;
    int64_t opened;      /* batches begun */
    int64_t consumed;    /* batches given back */
    uint32_t next_epoch; /* of the batch to open next */
    int64_t next_step;
    pthread_t *threads;
    int thread_count;

    /* Of the consumer alone. */
    bool holding; /* a batch is out */
    LoaderStats stats;
    uint8_t *bad; /* [count] of each image: BAD_SEEN here, BAD_COUNTED; NULL: there are none */
    Found *found; /* of a shared list; the first `told` of them loader_bad has told */
    int found_count, told;
    Status failed;
    char failed_text[STATUS_TEXT_MAX];
};

/* ---- loader_judge.c, for the consumer */

/* Judges what went wrong in a batch, in order of position. */
Status loader_judge(Loader *loader, Slot *slot);
/* Closes the gaps of unreadable images of LOADER_EVAL: a substitute would be counted as if it were
 * tested. After loader_judge. */
void loader_leave_out(const Loader *loader, Slot *slot);
/* Frees what it keeps of unreadable images. */
void loader_free_bad(Loader *loader);

#endif
