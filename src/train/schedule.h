/* Learning rate of an epoch, as published. */
#ifndef PACO_TRAIN_SCHEDULE_H
#define PACO_TRAIN_SCHEDULE_H

#include "options/options.h"

typedef struct Schedule {
    ScheduleKind kind;
    double lr;  /* base learning rate, already that of the number of ranks used */
    int epochs; /* E >= 1 */
    int warmup; /* W >= 0, W <= E */
} Schedule;

/* Learning rate of epoch 0 <= epoch < E.
 * cosine: epoch < W: lr (epoch + 1) / W; then lr / 2 (1 + cos(pi (epoch - W + 1) / (E - W + 1))).
 * cifar:  epoch <= W: lr (epoch + 1) / W; then lr, x 0.1 beyond epoch 0.8 E, x 0.01 beyond 0.9 E
 *         (320 and 360 of 400). W = 0 means no warm-up. */
double schedule_lr(const Schedule *schedule, int epoch);
/* One epoch at this learning rate. */
Schedule schedule_constant(double lr);
/* The kind of this name, -1: there is none. */
int schedule_find(const char *name);
/* The schedule that the options describe. */
Schedule schedule_of(const Options *options);

#endif
