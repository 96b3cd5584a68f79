/* Peak: two kernels run by hand, outside of any plan. */
#include "train/peak.h"

#include "base/arena.h"
#include "device/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 5, ACCUMULATORS = 16 };
static const uint64_t COPY_BYTES = (uint64_t)64 << 20;

/* Seconds of the fastest of several runs of one kernel. */
static Status fastest(const Backend *backend, Device *device, Step *step, double *seconds)
{
    *seconds = INFINITY;
    TRY(backend->choose(device, step));
    TRY(backend->prepare(device, step));
    Status status = STATUS_OK;
    for (int i = 0; i < RUNS && status == STATUS_OK; i++) {
        double t = 0;
        status = backend->run(device, step, 1);
        if (status == STATUS_OK)
            status = backend->elapsed(device, step, &t);
        *seconds = fmin(*seconds, t);
    }
    backend->discard(device, step);
    return status;
}

static Step range_step(int id, RangeArgs args, uint32_t items, int refs)
{
    Step step = {.kind = STEP_KERNEL, .refs_count = refs, .name = "peak",
                 .kernel = {.id = id, .global = {items, 1, 1}, .args_bytes = sizeof args}};
    memcpy(step.kernel.args, &args, sizeof args);
    return step;
}

static Status measure_flops(const Backend *backend, Device *device, Buffer *buffer, double *flops)
{
    const DeviceInfo *info = backend->opened(device);
    bool cpu = info->caps & CAP_CPU;
    uint32_t items = cpu ? info->units * 4 : info->units * 4096;
    long rounds = cpu ? 1 << 20 : 1 << 14;
    double seconds;
    Step step =
        range_step(KERNEL_peak_fma, (RangeArgs){.n = rounds, .a = 0.999f, .b = 1e-3f}, items, 1);
    step.refs[0] = (Ref){buffer, 0};
    step.writes = 1;
    TRY(fastest(backend, device, &step, &seconds));
    double lanes = cpu ? 16 : 4;
    *flops = 2.0 * lanes * ACCUMULATORS * (double)rounds * items / seconds;
    return STATUS_OK;
}

static Status measure_bandwidth(const Backend *backend, Device *device, Buffer *buffer,
                                double *bandwidth)
{
    const DeviceInfo *info = backend->opened(device);
    long n = (long)(COPY_BYTES / 4);
    uint32_t items = info->caps & CAP_CPU ? info->units * 4 : info->units * 256;
    double seconds;
    Step step =
        range_step(KERNEL_relu, (RangeArgs){.n = n, .chunk = (n / items + 15) / 16 * 16}, items, 2);
    step.refs[0] = (Ref){buffer, 0};
    step.refs[1] = (Ref){buffer, COPY_BYTES};
    step.writes = 2;
    TRY(fastest(backend, device, &step, &seconds));
    *bandwidth = 2.0 * (double)COPY_BYTES / seconds;
    return STATUS_OK;
}

Status peak_measure(const Backend *backend, Device *device, Peak *peak)
{
    Buffer *buffer;
    TRY(backend->alloc(device, 2 * COPY_BYTES, &buffer));
    uint8_t *zeros = mem_zero(1, COPY_BYTES);
    Status status = backend->write(device, (Ref){buffer, 0}, zeros, COPY_BYTES);
    free(zeros);
    if (status == STATUS_OK)
        status = measure_bandwidth(backend, device, buffer, &peak->bandwidth);
    if (status == STATUS_OK)
        status = measure_flops(backend, device, buffer, &peak->flops);
    backend->release(device, buffer);
    return status;
}
