/* Buffers; see memory.h. */
#include "memory.h"

#include "base/arena.h"
#include "base/check.h"

#include <stdlib.h>

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
