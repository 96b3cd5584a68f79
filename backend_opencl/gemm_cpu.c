/* Matrix products on processors (kernels_cl/gemm_cpu.cl): which operand travels as vectors, how the
 * result and the sum over k are cut into items, and the launches. */
#include "gemm.h"

#include <string.h>

enum { ROWS = 8, PANEL = 32, ITEM_V = 128 };

typedef struct GemmPlan {
    size_t local;
    int items[3];
    GemmArgs args;
} GemmPlan;

/* The vectors that an item keeps in local memory: fewer at a time, then of fewer columns, where it
 * is small. */
static void fit_panel(const Device *device, GemmArgs *g)
{
    enum { LEAST = 32 };
    int room = (int)(device->info.local_memory / sizeof(float));
    g->chunk = min_int(min_int(g->K, GEMM_CHUNK), max_int(room / g->item_v, LEAST));
    if (g->item_v * g->chunk <= room)
        return;
    g->item_v = max_int(PANEL, room / g->chunk / PANEL * PANEL);
    g->chunk = max_int(1, min_int(g->chunk, room / g->item_v));
}

/* Cuts the result, then the sum over k where the result alone is too small for all cores. */
static GemmPlan gemm_plan(const Device *device, const GemmDesc *d, bool swapped)
{
    GemmPlan plan = {.args = gemm_view(d, swapped)};
    GemmArgs *g = &plan.args;
    int wanted = ITEMS_PER_UNIT * (int)device->info.units;
    g->item_v = min_int(div_up(g->V, PANEL) * PANEL, ITEM_V);
    fit_panel(device, g);
    int v_items = div_up(g->V, g->item_v), r_tiles = div_up(g->R, ROWS);
    /* Rows are cut only while an item keeps many: each item copies its vectors anew. */
    int r_items = min_int(div_up(wanted, v_items), max_int(1, r_tiles / 16));
    g->item_r = div_up(r_tiles, r_items) * ROWS;
    r_items = div_up(g->R, g->item_r);
    int splits = v_items * r_items >= wanted
                     ? 1
                     : min_int(wanted / (v_items * r_items), g->K / GEMM_CHUNK);
    gemm_split(d, swapped, splits, g);
    if (g->splits == 1 && v_items * r_items < wanted && g->item_v > PANEL) {
        g->item_v = max_int(PANEL, div_up(div_up(g->V, PANEL), wanted) * PANEL);
        v_items = div_up(g->V, g->item_v);
    }
    plan.local = (size_t)g->item_v * (size_t)g->chunk * sizeof(float);
    memcpy(plan.items, (int[3]){v_items, r_items, g->splits}, sizeof plan.items);
    return plan;
}

static bool is_swapped(const Algorithm *how)
{
    return how->method == &gemm_swapped;
}

static bool gemm_applies(const Device *device, const Step *step, const Algorithm *how)
{
    (void)device, (void)step, (void)how;
    return true;
}

/* About the cycles a core would need: products, copying the vector operand, storing. */
static double gemm_cost(const GemmArgs *g)
{
    double rows = div_up(g->R, ROWS) * ROWS, vecs = div_up(g->V, PANEL) * 2.0;
    double copied = (double)g->V * g->K, stored = (double)g->R * g->V * div_up(g->K, GEMM_CHUNK);
    return rows * vecs * g->K + copied * (g->vec_v == 1 ? 0.15 : 2.0) +
           stored * (g->out_v == 1 ? 0.1 : 1.0);
}

static double gemm_worth(const Device *device, const Step *step, const Algorithm *how)
{
    (void)device;
    GemmArgs g = gemm_view(&step->gemm, is_swapped(how));
    return -gemm_cost(&g);
}

static Status gemm_choose(const Device *device, Step *step, const Algorithm *how)
{
    GemmPlan plan = gemm_plan(device, &step->gemm, is_swapped(how));
    step->workspace_bytes = gemm_workspace(&plan.args);
    return STATUS_OK;
}

static Status reduce_add(const Device *device, const Step *step, const GemmArgs *g,
                         Prepared *prepared)
{
    const GemmDesc *d = &step->gemm;
    GemmReduceArgs a = gemm_reduce(d, g);
    int wanted = ITEMS_PER_UNIT * (int)device->info.units;
    a.item_rows = div_up(d->M, wanted);
    int row_items = div_up(d->M, a.item_rows);
    a.item_cols = max_int(64, div_up(div_up(d->N, div_up(wanted, row_items)), 16) * 16);
    int items[3] = {div_up(d->N, a.item_cols), row_items, 1};
    TRY(launch_add_items(prepared, "gemm_cpu", "-DLANES=16", "gemm_reduce", items));
    return gemm_reduce_refs(step, &a, prepared);
}

static Status gemm_prepare(const Device *device, const Step *step, const Algorithm *how,
                           Prepared *prepared)
{
    bool swapped = is_swapped(how);
    GemmPlan plan = gemm_plan(device, &step->gemm, swapped);
    TRY(launch_add_items(prepared, "gemm_cpu", "-DLANES=16", "gemm", plan.items));
    TRY(gemm_refs(step, swapped, &plan.args, prepared));
    TRY(launch_local(prepared, plan.local));
    TRY(launch_value(prepared, &plan.args, sizeof plan.args));
    return plan.args.splits > 1 ? reduce_add(device, step, &plan.args, prepared) : STATUS_OK;
}

const Method gemm_rows = {.serves = 1 << ALGORITHM_GEMM,
                          .processor = true,
                          .applies = gemm_applies,
                          .worth = gemm_worth,
                          .choose = gemm_choose,
                          .prepare = gemm_prepare};

const Method gemm_swapped = {.serves = 1 << ALGORITHM_GEMM,
                             .processor = true,
                             .applies = gemm_applies,
                             .worth = gemm_worth,
                             .choose = gemm_choose,
                             .prepare = gemm_prepare};
