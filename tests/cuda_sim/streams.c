/* A stand-in for the CUDA runtime: streams that do nothing before somebody waits, recordings and events. */
#include "sim.h"

#include <cuda_runtime_api.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- streams and recordings */

typedef struct Work {
    struct Work *next;
    void (*run)(void *own);
    bool (*attempt)(void *own); /* in place of run: whether it is done */
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
    bool busy;             /* its first work runs */
    struct CUstream_st *next;
};

static struct CUstream_st *streams;

static void append(Works *works, void (*run)(void *own), bool (*attempt)(void *own), void *own)
{
    Work *work = malloc(sizeof *work);
    *work = (Work){NULL, run, attempt, own};
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
    append(s->recording ? &s->recording->works : &s->works, run, NULL, own);
}

void sim_enqueue_try(void *stream, bool (*attempt)(void *own), void *own)
{
    cudaStream_t s = stream;
    s->spoiled |= s->recording != NULL; /* nothing here records it */
    append(&s->works, NULL, attempt, own);
}

/* Goes on with the first work; whether it is done. */
static bool advance(cudaStream_t s)
{
    Work *work = s->works.first;
    if (s->busy) {
        fprintf(stderr, "simulated GPU: streams wait for each other\n");
        abort();
    }
    s->busy = true;
    bool done = work->attempt ? work->attempt(work->own) : true;
    if (work->run)
        work->run(work->own);
    s->busy = false;
    if (done)
        free_work(take_first(&s->works));
    return done;
}

void sim_hurry(void *stream)
{
    cudaStream_t s = stream;
    while (s->works.first && advance(s))
        ;
}

/* Another process is waited for. */
static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

static void drain(cudaStream_t s)
{
    while (s->works.first)
        if (!advance(s))
            nap();
}

void sim_drain(void)
{
    for (cudaStream_t s = streams; s; s = s->next)
        drain(s);
}

bool sim_recording(const void *stream)
{
    return ((const struct CUstream_st *)stream)->recording != NULL;
}

bool sim_illegal(void)
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
    if (sim_illegal())
        return cudaErrorStreamCaptureUnsupported;
    drain(stream);
    return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    if (sim_illegal())
        return cudaErrorStreamCaptureUnsupported;
    while (stream->works.first)
        if (!advance(stream))
            return cudaErrorNotReady;
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

/* Whether the stream has come to a mark, as far as it goes by now. */
static bool reach(void *own)
{
    const Mark *mark = own;
    while (mark->event->happened < mark->number)
        if (!advance(mark->stream))
            return false;
    return true;
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
    if (stream->recording && sim_illegal())
        return cudaErrorStreamCaptureUnsupported;
    event->stream = stream;
    event->recorded++;
    sim_enqueue(stream, happen, mark_of(event));
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags)
{
    (void)flags;
    if (stream->recording && sim_illegal())
        return cudaErrorStreamCaptureIsolation;
    sim_enqueue_try(stream, reach, mark_of(event));
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (sim_illegal())
        return cudaErrorStreamCaptureUnsupported;
    while (!reach(&(Mark){event, event->stream, event->recorded}))
        nap();
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    if (sim_illegal())
        return cudaErrorStreamCaptureUnsupported;
    return reach(&(Mark){event, event->stream, event->recorded}) ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end)
{
    *milliseconds = (float)(1e3 * (end->seconds - begin->seconds));
    return cudaSuccess;
}
