/* Shapes. */
#ifndef PACO_GRAPH_TENSOR_H
#define PACO_GRAPH_TENSOR_H

#include "device/dtype.h"

#include <stdbool.h>

/* A shape: rank 0 to 4, row-major, the last dimension fastest. Images are N, C, H, W. */
typedef struct Dims {
    int rank;
    int64_t d[4];
} Dims;

static inline int64_t dims_count(Dims s)
{
    int64_t n = 1;
    for (int i = 0; i < s.rank; i++)
        n *= s.d[i];
    return n;
}

static inline bool dims_equal(Dims a, Dims b)
{
    bool same = a.rank == b.rank;
    for (int i = 0; same && i < a.rank; i++)
        same = a.d[i] == b.d[i];
    return same;
}

#define DIMS1(a) ((Dims){1, {(a)}})
#define DIMS2(a, b) ((Dims){2, {(a), (b)}})
#define DIMS4(a, b, c, e) ((Dims){4, {(a), (b), (c), (e)}})

#endif
