/* A stand-in for the CUDA runtime: one device, its memory, copies and launches. */
#include "sim.h"

#include <cuda_runtime_api.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the device. PACO_SIM_MIB: its memory, PACO_SIM_OTHERS_MIB: what other programs have of it, PACO_SIM_LATE_MIB:
 * what they take as soon as this one has some, PACO_SIM_ARCHITECTURE: 90 by default, PACO_SIM_DRIVER: the CUDA
 * that its driver serves, as cudaDriverGetVersion says it. */

static uint64_t taken;

static int setting(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text && *text ? atoi(text) : otherwise;
}

static uint64_t memory(void)
{
    return (uint64_t)setting("PACO_SIM_MIB", 8192) << 20;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = setting("PACO_SIM_DRIVER", CUDART_VERSION);
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = 1;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device)
{
    int architecture = setting("PACO_SIM_ARCHITECTURE", 90);
    if (device != 0)
        return cudaErrorInvalidDevice;
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "simulated GPU");
    p->totalGlobalMem = memory();
    p->multiProcessorCount = 2;
    p->maxThreadsPerBlock = 1024;
    p->sharedMemPerBlock = 49152;
    p->major = architecture / 10;
    p->minor = architecture % 10;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    return device == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaGetLastError(void)
{
    return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t code)
{
    return code == cudaErrorMemoryAllocation             ? "out of memory"
           : code == cudaErrorStreamCaptureUnsupported ? "a call that cannot be recorded"
                                                       : "an error of the simulation";
}

const char *cudaGetErrorName(cudaError_t code)
{
    return code == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorUnknown";
}

/* ---- memory. Its size stands before it. Freeing memory of the device waits for all that was asked for; pinned memory
 * is gone at once. */

enum { BEFORE = 256 };

static uint64_t left(void)
{
    uint64_t gone = taken + ((uint64_t)setting("PACO_SIM_OTHERS_MIB", 0) << 20);
    if (taken)
        gone += (uint64_t)setting("PACO_SIM_LATE_MIB", 0) << 20;
    return gone < memory() ? memory() - gone : 0;
}

cudaError_t cudaMemGetInfo(size_t *bytes, size_t *all)
{
    *bytes = left();
    *all = memory();
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **place, size_t bytes)
{
    char *block = NULL;
    if (sim_illegal())
        return cudaErrorStreamCaptureUnsupported;
    if (bytes > left() || posix_memalign((void **)&block, BEFORE, BEFORE + bytes))
        return cudaErrorMemoryAllocation;
    memcpy(block, &bytes, sizeof bytes);
    taken += bytes;
    *place = memset(block + BEFORE, 0xff, bytes);
    return cudaSuccess;
}

cudaError_t cudaFree(void *place)
{
    size_t bytes;
    if (!place)
        return cudaSuccess;
    if (sim_illegal())
        return cudaErrorStreamCaptureUnsupported;
    sim_drain();
    memcpy(&bytes, (char *)place - BEFORE, sizeof bytes);
    taken -= bytes;
    free((char *)place - BEFORE);
    return cudaSuccess;
}

typedef struct Pinned {
    struct Pinned *next;
    char *memory;
    size_t bytes;
} Pinned;

static Pinned *pinned;

/* The block in which the place is, by the pointer to it. */
static Pinned **pinned_of(const void *place)
{
    Pinned **at = &pinned;
    while (*at && ((const char *)place < (*at)->memory || (const char *)place >= (*at)->memory + (*at)->bytes))
        at = &(*at)->next;
    return at;
}

cudaError_t cudaHostAlloc(void **place, size_t bytes, unsigned int flags)
{
    (void)flags;
    if (sim_illegal())
        return cudaErrorStreamCaptureUnsupported;
    Pinned *block = malloc(sizeof *block);
    *block = (Pinned){pinned, malloc(bytes), bytes};
    pinned = block;
    *place = memset(block->memory, 0xff, bytes);
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *place)
{
    Pinned **at = pinned_of(place), *block = *at;
    if (sim_illegal())
        return cudaErrorStreamCaptureUnsupported;
    if (!block || block->memory != place)
        return cudaErrorInvalidValue;
    *at = block->next;
    free(block->memory);
    free(block);
    return cudaSuccess;
}

typedef struct Copy {
    void *to;
    const void *from;
    size_t bytes;
    int byte;
    size_t pitch, rows; /* of a value set in rows of `bytes`, so far apart */
    char copied[]; /* of host memory that is not pinned: as it was at the call */
} Copy;

static void copy(void *own)
{
    Copy *c = own;
    memmove(c->to, c->from ? c->from : c->copied, c->bytes);
}

static void set(void *own)
{
    Copy *c = own;
    for (size_t row = 0; row < c->rows; row++)
        memset((char *)c->to + row * c->pitch, c->byte, c->bytes);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    bool upload = kind == cudaMemcpyHostToDevice && !*pinned_of(from);
    bool pageable = upload || (kind == cudaMemcpyDeviceToHost && !*pinned_of(to));
    if (pageable && sim_recording(stream) && sim_illegal())
        return cudaErrorStreamCaptureUnsupported;
    Copy *c = malloc(sizeof *c + (upload ? bytes : 0));
    *c = (Copy){.to = to, .from = upload ? NULL : from, .bytes = bytes};
    if (upload)
        memcpy(c->copied, from, bytes);
    sim_enqueue(stream, copy, c);
    return cudaSuccess;
}

cudaError_t cudaMemset2DAsync(void *to, size_t pitch, int byte, size_t bytes, size_t rows, cudaStream_t stream)
{
    Copy *c = malloc(sizeof *c);
    *c = (Copy){.to = to, .bytes = bytes, .byte = byte, .pitch = pitch, .rows = rows};
    sim_enqueue(stream, set, c);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int byte, size_t bytes, cudaStream_t stream)
{
    return cudaMemset2DAsync(to, bytes, byte, bytes, 1, stream);
}

/* ---- launches */

enum { ARGUMENTS_MAX = 64 };

typedef struct Launch {
    const SimKernel *kernel;
    SimDim grid, block;
    void *arguments[ARGUMENTS_MAX];
    _Alignas(16) char bytes[];
} Launch;

static void launch(void *own)
{
    Launch *l = own;
    sim_run(l->kernel, l->arguments, l->grid, l->block);
}

cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **arguments, size_t shared,
                             cudaStream_t stream)
{
    const SimKernel *k = function;
    size_t bytes = 0, at = 0;
    if (shared || k->count > ARGUMENTS_MAX || !grid.x || !grid.y || !grid.z || grid.y > 65535 || grid.z > 65535)
        return cudaErrorInvalidConfiguration;
    for (int i = 0; i < k->count; i++)
        bytes += (k->sizes[i] + 15) / 16 * 16;
    Launch *l = malloc(sizeof *l + bytes);
    l->kernel = k;
    l->grid = (SimDim){grid.x, grid.y, grid.z};
    l->block = (SimDim){block.x, block.y, block.z};
    for (int i = 0; i < k->count; i++) {
        l->arguments[i] = memcpy(l->bytes + at, arguments[i], k->sizes[i]);
        at += (k->sizes[i] + 15) / 16 * 16;
    }
    sim_enqueue(stream, launch, l);
    return cudaSuccess;
}
