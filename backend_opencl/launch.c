/* Launches: kernels with their arguments set once, when a step is prepared, and enqueued at every
 * run.
 *
 * An operand is two arguments, buffer and offset; an absent one is the device's dummy buffer and
 * the offset ABSENT of the dialect. */
#include "opencl.h"

#include "base/arena.h"
#include "base/check.h"
#include "device/kernels.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *file;
    int refs;
    size_t args_bytes;
} kernels[] = {
#define KERNEL(name, refs, args, file, passes) {#name, #file, refs, sizeof(args)},
#include "device/kernels.def"
#undef KERNEL
};

static const uint64_t absent = UINT64_MAX; /* ABSENT of the dialect */

Status launch_add(Device *device, Prepared *prepared, const char *file, const char *options,
                  const char *name, const size_t global[3], const size_t local[3], Launch **launch)
{
    CHECK(prepared->count < LAUNCHES_MAX);
    cl_program program;
    TRY(program_get(device, file, options, &program));
    Launch *l = &prepared->launches[prepared->count];
    *l = (Launch){.local_set = local != NULL};
    cl_int code;
    l->kernel = clCreateKernel(program, name, &code);
    CL_TRY(code, name);
    prepared->count++;
    for (int d = 0; d < 3; d++) {
        l->global[d] = global[d] ? global[d] : 1;
        l->local[d] = local && local[d] ? local[d] : 1;
        CHECKF(!local || l->global[d] % l->local[d] == 0, "%s: %zu items in groups of %zu", name,
               l->global[d], l->local[d]);
    }
    *launch = l;
    return STATUS_OK;
}

void launch_add_library(Prepared *prepared)
{
    CHECK(prepared->count < LAUNCHES_MAX);
    prepared->launches[prepared->count++] = (Launch){.library = true};
}

Status launch_value(Launch *launch, const void *value, size_t bytes)
{
    CL_TRY(clSetKernelArg(launch->kernel, launch->next_arg++, bytes, value), "clSetKernelArg");
    return STATUS_OK;
}

Status launch_local(Launch *launch, size_t bytes)
{
    return launch_value(launch, NULL, bytes);
}

Status launch_ref(Device *device, Launch *launch, Ref ref)
{
    TRY(launch_value(launch, ref.buf ? &ref.buf->mem : &device->dummy->mem, sizeof(cl_mem)));
    return launch_value(launch, ref.buf ? &ref.off : &absent, sizeof(cl_ulong));
}

/* A step of the kernel table. On processors a work-item is a long loop: groups of one. */
static Status kernel_prepare(Device *device, const Step *step, Prepared *prepared)
{
    const KernelStep *k = &step->kernel;
    CHECKF(k->id >= 0 && k->id < KERNEL_COUNT && step->refs_count == kernels[k->id].refs &&
               k->args_bytes == kernels[k->id].args_bytes,
           "%s: step and kernels.def differ", step->name);
    size_t global[3], local[3];
    bool chosen = k->local[0] != 0;
    for (int d = 0; d < 3; d++) {
        global[d] = k->global[d];
        local[d] = chosen ? k->local[d] : 1;
    }
    if (chosen && local[0] * local[1] * local[2] > device->info.max_group)
        return status_fail(STATUS_DEVICE,
                           "opencl: %s: %s allows groups of %u work-items, this kernel needs %zu",
                           kernels[k->id].name, device->info.name, device->info.max_group,
                           local[0] * local[1] * local[2]);
    Launch *launch;
    TRY(launch_add(device, prepared, kernels[k->id].file,
                   device->team_options, kernels[k->id].name, global,
                   chosen || device->cpu_kernels ? local : NULL, &launch));
    for (int i = 0; i < step->refs_count; i++)
        TRY(launch_ref(device, launch, step->refs[i]));
    return launch_value(launch, k->args, k->args_bytes);
}

Status launch_prepare(Device *device, Step *step)
{
    Prepared *prepared = mem_zero(1, sizeof *prepared);
    step->prepared = prepared;
    Status status = STATUS_OK;
    if (step->kind == STEP_KERNEL)
        status = kernel_prepare(device, step, prepared);
    else if (step->kind == STEP_CONV)
        status = conv_prepare(device, step, prepared);
    else if (step->kind == STEP_GEMM)
        status = gemm_prepare(device, step, prepared);
    if (status != STATUS_OK) {
        launch_discard(device, step);
        return status_prefix(status, "%s", step->name ? step->name : "step");
    }
    return STATUS_OK;
}

static void drop_events(Prepared *prepared)
{
    for (int i = 0; i < LAUNCHES_MAX; i++) {
        if (prepared->events[i])
            clReleaseEvent(prepared->events[i]);
        prepared->events[i] = NULL;
    }
    if (prepared->before)
        clReleaseEvent(prepared->before);
    prepared->before = NULL;
}

void launch_discard(Device *device, Step *step)
{
    (void)device;
    Prepared *prepared = step->prepared;
    if (!prepared)
        return;
    drop_events(prepared);
    for (int i = 0; i < prepared->count; i++)
        if (prepared->launches[i].kernel)
            clReleaseKernel(prepared->launches[i].kernel);
    free(prepared);
    step->prepared = NULL;
}

static Status library_run(Device *device, const Step *step, Prepared *prepared, cl_event *event)
{
    if (event)
        CL_TRY(clEnqueueMarkerWithWaitList(device->queue, 0, NULL, &prepared->before), step->name);
    return clblast_run(device, step, event);
}

static Status step_run(Device *device, const Step *step)
{
    Prepared *prepared = step->prepared;
    CHECKF(prepared, "%s was not prepared", step->name);
    if (device->profile)
        drop_events(prepared);
    if (step->kind == STEP_COPY || step->kind == STEP_FILL)
        return memory_enqueue(device, step, device->profile ? &prepared->events[0] : NULL);
    for (int i = 0; i < prepared->count; i++) {
        const Launch *l = &prepared->launches[i];
        cl_event *event = device->profile ? &prepared->events[i] : NULL;
        if (l->library) {
            TRY(library_run(device, step, prepared, event));
            continue;
        }
        CL_TRY(clEnqueueNDRangeKernel(device->queue, l->kernel, 3, NULL, l->global,
                                      l->local_set ? l->local : NULL, 0, NULL, event),
               step->name);
    }
    return STATUS_OK;
}

Status launch_run(Device *device, const Step *steps, int count)
{
    for (int i = 0; i < count; i++)
        TRY(step_run(device, &steps[i]));
    CL_TRY(clFlush(device->queue), "clFlush");
    return STATUS_OK;
}

Status launch_elapsed(Device *device, const Step *step, double *seconds)
{
    if (!device->profile)
        return status_fail(STATUS_DEVICE, "opencl: the device was opened without profiling");
    const Prepared *prepared = step->prepared;
    *seconds = 0;
    for (int i = 0; i < LAUNCHES_MAX; i++) {
        cl_ulong start, end;
        if (!prepared->events[i])
            continue;
        CL_TRY(clWaitForEvents(1, &prepared->events[i]), "clWaitForEvents");
        bool library = prepared->launches[i].library;
        CL_TRY(
            clGetEventProfilingInfo(library ? prepared->before : prepared->events[i],
                                    library ? CL_PROFILING_COMMAND_END : CL_PROFILING_COMMAND_START,
                                    sizeof start, &start, NULL),
            "profile");
        CL_TRY(clGetEventProfilingInfo(prepared->events[i], CL_PROFILING_COMMAND_END, sizeof end,
                                       &end, NULL),
               "profile");
        *seconds += 1e-9 * (double)(end - start);
    }
    return STATUS_OK;
}
