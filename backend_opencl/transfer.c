#include "transfer.h"

#include "base/arena.h"
#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of writes that the ring of small ones takes, and of those that wait: larger ones are rare,
 * and not worth as much memory again. */
enum { SMALL = 64 << 10, LARGEST = 64 << 20 };

static void check_place(Ref place, uint64_t bytes)
{
    CHECK(place.buf && place.off <= place.buf->bytes && bytes <= place.buf->bytes - place.off);
}

/* ------------------------------------------------------------------------------------ slots */

static void slot_free(Device *device, Slot *s)
{
    if (s->done)
        clReleaseEvent(s->done);
    if (s->memory)
        clEnqueueUnmapMemObject(device->queue, s->pinned, s->memory, 0, NULL, NULL);
    if (s->pinned)
        clReleaseMemObject(s->pinned);
    *s = (Slot){0};
}

/* Makes room for so many bytes. Nothing uses the slot. */
static Status slot_room(Device *device, Slot *s, uint64_t bytes)
{
    cl_int code;
    if (s->room >= bytes)
        return STATUS_OK;
    slot_free(device, s);
    s->pinned = clCreateBuffer(device->context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, bytes,
                               NULL, &code);
    CL_TRY(code, "memory for transfers");
    s->memory = clEnqueueMapBuffer(device->queue, s->pinned, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0,
                                   bytes, 0, NULL, NULL, &code);
    CL_TRY(code, "memory for transfers");
    s->room = bytes;
    return STATUS_OK;
}

static void slot_done(Slot *s)
{
    if (s->done)
        clReleaseEvent(s->done);
    s->done = NULL;
}

/* ------------------------------------------------------------------------------------ writes */

static Status write_now(Device *device, Ref to, const void *from, uint64_t bytes)
{
    CL_TRY(clEnqueueWriteBuffer(device->queue, to.buf->mem, CL_TRUE, to.off, bytes, from, 0, NULL,
                                NULL),
           "write");
    return STATUS_OK;
}

static Status write_by(Device *device, Slot *s, Ref to, const void *from, uint64_t bytes)
{
    if (s->done)
        CL_TRY(clWaitForEvents(1, &s->done), "write");
    slot_done(s);
    TRY(slot_room(device, s, bytes));
    memcpy(s->memory, from, bytes);
    CL_TRY(clEnqueueWriteBuffer(device->queue, to.buf->mem, CL_FALSE, to.off, bytes, s->memory, 0,
                                NULL, &s->done),
           "write");
    CL_TRY(clFlush(device->queue), "write");
    return STATUS_OK;
}

Status transfer_write(Device *device, Ref to, const void *from, uint64_t bytes)
{
    check_place(to, bytes);
    if (bytes == 0)
        return STATUS_OK;
    if (bytes > LARGEST)
        return write_now(device, to, from, bytes);
    Slot *s = bytes <= SMALL ? &device->small[device->small_turn++ % SMALL_WRITES]
                             : &device->large[device->large_turn++ % LARGE_WRITES];
    return write_by(device, s, to, from, bytes);
}

/* ------------------------------------------------------------------------------------ reads */

Status transfer_read(Device *device, void *to, Ref from, uint64_t bytes)
{
    check_place(from, bytes);
    if (bytes)
        CL_TRY(clEnqueueReadBuffer(device->queue, from.buf->mem, CL_TRUE, from.off, bytes, to, 0,
                                   NULL, NULL),
               "read");
    return STATUS_OK;
}

/* A free ticket with memory of that size, 0: none. */
static Status free_ticket(Device *device, uint64_t bytes, int *ticket)
{
    int i = 0;
    while (i < device->fetches_count &&
           (device->fetches[i].done || device->fetches[i].room != bytes))
        i++;
    if (i == device->fetches_count) {
        device->fetches = mem_grow(device->fetches, (size_t)++device->fetches_count * sizeof(Slot));
        device->fetches[i] = (Slot){0};
    }
    *ticket = i;
    return slot_room(device, &device->fetches[i], bytes);
}

Status transfer_fetch(Device *device, Ref from, uint64_t bytes, int *ticket)
{
    check_place(from, bytes);
    CHECK(bytes > 0);
    TRY(free_ticket(device, bytes, ticket));
    Slot *s = &device->fetches[*ticket];
    CL_TRY(clEnqueueReadBuffer(device->queue, from.buf->mem, CL_FALSE, from.off, bytes, s->memory,
                               0, NULL, &s->done),
           "fetch");
    CL_TRY(clFlush(device->queue), "fetch");
    return STATUS_OK;
}

bool transfer_arrived(Device *device, int ticket)
{
    cl_int state = CL_COMPLETE;
    clGetEventInfo(device->fetches[ticket].done, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state,
                   &state, NULL);
    return state <= CL_COMPLETE; /* or failed, which wait will tell */
}

Status transfer_wait(Device *device, int ticket, void *to)
{
    Slot *s = &device->fetches[ticket];
    CHECKF(s->done && s->room, "no fetch has the ticket %d", ticket);
    CL_TRY(clWaitForEvents(1, &s->done), "fetch");
    memcpy(to, s->memory, s->room);
    slot_done(s);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ mapped */

Status transfer_map(Device *device, Ref place, uint64_t bytes, int *ticket)
{
    cl_int code;
    check_place(place, bytes);
    CHECK(bytes > 0);
    TRY(free_ticket(device, 0, ticket));
    Slot *s = &device->fetches[*ticket];
    s->mapped = place.buf->mem;
    s->at = clEnqueueMapBuffer(device->queue, s->mapped, CL_FALSE, CL_MAP_READ | CL_MAP_WRITE,
                               place.off, bytes, 0, NULL, &s->done, &code);
    CL_TRY(code, "map");
    CL_TRY(clFlush(device->queue), "map");
    return STATUS_OK;
}

Status transfer_mapped(Device *device, int ticket, void **at)
{
    Slot *s = &device->fetches[ticket];
    CHECKF(s->done && !s->room, "nothing is mapped by the ticket %d", ticket);
    CL_TRY(clWaitForEvents(1, &s->done), "map");
    *at = s->at;
    return STATUS_OK;
}

Status transfer_unmap(Device *device, int ticket)
{
    Slot *s = &device->fetches[ticket];
    CHECKF(s->done && !s->room, "nothing is mapped by the ticket %d", ticket);
    slot_done(s);
    CL_TRY(clEnqueueUnmapMemObject(device->queue, s->mapped, s->at, 0, NULL, NULL), "unmap");
    return STATUS_OK;
}

void transfer_close(Device *device)
{
    for (int i = 0; i < SMALL_WRITES; i++)
        slot_free(device, &device->small[i]);
    for (int i = 0; i < LARGE_WRITES; i++)
        slot_free(device, &device->large[i]);
    for (int i = 0; i < device->fetches_count; i++) {
        if (device->fetches[i].done && !device->fetches[i].room)
            transfer_unmap(device, i);
        slot_free(device, &device->fetches[i]);
    }
    free(device->fetches);
}
