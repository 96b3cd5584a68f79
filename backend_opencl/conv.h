/* What the convolution files of the OpenCL backend share. */
#ifndef PACO_OPENCL_CONV_H
#define PACO_OPENCL_CONV_H

#include "opencl.h"

#include "conv_args.h"

enum {
    ITEMS_PER_UNIT = 4
}; /* work-items per core of a processor, so that none waits long for the last */

static inline int div_up(int a, int b)
{
    return (a + b - 1) / b;
}

static inline int round_up(int a, int b)
{
    return div_up(a, b) * b;
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
const char *conv_cpu_candidate(const Device *device, const Step *step, int i);
Status conv_cpu_choose(Device *device, Step *step);
Status conv_cpu_prepare(Device *device, Step *step, Prepared *prepared);

/* conv_winograd.c: 3x3 convolutions of stride 1 on processors, in squares of 2 x 2 out-pixels; op
 * FORWARD or GRAD_DATA, for a register tile of `tile` squares times `vecs` vectors of out-channels.
 */
/* Whether it can run: the right kernel, at least 16 channels in one group, and a row of squares
 * fits local memory. */
bool winograd_applies(const Device *device, const ConvDesc *d, ConvOp op, int tile, int vecs);
/* Multiplications of the direct form per multiplication of this one, transformations and waste
 * included: up to 2.25. */
double winograd_worth(const Device *device, const ConvDesc *d, ConvOp op, int tile, int vecs);
/* All but item_tiles; returns the work-items per image. */
int winograd_args(const Device *device, const ConvDesc *d, ConvOp op, int tile, int vecs,
                  ConvWinogradArgs *args);
/* Local memory for that many places (squares, rounded up to the tile). */
size_t winograd_bytes(const ConvShape *s, int places, int tile);
/* Floats of a tile of transformed weights: ConvShape.w_tile. */
long winograd_tile_floats(const ConvShape *s);

/* The weight gradient in the same squares: whether it can run, and whether it takes fewer
 * multiplications. */
bool winograd_weight_applies(const Device *device, const ConvDesc *d, int vecs);
bool winograd_weight_pays(const ConvDesc *d);
/* All but splits; returns the bytes of local memory. */
size_t winograd_weight_args(const Device *device, const ConvDesc *d, int vecs,
                            ConvWinogradWeightArgs *args);

/* conv_gpu.c: kernels in work-groups. */
const char *conv_gpu_candidate(const Device *device, const Step *step, int i);
Status conv_gpu_choose(Device *device, Step *step);
Status conv_gpu_prepare(Device *device, Step *step, Prepared *prepared);

#endif
