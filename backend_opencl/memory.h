/* Buffers: cl_mem objects, reads and writes in the queue's order, COPY and FILL steps. */
#ifndef PACO_OPENCL_MEMORY_H
#define PACO_OPENCL_MEMORY_H

#include "opencl.h"

/* STATUS_LIMIT when the device does not allow a buffer of so many bytes, or has no memory left. */
Status memory_alloc(Device *device, uint64_t bytes, Buffer **buffer);
void memory_release(Device *device, Buffer *buffer);
/* write returns when the host memory may be reused, read when it is filled. */
Status memory_write(Device *device, Ref to, const void *from, uint64_t bytes);
Status memory_read(Device *device, void *to, Ref from, uint64_t bytes);
/* A late read, as the contract says; drop forgets those that nobody waited for. */
Status memory_fetch(Device *device, Ref from, uint64_t bytes, int *ticket);
bool memory_arrived(Device *device, int ticket);
Status memory_wait(Device *device, int ticket, void *to);
Status memory_map(Device *device, Ref place, uint64_t bytes, int *ticket);
Status memory_mapped(Device *device, int ticket, void **at);
Status memory_unmap(Device *device, int ticket);
void memory_drop_fetches(Device *device);
/* Enqueues a COPY or FILL step; event may be NULL, and is not set where nothing is to be moved. */
Status memory_enqueue(Device *device, const Step *step, cl_event *event);

#endif
