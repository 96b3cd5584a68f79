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

/* A direction of a convolution as the kernels see it; op FORWARD or GRAD_DATA, or GRAD_WEIGHT (as
 * FORWARD). */
ConvShape conv_shape(const ConvDesc *d, ConvOp op, int vecs);
/* Floats of all packed weights. */
uint64_t conv_packed_floats(const ConvShape *s);
/* What packed weights look like, for Step.packed_layout; kernels: a number per set of kernels. */
uint64_t conv_layout(const ConvDesc *d, int vecs, int kernels);

/* conv_cpu.c: kernels for processors. */
/* Name of the i-th algorithm that can run the step, NULL behind the last. */
const char *conv_cpu_candidate(const Step *step, int i);
Status conv_cpu_choose(Device *device, Step *step);
Status conv_cpu_prepare(Device *device, Step *step, Prepared *prepared);

/* conv_gpu.c: kernels in work-groups. */
const char *conv_gpu_candidate(const Device *device, const Step *step, int i);
Status conv_gpu_choose(Device *device, Step *step);
Status conv_gpu_prepare(Device *device, Step *step, Prepared *prepared);

#endif
