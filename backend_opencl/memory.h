/* Buffers: cl_mem objects; COPY and FILL steps. */
#ifndef PACO_OPENCL_MEMORY_H
#define PACO_OPENCL_MEMORY_H

#include "opencl.h"

/* STATUS_LIMIT when the device does not allow a buffer of so many bytes, or has no memory left. */
Status memory_alloc(Device *device, uint64_t bytes, Buffer **buffer);
void memory_release(Device *device, Buffer *buffer);
/* Enqueues a COPY or FILL step; event may be NULL, and is not set where nothing is to be moved. */
Status memory_enqueue(Device *device, const Step *step, cl_event *event);

#endif
