/* The gradients of a plan as the one vector that processes sum, and when the parts in which it
 * travels (comm/sum.h) are complete. */
#ifndef PACO_PLAN_PARTS_H
#define PACO_PLAN_PARTS_H

#include "comm/sum.h"
#include "plan/plan.h"

/* Of COMM_SUM steps first to first + count - 1: where each one's gradient begins in the vector, at
 * a multiple of SUM_UNIT elements, and how many it has; begin[count] is the length. */
typedef struct SumVector {
    int first, count; /* 0: nothing travels */
    int64_t *begin, *elements;
} SumVector;

SumVector parts_vector(const Plan *plan);
void parts_free(SumVector *vector);
/* The number of the gradient in which element `at` lies, or behind which. */
int parts_find(const SumVector *vector, int64_t at);

/* The passes over gradients in QUERY (sums over ranks, casts) go up to where all that a part needs
 * is done, a pass for each part: before liveness, coalescing and places. */
void parts_advance(Plan *plan);
/* ready[i]: the part that travels as the i-th is complete before this step of QUERY, and read by no
 * step from there on: its sum may take its place. On a plan with places. */
void parts_ready(const Plan *plan, const SumVector *vector, int *ready);

#endif
