/* CLBlast: whether a device may use it. What it does is a method of gemm.h. */
#ifndef PACO_OPENCL_CLBLAST_H
#define PACO_OPENCL_CLBLAST_H

#include "opencl.h"

/* Sets device->clblast. processor: the device is one, whatever its kernels; forced: asked for by
 * name. */
void clblast_open(Device *device, bool processor, bool forced);
void clblast_close(Device *device);

#endif
