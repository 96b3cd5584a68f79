/* What the convolution files of the OpenCL backend share. */
#ifndef PACO_OPENCL_CONV_H
#define PACO_OPENCL_CONV_H

#include "opencl.h"

#include "conv_args.h"

static inline int div_up(int a, int b)
{
    return (a + b - 1) / b;
}

static inline int min_int(int a, int b)
{
    return a < b ? a : b;
}

static inline int max_int(int a, int b)
{
    return a > b ? a : b;
}

/* A direction of a convolution as the kernels see it; op FORWARD or GRAD_DATA, or GRAD_WEIGHT (as FORWARD). */
ConvShape conv_shape(const ConvDesc *d, ConvOp op, int vecs);
/* Number of the convolution phases, and floats of all packed weights. */
uint64_t conv_packed_floats(const ConvShape *s);
/* PACK and the end of GRAD_WEIGHT: the same kernels for every device. */
Status conv_pack_prepare(Device *device, Step *step, int vecs, Prepared *prepared);
Status conv_unpack_add(Device *device, const Step *step, const ConvShape *s, long split_floats, int taps,
                       int splits, Prepared *prepared);

/* conv_cpu.c: kernels for processors. */
Status conv_cpu_choose(Device *device, Step *step);
Status conv_cpu_prepare(Device *device, Step *step, Prepared *prepared);

#endif
