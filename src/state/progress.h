/* Progress: where a training run stands, all of it part of a checkpoint. */
#ifndef PACO_STATE_PROGRESS_H
#define PACO_STATE_PROGRESS_H

#include <stdint.h>

typedef struct Progress {
    int epoch;              /* running or next */
    int64_t step;           /* done within it */
    int64_t done;           /* steps since the beginning */
    int queue_head;         /* row of the queue that the next key goes to */
    double best;            /* best top-1 so far, a fraction */
    double loss_sum;        /* of the running epoch: each step's mean over ranks */
    int64_t correct, seen;  /* likewise: images */
    int64_t skipped;        /* likewise: unreadable images that others took the place of */
    int64_t skipped_before; /* in the epochs before */
} Progress;

#endif
