/* The CUDA backend: the functions of the contract (device/backend.h). */
#include "conv.h"
#include "gemm.h"
#include "group.h"
#include "kernel.h"
#include "memory.h"
#include "nccl_load.h"
#include "open.h"
#include "paper.h"
#include "replay.h"
#include "transfer.h"
#include "wait.h"

#include "base/arena.h"

#include <stdlib.h>

static const DeviceInfo *opened(const Device *device)
{
    return &device->info;
}

/* ---- steps */

static Status step_choose(Device *device, Step *step)
{
    step->packed_bytes = step->packed_layout = step->workspace_bytes = 0;
    if (step->kind == STEP_GEMM)
        gemm_choose(step);
    return step->kind == STEP_CONV ? conv_choose(device, step) : STATUS_OK;
}

static const char *step_candidate(Device *device, const Step *step, int i)
{
    return step->kind == STEP_CONV              ? conv_candidate(device, step, i)
           : step->kind == STEP_GEMM && i == 0 ? "cublaslt"
                                                : NULL;
}

static void prepared_free(Prepared *p)
{
    if (!p)
        return;
    if (p->own && p->release)
        p->release(p->own);
    else
        free(p->own);
    if (p->begin)
        cudaEventDestroy(p->begin);
    if (p->end)
        cudaEventDestroy(p->end);
    free(p);
}

static Status make(Device *device, const Step *step, Prepared *p)
{
    if (device->profile) {
        CUDA_TRY(cudaEventCreate(&p->begin), "an event");
        CUDA_TRY(cudaEventCreate(&p->end), "an event");
    }
    if (step->kind == STEP_KERNEL)
        return kernel_prepare(device, step, p);
    if (step->kind == STEP_CONV)
        return conv_prepare(device, step, p);
    if (step->kind == STEP_GEMM)
        return gemm_prepare(device, step, p);
    p->run = memory_run;
    return STATUS_OK;
}

static Status step_prepare(Device *device, Step *step)
{
    Prepared *p = mem_zero(1, sizeof *p);
    Status status = make(device, step, p);
    if (status != STATUS_OK) {
        prepared_free(p);
        return status;
    }
    step->prepared = p;
    return STATUS_OK;
}

/* Work that still uses it may be on its way. */
static void step_discard(Device *device, Step *step)
{
    wait_stream(device, device->stream, step->name);
    replay_drop(device, step);
    prepared_free(step->prepared);
    step->prepared = NULL;
}

static Status steps_sync(Device *device)
{
    return wait_stream(device, device->stream, "waiting for the device");
}

static Status step_elapsed(Device *device, const Step *step, double *seconds)
{
    const Prepared *p = step->prepared;
    float milliseconds = 0;
    if (!device->profile || !p || !p->begin)
        return status_fail(STATUS_DEVICE, "cuda: the device was opened without profiling");
    CUDA_TRY(cudaEventSynchronize(p->end), "time of a step");
    CUDA_TRY(cudaEventElapsedTime(&milliseconds, p->begin, p->end), "time of a step");
    *seconds = 1e-3 * milliseconds;
    return STATUS_OK;
}

static const Backend backend = {
    .abi = BACKEND_ABI,
    .name = "cuda",
    .count = discover_count,
    .info = discover_info,
    .open = open_index,
    .close = open_close,
    .papers = paper_names,
    .open_paper = open_paper,
    .opened = opened,
    .alloc = memory_alloc,
    .release = memory_release,
    .write = transfer_write,
    .read = transfer_read,
    .fetch = transfer_fetch,
    .arrived = transfer_arrived,
    .wait = transfer_wait,
    .choose = step_choose,
    .candidate = step_candidate,
    .prepare = step_prepare,
    .discard = step_discard,
    .run = replay_run,
    .sync = steps_sync,
    .groups = nccl_groups,
    .group_id = nccl_group_id,
    .join = group_join,
    .leave = group_leave,
    .exchange = group_exchange,
    .settle = group_settle,
    .elapsed = step_elapsed,
};

__attribute__((visibility("default"))) BackendEntry paco_backend;

const Backend *paco_backend(void)
{
    return &backend;
}
