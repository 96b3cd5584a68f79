/* Steps of the kernel table, and the backend's own kernels: one launch each. */
#ifndef PACO_CUDA_KERNEL_H
#define PACO_CUDA_KERNEL_H

#include "cuda.h"

/* A kernel step, its arguments copied. STATUS_DEVICE: the device cannot run groups so large. */
Status kernel_prepare(const Device *device, const Step *step, Prepared *prepared);

/* Launches one of the tables of kernels_cu: `count` operands (a NULL buffer: absent), then a struct
 * of arguments. */
typedef struct Launch {
    const void *function;
    dim3 grid, block;
    int count;
    Ref refs[STEP_MAX_REFS];
    _Alignas(8) uint8_t args[KERNEL_ARGS_MAX];
} Launch;
Status launch_run(Device *device, const Launch *launch, const char *name);
/* sum = left + right, n floats each, in a stream; sum may be one of them. */
Status kernel_add(Device *device, cudaStream_t stream, Ref left, Ref right, Ref sum, int64_t n);

#endif
