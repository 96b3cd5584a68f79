/* Long-tailed subsets of a balanced data set, drawn exactly as the published CIFAR code draws them:
 * classes in order, n_c images of class c, chosen by numpy's legacy generator (MT19937, seed 0)
 * shuffling the indices of the class. The subset is listed class by class in the shuffled order. */
#ifndef PACO_DATA_LONGTAIL_H
#define PACO_DATA_LONGTAIL_H

#include "base/status.h"

#include <stdint.h>

/* FORM(name, word of --lt-form): the course of the class sizes. */
#define LONGTAIL_LIST(X)                                                                           \
    X(EXP, "exp")   /* n_c = int(n_max * factor^(c / (C - 1))) */                                  \
    X(STEP, "step") /* first half n_max, second half int(n_max * factor) */

typedef enum LongTailForm {
#define X(name, word) LONGTAIL_##name,
    LONGTAIL_LIST(X)
#undef X
} LongTailForm;

typedef struct LongTail {
    LongTailForm form;
    double factor; /* smallest class over largest, in (0, 1]: 0.01 for imbalance 100; 0: no tail,
                      every image */
} LongTail;

/* counts[classes]: images to keep of each class; the largest keeps total / classes. */
void longtail_counts(const LongTail *tail, int64_t total, int classes, int64_t *counts);
/* Chooses images: *chosen (malloc'd, *n entries) are their numbers in the published order.
 * STATUS_INPUT where a class has fewer images than it should keep. `source` is for messages. */
Status longtail_draw(const LongTail *tail, const char *source, const int32_t *labels, int64_t total,
                     int classes, uint32_t **chosen, int64_t *n);

/* numpy.random.RandomState, the parts used here. */
typedef struct LegacyRandom {
    uint32_t state[624];
    int at;
} LegacyRandom;

/* numpy.random.seed(seed) */
void legacy_seed(LegacyRandom *random, uint32_t seed);
/* numpy.random.shuffle of n < 2^32 integers */
void legacy_shuffle(LegacyRandom *random, uint32_t *values, uint32_t n);

#endif
