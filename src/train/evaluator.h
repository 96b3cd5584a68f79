/* Evaluation: every image of a data set through the evaluation of a run. */
#ifndef PACO_TRAIN_EVALUATOR_H
#define PACO_TRAIN_EVALUATOR_H

#include "checkpoint/rows_file.h"
#include "data/loader.h"
#include "train/metrics.h"
#include "train/run.h"

#include <stdatomic.h>

typedef struct Evaluation {
    Run *run;            /* with an evaluation */
    const Dataset *data;
    RecipeOptions views; /* size and resize */
    int threads;
    OnCorrupt on_corrupt;
    Tta tta;
    /* Whether the processes bring every image's logits and features (ModelConfig.features)
     * together, in order, for process 0 to write. With TTA_FLIP they are those of both images: logs
     * of the mean probabilities, and mean features. */
    bool keeps_logits, keeps_features;
    RowsFile *logits, *features; /* process 0's; else NULL */
    atomic_int *stop;    /* not zero: stop early with STATUS_STOPPED; may be NULL */
} Evaluation;

typedef struct EvaluationResult {
    double loss;     /* mean cross-entropy of the images */
    int64_t skipped; /* unreadable images left out, under CORRUPT_SKIP */
} EvaluationResult;

/* Adds every image to `metrics`. */
Status evaluate(const Evaluation *evaluation, Metrics *metrics, EvaluationResult *result);

#endif
