/* Matrix products in work-groups (kernels_cl/gemm_gpu.cl): tiles, how the sum over k is split, and
 * the launches. */
#include "gemm.h"
#include "group.h"

#include <stdio.h>

static size_t tile_local(const Algorithm *how)
{
    return (size_t)(GROUP_DEPTH * (how->rows + 4 + how->vecs * 16 + 4)) * sizeof(float);
}

static bool tile_applies(const Device *device, const Step *step, const Algorithm *how)
{
    (void)step;
    return group_fits(device, how, tile_local(how));
}

static double tile_worth(const Device *device, const Step *step, const Algorithm *how)
{
    (void)device, (void)step;
    return -how->rank;
}

/* Small tiles are tried all the same. */
static bool tile_idles(const Step *step, const Algorithm *how)
{
    const GemmDesc *d = &step->gemm;
    return how->rows >= 2 * max_int(d->M, 16) || how->vecs * 16 >= 2 * max_int(d->N, 64);
}

static GemmArgs tile_plan(const Device *device, const GemmDesc *d, const Algorithm *how,
                          size_t groups[3])
{
    GemmArgs g = gemm_view(d, false);
    int v_groups = div_up(g.V, how->vecs * 16), r_groups = div_up(g.R, how->rows);
    int wanted = GROUPS_PER_UNIT * (int)device->info.units;
    gemm_split(d, false, min_int(wanted / (v_groups * r_groups), g.K / GEMM_CHUNK), &g);
    groups[0] = (size_t)v_groups, groups[1] = (size_t)r_groups, groups[2] = (size_t)g.splits;
    return g;
}

static Status tile_choose(const Device *device, Step *step, const Algorithm *how)
{
    size_t groups[3];
    TRY(group_check(device, step, how, tile_local(how), "matrix products"));
    GemmArgs g = tile_plan(device, &step->gemm, how, groups);
    step->workspace_bytes = gemm_workspace(&g);
    return STATUS_OK;
}

static Status tile_prepare(const Device *device, const Step *step, const Algorithm *how,
                           Prepared *prepared)
{
    const GemmDesc *d = &step->gemm;
    size_t global[3], threads = group_threads(how);
    GemmArgs g = tile_plan(device, d, how, global);
    char options[64];
    snprintf(options, sizeof options, "-DLANES=4 -DBM=%d -DBN=%d -DTM=%d", how->rows,
             how->vecs * 16, how->item_rows);
    global[0] *= threads;
    TRY(launch_add(prepared, "gemm_gpu", options, "gemm_tile", global,
                   (size_t[3]){threads, 1, 1}));
    TRY(gemm_refs(step, false, &g, prepared));
    TRY(launch_value(prepared, &g, sizeof g));
    if (g.splits == 1)
        return STATUS_OK;
    GemmReduceArgs a = gemm_reduce(d, &g);
    size_t each[3] = {group_each((uint64_t)d->N), (size_t)d->M, 1};
    TRY(launch_add(prepared, "gemm_gpu", options, "gemm_reduce_each", each,
                   (size_t[3]){EACH_GROUP, 1, 1}));
    return gemm_reduce_refs(step, &a, prepared);
}

const Method gemm_tile = {.serves = 1 << ALGORITHM_GEMM,
                          .applies = tile_applies,
                          .worth = tile_worth,
                          .idles = tile_idles,
                          .choose = tile_choose,
                          .prepare = tile_prepare};
