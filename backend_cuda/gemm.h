/* Matrix products by cuBLASLt. */
#ifndef PACO_CUDA_GEMM_H
#define PACO_CUDA_GEMM_H

#include "cuda.h"

/* The algorithm is cuBLASLt's choice when the step is prepared: it depends on whether there is a
 * bias. */
void gemm_choose(Step *step);
Status gemm_prepare(Device *device, const Step *step, Prepared *prepared);

#endif
