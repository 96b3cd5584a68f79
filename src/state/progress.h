/* Progress: where a training run stands, all of it part of a checkpoint. */
#ifndef PACO_STATE_PROGRESS_H
#define PACO_STATE_PROGRESS_H

#include "options/choices.h"

#include <stdint.h>

/* X(field, tag): what an evaluation finds of the test images and of the validation images: columns
 * of metrics.csv, and tags in TensorBoard. */
#define TEST_FIGURES(X)                     \
    X(test_loss, "test/loss")               \
    X(top1, "test/top1")                    \
    X(top5, "test/top5")                    \
    X(class_mean, "test/class_mean")        \
    X(many, "test/many")                    \
    X(medium, "test/medium")                \
    X(few, "test/few")
#define VAL_FIGURES(X)                      \
    X(val_loss, "val/loss")                 \
    X(val_top1, "val/top1")                 \
    X(val_top5, "val/top5")                 \
    X(val_class_mean, "val/class_mean")     \
    X(val_many, "val/many")                 \
    X(val_medium, "val/medium")             \
    X(val_few, "val/few")

/* The epoch that --select chose so far. */
typedef struct Selection {
    Select select; /* what chose it; SELECT_AUTO: nothing has been looked at yet */
    uint64_t data; /* checksum of the images that did; 0: none, or not known */
    int epoch;     /* from 1; 0: none yet, or not known */
#define X(field, tag) double field; /* of that epoch; NaN: not known */
    TEST_FIGURES(X)
    VAL_FIGURES(X)
#undef X
} Selection;

typedef struct Progress {
    int epoch;              /* running or next */
    int64_t step;           /* done within it */
    int64_t done;           /* steps since the beginning */
    int queue_head;         /* row of the queue that the next key goes to */
    double best;            /* top-1 that the best checkpoint was chosen by, a fraction; 0: none */
    Selection selection;
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
