/* A write is copied to pinned memory and goes from there in the order of the stream. A large one
 * crosses the bus while the device computes: in a stream of its own, to a place of its own, and
 * only the copy from there to where it belongs waits for its turn. */
#include "transfer.h"

#include "wait.h"

#include "base/arena.h"
#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { LARGE = 64 << 10 }; /* bytes */

static void free_memory(Slot *s)
{
    if (s->memory)
        cudaFreeHost(s->memory);
    s->memory = NULL;
    s->room = 0;
}

/* Makes room for so many bytes. Nothing uses the slot. */
static Status make_room(Slot *s, uint64_t bytes)
{
    if (!s->done)
        CUDA_TRY(cudaEventCreateWithFlags(&s->done, cudaEventDisableTiming), "an event");
    if (s->room >= bytes)
        return STATUS_OK;
    free_memory(s);
    CUDA_TRY(cudaHostAlloc((void **)&s->memory, bytes, cudaHostAllocDefault), "pinned memory");
    s->room = bytes;
    return STATUS_OK;
}

/* A place on the device for so many bytes; none where the device has no memory left for it. */
static Status make_landing(Landing *l, uint64_t bytes)
{
    if (!l->arrived)
        CUDA_TRY(cudaEventCreateWithFlags(&l->arrived, cudaEventDisableTiming), "an event");
    if (l->room >= bytes)
        return STATUS_OK;
    l->room = 0;
    cudaFree(l->memory);
    l->memory = NULL;
    cudaError_t code = cudaMalloc(&l->memory, bytes);
    if (code == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        return STATUS_OK;
    }
    CUDA_TRY(code, "memory for writes");
    l->room = bytes;
    return STATUS_OK;
}

/* The slot whose turn it is, once its last write is done. */
static Status next_slot(Device *device, Slot *slots, int count, uint64_t *turn, uint64_t bytes,
                        Slot **slot)
{
    *slot = &slots[(*turn)++ % (uint64_t)count];
    if ((*slot)->done)
        TRY(wait_event(device, (*slot)->done, "write"));
    return make_room(*slot, bytes);
}

static Status write_small(Device *device, void *to, const void *from, uint64_t bytes)
{
    Slot *s;
    TRY(next_slot(device, device->small, SMALL_WRITES, &device->small_turn, bytes, &s));
    memcpy(s->memory, from, bytes);
    CUDA_TRY(cudaMemcpyAsync(to, s->memory, bytes, cudaMemcpyHostToDevice, device->stream),
             "write");
    CUDA_TRY(cudaEventRecord(s->done, device->stream), "write");
    return STATUS_OK;
}

static Status write_large(Device *device, void *to, const void *from, uint64_t bytes)
{
    Slot *s;
    TRY(next_slot(device, device->large, LARGE_WRITES, &device->large_turn, bytes, &s));
    Landing *l = &device->landings[s - device->large];
    TRY(make_landing(l, bytes));
    memcpy(s->memory, from, bytes);
    cudaStream_t by = l->memory ? device->uploads : device->stream;
    CUDA_TRY(
        cudaMemcpyAsync(l->memory ? l->memory : to, s->memory, bytes, cudaMemcpyHostToDevice, by),
        "write");
    if (l->memory) {
        CUDA_TRY(cudaEventRecord(l->arrived, device->uploads), "write");
        CUDA_TRY(cudaStreamWaitEvent(device->stream, l->arrived, 0), "write");
        CUDA_TRY(cudaMemcpyAsync(to, l->memory, bytes, cudaMemcpyDeviceToDevice, device->stream),
                 "write");
    }
    CUDA_TRY(cudaEventRecord(s->done, device->stream), "write");
    return STATUS_OK;
}

Status transfer_write(Device *device, Ref to, const void *from, uint64_t bytes)
{
    if (bytes == 0)
        return STATUS_OK;
    return bytes < LARGE ? write_small(device, place_of(to), from, bytes)
                         : write_large(device, place_of(to), from, bytes);
}

Status transfer_read(Device *device, void *to, Ref from, uint64_t bytes)
{
    CUDA_TRY(cudaMemcpyAsync(to, place_of(from), bytes, cudaMemcpyDeviceToHost, device->stream),
             "read");
    return wait_stream(device, device->stream, "read");
}

/* A free ticket with memory of that size. */
static Status free_ticket(Device *device, uint64_t bytes, int *ticket)
{
    int i = 0;
    while (i < device->fetches_count &&
           (device->fetches[i].held || device->fetches[i].room != bytes))
        i++;
    if (i == device->fetches_count) {
        device->fetches = mem_grow(device->fetches, (size_t)++device->fetches_count * sizeof(Slot));
        device->fetches[i] = (Slot){0};
    }
    *ticket = i;
    return make_room(&device->fetches[i], bytes);
}

Status transfer_fetch(Device *device, Ref from, uint64_t bytes, int *ticket)
{
    CHECK(bytes > 0);
    TRY(free_ticket(device, bytes, ticket));
    Slot *s = &device->fetches[*ticket];
    CUDA_TRY(
        cudaMemcpyAsync(s->memory, place_of(from), bytes, cudaMemcpyDeviceToHost, device->stream),
        "fetch");
    CUDA_TRY(cudaEventRecord(s->done, device->stream), "fetch");
    s->held = bytes;
    return STATUS_OK;
}

bool transfer_arrived(Device *device, int ticket)
{
    return cudaEventQuery(device->fetches[ticket].done) != cudaErrorNotReady;
}

Status transfer_wait(Device *device, int ticket, void *to)
{
    Slot *s = &device->fetches[ticket];
    CHECKF(s->held, "no fetch has the ticket %d", ticket);
    TRY(wait_event(device, s->done, "fetch"));
    memcpy(to, s->memory, s->held);
    s->held = 0;
    return STATUS_OK;
}

static void free_slots(Slot *slots, int count)
{
    for (int i = 0; i < count; i++) {
        free_memory(&slots[i]);
        if (slots[i].done)
            cudaEventDestroy(slots[i].done);
    }
}

void transfer_close(Device *device)
{
    free_slots(device->small, SMALL_WRITES);
    free_slots(device->large, LARGE_WRITES);
    free_slots(device->fetches, device->fetches_count);
    free(device->fetches);
    for (int i = 0; i < LARGE_WRITES; i++) {
        cudaFree(device->landings[i].memory);
        if (device->landings[i].arrived)
            cudaEventDestroy(device->landings[i].arrived);
    }
}
