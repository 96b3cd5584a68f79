/* Learning rate of an epoch, as published. */
#ifndef PACO_TRAIN_SCHEDULE_H
#define PACO_TRAIN_SCHEDULE_H

/* SCHEDULE(name, text of the option, meaning) */
#define SCHEDULE_KINDS(X)                                                              \
    X(COSINE, "cosine", "warm-up, then half a cosine to zero")                         \
    X(CIFAR, "cifar", "warm-up, then constant; x 0.1 after 80 %, x 0.01 after 90 %")

typedef enum ScheduleKind {
#define X(name, text, meaning) SCHEDULE_##name,
    SCHEDULE_KINDS(X)
#undef X
} ScheduleKind;

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
/* The base learning rate that belongs to `preset_ranks` ranks, scaled linearly to `ranks`. */
double schedule_scale(double lr, int preset_ranks, int ranks);

#endif
