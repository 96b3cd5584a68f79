/* What cuDNN is told of a device. */
#ifndef PACO_CUDA_PROPERTIES_H
#define PACO_CUDA_PROPERTIES_H

#include "cuda.h"

/* The finalised description of a device, for heuristics and plans. */
Status properties_make(int index, cudnnBackendDescriptor_t *properties);
/* With PACO_DEBUG: a line with cuDNN's JSON of it, as machines without that device can be given. */
void properties_log(cudnnBackendDescriptor_t properties);

#endif
