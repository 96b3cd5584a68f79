/* A stand-in for the CUDA runtime: one device, streams that do nothing before somebody waits. */
#include "sim.h"

#include <cuda_runtime_api.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- streams */

typedef struct Work {
    struct Work *next;
    void (*run)(void *own);
    void *own;
} Work;

struct CUstream_st {
    Work *first, *last;
    struct CUstream_st *next;
};

static struct CUstream_st *streams;

struct CUevent_st {
    cudaStream_t stream;
    double seconds;
};

void sim_enqueue(void *stream, void (*run)(void *own), void *own)
{
    cudaStream_t s = stream;
    Work *work = malloc(sizeof *work);
    *work = (Work){NULL, run, own};
    if (s->last)
        s->last->next = work;
    else
        s->first = work;
    s->last = work;
}

static void drain(cudaStream_t s)
{
    while (s->first) {
        Work *work = s->first;
        s->first = work->next;
        if (!s->first)
            s->last = NULL;
        work->run(work->own);
        free(work->own);
        free(work);
    }
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned int flags)
{
    (void)flags;
    *stream = calloc(1, sizeof **stream);
    (*stream)->next = streams;
    streams = *stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    drain(stream);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    struct CUstream_st **at = &streams;
    drain(stream);
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    free(stream);
    return cudaSuccess;
}

/* ---- events */

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    *event = calloc(1, sizeof **event);
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    free(event);
    return cudaSuccess;
}

static void note_time(void *own)
{
    cudaEvent_t event = *(cudaEvent_t *)own;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    event->seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    cudaEvent_t *own = malloc(sizeof *own);
    *own = event;
    event->stream = stream;
    sim_enqueue(stream, note_time, own);
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (event->stream)
        drain(event->stream);
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end)
{
    *milliseconds = (float)(1e3 * (end->seconds - begin->seconds));
    return cudaSuccess;
}

/* ---- the device. PACO_SIM_MIB: its memory, PACO_SIM_ARCHITECTURE: 90 by default, PACO_SIM_DRIVER: the CUDA that its
 * driver serves, as cudaDriverGetVersion says it. */

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
    return code == cudaErrorMemoryAllocation ? "out of memory" : "an error of the simulation";
}

const char *cudaGetErrorName(cudaError_t code)
{
    return code == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorUnknown";
}

/* ---- memory. Its size stands before it. Freeing waits for all that was asked for. */

enum { BEFORE = 256 };

cudaError_t cudaMalloc(void **place, size_t bytes)
{
    char *block = NULL;
    if (bytes > memory() - taken || posix_memalign((void **)&block, BEFORE, BEFORE + bytes))
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
    for (cudaStream_t stream = streams; stream; stream = stream->next)
        drain(stream);
    memcpy(&bytes, (char *)place - BEFORE, sizeof bytes);
    taken -= bytes;
    free((char *)place - BEFORE);
    return cudaSuccess;
}

typedef struct Copy {
    void *to;
    const void *from;
    size_t bytes;
    int byte;
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
    memset(c->to, c->byte, c->bytes);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    bool upload = kind == cudaMemcpyHostToDevice;
    Copy *c = malloc(sizeof *c + (upload ? bytes : 0));
    *c = (Copy){.to = to, .from = upload ? NULL : from, .bytes = bytes};
    if (upload)
        memcpy(c->copied, from, bytes);
    sim_enqueue(stream, copy, c);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int byte, size_t bytes, cudaStream_t stream)
{
    Copy *c = malloc(sizeof *c);
    *c = (Copy){.to = to, .bytes = bytes, .byte = byte};
    sim_enqueue(stream, set, c);
    return cudaSuccess;
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
