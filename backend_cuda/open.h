/* Which devices there are, and opening one. */
#ifndef PACO_CUDA_OPEN_H
#define PACO_CUDA_OPEN_H

#include "cuda.h"

Status discover_count(int *count);
Status discover_info(int index, DeviceInfo *info);
Status open_index(int index, const DeviceOptions *options, Device **device);
/* A device on paper (paper.h): without stream and handles of libraries. */
Status open_paper(int i, const DeviceOptions *options, Device **device);
void open_close(Device *device);

#endif
