/* Ids of the kernels of kernels.def, and what its columns say of them. */
#ifndef PACO_DEVICE_KERNELS_H
#define PACO_DEVICE_KERNELS_H

#include "device/kernel_args.h"

#include <stdbool.h>

typedef enum KernelId {
#define KERNEL(name, refs, args, file, passes) KERNEL_##name,
#include "device/kernels.def"
#undef KERNEL
    KERNEL_COUNT
} KernelId;

enum { KERNEL_PASSES_APART, KERNEL_PASSES_JOIN };

/* Whether neighbouring passes of this kernel become one: its arguments begin as RangeArgs do. */
static inline bool kernel_joins(int id)
{
    static const bool joins[KERNEL_COUNT] = {
#define KERNEL(name, refs, args, file, passes) KERNEL_PASSES_##passes,
#include "device/kernels.def"
#undef KERNEL
    };
    return joins[id];
}

#define KERNEL(name, refs, args, file, passes)                                                     \
    _Static_assert(KERNEL_PASSES_##passes == KERNEL_PASSES_APART ||                                \
                       _Generic((args){0}, RangeArgs: true, WidenArgs: true, default: false),      \
                   #name " has no range to join");
#include "device/kernels.def"
#undef KERNEL

#endif
