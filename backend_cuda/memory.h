/* Buffers: memory of the device, COPY and FILL steps. */
#ifndef PACO_CUDA_MEMORY_H
#define PACO_CUDA_MEMORY_H

#include "cuda.h"

/* Finds out what others have left of the memory, where programs alone have any. */
Status memory_ask(Device *device);
/* STATUS_LIMIT when the device has no memory left. */
Status memory_alloc(Device *device, uint64_t bytes, Buffer **buffer);
void memory_release(Device *device, Buffer *buffer);
/* A COPY or FILL step. */
StepRun memory_run;

#endif
