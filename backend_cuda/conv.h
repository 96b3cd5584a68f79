/* Convolutions: cuDNN's plan between what it cannot read or write itself. Channels of activations
 * are padded to a multiple of 8 in memory. Where C or K are none, cuDNN is told that they were, and
 * weights are packed: padded with zeros, in their own order; and rounded, where images have 16
 * bits and the step has no copies of them (ConvDesc.plain). Channels of groups cannot be padded so:
 * cuDNN leaves out the padding, which is cleared after it. */
#ifndef PACO_CUDA_CONV_H
#define PACO_CUDA_CONV_H

#include "cuda.h"

Status conv_choose(Device *device, Step *step);
const char *conv_candidate(Device *device, const Step *step, int i);
Status conv_prepare(Device *device, const Step *step, Prepared *prepared);

#endif
