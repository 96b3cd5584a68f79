/* Launches: kernels with their arguments set once, when a step is prepared, and enqueued at every
 * run.
 *
 * An operand is two arguments, buffer and offset; an absent one is the device's dummy buffer and
 * the offset ABSENT of the dialect. Which launches a step takes is not known here. */
#include "launch.h"

#include "program.h"

#include "base/arena.h"
#include "base/check.h"

#include <stdlib.h>

enum { LAUNCHES_MAX = 4 };

typedef struct Launch {
    cl_kernel kernel; /* or */
    LaunchCall *call;
    bool several;
    cl_uint next_arg;
    size_t global[3], local[3];
    bool local_set; /* else the driver chooses */
    cl_event event; /* of the latest run, when profiling */
    cl_event before; /* several: ends when its first command may begin */
} Launch;

struct Prepared {
    Device *device;
    int count;
    Launch launches[LAUNCHES_MAX];
};

static const uint64_t absent = UINT64_MAX; /* ABSENT of the dialect */

Prepared *launch_begin(Device *device)
{
    Prepared *prepared = mem_zero(1, sizeof *prepared);
    prepared->device = device;
    return prepared;
}

static Launch *launch_new(Prepared *prepared)
{
    CHECK(prepared->count < LAUNCHES_MAX);
    return &prepared->launches[prepared->count];
}

Status launch_add(Prepared *prepared, const char *file, const char *options, const char *name,
                  const size_t global[3], const size_t local[3])
{
    cl_program program;
    cl_int code;
    Launch *l = launch_new(prepared);
    TRY(program_get(prepared->device, file, options, &program));
    *l = (Launch){.local_set = local != NULL};
    l->kernel = clCreateKernel(program, name, &code);
    CL_TRY(code, name);
    prepared->count++;
    for (int d = 0; d < 3; d++) {
        l->global[d] = global[d] ? global[d] : 1;
        l->local[d] = local && local[d] ? local[d] : 1;
        CHECKF(!local || l->global[d] % l->local[d] == 0, "%s: %zu items in groups of %zu", name,
               l->global[d], l->local[d]);
    }
    return STATUS_OK;
}

Status launch_add_items(Prepared *prepared, const char *file, const char *options, const char *name,
                        const int items[3])
{
    const size_t global[3] = {(size_t)items[0], (size_t)items[1], (size_t)items[2]};
    return launch_add(prepared, file, options, name, global, (size_t[3]){1, 1, 1});
}

void launch_add_call(Prepared *prepared, LaunchCall *call, bool several)
{
    *launch_new(prepared) = (Launch){.call = call, .several = several};
    prepared->count++;
}

Status launch_value(Prepared *prepared, const void *value, size_t bytes)
{
    Launch *l = &prepared->launches[prepared->count - 1];
    CL_TRY(clSetKernelArg(l->kernel, l->next_arg++, bytes, value), "clSetKernelArg");
    return STATUS_OK;
}

Status launch_local(Prepared *prepared, size_t bytes)
{
    return launch_value(prepared, NULL, bytes);
}

Status launch_ref(Prepared *prepared, Ref ref)
{
    const Buffer *buffer = ref.buf ? ref.buf : prepared->device->dummy;
    TRY(launch_value(prepared, &buffer->mem, sizeof(cl_mem)));
    return launch_value(prepared, ref.buf ? &ref.off : &absent, sizeof(cl_ulong));
}

static void drop_event(cl_event *event)
{
    if (*event)
        clReleaseEvent(*event);
    *event = NULL;
}

static void drop_events(Prepared *prepared)
{
    for (int i = 0; i < prepared->count; i++) {
        drop_event(&prepared->launches[i].event);
        drop_event(&prepared->launches[i].before);
    }
}

void launch_free(Prepared *prepared)
{
    if (!prepared)
        return;
    drop_events(prepared);
    for (int i = 0; i < prepared->count; i++)
        if (prepared->launches[i].kernel)
            clReleaseKernel(prepared->launches[i].kernel);
    free(prepared);
}

static Status call_run(Device *device, Launch *l, const Step *step)
{
    if (device->profile && l->several)
        CL_TRY(clEnqueueMarkerWithWaitList(device->queue, 0, NULL, &l->before), step->name);
    return l->call(device, step, device->profile ? &l->event : NULL);
}

Status launch_run(Prepared *prepared, const Step *step)
{
    Device *device = prepared->device;
    drop_events(prepared);
    for (int i = 0; i < prepared->count; i++) {
        Launch *l = &prepared->launches[i];
        if (l->call)
            TRY(call_run(device, l, step));
        else
            CL_TRY(clEnqueueNDRangeKernel(device->queue, l->kernel, 3, NULL, l->global,
                                          l->local_set ? l->local : NULL, 0, NULL,
                                          device->profile ? &l->event : NULL),
                   step->name);
    }
    return STATUS_OK;
}

static Status profiled(cl_event event, cl_profiling_info what, cl_ulong *nanoseconds)
{
    CL_TRY(clGetEventProfilingInfo(event, what, sizeof *nanoseconds, nanoseconds, NULL), "profile");
    return STATUS_OK;
}

Status launch_elapsed(const Prepared *prepared, double *seconds)
{
    *seconds = 0;
    if (!prepared->device->profile)
        return status_fail(STATUS_DEVICE, "opencl: the device was opened without profiling");
    for (int i = 0; i < prepared->count; i++) {
        const Launch *l = &prepared->launches[i];
        cl_ulong start, end;
        if (!l->event) /* nothing was to be moved */
            continue;
        CL_TRY(clWaitForEvents(1, &l->event), "clWaitForEvents");
        TRY(l->before ? profiled(l->before, CL_PROFILING_COMMAND_END, &start)
                      : profiled(l->event, CL_PROFILING_COMMAND_START, &start));
        TRY(profiled(l->event, CL_PROFILING_COMMAND_END, &end));
        *seconds += 1e-9 * (double)(end - start);
    }
    return STATUS_OK;
}
