/* Benchmarks: one training step or one evaluation batch on made-up images, and where its time goes.
 */
#ifndef PACO_MEASURE_BENCH_H
#define PACO_MEASURE_BENCH_H

#include "options/options.h"
#include "plan/plan.h"

#include <stdio.h>

/* Runs `untimed` and then `repeats` times `inner` steps (evaluation: batches) of the model that the
 * options describe, waiting for the device after every `inner`; prints one line of JSON with the
 * median time of one step, and with --profile the time of every step of the plan to stderr. */
Status bench_model(Options *options, bool evaluation, FILE *out);

/* One operator, forward and backward, with made-up zeros: words are its name and sizes ("conv 8 64
 * 56 56 64 3 1"). Prints a line of JSON, and every step's time, speed and share of the measured
 * peak to stderr. */
Status bench_op(Options *options, int count, char **words, FILE *out);

/* Opens what the options describe on its device without running it, and prints a summary of its
 * plan, or to stderr the stage `dump`. */
Status bench_plan(Options *options, bool evaluation, PlanStage dump, FILE *out);

/* The options' ranks over processes and nodes, and the network between these. */
typedef struct SpreadRequest {
    int processes, nodes;
    double bandwidth, latency; /* Gbit/s, microseconds */
    double rank_ms;            /* of one rank's step; 0: as predicted, on a device on paper */
    const char *svg;           /* a file for the picture, or NULL */
} SpreadRequest;

/* Predicts a training step so spread (measure/spread.h). STATUS_USAGE where the numbers do not
 * divide each other, or nothing says how long a rank takes. */
Status bench_spread(Options *options, const SpreadRequest *request, FILE *out);

#endif
