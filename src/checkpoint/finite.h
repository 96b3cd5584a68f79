/* NaN and infinities among the tensors that a reader takes: allowed (training may have left them),
 * but never unsaid. */
#ifndef PACO_CHECKPOINT_FINITE_H
#define PACO_CHECKPOINT_FINITE_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct NotFinite {
    uint64_t count;    /* elements of all tensors together */
    const char *first; /* key of the first tensor that has some; NULL: none */
    uint64_t index;    /* of the first of them in that tensor; by not_finite_look only */
} NotFinite;

/* How many of n floats are NaN or infinite. */
uint64_t not_finite_floats(const float *values, uint64_t n);
/* Counts those of one tensor; the key must live until the warning. */
void not_finite_add(NotFinite *found, const char *key, uint64_t count);
/* Counts those of a tensor of n floats and finds the first. */
void not_finite_look(NotFinite *found, const char *key, const float *values, uint64_t n);
/* One warning with the number and the first tensor, where there are any. */
void not_finite_warn(const NotFinite *found, const char *path);
/* The same after not_finite_look; where it is `strict`, STATUS_NAN with key and index instead. */
Status not_finite_tell(const NotFinite *found, const char *path, bool strict);

#endif
