/* Matrix products: which operand travels as vectors, how the result and the sum over k are cut into
 * work-items or groups, and the launches. */
#include "conv.h"

#include "gemm_args.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH = 16, GROUPS_PER_UNIT = 4, EACH_GROUP = 64 };
enum { ROWS = 8, PANEL = 32, CHUNK = 256, ITEM_V = 128 };

/* What a group of gemm_gpu.cl makes, and the rows of each of its work-items. The first that fits is
 * the default. */
typedef struct GroupTile {
    int rows, columns, item_rows;
    const char *name;
} GroupTile;

#define TILE(rows, columns, item_rows) {rows, columns, item_rows, "gpu-gemm-" #rows "x" #columns}
static const GroupTile tiles[] = {TILE(64, 64, 8), TILE(16, 64, 4),  TILE(32, 32, 4),
                                  TILE(32, 128, 8), TILE(128, 64, 8), TILE(128, 128, 16)};
enum { TILE_COUNT = sizeof tiles / sizeof *tiles };

typedef struct GemmPlan {
    bool processor;
    const GroupTile *tile; /* on GPUs */
    bool swapped; /* vectors run along M (operand A), rows are B's */
    size_t local;
    int items[3];
    GemmArgs args;
} GemmPlan;

static void gemm_check(const Step *step)
{
    const GemmDesc *d = &step->gemm;
    CHECKF(d->M > 0 && d->N > 0 && d->K > 0 && d->lda >= (d->trans_a ? d->M : d->K) &&
               d->ldb >= (d->trans_b ? d->K : d->N) && d->ldc >= d->N &&
               (d->beta == 0 || d->beta == 1),
           "%s: matrix product %d x %d x %d, rows of %d, %d, %d", step->name, d->M, d->N, d->K,
           d->lda, d->ldb, d->ldc);
}

/* The product seen with A as rows, or swapped. */
static GemmArgs gemm_view(const GemmDesc *d, bool swapped)
{
    long a_m = d->trans_a ? 1 : d->lda, a_k = d->trans_a ? d->lda : 1;
    long b_n = d->trans_b ? d->ldb : 1, b_k = d->trans_b ? 1 : d->ldb;
    GemmArgs g = {.K = d->K, .alpha = d->alpha, .beta = d->beta != 0};
    if (swapped) {
        g.R = d->N, g.V = d->M;
        g.row_r = b_n, g.row_k = b_k, g.vec_v = a_m, g.vec_k = a_k;
        g.out_r = 1, g.out_v = d->ldc;
    } else {
        g.R = d->M, g.V = d->N;
        g.row_r = a_m, g.row_k = a_k, g.vec_v = b_n, g.vec_k = b_k;
        g.out_r = d->ldc, g.out_v = 1;
        g.bias_on_v = 1;
    }
    return g;
}

/* About the cycles a core would need: products, copying the vector operand, storing. */
static double gemm_cost(const GemmArgs *g)
{
    double rows = div_up(g->R, ROWS) * ROWS, vecs = div_up(g->V, PANEL) * 2.0;
    double copied = (double)g->V * g->K, stored = (double)g->R * g->V * div_up(g->K, CHUNK);
    return rows * vecs * g->K + copied * (g->vec_v == 1 ? 0.15 : 2.0) +
           stored * (g->out_v == 1 ? 0.1 : 1.0);
}

/* The vectors that an item keeps in local memory: fewer at a time, then of fewer columns, where it
 * is small. */
static void fit_panel(const Device *device, GemmArgs *g)
{
    enum { LEAST = 32 };
    int room = (int)(device->info.local_memory / sizeof(float));
    g->chunk = min_int(min_int(g->K, CHUNK), max_int(room / g->item_v, LEAST));
    if (g->item_v * g->chunk <= room)
        return;
    g->item_v = max_int(PANEL, room / g->chunk / PANEL * PANEL);
    g->chunk = max_int(1, min_int(g->chunk, room / g->item_v));
}

/* Cuts the result, then the sum over k where the result alone is too small for all cores. */
static void gemm_cut(const Device *device, GemmPlan *plan)
{
    GemmArgs *g = &plan->args;
    int wanted = ITEMS_PER_UNIT * (int)device->info.units;
    g->item_v = min_int(div_up(g->V, PANEL) * PANEL, ITEM_V);
    fit_panel(device, g);
    int v_items = div_up(g->V, g->item_v), r_tiles = div_up(g->R, ROWS);
    /* Rows are cut only while an item keeps many: each item copies its vectors anew. */
    int r_items = min_int(div_up(wanted, v_items), max_int(1, r_tiles / 16));
    g->item_r = div_up(r_tiles, r_items) * ROWS;
    r_items = div_up(g->R, g->item_r);
    int splits =
        v_items * r_items >= wanted ? 1 : min_int(wanted / (v_items * r_items), g->K / CHUNK);
    g->splits = max_int(splits, 1);
    g->split_k = div_up(g->K, g->splits);
    g->splits = div_up(g->K, g->split_k);
    if (g->splits == 1 && v_items * r_items < wanted && g->item_v > PANEL) {
        g->item_v = max_int(PANEL, div_up(div_up(g->V, PANEL), wanted) * PANEL);
        v_items = div_up(g->V, g->item_v);
    }
    plan->local = (size_t)g->item_v * (size_t)g->chunk * 4;
    memcpy(plan->items, (int[3]){v_items, r_items, g->splits}, sizeof plan->items);
}

/* The same for groups of a tile's values. */
static void gemm_cut_groups(const Device *device, GemmPlan *plan)
{
    GemmArgs *g = &plan->args;
    int v_groups = div_up(g->V, plan->tile->columns), r_groups = div_up(g->R, plan->tile->rows);
    int wanted = GROUPS_PER_UNIT * (int)device->info.units;
    g->splits = max_int(1, min_int(wanted / (v_groups * r_groups), g->K / CHUNK));
    g->split_k = div_up(g->K, g->splits);
    g->splits = div_up(g->K, g->split_k);
    memcpy(plan->items, (int[3]){v_groups, r_groups, g->splits}, sizeof plan->items);
}

static const char *const cpu_names[] = {"cpu-gemm", "cpu-gemm-swapped"}; /* by GemmPlan.swapped */
static const char library_name[] = "clblast";

static size_t tile_threads(const GroupTile *t)
{
    return (size_t)(t->columns / 4 * (t->rows / t->item_rows));
}

static size_t tile_local(const GroupTile *t)
{
    return (size_t)(DEPTH * (t->rows + 4 + t->columns + 4)) * sizeof(float);
}

static bool tile_fits(const Device *device, const GroupTile *t)
{
    return tile_threads(t) <= device->info.max_group && tile_local(t) <= device->info.local_memory;
}

/* The first that the device can run; where it can run none, the first. */
static const GroupTile *default_tile(const Device *device)
{
    for (int i = 0; i < TILE_COUNT; i++)
        if (tile_fits(device, &tiles[i]))
            return &tiles[i];
    return &tiles[0];
}

/* The tile that the step names, if the device can run it; else the default. */
static const GroupTile *group_tile(const Device *device, const Step *step)
{
    for (int i = 0; i < TILE_COUNT; i++)
        if (step->algorithm && strcmp(step->algorithm, tiles[i].name) == 0 &&
            tile_fits(device, &tiles[i]))
            return &tiles[i];
    return default_tile(device);
}

/* On GPUs the default, then what fits the device and is not mostly idle (or small), then the
 * library. */
const char *gemm_candidate(const Device *device, const Step *step, bool processor, int i)
{
    const GemmDesc *d = &step->gemm;
    if (processor)
        return i < 2 ? cpu_names[i] : NULL;
    for (int t = 0; t < TILE_COUNT; t++) {
        bool full =
            tiles[t].rows < 2 * max_int(d->M, 16) && tiles[t].columns < 2 * max_int(d->N, 64);
        bool usable = &tiles[t] == default_tile(device) || (full && tile_fits(device, &tiles[t]));
        if (usable && i-- == 0)
            return tiles[t].name;
    }
    return device->clblast && i == 0 ? library_name : NULL;
}

static bool names_library(const Step *step)
{
    return step->algorithm && strcmp(step->algorithm, library_name) == 0;
}

static void gemm_plan(const Device *device, const Step *step, GemmPlan *plan)
{
    const GemmDesc *d = &step->gemm;
    *plan = (GemmPlan){0};
    GemmArgs normal = gemm_view(d, false), swapped = gemm_view(d, true);
    const char *wanted = step->algorithm ? step->algorithm : "";
    bool better = gemm_cost(&swapped) < gemm_cost(&normal);
    better = strcmp(wanted, cpu_names[1]) == 0 || (better && strcmp(wanted, cpu_names[0]) != 0);
    plan->processor = on_processor(device, step);
    plan->swapped = plan->processor && better;
    plan->args = plan->swapped ? swapped : normal;
    if (plan->processor) {
        gemm_cut(device, plan);
    } else {
        plan->tile = group_tile(device, step);
        gemm_cut_groups(device, plan);
    }
    GemmArgs *g = &plan->args;
    if (g->splits > 1) { /* parts lie dense in workspace */
        g->split_floats = (long)d->M * d->N;
        g->out_r = plan->swapped ? 1 : d->N;
        g->out_v = plan->swapped ? d->N : 1;
        g->beta = 0;
    }
}

Status gemm_choose(Device *device, Step *step)
{
    gemm_check(step);
    if (names_library(step)) {
        if (device->clblast)
            return STATUS_OK;
        step->algorithm = NULL; /* tuned where the library was */
    }
    GemmPlan plan;
    gemm_plan(device, step, &plan);
    step->algorithm = plan.processor ? cpu_names[plan.swapped] : plan.tile->name;
    if (!plan.processor && !tile_fits(device, plan.tile))
        return status_fail(
            STATUS_DEVICE,
            "opencl: %s: %s allows groups of %u and %u bytes of local memory, matrix "
            "products need %zu and %zu",
            step->name, device->info.name, device->info.max_group, device->info.local_memory,
            tile_threads(plan.tile), tile_local(plan.tile));
    step->workspace_bytes = 4 * (uint64_t)plan.args.split_floats * (uint64_t)plan.args.splits;
    return STATUS_OK;
}

static const char *tile_options(const GroupTile *t, char text[64])
{
    snprintf(text, 64, "-DLANES=4 -DBM=%d -DBN=%d -DTM=%d", t->rows, t->columns, t->item_rows);
    return text;
}

static Status reduce_add(Device *device, const Step *step, const GemmPlan *plan, Ref bias,
                         Prepared *prepared)
{
    const GemmDesc *d = &step->gemm;
    GemmReduceArgs a = {.split_floats = plan->args.split_floats,
                        .M = d->M,
                        .N = d->N,
                        .ldc = d->ldc,
                        .splits = plan->args.splits,
                        .beta = d->beta != 0};
    int wanted = ITEMS_PER_UNIT * (int)device->info.units;
    a.item_rows = div_up(d->M, wanted);
    int row_items = div_up(d->M, a.item_rows);
    a.item_cols = max_int(64, div_up(div_up(d->N, div_up(wanted, row_items)), 16) * 16);
    size_t global[3] = {(size_t)div_up(d->N, a.item_cols), (size_t)row_items, 1};
    size_t each[3] = {(size_t)div_up(d->N, EACH_GROUP) * EACH_GROUP, (size_t)d->M, 1};
    char options[64];
    Launch *launch;
    if (plan->processor)
        TRY(launch_add(device, prepared, "gemm_cpu", "-DLANES=16", "gemm_reduce", global,
                       (size_t[3]){1, 1, 1}, &launch));
    else
        TRY(launch_add(device, prepared, "gemm_gpu", tile_options(plan->tile, options),
                       "gemm_reduce_each", each, (size_t[3]){EACH_GROUP, 1, 1}, &launch));
    TRY(launch_ref(device, launch, step->workspace));
    TRY(launch_ref(device, launch, bias));
    TRY(launch_ref(device, launch, step->refs[2]));
    return launch_value(launch, &a, sizeof a);
}

Status gemm_prepare(Device *device, Step *step, Prepared *prepared)
{
    char options[64];
    gemm_check(step);
    if (names_library(step))
        return clblast_prepare(device, step, tile_options(default_tile(device), options), prepared);
    GemmPlan plan;
    gemm_plan(device, step, &plan);
    bool split = plan.args.splits > 1;
    CHECKF(!split || step->workspace.buf, "%s: workspace is missing", step->name);
    Ref none = {0}, bias = step->refs_count > 3 ? step->refs[3] : none;
    size_t global[3] = {(size_t)plan.items[0], (size_t)plan.items[1], (size_t)plan.items[2]};
    Launch *launch;
    if (plan.processor) {
        TRY(launch_add(device, prepared, "gemm_cpu", "-DLANES=16", "gemm", global,
                       (size_t[3]){1, 1, 1}, &launch));
    } else {
        size_t threads = tile_threads(plan.tile);
        global[0] *= threads;
        TRY(launch_add(device, prepared, "gemm_gpu", tile_options(plan.tile, options), "gemm_tile",
                       global, (size_t[3]){threads, 1, 1}, &launch));
    }
    TRY(launch_ref(device, launch, step->refs[plan.swapped ? 1 : 0]));
    TRY(launch_ref(device, launch, step->refs[plan.swapped ? 0 : 1]));
    TRY(launch_ref(device, launch, split ? none : bias));
    TRY(launch_ref(device, launch, split ? step->workspace : step->refs[2]));
    if (plan.processor)
        TRY(launch_local(launch, plan.local));
    TRY(launch_value(launch, &plan.args, sizeof plan.args));
    return split ? reduce_add(device, step, &plan, bias, prepared) : STATUS_OK;
}
