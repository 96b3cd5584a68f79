/* Transfers between host and device, in the order of the queue. Writes and late reads go through
 * memory that the driver can move by itself, and return at once. */
#ifndef PACO_OPENCL_TRANSFER_H
#define PACO_OPENCL_TRANSFER_H

#include "opencl.h"

/* The host memory may be reused when it returns. Waits where its slot of the ring is in use. */
Status transfer_write(Device *device, Ref to, const void *from, uint64_t bytes);
Status transfer_read(Device *device, void *to, Ref from, uint64_t bytes);
Status transfer_fetch(Device *device, Ref from, uint64_t bytes, int *ticket);
bool transfer_arrived(Device *device, int ticket);
Status transfer_wait(Device *device, int ticket, void *to);
Status transfer_map(Device *device, Ref place, uint64_t bytes, int *ticket);
Status transfer_mapped(Device *device, int ticket, void **at);
Status transfer_unmap(Device *device, int ticket);
/* Once the queue is done; forgets late reads that nobody waited for. */
void transfer_close(Device *device);

#endif
