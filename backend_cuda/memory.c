#include "memory.h"

#include "base/arena.h"

#include <stdlib.h>

Status memory_ask(Device *device)
{
    size_t left, all;
    if (!(device->info.caps & CAP_OWN_MEMORY))
        return STATUS_OK; /* what the system calls free is not all that it would give */
    CUDA_TRY(cudaMemGetInfo(&left, &all), "memory of the device");
    device->info.free_memory = left + device->held ? left + device->held : 1; /* 0: not known */
    return STATUS_OK;
}

Status memory_alloc(Device *device, uint64_t bytes, Buffer **buffer)
{
    void *memory = NULL;
    *buffer = NULL;
    cudaError_t code = cudaMalloc(&memory, bytes);
    if (code == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        TRY(memory_ask(device)); /* others may have taken some */
        return status_fail(STATUS_LIMIT, "cuda: %s has no %.1f MiB left for a buffer",
                           device->info.name, (double)bytes / (1 << 20));
    }
    CUDA_TRY(code, "cudaMalloc");
    *buffer = mem_alloc(sizeof **buffer);
    **buffer = (Buffer){memory, bytes};
    device->held += bytes;
    return STATUS_OK;
}

void memory_release(Device *device, Buffer *buffer)
{
    if (!buffer)
        return;
    device->held -= buffer->bytes;
    cudaFree(buffer->memory);
    free(buffer);
}

/* A pattern of four bytes, each set for itself: of equal ones by one call. */
static Status fill(Device *device, char *to, uint64_t bytes, uint32_t pattern)
{
    enum { WORD = sizeof pattern };
    if (pattern == (pattern & 0xff) * 0x01010101u) {
        CUDA_TRY(cudaMemsetAsync(to, (int)(pattern & 0xff), bytes, device->stream), "fill");
        return STATUS_OK;
    }
    for (uint64_t i = 0; i < WORD && i < bytes; i++)
        CUDA_TRY(cudaMemset2DAsync(to + i, WORD, (int)(pattern >> 8 * i & 0xff), 1,
                                   (bytes - i + WORD - 1) / WORD, device->stream),
                 "fill");
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
