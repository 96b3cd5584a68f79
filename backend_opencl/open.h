/* Opening and closing devices. */
#ifndef PACO_OPENCL_OPEN_H
#define PACO_OPENCL_OPEN_H

#include "opencl.h"

/* Device `index` of discover.h. STATUS_USAGE for kernels that do not exist, STATUS_DEVICE for a
 * device that cannot be used. Close with open_close. */
Status open_index(int index, const DeviceOptions *options, Device **device);
void open_close(Device *device);

#endif
