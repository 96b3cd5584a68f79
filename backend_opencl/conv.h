/* What the convolution files share: shapes, and what kernels for processors have in common. */
#ifndef PACO_OPENCL_CONV_H
#define PACO_OPENCL_CONV_H

#include "algorithm.h"
#include "work.h"

#include "conv_args.h"

/* The methods, for the table. FORWARD and GRAD_DATA on processors (conv_direct.c,
 * conv_winograd.c); GRAD_WEIGHT on processors (conv_weight.c, conv_weight_dot.c,
 * conv_winograd.c); GPUs (conv_gpu.c). */
extern const Method conv_band, conv_point, conv_winograd, conv_group, conv_dot_band, conv_dot_point;
extern const Method conv_weight_band, conv_weight_point, conv_weight_winograd, conv_weight_group,
    conv_weight_dot;
extern const Method conv_tile, conv_weight_tile;

/* ---- conv_shape.c */

/* Sizes that contradict each other are a broken invariant; STATUS_LIMIT for an image that 32-bit
 * offsets do not reach. */
Status conv_check(const Step *step);
/* A direction of a convolution as the kernels see it, for tiles of `vecs` vectors of out-channels;
 * op FORWARD or GRAD_DATA, or GRAD_WEIGHT (as FORWARD). */
ConvShape conv_shape(const ConvDesc *d, ConvOp op, int vecs, Packing packing);
/* The channels of a group where vectors hold whole groups, in and out; else 0. */
int conv_spread_group(const ConvDesc *d);
/* Elements of all packed weights, and of the sums of a weight gradient of the same shape. */
uint64_t conv_packed_count(const ConvShape *s);
/* Fills the step's packed members for a shape of conv_shape. */
void conv_choose_packed(Step *step, const ConvShape *s, Packing packing);
/* Appends the operands of a FORWARD or GRAD_DATA step: in, packed weights, bias, residual, out. */
Status conv_refs(const Step *step, Prepared *prepared);

/* ---- conv_cpu.c */

/* What a tile reaches beside its padding of pixels: that of channels costs, and multiplying other
 * groups' zeros. */
double conv_cpu_worth(const Device *device, const ConvDesc *d, const Algorithm *how, double zeros);
/* The share of multiplications that are no zeros of other groups or of half a pair. */
double conv_group_worth(const ConvDesc *d, ConvOp op, int vecs, Packing packing);
/* Tiles of out-channels per item, cut finer when `others` items alone do not keep all cores busy.
 */
int conv_split_tiles(const Device *device, int tiles, int others);
/* Fills the packed members of a FORWARD or GRAD_DATA step. */
void conv_cpu_choose(Step *step, const Algorithm *how);
/* What options say of the type of images and weights. */
const char *conv_stored(const ConvDesc *d, Packing packing);
/* Options of a program for a tile of a convolution whose weights are packed so. Returns text. */
typedef char ConvOptions[128];
const char *conv_cpu_options(const ConvDesc *d, Packing packing, int tile, int vecs,
                             ConvOptions text);
/* Appends a FORWARD or GRAD_DATA kernel and its operands; what follows is up to the form. */
Status conv_cpu_launch(const Step *step, const Algorithm *how, const char *file, const char *kernel,
                       const int items[3], Prepared *prepared);
/* Appends the kernel that packs weights for `how`. */
Status conv_cpu_pack(const Device *device, const Step *step, const Algorithm *how, const char *file,
                     const char *options, const char *kernel, Prepared *prepared);

/* A weight gradient: a kernel makes sums of parts of the images ("splits") in workspace, another
 * adds those up in one order and brings them into the weight's. */
typedef struct ConvSums {
    int vecs, tile; /* vectors of out-channels, and in-channels (of a column of the kernel) */
    int items[3];   /* the last: splits */
    size_t local;   /* bytes; 0: the kernel takes none */
    ConvUnpackArgs unpack;
} ConvSums;

/* Vectors of out-channels, and in-channels, of the register tile that suits the device. */
int conv_sums_vecs(const Device *device, const ConvDesc *d);
int conv_sums_tile(const Device *device, int vecs);
/* Parts of `units` units of work for `pairs` items of channels. */
int conv_splits(const Device *device, int pairs, int units);
uint64_t conv_sums_bytes(const ConvSums *sums);
typedef struct ConvKernel {
    const char *file, *options, *name;
} ConvKernel;
Status conv_sums_launch(const Step *step, const ConvSums *sums, ConvKernel add, const void *args,
                        size_t args_bytes, ConvKernel unpack, Prepared *prepared);

#endif
