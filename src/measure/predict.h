/* Predicted times: what a plan would take on a device of which only its ceilings are known. */
#ifndef PACO_MEASURE_PREDICT_H
#define PACO_MEASURE_PREDICT_H

#include "plan/plan.h"

#include <stdio.h>

/* Each step as long as the device needs for its bytes or its operations, whichever takes longer,
 * and nothing between steps: a table by kind of step, the step's time and launches, and the largest
 * workspace of a convolution. Of a training step, or of a batch of evaluation. */
/* Of the whole step or batch. */
double predict_seconds(const Plan *plan, bool evaluation);
void predict_print(const Plan *plan, bool evaluation, int64_t images, FILE *out);

#endif
