/* Matrix products by cuBLASLt. */
#ifndef PACO_CUDA_GEMM_H
#define PACO_CUDA_GEMM_H

#include "cuda.h"

Status gemm_choose(Device *device, Step *step);
Status gemm_prepare(Device *device, const Step *step, Prepared *prepared);

#endif
