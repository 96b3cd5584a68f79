/* Buffers; see memory.h. */
#include "memory.h"

#include "base/arena.h"
#include "base/check.h"

#include <stdlib.h>
#include <string.h>

Status memory_alloc(Device *device, uint64_t bytes, Buffer **buffer)
{
    *buffer = NULL;
    if (bytes > device->info.max_alloc)
        return status_fail(STATUS_LIMIT,
                           "opencl: %s: a buffer of %llu MiB was asked for, the device allows %llu "
                           "MiB",
                           device->info.name, (unsigned long long)bytes >> 20,
                           (unsigned long long)device->info.max_alloc >> 20);
    cl_int code;
    cl_mem mem = clCreateBuffer(device->context, CL_MEM_READ_WRITE, bytes ? bytes : 4, NULL, &code);
    if (code != CL_SUCCESS) {
        Status status = opencl_fail(code, "clCreateBuffer");
        return status_prefix(status, "%s: no memory for %llu MiB", device->info.name,
                             (unsigned long long)bytes >> 20);
    }
    *buffer = mem_zero(1, sizeof **buffer);
    **buffer = (Buffer){mem, bytes};
    return STATUS_OK;
}

void memory_release(Device *device, Buffer *buffer)
{
    (void)device;
    if (!buffer)
        return;
    clReleaseMemObject(buffer->mem);
    free(buffer);
}

Status memory_write(Device *device, Ref to, const void *from, uint64_t bytes)
{
    CHECK(to.buf && to.off <= to.buf->bytes && bytes <= to.buf->bytes - to.off);
    if (bytes)
        CL_TRY(clEnqueueWriteBuffer(device->queue, to.buf->mem, CL_TRUE, to.off, bytes, from, 0,
                                    NULL, NULL),
               "write");
    return STATUS_OK;
}

Status memory_read(Device *device, void *to, Ref from, uint64_t bytes)
{
    CHECK(from.buf && from.off <= from.buf->bytes && bytes <= from.buf->bytes - from.off);
    if (bytes)
        CL_TRY(clEnqueueReadBuffer(device->queue, from.buf->mem, CL_TRUE, from.off, bytes, to, 0,
                                   NULL, NULL),
               "read");
    return STATUS_OK;
}

/* A free ticket with memory of that size, 0: none; returns its number. */
static int free_ticket(Device *device, uint64_t bytes)
{
    int i = 0;
    while (i < device->fetches_count &&
           (device->fetches[i].done || device->fetches[i].bytes != bytes))
        i++;
    if (i == device->fetches_count) {
        device->fetches =
            mem_grow(device->fetches, (size_t)++device->fetches_count * sizeof(Fetch));
        device->fetches[i] = (Fetch){.memory = bytes ? mem_alloc(bytes) : NULL, .bytes = bytes};
    }
    return i;
}

Status memory_fetch(Device *device, Ref from, uint64_t bytes, int *ticket)
{
    CHECK(bytes && from.off <= from.buf->bytes && bytes <= from.buf->bytes - from.off);
    *ticket = free_ticket(device, bytes);
    Fetch *f = &device->fetches[*ticket];
    CL_TRY(clEnqueueReadBuffer(device->queue, from.buf->mem, CL_FALSE, from.off, bytes, f->memory,
                               0, NULL, &f->done),
           "fetch");
    CL_TRY(clFlush(device->queue), "fetch");
    return STATUS_OK;
}

bool memory_arrived(Device *device, int ticket)
{
    cl_int state = CL_COMPLETE;
    clGetEventInfo(device->fetches[ticket].done, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state,
                   &state, NULL);
    return state <= CL_COMPLETE; /* or failed, which wait will tell */
}

static void give_ticket_back(Fetch *f)
{
    if (f->done)
        clReleaseEvent(f->done);
    f->done = NULL;
}

Status memory_wait(Device *device, int ticket, void *to)
{
    Fetch *f = &device->fetches[ticket];
    CHECKF(f->done, "no fetch has the ticket %d", ticket);
    CL_TRY(clWaitForEvents(1, &f->done), "fetch");
    memcpy(to, f->memory, f->bytes);
    give_ticket_back(f);
    return STATUS_OK;
}

Status memory_map(Device *device, Ref place, uint64_t bytes, int *ticket)
{
    cl_int code;
    CHECK(bytes && place.off <= place.buf->bytes && bytes <= place.buf->bytes - place.off);
    *ticket = free_ticket(device, 0);
    Fetch *f = &device->fetches[*ticket];
    f->mapped = place.buf->mem;
    f->memory = clEnqueueMapBuffer(device->queue, f->mapped, CL_FALSE, CL_MAP_READ | CL_MAP_WRITE,
                                   place.off, bytes, 0, NULL, &f->done, &code);
    CL_TRY(code, "map");
    CL_TRY(clFlush(device->queue), "map");
    return STATUS_OK;
}

Status memory_mapped(Device *device, int ticket, void **at)
{
    Fetch *f = &device->fetches[ticket];
    CHECKF(f->done && f->bytes == 0, "nothing is mapped by the ticket %d", ticket);
    CL_TRY(clWaitForEvents(1, &f->done), "map");
    *at = f->memory;
    return STATUS_OK;
}

Status memory_unmap(Device *device, int ticket)
{
    Fetch *f = &device->fetches[ticket];
    CHECKF(f->done && f->bytes == 0, "nothing is mapped by the ticket %d", ticket);
    give_ticket_back(f);
    CL_TRY(clEnqueueUnmapMemObject(device->queue, f->mapped, f->memory, 0, NULL, NULL), "unmap");
    return STATUS_OK;
}

void memory_drop_fetches(Device *device)
{
    for (int i = 0; i < device->fetches_count; i++) {
        Fetch *f = &device->fetches[i];
        if (f->done && f->bytes == 0)
            clEnqueueUnmapMemObject(device->queue, f->mapped, f->memory, 0, NULL, NULL);
        give_ticket_back(f);
        if (f->bytes)
            free(f->memory);
    }
    free(device->fetches);
}

Status memory_enqueue(Device *device, const Step *step, cl_event *event)
{
    size_t bytes = (size_t)step->bytes;
    Ref a = step->refs[0], b = step->refs[1];
    if (!bytes)
        return STATUS_OK;
    if (step->kind == STEP_COPY)
        CL_TRY(clEnqueueCopyBuffer(device->queue, a.buf->mem, b.buf->mem, a.off, b.off, bytes, 0,
                                   NULL, event),
               step->name);
    else
        CL_TRY(clEnqueueFillBuffer(device->queue, a.buf->mem, &step->fill.pattern, 4, a.off, bytes,
                                   0, NULL, event),
               step->name);
    return STATUS_OK;
}
