/* The OpenCL backend: the functions of the contract (device/backend.h). */
#include "algorithms.h"
#include "discover.h"
#include "kernel.h"
#include "memory.h"
#include "open.h"
#include "transfer.h"

#include "base/check.h"

static const DeviceInfo *opened(const Device *device)
{
    return &device->info;
}

/* ---- steps */

static bool has_algorithm(const Step *step)
{
    return step->kind == STEP_CONV || step->kind == STEP_GEMM;
}

static Status step_choose(Device *device, Step *step)
{
    step->packed_bytes = step->packed_layout = step->workspace_bytes = 0;
    return has_algorithm(step) ? algorithms_choose(device, step) : STATUS_OK;
}

static const char *step_candidate(Device *device, const Step *step, int i)
{
    return has_algorithm(step) ? algorithms_candidate(device, step, i) : NULL;
}

static Status launches_add(const Device *device, const Step *step, Prepared *prepared)
{
    if (step->kind == STEP_KERNEL)
        return kernel_prepare(device, step, prepared);
    if (has_algorithm(step))
        return algorithms_prepare(device, step, prepared);
    launch_add_call(prepared, memory_enqueue, false); /* COPY or FILL */
    return STATUS_OK;
}

static Status step_prepare(Device *device, Step *step)
{
    Prepared *prepared = launch_begin(device);
    Status status = launches_add(device, step, prepared);
    if (status != STATUS_OK) {
        launch_free(prepared);
        return status_prefix(status, "%s", step->name ? step->name : "step");
    }
    step->prepared = prepared;
    return STATUS_OK;
}

static void step_discard(Device *device, Step *step)
{
    (void)device;
    launch_free(step->prepared);
    step->prepared = NULL;
}

static Status steps_run(Device *device, const Step *steps, int count)
{
    for (int i = 0; i < count; i++) {
        CHECKF(steps[i].prepared, "%s was not prepared", steps[i].name);
        TRY(launch_run(steps[i].prepared, &steps[i]));
    }
    CL_TRY(clFlush(device->queue), "clFlush");
    return STATUS_OK;
}

static Status steps_sync(Device *device)
{
    CL_TRY(clFinish(device->queue), "clFinish");
    return STATUS_OK;
}

static Status step_elapsed(Device *device, const Step *step, double *seconds)
{
    (void)device;
    return launch_elapsed(step->prepared, seconds);
}

static const Backend backend = {
    .abi = BACKEND_ABI,
    .name = "opencl",
    .count = discover_count,
    .info = discover_info,
    .open = open_index,
    .close = open_close,
    .opened = opened,
    .alloc = memory_alloc,
    .release = memory_release,
    .write = transfer_write,
    .read = transfer_read,
    .fetch = transfer_fetch,
    .arrived = transfer_arrived,
    .wait = transfer_wait,
    .map = transfer_map,
    .mapped = transfer_mapped,
    .unmap = transfer_unmap,
    .choose = step_choose,
    .candidate = step_candidate,
    .prepare = step_prepare,
    .discard = step_discard,
    .run = steps_run,
    .sync = steps_sync,
    .elapsed = step_elapsed,
};

__attribute__((visibility("default"))) BackendEntry paco_backend;

const Backend *paco_backend(void)
{
    return &backend;
}
