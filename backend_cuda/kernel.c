#include "kernel.h"

#include "base/arena.h"
#include "base/check.h"
#include "block.h"
#include "device/kernel_args.h"
#include "device/kernels.h"

#include <string.h>

/* kernels_cu/table.cu, compiled for each type of images. */
#define X(name, word, bytes) extern const void *const paco_kernels_##name[];
STORAGE_LIST(X)
#undef X

static const void *const *const tables[] = {
#define X(name, word, bytes) [DTYPE_##name] = paco_kernels_##name,
    STORAGE_LIST(X)
#undef X
};

static const struct {
    const char *name;
    int refs;
    size_t args_bytes;
} kernels[] = {
#define KERNEL(name, refs, args, file, passes) {#name, refs, sizeof(args)},
#include "device/kernels.def"
#undef KERNEL
};

/* Threads of a block where the step leaves them open: so many that blocks fill the items exactly,
 * as kernels do not look where items end. */
static uint32_t block_of(uint32_t items)
{
    uint32_t threads = BLOCK_MAX;
    while (items % threads)
        threads /= 2;
    return threads;
}

static Status launch(cudaStream_t stream, const Launch *l, const char *name)
{
    enum { OFFSET_ABSENT = -1 };
    char *buffers[STEP_MAX_REFS];
    uint64_t offsets[STEP_MAX_REFS];
    void *parameters[2 * STEP_MAX_REFS + 1];
    for (int i = 0; i < l->count; i++) {
        buffers[i] = l->refs[i].buf ? l->refs[i].buf->memory : NULL;
        offsets[i] = l->refs[i].buf ? l->refs[i].off : (uint64_t)OFFSET_ABSENT;
        parameters[2 * i] = &buffers[i];
        parameters[2 * i + 1] = &offsets[i];
    }
    parameters[2 * l->count] = (void *)(uintptr_t)l->args;
    CUDA_TRY(cudaLaunchKernel(l->function, l->grid, l->block, parameters, 0, stream), name);
    return STATUS_OK;
}

Status launch_run(Device *device, const Launch *l, const char *name)
{
    return launch(device->stream, l, name);
}

Status kernel_add(Device *device, cudaStream_t stream, Ref left, Ref right, Ref sum, int64_t n)
{
    const int64_t each = BLOCK_MAX * device_lanes(&device->info), blocks = (n + each - 1) / each,
                  most = 16 * (int64_t)device->info.units;
    const RangeArgs args = {.n = (long)n};
    Launch l = {.function = tables[DTYPE_F32][KERNEL_add],
                .grid = {(unsigned)(blocks < most ? blocks : most), 1, 1},
                .block = {BLOCK_MAX, 1, 1},
                .count = 3,
                .refs = {left, right, sum}};
    memcpy(l.args, &args, sizeof args);
    return n == 0 ? STATUS_OK : launch(stream, &l, "add");
}

static Status run(Device *device, const Step *step, const void *own)
{
    return launch_run(device, own, kernels[step->kernel.id].name);
}

Status kernel_prepare(const Device *device, const Step *step, Prepared *prepared)
{
    const KernelStep *k = &step->kernel;
    CHECKF(k->id >= 0 && k->id < KERNEL_COUNT && step->refs_count == kernels[k->id].refs &&
               k->args_bytes == kernels[k->id].args_bytes,
           "%s: step and kernels.def differ", step->name);
    Launch *l = mem_zero(1, sizeof *l);
    uint32_t block[3] = {block_of(k->global[0]), 1, 1};
    for (int d = 0; k->local[0] && d < 3; d++)
        block[d] = k->local[d];
    *l = (Launch){.function = tables[k->type][k->id],
                  .grid = {k->global[0] / block[0], k->global[1] / block[1],
                           k->global[2] / block[2]},
                  .block = {block[0], block[1], block[2]},
                  .count = step->refs_count};
    memcpy(l->refs, step->refs, (size_t)l->count * sizeof *l->refs);
    memcpy(l->args, k->args, k->args_bytes);
    prepared->own = l;
    prepared->run = run;
    if ((uint64_t)block[0] * block[1] * block[2] > device->info.max_group)
        return status_fail(STATUS_DEVICE, "cuda: %s: groups of %u work-items, %s allows %u",
                           kernels[k->id].name, block[0] * block[1] * block[2], device->info.name,
                           device->info.max_group);
    return STATUS_OK;
}
