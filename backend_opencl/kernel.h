/* Steps of the kernel table, src/device/kernels.def. */
#ifndef PACO_OPENCL_KERNEL_H
#define PACO_OPENCL_KERNEL_H

#include "launch.h"

/* Appends the launch of a KERNEL step. STATUS_DEVICE where its groups are too large here. */
Status kernel_prepare(const Device *device, const Step *step, Prepared *prepared);

#endif
