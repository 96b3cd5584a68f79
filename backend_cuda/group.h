/* What processes do together on their devices, by NCCL, in a stream of its own. */
#ifndef PACO_CUDA_GROUP_H
#define PACO_CUDA_GROUP_H

#include "cuda.h"

/* Of the contract. */
Status group_join(Device *device, const DeviceGroup *group);
void group_leave(Device *device);
Status group_exchange(Device *device, CommOp op, bool fast, const GroupRange *ranges, int count);
Status group_settle(Device *device);

#endif
