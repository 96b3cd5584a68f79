/* Convolutions: cuDNN's plan between what it cannot read or write itself. Channels of activations
 * are padded to a multiple of 8 in memory; where C or K are not, or images have 16 bits, weights are
 * packed: padded with zeros and rounded, in their own order. */
#ifndef PACO_CUDA_CONV_H
#define PACO_CUDA_CONV_H

#include "cuda.h"

Status conv_choose(Device *device, Step *step);
const char *conv_candidate(Device *device, const Step *step, int i);
Status conv_prepare(Device *device, const Step *step, Prepared *prepared);

#endif
