/* The kernels of kernels.def for one type of images (STORED_F16, STORED_BF16 or neither): the texts of kernels_cl. */
#include "dialect.cuh"

#include "team.h"

#include "device/kernel_args.h"

#include "bn.cl"
#include "elementwise.cl"
#include "images.cl"
#include "loss.cl"
#include "pool.cl"
#include "rows.cl"
#include "shortcut.cl"

#include "conv_parts.cuh"

/* Named as DType names the type (STORAGE_LIST of device/dtype.h). */
#if defined(STORED_F16)
#define TABLE(name) name##_F16
#elif defined(STORED_BF16)
#define TABLE(name) name##_BF16
#else
#define TABLE(name) name##_F32
#endif

#ifndef ENTRY /* the simulation of tests/cuda_sim has its own */
#define ENTRY(name) (const void *)name
#endif

/* What cudaLaunchKernel is called with for each KernelId. */
extern "C" const void *const TABLE(paco_kernels)[] = {
#undef KERNEL
#define KERNEL(name, refs, args, file, passes) ENTRY(name),
#include "device/kernels.def"
};

/* And for each of CONV_PART_LIST. */
extern "C" const void *const TABLE(paco_conv_parts)[] = {
#define X(name, refs) ENTRY(name),
    CONV_PART_LIST(X)
};
