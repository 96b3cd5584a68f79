/* Buffers: memory of the device, reads and writes in the stream's order, COPY and FILL steps. */
#ifndef PACO_CUDA_MEMORY_H
#define PACO_CUDA_MEMORY_H

#include "cuda.h"

/* STATUS_LIMIT when the device has no memory left. */
Status memory_alloc(Device *device, uint64_t bytes, Buffer **buffer);
void memory_release(Device *device, Buffer *buffer);
/* write returns when the host memory may be reused, read when it is filled. */
Status memory_write(Device *device, Ref to, const void *from, uint64_t bytes);
Status memory_read(Device *device, void *to, Ref from, uint64_t bytes);
/* A COPY or FILL step. */
StepRun memory_run;

#endif
