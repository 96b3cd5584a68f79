/* Elements of host arrays whose type is known at run time. */
#ifndef PACO_GRAPH_HOST_H
#define PACO_GRAPH_HOST_H

#include "graph/tensor.h"

static inline double host_get(const void *host, DType type, int64_t i)
{
    switch (type) {
    case DTYPE_F32: return ((const float *)host)[i];
    case DTYPE_F64: return ((const double *)host)[i];
    case DTYPE_I32: return ((const int32_t *)host)[i];
    case DTYPE_BIT:
    case DTYPE_U8: return ((const uint8_t *)host)[i];
    case DTYPE_F16:
    case DTYPE_BF16: return half_value(type, ((const uint16_t *)host)[i]);
    }
    return 0;
}

static inline void host_set(void *host, DType type, int64_t i, double x)
{
    switch (type) {
    case DTYPE_F32: ((float *)host)[i] = (float)x; break;
    case DTYPE_F64: ((double *)host)[i] = x; break;
    case DTYPE_I32: ((int32_t *)host)[i] = (int32_t)x; break;
    case DTYPE_BIT:
    case DTYPE_U8: ((uint8_t *)host)[i] = (uint8_t)x; break;
    case DTYPE_F16:
    case DTYPE_BF16: ((uint16_t *)host)[i] = half_bits(type, x); break;
    }
}

#endif
