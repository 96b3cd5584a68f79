/* Peak: two kernels run by hand, outside of any plan. */
#include "measure/peak.h"

#include "base/arena.h"
#include "device/kernels.h"
#include "plan/lower.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 5 };
static const double LONG_ENOUGH = 0.02; /* seconds of a run: launching it is nothing beside */
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

/* With so many chains of multiply-adds in each item, and as many rounds as the device needs. */
static Status measure_chains(const Backend *backend, Device *device, Buffer *buffer, int chains,
                             double *flops)
{
    const DeviceInfo *info = backend->opened(device);
    bool cpu = info->caps & CAP_CPU;
    uint32_t lanes = (uint32_t)device_lanes(info), room = (uint32_t)(2 * COPY_BYTES / (4 * lanes));
    uint32_t items = cpu ? info->units * 4 : info->units * 4096;
    items = items < room ? items : room;
    long most = (cpu ? 1 << 24 : 1 << 18) / chains, rounds = most / 512;
    double seconds = 0;
    while (seconds < LONG_ENOUGH && rounds < most) {
        rounds *= 8;
        RangeArgs args = {.n = rounds, .chunk = chains, .a = 0.999f, .b = 1e-3f};
        Step step = range_step(KERNEL_peak_fma, args, items, 1);
        step.refs[0] = (Ref){buffer, 0};
        step.writes = 1;
        TRY(fastest(backend, device, &step, &seconds));
    }
    *flops = seconds > 0 ? 2.0 * lanes * chains * (double)rounds * items / seconds : 0;
    return STATUS_OK;
}

/* How many chains fit the registers and hide a multiply-add's latency is the device's own. */
static Status measure_flops(const Backend *backend, Device *device, Buffer *buffer, double *flops)
{
    static const int chains[] = {4, 8, 16};
    *flops = 0;
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        double seen;
        TRY(measure_chains(backend, device, buffer, chains[i], &seen));
        *flops = fmax(*flops, seen);
    }
    return STATUS_OK;
}

static Status measure_bandwidth(const Backend *backend, Device *device, Buffer *buffer,
                                double *bandwidth)
{
    long n = (long)(COPY_BYTES / 4), items = lower_busy_items(backend->opened(device));
    double seconds;
    Step step = range_step(KERNEL_relu, (RangeArgs){.n = n, .chunk = (n / items / 16 + 1) * 16},
                           (uint32_t)items, 2);
    step.refs[0] = (Ref){buffer, 0};
    step.refs[1] = (Ref){buffer, COPY_BYTES};
    step.writes = 2;
    TRY(fastest(backend, device, &step, &seconds));
    *bandwidth = seconds > 0 ? 2.0 * (double)COPY_BYTES / seconds : 0;
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
