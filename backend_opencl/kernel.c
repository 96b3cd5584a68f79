/* Steps of the kernel table: one launch each, of the kernel, file and operands of its row. */
#include "kernel.h"

#include "program.h"

#include "base/check.h"
#include "device/kernels.h"

#include <stdio.h>

static const struct {
    const char *name, *file;
    int refs;
    size_t args_bytes;
} kernels[] = {
#define KERNEL(name, refs, args, file, passes) {#name, #file, refs, sizeof(args)},
#include "device/kernels.def"
#undef KERNEL
};

Status kernel_prepare(const Device *device, const Step *step, Prepared *prepared)
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
    /* On processors a work-item is a long loop: groups of one. */
    char options[sizeof device->team_options + 32];
    snprintf(options, sizeof options, "%s%s", device->team_options, program_stored(k->type));
    TRY(launch_add(prepared, kernels[k->id].file, options, kernels[k->id].name, global,
                   chosen || device->cpu_kernels ? local : NULL));
    for (int i = 0; i < step->refs_count; i++)
        TRY(launch_ref(prepared, step->refs[i]));
    return launch_value(prepared, k->args, k->args_bytes);
}
