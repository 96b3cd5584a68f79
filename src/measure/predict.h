/* Predicted times: what a plan would take on a device of which only its ceilings are known. */
#ifndef PACO_MEASURE_PREDICT_H
#define PACO_MEASURE_PREDICT_H

#include "plan/plan.h"

#include <stdio.h>

/* Each step as long as the device needs for its bytes or its operations, whichever takes longer,
 * and nothing between steps. Of a whole training step, or of a batch of evaluation. */
double predict_seconds(const Plan *plan, bool evaluation);
/* A table by kind of step, the time and launches of all, and the largest workspace of a convolution.
 */
void predict_print(const Plan *plan, bool evaluation, int64_t images, FILE *out);
/* When in a rank's time, from 0 to 1, the parts of its gradients are complete, in the order in which
 * they travel (comm/sum.h), and behind them when all is that may hide their exchange; malloc'd.
 * *elements: of the gradients. Where the device's ceilings are unknown, those of a processor take
 * their place: only ratios count. */
double *predict_ready(const Plan *plan, int64_t *elements);

#endif
