/* AVX512_BF16's dot product of pairs, which kernels reach as dot_pairs (kernels_cl/conv_common.h)
 * in programs that are built with DOT_BF16. */
#ifndef PACO_OPENCL_DOT_H
#define PACO_OPENCL_DOT_H

#include "opencl.h"

/* Options of such programs: images are stored in bf16. */
#define DOT_OPTIONS " -DSTORED_BF16 -DDOT_BF16"

/* Whether this processor, with its queue and the dummy buffer, can: it is the one that this program
 * runs on, which has the instruction, its compiler uses registers of that width, and a trial gave
 * what it should. */
bool dot_works(Device *device);

#endif
