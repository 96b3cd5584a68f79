/* NaN and infinities among the tensors that a reader takes: allowed (training may have left them),
 * but never unsaid. */
#ifndef PACO_CHECKPOINT_FINITE_H
#define PACO_CHECKPOINT_FINITE_H

#include <stdint.h>

typedef struct NotFinite {
    uint64_t count;    /* elements of all tensors together */
    const char *first; /* key of the first tensor that has some; NULL: none */
} NotFinite;

/* How many of n floats are NaN or infinite. */
uint64_t not_finite_floats(const float *values, uint64_t n);
/* Counts those of one tensor; the key must live until the warning. */
void not_finite_add(NotFinite *found, const char *key, uint64_t count);
/* One warning with the number and the first tensor, where there are any. */
void not_finite_warn(const NotFinite *found, const char *path);

#endif
