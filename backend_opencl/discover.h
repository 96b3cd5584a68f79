/* Discovery: which devices the drivers offer, and what each can do. */
#ifndef PACO_OPENCL_DISCOVER_H
#define PACO_OPENCL_DISCOVER_H

#include "opencl.h"

typedef struct Found {
    cl_platform_id platform;
    cl_device_id device;
} Found;

/* STATUS_DEVICE, with what to install, when there is no platform or no device. */
Status discover_count(int *count);
/* Device `index` in the drivers' order; one that cannot be used is described with the reason. */
Status discover(int index, Found *found, DeviceInfo *info);
Status discover_info(int index, DeviceInfo *info);
/* A property of a device that is a number. */
uint64_t discover_number(cl_device_id id, cl_device_info what);

#endif
