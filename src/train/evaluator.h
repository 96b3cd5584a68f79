/* Evaluation: every image of a data set through the EVAL segment of a session. */
#ifndef PACO_TRAIN_EVALUATOR_H
#define PACO_TRAIN_EVALUATOR_H

#include "data/loader.h"
#include "plan/session.h"
#include "model/paco.h"
#include "train/metrics.h"

#include <stdatomic.h>

typedef struct Evaluation {
    Session *session;
    const Model *model;
    const Dataset *data;
    RecipeOptions views; /* size and resize */
    int batch;           /* of the model's evaluation */
    int threads;
    OnCorrupt on_corrupt;
    atomic_int *stop;    /* not zero: stop early with STATUS_STOPPED; may be NULL */
} Evaluation;

typedef struct EvaluationResult {
    double loss;     /* mean cross-entropy of the images */
    int64_t skipped; /* unreadable images left out, under CORRUPT_SKIP */
} EvaluationResult;

/* Adds every image to `metrics`. */
Status evaluate(const Evaluation *evaluation, Metrics *metrics, EvaluationResult *result);

#endif
