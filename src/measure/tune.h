/* Tuning: times every algorithm that could run each convolution and GEMM of a model, and keeps the
 * fastest. */
#ifndef PACO_MEASURE_TUNE_H
#define PACO_MEASURE_TUNE_H

#include "options/options.h"

#include <stdio.h>

/* Tunes the training step (or the evaluation) that the options describe on their device; prints a
 * line per step and writes the tuning file, from which later plans choose. */
Status tune_model(Options *options, bool evaluation, FILE *out);

#endif
