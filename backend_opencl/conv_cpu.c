/* Convolutions on processors: which form and register tile, how the work is cut into items, and the
 * launches.
 *
 * choose and prepare make the same plan from the same description; nothing is kept in between. */
#include "conv.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

enum {
    BAND_BYTES = 256 << 10,  /* in-rows that a forward item keeps in local memory: second cache */
    GROUP_PIXELS = 512,      /* of small images that a weight gradient takes together */
    WEIGHT_BYTES = 64 << 10, /* in- and out-rows of a band that a weight-gradient item sums over */
};

/* ---- forward and data gradient */

typedef enum Form {
    FORM_BAND,     /* bands of rows through local memory: anything */
    FORM_POINT,    /* 1x1 of stride 1, in place */
    FORM_WINOGRAD, /* 3x3 of stride 1, transformed */
    FORM_GROUP,    /* as a band, groups of 4 or 8 channels spread in a vector (conv_common.h) */
    FORM_COUNT
} Form;

/* Register tiles: pixels x vectors of out-channels; their worth relative to the best where
 * registers hold sixteen floats, and where a vector takes several (measured on AVX-512 and AVX2);
 * and the names of the algorithms that use them. */
#define TILE(pixels, vecs, wide, narrow)                                                           \
    {                                                                                              \
        pixels, vecs, {wide, narrow},                                                              \
        {                                                                                          \
            "cpu-band-" #pixels "x" #vecs, "cpu-point-" #pixels "x" #vecs,                         \
                "cpu-winograd-" #pixels "x" #vecs, "cpu-group-" #pixels "x" #vecs                  \
        }                                                                                          \
    }
static const struct {
    int tile, vecs;
    double worth[2]; /* by Device.narrow */
    const char *names[FORM_COUNT];
} tiles[] = {TILE(14, 2, 1.0, 0.5),  TILE(7, 4, 0.99, 0.5), TILE(8, 2, 0.93, 0.55),
             TILE(16, 1, 0.93, 0.6), TILE(14, 1, 0.92, 0.65), TILE(7, 2, 0.9, 0.6),
             TILE(8, 1, 0.8, 0.7),   TILE(6, 1, 0.6, 1.0),   TILE(4, 1, 0.5, 0.9)};
enum { TILE_COUNT = sizeof tiles / sizeof *tiles };

typedef struct DirectPlan {
    const char *name;
    int tile, vecs;
    Form form;
    size_t local; /* bytes of a band, or of transformed pixels */
    int items[3];
    ConvBandArgs band;
    ConvPointArgs spot;
    ConvWinogradArgs squares;
} DirectPlan;

static bool can_point(const ConvDesc *d, int i)
{
    return d->R == 1 && d->S == 1 && d->stride == 1 && d->pad == 0 &&
           d->H * d->W % tiles[i].tile == 0;
}

/* The channels of a group where vectors hold whole groups, in and out; else 0. */
static int spread_group(const ConvDesc *d)
{
    int group = d->C / d->groups;
    return d->groups > 1 && d->C == d->K && (group == 4 || group == 8) ? group : 0;
}

/* A direction as the kernels of a form see it. */
static ConvShape form_shape(const ConvDesc *d, ConvOp op, int vecs, Form form)
{
    ConvShape s = conv_shape(d, op, vecs);
    if (form == FORM_WINOGRAD)
        s.w_tile = winograd_tile_floats(&s);
    if (form == FORM_GROUP) {
        s.lanes = spread_group(d);
        s.spread = 1;
        s.w_tile = (long)s.R * s.S * s.lanes * 16;
    }
    return s;
}

static bool can_run(const Device *device, const ConvDesc *d, ConvOp op, int i, Form form)
{
    if (form == FORM_WINOGRAD)
        return winograd_applies(device, d, op, tiles[i].tile, tiles[i].vecs);
    if (form == FORM_GROUP)
        return spread_group(d) && tiles[i].vecs == 1;
    return form == FORM_BAND || can_point(d, i);
}

static const char *direct_candidate(const Device *device, const ConvDesc *d, int number)
{
    for (int form = 0; form < FORM_COUNT; form++)
        for (int i = 0; i < TILE_COUNT; i++)
            if (can_run(device, d, d->op, i, (Form)form) && number-- == 0)
                return tiles[i].names[form];
    return NULL;
}

#define SPREAD_WORTH 0.45 /* a shuffle for every multiplication */

/* The share of multiplications that are no zeros of other groups. */
static double group_worth(const ConvDesc *d, ConvOp op, int vecs)
{
    ConvShape s = conv_shape(d, op, vecs);
    return (double)s.in_group / (s.tile_blocks * s.lanes);
}

/* What a tile is expected to reach: padding of rows and of channels costs, and multiplying other
 * groups' zeros. */
static double expected_worth(const Device *device, const ConvDesc *d, ConvOp op, int i, Form form)
{
    bool back = op == CONV_GRAD_DATA;
    int t = tiles[i].tile, v = tiles[i].vecs;
    int width = back ? div_up(d->W, d->stride) : d->Q, blocks = div_up(back ? d->C : d->K, 16);
    double zeros = form == FORM_GROUP ? SPREAD_WORTH : group_worth(d, op, v);
    double channels = tiles[i].worth[device->narrow] * blocks / round_up(blocks, v) * zeros;
    if (form == FORM_WINOGRAD)
        return channels * winograd_worth(device, d, op, t, v);
    return channels * (form == FORM_POINT ? 1.05 : (double)width / round_up(width, t));
}

/* The tile of the algorithm asked for by name, if it can run here; else the most promising one. */
static void plan_tile(const Device *device, const ConvDesc *d, ConvOp op, const char *wanted,
                      DirectPlan *plan)
{
    double best = 0;
    for (int i = 0; i < TILE_COUNT; i++)
        for (int form = 0; form < FORM_COUNT; form++) {
            if (!can_run(device, d, op, i, (Form)form))
                continue;
            bool asked = wanted && strcmp(wanted, tiles[i].names[form]) == 0;
            double worth = asked ? 1e9 : expected_worth(device, d, op, i, (Form)form);
            if (worth <= best)
                continue;
            best = worth;
            plan->name = tiles[i].names[form];
            plan->tile = tiles[i].tile;
            plan->vecs = tiles[i].vecs;
            plan->form = (Form)form;
        }
}

/* Cuts tiles of channels finer when images and rows alone do not keep all cores busy. */
static int split_tiles(const Device *device, int tile_count, int others)
{
    int wanted = div_up(ITEMS_PER_UNIT * (int)device->info.units, others);
    return div_up(tile_count, min_int(wanted, tile_count));
}

static void plan_point(const Device *device, const Step *step, DirectPlan *plan)
{
    const ConvDesc *d = &step->conv;
    ConvPointArgs *a = &plan->spot;
    a->s = conv_shape(d, d->op, plan->vecs);
    a->pixels = d->H * d->W;
    int tile_count = a->pixels / plan->tile;
    int parts = min_int(div_up(ITEMS_PER_UNIT * (int)device->info.units, d->N), tile_count);
    a->item_pixels = div_up(tile_count, parts) * plan->tile;
    parts = div_up(a->pixels, a->item_pixels);
    a->item_tiles = split_tiles(device, a->s.tiles, d->N * parts);
    a->relu = d->relu;
    a->accumulate = d->accumulate;
    memcpy(plan->items, (int[3]){div_up(a->s.tiles, a->item_tiles), d->N, parts},
           sizeof plan->items);
}

/* The extent of a band along one axis: base of the first tap over all phases, and taps beyond it.
 */
static void band_axis(const ConvDesc *d, ConvOp op, int extent, int *base, int *span)
{
    *base = -d->pad;
    *span = extent;
    if (op != CONV_GRAD_DATA)
        return;
    int end = INT32_MIN;
    *base = INT32_MAX;
    for (int phase = 0; phase < d->stride; phase++) {
        int first = (phase + d->pad) % d->stride;
        int count = first < extent ? (extent - 1 - first) / d->stride + 1 : 0;
        int last = (phase + d->pad - first) / d->stride;
        *base = min_int(*base, last - count + 1);
        end = max_int(end, last + 1);
    }
    *span = end - *base;
}

/* Cuts rows of `width` out-pixels where the in-rows of a single one, of one block, do not fit the
 * local memory. */
static Status band_columns(const Step *step, size_t room, int width, int tile, int beyond,
                           int row_span, ConvBandArgs *a)
{
    int fit = (int)(room * 3 / 4 / ((size_t)row_span * (size_t)a->col_pitch * 64)) - beyond;
    if (fit < tile)
        return status_fail(
            STATUS_LIMIT,
            "opencl: %s: %d x %d pixels do not fit the device's local memory of %zu bytes",
            step->name, row_span, (tile + beyond) * a->col_pitch, room);
    a->parts = div_up(width, fit / tile * tile);
    a->part_cols = div_up(div_up(width, a->parts), tile) * tile;
    a->parts = div_up(width, a->part_cols);
    return STATUS_OK;
}

static Status plan_band(const Device *device, const Step *step, DirectPlan *plan)
{
    const ConvDesc *d = &step->conv;
    ConvBandArgs *a = &plan->band;
    a->s = form_shape(d, d->op, plan->vecs, plan->form);
    int row_span, col_span, step_in = a->s.in_stride;
    band_axis(d, d->op, d->R, &a->row_base, &row_span);
    band_axis(d, d->op, d->S, &a->col_base, &col_span);
    a->row_pitch = min_int(step_in, row_span);
    a->col_pitch = min_int(step_in, col_span);
    int height = div_up(a->s.out_height, a->s.out_stride),
        width = div_up(a->s.out_width, a->s.out_stride);
    int beyond = (col_span - 1) / step_in;
    size_t room = device->info.local_memory;
    TRY(band_columns(step, room, width, plan->tile, beyond, row_span, a));
    a->cols = a->part_cols + beyond;
    size_t line = (size_t)a->cols * (size_t)a->col_pitch * 64;
    size_t budget = room < BAND_BYTES ? room : BAND_BYTES;
    /* All blocks of a few rows when the budget allows, else one row of as many blocks as fit. */
    int rows_fit = (int)(budget / (line * (size_t)a->s.tile_blocks));
    a->chunk = a->s.tile_blocks;
    if (rows_fit < row_span) {
        a->chunk = min_int((int)(room * 3 / 4 / (line * (size_t)row_span)), a->s.tile_blocks);
        rows_fit = row_span;
    }
    a->rows = min_int((rows_fit - row_span) / a->row_pitch + 1, height);
    int bands = max_int(div_up(height, a->rows),
                        div_up(ITEMS_PER_UNIT * (int)device->info.units, d->N * a->parts));
    a->rows = max_int(div_up(height, bands), min_int(a->rows, 2));
    bands = div_up(height, a->rows);
    a->band_rows = (a->rows - 1) * a->row_pitch + row_span;
    a->item_tiles = split_tiles(device, a->s.tiles, d->N * bands * a->parts);
    a->relu = d->relu;
    a->accumulate = d->accumulate;
    plan->local = line * (size_t)a->band_rows * (size_t)a->chunk;
    memcpy(plan->items, (int[3]){div_up(a->s.tiles, a->item_tiles), d->N, bands * a->parts},
           sizeof plan->items);
    return STATUS_OK;
}

static void plan_winograd(const Device *device, const Step *step, DirectPlan *plan)
{
    ConvWinogradArgs *a = &plan->squares;
    int bands = winograd_args(device, &step->conv, step->conv.op, plan->tile, plan->vecs, a);
    a->item_tiles = split_tiles(device, a->s.tiles, step->conv.N * bands);
    plan->local = winograd_bytes(&a->s, a->places, plan->tile);
    memcpy(plan->items, (int[3]){div_up(a->s.tiles, a->item_tiles), step->conv.N, bands},
           sizeof plan->items);
}

static Status plan_direct(const Device *device, const Step *step, DirectPlan *plan)
{
    *plan = (DirectPlan){0};
    plan_tile(device, &step->conv, step->conv.op, step->algorithm, plan);
    if (plan->form == FORM_BAND || plan->form == FORM_GROUP)
        return plan_band(device, step, plan);
    if (plan->form == FORM_POINT)
        plan_point(device, step, plan);
    else
        plan_winograd(device, step, plan);
    return STATUS_OK;
}

/* group: of the form that spreads groups, else 0. */
static const char *tile_options(int tile, int vecs, int group, char *text, size_t size)
{
    int n = snprintf(text, size, "-DLANES=16 -DTILE=%d -DVECS=%d", tile, vecs);
    if (group)
        snprintf(text + n, size - (size_t)n, " -DGROUP=%d", group);
    return text;
}

static Status pack_prepare(Device *device, Step *step, const DirectPlan *plan, Prepared *prepared)
{
    bool winograd = plan->form == FORM_WINOGRAD;
    ConvPackArgs a = {.s = form_shape(&step->conv, step->conv.packed_for, plan->vecs, plan->form),
                      .backward = step->conv.packed_for == CONV_GRAD_DATA};
    int wanted = max_int(1, 8 * (int)device->info.units / a.s.tiles);
    a.chunk = div_up(a.s.tile_blocks, min_int(wanted, a.s.tile_blocks));
    size_t global[3] = {(size_t)a.s.tiles, (size_t)div_up(a.s.tile_blocks, a.chunk), 1};
    char options[64];
    Launch *launch;
    TRY(launch_add(
        device, prepared, winograd ? "conv_winograd" : "conv_pack",
        winograd ? tile_options(plan->tile, plan->vecs, 0, options, sizeof options) : "-DLANES=16",
        winograd ? "conv_winograd_pack" : "conv_pack", global, (size_t[3]){1, 1, 1}, &launch));
    TRY(launch_ref(device, launch, step->refs[0]));
    TRY(launch_ref(device, launch, step->refs[1]));
    return launch_value(launch, &a, sizeof a);
}

static Status direct_prepare(Device *device, Step *step, Prepared *prepared)
{
    DirectPlan plan;
    TRY(plan_direct(device, step, &plan));
    size_t global[3] = {(size_t)plan.items[0], (size_t)plan.items[1], (size_t)plan.items[2]};
    char options[64];
    Launch *launch;
    static const char *const kernels[FORM_COUNT] = {"conv_band", "conv_point", "conv_winograd",
                                                    "conv_band"};
    TRY(launch_add(device, prepared, plan.form == FORM_WINOGRAD ? "conv_winograd" : "conv_cpu",
                   tile_options(plan.tile, plan.vecs,
                                plan.form == FORM_GROUP ? spread_group(&step->conv) : 0, options,
                                sizeof options),
                   kernels[plan.form], global, (size_t[3]){1, 1, 1}, &launch));
    bool forward = step->conv.op == CONV_FORWARD;
    Ref none = {0};
    TRY(launch_ref(device, launch, step->refs[0]));
    TRY(launch_ref(device, launch, step->packed));
    TRY(launch_ref(device, launch, forward && step->refs_count > 3 ? step->refs[3] : none));
    TRY(launch_ref(device, launch, forward && step->refs_count > 4 ? step->refs[4] : none));
    TRY(launch_ref(device, launch, step->refs[2]));
    if (plan.form == FORM_POINT)
        return launch_value(launch, &plan.spot, sizeof plan.spot);
    TRY(launch_local(launch, plan.local));
    if (plan.form == FORM_WINOGRAD)
        return launch_value(launch, &plan.squares, sizeof plan.squares);
    return launch_value(launch, &plan.band, sizeof plan.band);
}

/* ---- weight gradient */

typedef struct WeightPlan {
    int tile, vecs; /* in-channels (of a column of the kernel), vectors of out-channels */
    Form form;
    size_t local;
    int items[3];
    uint64_t workspace; /* bytes */
    ConvWeightArgs args;
    ConvWinogradWeightArgs squares;
} WeightPlan;

/* Pixels of a band, and tiles and blocks of an item, so that sums and band stay in the caches. */
static void weight_point(const ConvDesc *d, ConvWeightArgs *a)
{
    int pixels = d->P * d->Q;
    a->bands = div_up(pixels, 256);
    a->rows = div_up(pixels, a->bands);
    a->item_tiles = min_int(a->s.tiles, 8);
    a->item_blocks = min_int(a->s.in_blocks, 16);
}

/* Cuts out-rows whose in-rows do not fit the local memory: it holds R rows of `fit` pixels. */
static Status weight_columns(const Step *step, int fit, ConvWeightArgs *a)
{
    const ConvDesc *d = &step->conv;
    if (fit < d->S)
        return status_fail(STATUS_LIMIT,
                           "opencl: %s: %d x %d pixels do not fit the device's local memory",
                           step->name, d->R, d->S);
    a->parts = div_up(d->Q, (fit - d->S) / a->col_pitch + 1);
    a->part_cols = div_up(d->Q, a->parts);
    a->parts = div_up(d->Q, a->part_cols);
    return STATUS_OK;
}

static Status weight_band(const Device *device, const Step *step, WeightPlan *plan)
{
    const ConvDesc *d = &step->conv;
    ConvWeightArgs *a = &plan->args;
    a->row_pitch = min_int(d->stride, d->R);
    a->col_pitch = min_int(d->stride, d->S);
    size_t tail = (size_t)plan->tile * 4;
    size_t pixel = a->s.spread ? 64 : (size_t)a->s.lanes * 4;
    int room = (int)((device->info.local_memory - tail) / pixel); /* pixels */
    TRY(weight_columns(step, room / d->R, a));
    a->cols = (a->part_cols - 1) * a->col_pitch + d->S;
    size_t line = (size_t)a->cols * pixel;
    size_t row = line * (size_t)a->row_pitch + (size_t)a->part_cols * (size_t)plan->vecs * 64;
    int most = (room / a->cols - d->R) / a->row_pitch + 1;
    a->rows = max_int(1, min_int(min_int((int)(WEIGHT_BYTES / row), most), d->P));
    a->bands = div_up(d->P, a->rows);
    a->rows = div_up(d->P, a->bands);
    a->bands = div_up(d->P, a->rows) * a->parts;
    plan->local = line * (size_t)((a->rows - 1) * a->row_pitch + d->R) + tail;
    a->band_floats = (int)(plan->local / 4);
    /* A band is copied once for the tiles of an item: worth it where few taps share it. */
    a->item_tiles = min_int(a->s.tiles, max_int(1, 16 / (d->R * d->S)));
    a->item_blocks = 1;
    return STATUS_OK;
}

static const char *const weight_names[FORM_COUNT] = {"cpu-weight-band", "cpu-weight-point",
                                                     "cpu-weight-winograd", "cpu-weight-group"};

/* Vectors of out-channels in a register tile: two, where registers are wide and the second vector
 * is not padding or another group's zeros. */
static int weight_vecs(const Device *device, const ConvDesc *d)
{
    if (device->narrow)
        return 1;
    int blocks = div_up(d->K, 16);
    double two = (double)blocks / round_up(blocks, 2) * group_worth(d, CONV_GRAD_WEIGHT, 2);
    return two > 0.95 * group_worth(d, CONV_GRAD_WEIGHT, 1) ? 2 : 1;
}

static bool weight_can(const Device *device, const ConvDesc *d, Form form, int vecs)
{
    bool point = d->R == 1 && d->S == 1 && d->stride == 1 && d->pad == 0;
    bool can[FORM_COUNT] = {true, point, winograd_weight_applies(device, d, vecs),
                            spread_group(d) != 0};
    return can[form];
}

/* The form asked for by name, if it can run here; else the last that can and pays. */
static Form weight_form(const Device *device, const ConvDesc *d, const char *wanted, int vecs)
{
    Form best = FORM_BAND;
    for (int form = FORM_BAND; form < FORM_COUNT; form++) {
        if (!weight_can(device, d, (Form)form, vecs))
            continue;
        if (wanted && strcmp(wanted, weight_names[form]) == 0)
            return (Form)form;
        if (form != FORM_WINOGRAD || winograd_weight_pays(d))
            best = (Form)form;
    }
    return best;
}

/* Parts of `units` units of work for `pairs` items of channels. */
static int weight_splits(const Device *device, int pairs, int units)
{
    return min_int(div_up(ITEMS_PER_UNIT * (int)device->info.units, pairs), units);
}

/* Images taken together where each is a single band of few pixels, without leaving cores idle. */
static int weight_group(const Device *device, const ConvDesc *d, const WeightPlan *plan, int pairs)
{
    int splits = div_up(ITEMS_PER_UNIT * (int)device->info.units, pairs);
    int group = min_int(div_up(GROUP_PIXELS, d->P * d->Q), max_int(1, d->N / splits));
    if (plan->local)
        group = min_int(group, (int)(device->info.local_memory / 2 / plan->local));
    return plan->args.bands == 1 ? max_int(1, group) : 1;
}

static void weight_winograd(const Device *device, const ConvDesc *d, WeightPlan *plan)
{
    ConvWinogradWeightArgs *a = &plan->squares;
    plan->local = winograd_weight_args(device, d, plan->vecs, a);
    int columns = div_up(a->s.tiles, a->item_tiles),
        blocks = div_up(a->s.in_blocks, a->item_blocks);
    a->splits = weight_splits(device, columns * blocks, div_up(a->images, a->group) * a->bands);
    plan->workspace = 4 * (uint64_t)a->split_floats * (uint64_t)a->splits;
    memcpy(plan->items, (int[3]){columns, blocks, a->splits}, sizeof plan->items);
}

static Status plan_weight(const Device *device, const Step *step, WeightPlan *plan)
{
    const ConvDesc *d = &step->conv;
    ConvWeightArgs *a = &plan->args;
    *plan = (WeightPlan){.vecs = weight_vecs(device, d)};
    plan->tile = device->narrow ? 4 : plan->vecs == 2 ? 8 : 16;
    plan->form = weight_form(device, d, step->algorithm, plan->vecs);
    if (plan->form == FORM_WINOGRAD) {
        weight_winograd(device, d, plan);
        return STATUS_OK;
    }
    if (plan->form == FORM_GROUP) {
        plan->vecs = 1;
        plan->tile = spread_group(d);
    }
    a->s = form_shape(d, CONV_FORWARD, plan->vecs, plan->form);
    a->images = d->N;
    if (plan->form == FORM_POINT) {
        a->s.lanes = 16;
        weight_point(d, a);
    } else {
        TRY(weight_band(device, step, plan));
    }
    a->taps = round_up(d->S * a->s.lanes, plan->tile);
    if (a->s.tile_blocks < a->s.in_blocks) { /* groups: a tile finds its own blocks */
        a->item_tiles = 1;
        a->item_blocks = a->s.in_blocks;
    }
    a->split_floats = (long)a->s.tiles * a->s.tile_blocks * d->R * a->taps * plan->vecs * 16;
    int columns = div_up(a->s.tiles, a->item_tiles),
        blocks = div_up(a->s.in_blocks, a->item_blocks);
    a->group = weight_group(device, d, plan, columns * blocks);
    plan->local *= (size_t)a->group;
    a->splits = weight_splits(device, columns * blocks, div_up(d->N, a->group) * a->bands);
    plan->workspace = 4 * (uint64_t)a->split_floats * (uint64_t)a->splits;
    memcpy(plan->items, (int[3]){columns, blocks, a->splits}, sizeof plan->items);
    return STATUS_OK;
}

/* Sums of the splits, from workspace into the gradient. */
static Status unpack_add(Device *device, const Step *step, const char *file, const char *options,
                         const char *kernel, const ConvUnpackArgs *args, Prepared *prepared)
{
    size_t global[3] = {(size_t)args->s.tiles, (size_t)args->s.tile_blocks, 1};
    Launch *launch;
    TRY(launch_add(device, prepared, file, options, kernel, global, (size_t[3]){1, 1, 1}, &launch));
    TRY(launch_ref(device, launch, step->workspace));
    TRY(launch_ref(device, launch, step->refs[2]));
    return launch_value(launch, args, sizeof *args);
}

static Status weight_prepare(Device *device, Step *step, Prepared *prepared)
{
    static const char *const kernels[FORM_COUNT] = {"conv_weight_band", "conv_weight_point",
                                                    "conv_winograd_weight", "conv_weight_band"};
    WeightPlan plan;
    TRY(plan_weight(device, step, &plan));
    bool winograd = plan.form == FORM_WINOGRAD;
    char options[96];
    tile_options(plan.tile, plan.vecs, plan.form == FORM_GROUP ? plan.tile : 0, options,
                 sizeof options);
    if (winograd)
        strcat(options, " -DWEIGHT_GRADIENT");
    size_t global[3] = {(size_t)plan.items[0], (size_t)plan.items[1], (size_t)plan.items[2]};
    Launch *launch;
    TRY(launch_add(device, prepared, winograd ? "conv_winograd" : "conv_weight_cpu", options,
                   kernels[plan.form], global, (size_t[3]){1, 1, 1}, &launch));
    TRY(launch_ref(device, launch, step->refs[0]));
    TRY(launch_ref(device, launch, step->refs[1]));
    TRY(launch_ref(device, launch, step->workspace));
    if (plan.form != FORM_POINT)
        TRY(launch_local(launch, plan.local));
    if (winograd) {
        const ConvWinogradWeightArgs *a = &plan.squares;
        TRY(launch_value(launch, a, sizeof *a));
        ConvUnpackArgs unpack = {.s = a->s, .split_floats = a->split_floats, .splits = a->splits};
        return unpack_add(device, step, "conv_winograd", options, "conv_winograd_unpack", &unpack,
                          prepared);
    }
    const ConvWeightArgs *a = &plan.args;
    TRY(launch_value(launch, a, sizeof *a));
    ConvUnpackArgs unpack = {
        .s = a->s, .split_floats = a->split_floats, .taps = a->taps, .splits = a->splits};
    return unpack_add(device, step, "conv_pack", "-DLANES=16", "conv_unpack", &unpack, prepared);
}

/* ---- the three operations */

static const char *weight_candidate(const Device *device, const ConvDesc *d, int number)
{
    for (int form = 0; form < FORM_COUNT; form++)
        if (weight_can(device, d, (Form)form, weight_vecs(device, d)) && number-- == 0)
            return weight_names[form];
    return NULL;
}

const char *conv_cpu_candidate(const Device *device, const Step *step, int i)
{
    const ConvDesc *d = &step->conv;
    if (d->op == CONV_GRAD_WEIGHT)
        return weight_candidate(device, d, i);
    return d->op == CONV_PACK ? NULL : direct_candidate(device, d, i);
}

Status conv_cpu_choose(Device *device, Step *step)
{
    const ConvDesc *d = &step->conv;
    static const int layouts[FORM_COUNT] = {[FORM_WINOGRAD] = 2, [FORM_GROUP] = 3};
    if (d->op == CONV_GRAD_WEIGHT) {
        WeightPlan plan;
        TRY(plan_weight(device, step, &plan));
        step->algorithm = weight_names[plan.form];
        step->workspace_bytes = plan.workspace;
    } else if (d->op != CONV_PACK) {
        DirectPlan plan;
        TRY(plan_direct(device, step, &plan));
        ConvShape s = form_shape(d, d->op, plan.vecs, plan.form);
        step->algorithm = plan.name;
        step->packed_bytes = 4 * conv_packed_floats(&s);
        step->packed_layout = conv_layout(d, plan.vecs, layouts[plan.form]);
    }
    return STATUS_OK;
}

Status conv_cpu_prepare(Device *device, Step *step, Prepared *prepared)
{
    const ConvDesc *d = &step->conv;
    if (d->op == CONV_PACK) {
        DirectPlan plan = {0};
        plan_tile(device, d, d->packed_for, step->algorithm,
                  &plan); /* the name is that of the convolution */
        return pack_prepare(device, step, &plan, prepared);
    }
    return d->op == CONV_GRAD_WEIGHT ? weight_prepare(device, step, prepared)
                                     : direct_prepare(device, step, prepared);
}
