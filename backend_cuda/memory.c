#include "memory.h"

#include "base/arena.h"

#include <stdlib.h>

Status memory_alloc(Device *device, uint64_t bytes, Buffer **buffer)
{
    void *memory = NULL;
    *buffer = NULL;
    cudaError_t code = cudaMalloc(&memory, bytes);
    if (code == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        return status_fail(STATUS_LIMIT, "cuda: %s has no %.1f MiB left for a buffer",
                           device->info.name, (double)bytes / (1 << 20));
    }
    CUDA_TRY(code, "cudaMalloc");
    *buffer = mem_alloc(sizeof **buffer);
    **buffer = (Buffer){memory, bytes};
    return STATUS_OK;
}

void memory_release(Device *device, Buffer *buffer)
{
    (void)device;
    if (!buffer)
        return;
    cudaFree(buffer->memory);
    free(buffer);
}

/* Of memory that is not pinned the driver has its own copy when the call returns. */
Status memory_write(Device *device, Ref to, const void *from, uint64_t bytes)
{
    CUDA_TRY(cudaMemcpyAsync(place_of(to), from, bytes, cudaMemcpyHostToDevice, device->stream),
             "write");
    return STATUS_OK;
}

Status memory_read(Device *device, void *to, Ref from, uint64_t bytes)
{
    CUDA_TRY(cudaMemcpyAsync(to, place_of(from), bytes, cudaMemcpyDeviceToHost, device->stream),
             "read");
    CUDA_TRY(cudaStreamSynchronize(device->stream), "read");
    return STATUS_OK;
}

/* A pattern of equal bytes is set by the driver; any other by copies that double what is there. */
static Status fill(Device *device, char *to, uint64_t bytes, uint32_t pattern)
{
    uint32_t byte = pattern & 0xff;
    if (pattern == byte * 0x01010101u) {
        CUDA_TRY(cudaMemsetAsync(to, (int)byte, bytes, device->stream), "fill");
        return STATUS_OK;
    }
    uint64_t done = bytes < sizeof pattern ? bytes : sizeof pattern;
    CUDA_TRY(cudaMemcpyAsync(to, &pattern, done, cudaMemcpyHostToDevice, device->stream), "fill");
    for (; done < bytes; done *= 2) {
        uint64_t more = bytes - done < done ? bytes - done : done;
        CUDA_TRY(cudaMemcpyAsync(to + done, to, more, cudaMemcpyDeviceToDevice, device->stream),
                 "fill");
    }
    return STATUS_OK;
}

Status memory_run(Device *device, const Step *step, const void *own)
{
    (void)own;
    if (step->bytes == 0)
        return STATUS_OK;
    if (step->kind == STEP_FILL)
        return fill(device, place_of(step->refs[0]), (uint64_t)step->bytes, step->fill.pattern);
    CUDA_TRY(cudaMemcpyAsync(place_of(step->refs[1]), place_of(step->refs[0]),
                             (size_t)step->bytes, cudaMemcpyDeviceToDevice, device->stream),
             "copy");
    return STATUS_OK;
}
