/* Types and layout: what lies where within one value on a device. */
#ifndef PACO_PLAN_TYPES_H
#define PACO_PLAN_TYPES_H

#include "graph/graph.h"

/* Channels with padding, of an activation [N,C,...] */
int64_t padded(int64_t channels);
/* N, C and pixels of an activation of rank 2 or 4, and its blocks of channels. */
typedef struct Shape {
    int N, C, HW, CB;
} Shape;
Shape shape_of(const Value *value);

#endif
