/* Devices on paper: described well enough to plan for (papers.def). */
#ifndef PACO_CUDA_PAPER_H
#define PACO_CUDA_PAPER_H

#include "cuda.h"

/* NULL behind the last. */
extern const char *const paper_names[];

Status paper_info(int i, DeviceInfo *info);
/* The finalised description of it for cuDNN, of which the caller disposes. */
Status paper_properties(int i, cudnnBackendDescriptor_t *properties);

#endif
