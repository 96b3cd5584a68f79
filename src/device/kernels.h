/* Ids of the kernels of kernels.def. */
#ifndef PACO_DEVICE_KERNELS_H
#define PACO_DEVICE_KERNELS_H

#include "device/kernel_args.h"

typedef enum KernelId {
#define KERNEL(name, refs, args, file) KERNEL_##name,
#include "device/kernels.def"
#undef KERNEL
    KERNEL_COUNT
} KernelId;

#endif
