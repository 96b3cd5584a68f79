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
    int64_t correct_prior;  /* likewise: correct with the prior of the classes added */
    int64_t skipped;        /* likewise: unreadable images that others took the place of */
    int64_t skipped_before; /* in the epochs before */
    int64_t overflows;      /* fp16: steps that changed no weight, so far: the scaler's own count */
    int64_t lost;           /* likewise: those whose loss is no number and not in loss_sum */
} Progress;

/* Mean loss of the running epoch; NaN without a step that has one. */
static inline double progress_loss(const Progress *at)
{
    return at->loss_sum / (double)(at->step - at->lost);
}

#endif
