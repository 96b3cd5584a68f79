/* A stand-in for the CUDA runtime: one device, streams that do nothing before somebody waits. */
#include "sim.h"

#include <cuda_runtime_api.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- streams and recordings */

typedef struct Work {
    struct Work *next;
    void (*run)(void *own);
    void *own;
} Work;

typedef struct Works {
    Work *first, *last;
} Works;

struct CUgraph_st {
    Works works;
    int users;
};

struct CUgraphExec_st {
    cudaGraph_t graph;
};

struct CUstream_st {
    Works works;
    cudaGraph_t recording; /* NULL: what comes is to be run */
    bool spoiled;          /* the recording */
    struct CUstream_st *next;
};

static struct CUstream_st *streams;

static void append(Works *works, void (*run)(void *own), void *own)
{
    Work *work = malloc(sizeof *work);
    *work = (Work){NULL, run, own};
    if (works->last)
        works->last->next = work;
    else
        works->first = work;
    works->last = work;
}

static Work *take_first(Works *works)
{
    Work *work = works->first;
    works->first = work->next;
    if (!works->first)
        works->last = NULL;
    return work;
}

static void free_work(Work *work)
{
    free(work->own);
    free(work);
}

void sim_enqueue(void *stream, void (*run)(void *own), void *own)
{
    cudaStream_t s = stream;
    append(s->recording ? &s->recording->works : &s->works, run, own);
}

static void run_first(cudaStream_t s)
{
    Work *work = take_first(&s->works);
    work->run(work->own);
    free_work(work);
}

static void drain(cudaStream_t s)
{
    while (s->works.first)
        run_first(s);
}

/* While a stream records, calls that wait or take memory are illegal, whatever they are for. */
static bool illegal(void)
{
    bool recording = false;
    for (cudaStream_t s = streams; s; s = s->next)
        if (s->recording)
            recording = s->spoiled = true;
    return recording;
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
    if (illegal())
        return cudaErrorStreamCaptureUnsupported;
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

/* ---- graphs */

static void leave(cudaGraph_t graph)
{
    if (--graph->users > 0)
        return;
    while (graph->works.first)
        free_work(take_first(&graph->works));
    free(graph);
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    (void)mode;
    if (stream->recording)
        return cudaErrorIllegalState;
    stream->recording = calloc(1, sizeof *stream->recording);
    stream->recording->users = 1;
    stream->spoiled = false;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    *graph = stream->recording;
    stream->recording = NULL;
    if (!stream->spoiled)
        return cudaSuccess;
    leave(*graph);
    *graph = NULL;
    return cudaErrorStreamCaptureInvalidated;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
    (void)flags;
    *exec = malloc(sizeof **exec);
    (*exec)->graph = graph;
    graph->users++;
    return cudaSuccess;
}

static void run_graph(void *own)
{
    cudaGraph_t graph = *(cudaGraph_t *)own;
    for (Work *work = graph->works.first; work; work = work->next)
        work->run(work->own);
    leave(graph);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    cudaGraph_t *own = malloc(sizeof *own);
    *own = exec->graph;
    exec->graph->users++;
    sim_enqueue(stream, run_graph, own);
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    leave(exec->graph);
    free(exec);
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    leave(graph);
    return cudaSuccess;
}

/* ---- events. Recording them for a graph is left out: nothing here does. */

struct CUevent_st {
    cudaStream_t stream;     /* of the latest record; NULL: none */
    long recorded, happened; /* the number of the latest record, of the latest that the stream came to */
    double seconds;
};

typedef struct Mark {
    cudaEvent_t event;
    cudaStream_t stream;
    long number;
} Mark;

static Mark *mark_of(cudaEvent_t event)
{
    Mark *mark = malloc(sizeof *mark);
    *mark = (Mark){event, event->stream, event->recorded};
    return mark;
}

static void happen(void *own)
{
    Mark *mark = own;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    mark->event->seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    mark->event->happened = mark->number;
}

static void run_until(void *own)
{
    const Mark *mark = own;
    while (mark->event->happened < mark->number)
        run_first(mark->stream);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags)
{
    (void)flags;
    *event = calloc(1, sizeof **event);
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, 0);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    free(event);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    if (stream->recording && illegal())
        return cudaErrorStreamCaptureUnsupported;
    event->stream = stream;
    event->recorded++;
    sim_enqueue(stream, happen, mark_of(event));
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags)
{
    (void)flags;
    if (stream->recording && illegal())
        return cudaErrorStreamCaptureIsolation;
    sim_enqueue(stream, run_until, mark_of(event));
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (illegal())
        return cudaErrorStreamCaptureUnsupported;
    run_until(&(Mark){event, event->stream, event->recorded});
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    if (illegal())
        return cudaErrorStreamCaptureUnsupported;
    return event->happened == event->recorded ? cudaSuccess : cudaErrorNotReady;
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

cudaError_t cudaMalloc(void **place, size_t bytes)
{
    char *block = NULL;
    if (illegal())
        return cudaErrorStreamCaptureUnsupported;
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
    if (illegal())
        return cudaErrorStreamCaptureUnsupported;
    for (cudaStream_t stream = streams; stream; stream = stream->next)
        drain(stream);
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
    if (illegal())
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
    if (illegal())
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
    if (pageable && stream->recording && illegal())
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
