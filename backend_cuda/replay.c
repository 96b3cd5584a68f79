#include "replay.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/log.h"

#include <stdlib.h>

struct Replay {
    const Step *steps;
    int count;
    bool refused;          /* it cannot be recorded */
    cudaGraphExec_t graph; /* NULL: not recorded yet */
    Replay *next;
};

static Status step_run(Device *device, const Step *step)
{
    const Prepared *p = step->prepared;
    CHECKF(p, "%s was not prepared", step->name);
    if (p->begin)
        CUDA_TRY(cudaEventRecord(p->begin, device->stream), step->name);
    TRY(p->run(device, step, p->own));
    if (p->end)
        CUDA_TRY(cudaEventRecord(p->end, device->stream), step->name);
    return STATUS_OK;
}

static Status run_each(Device *device, const Step *steps, int count)
{
    for (int i = 0; i < count; i++)
        TRY(step_run(device, &steps[i]));
    return STATUS_OK;
}

static Replay *find(const Device *device, const Step *steps, int count)
{
    Replay *r = device->replays;
    while (r && (r->steps != steps || r->count != count))
        r = r->next;
    return r;
}

static void add(Device *device, const Step *steps, int count)
{
    Replay *r = mem_zero(1, sizeof *r);
    *r = (Replay){.steps = steps, .count = count, .next = device->replays};
    device->replays = r;
}

/* Recording ends whether or not its steps could be recorded. */
static Status record(Device *device, Replay *r)
{
    cudaGraph_t graph = NULL;
    CUDA_TRY(cudaStreamBeginCapture(device->stream, cudaStreamCaptureModeThreadLocal), "recording");
    Status status = run_each(device, r->steps, r->count);
    cudaError_t code = cudaStreamEndCapture(device->stream, &graph);
    if (status == STATUS_OK && code == cudaSuccess)
        code = cudaGraphInstantiate(&r->graph, graph, 0);
    if (graph)
        cudaGraphDestroy(graph);
    TRY(status);
    CUDA_TRY(code, "recording");
    return STATUS_OK;
}

/* What cannot be recorded runs step by step. */
static void try_record(Device *device, Replay *r)
{
    r->refused = record(device, r) != STATUS_OK;
    if (!r->refused)
        return;
    cudaGetLastError();
    log_warn("%s: %d steps from %s on run without a graph", status_text(), r->count,
             r->steps->name);
}

/* The first time libraries may load what they need, which a recording does not allow. */
Status replay_run(Device *device, const Step *steps, int count)
{
    Replay *r = device->graphs ? find(device, steps, count) : NULL;
    if (r && !r->graph && !r->refused)
        try_record(device, r);
    if (r && r->graph) {
        CUDA_TRY(cudaGraphLaunch(r->graph, device->stream), steps->name);
        return STATUS_OK;
    }
    if (!r && device->graphs)
        add(device, steps, count);
    return run_each(device, steps, count);
}

static bool holds(const Replay *r, const Step *step)
{
    return !step || (step >= r->steps && step < r->steps + r->count);
}

void replay_drop(Device *device, const Step *step)
{
    for (Replay **at = &device->replays; *at;) {
        Replay *r = *at;
        if (!holds(r, step)) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        if (r->graph)
            cudaGraphExecDestroy(r->graph);
        free(r);
    }
}
