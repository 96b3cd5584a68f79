/* Transfers between host and device, in the order of the calls, through pinned memory: writes and
 * fetches return at once. */
#ifndef PACO_CUDA_TRANSFER_H
#define PACO_CUDA_TRANSFER_H

#include "cuda.h"

/* The host memory may be reused when it returns. Waits where its slot of the ring is in use. */
Status transfer_write(Device *device, Ref to, const void *from, uint64_t bytes);
Status transfer_read(Device *device, void *to, Ref from, uint64_t bytes);
Status transfer_fetch(Device *device, Ref from, uint64_t bytes, int *ticket);
bool transfer_arrived(Device *device, int ticket);
Status transfer_wait(Device *device, int ticket, void *to);
/* Once the device's streams are done. */
void transfer_close(Device *device);

#endif
