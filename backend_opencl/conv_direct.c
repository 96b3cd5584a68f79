/* Forward and data gradient of convolutions on processors, as kernels_cl/conv_cpu.cl has them:
 *
 *     band    bands of rows through local memory: anything
 *     group   the same, groups of 4 or 8 channels spread in a vector (conv_common.h)
 *     point   1x1 of stride 1, in place
 *     dot     band and point in bf16, where the processor multiplies pairs of it (dot.h)
 *
 * Here is where a form applies, what it is worth, how its work is cut into items, and its launches.
 * choose and prepare make the same plan from the same description; nothing is kept in between. */
#include "conv.h"

#include <stdio.h>
#include <string.h>

enum { BAND_BYTES = 256 << 10 }; /* in-rows that an item keeps in local memory: second cache */

#define SPREAD_WORTH 0.45 /* a shuffle for every multiplication */
#define POINT_WORTH 1.05  /* nothing is copied */
#define DOT_WORTH 2.2     /* two multiplications at once: the most that Winograd saves */

typedef struct BandPlan {
    size_t local; /* bytes of a band */
    int items[3];
    ConvBandArgs args;
} BandPlan;

/* ---- bands */

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

/* Bytes that a pixel of a block takes in a band. */
static size_t pixel_bytes(const Algorithm *how)
{
    DType kept = how->method->packing == PACKING_PAIRS ? DTYPE_BF16 : DTYPE_F32;
    return 16 * (size_t)dtype_bytes(kept);
}

/* Cuts rows of `width` out-pixels where the in-rows of a single one, of one block, do not fit the
 * local memory. */
static Status band_columns(const Step *step, const Algorithm *how, size_t room, int width,
                           int beyond, int row_span, ConvBandArgs *a)
{
    const int tile = how->rows;
    const size_t column = (size_t)row_span * (size_t)a->col_pitch * pixel_bytes(how);
    int fit = (int)(room * 3 / 4 / column) - beyond;
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

/* Rows of a band: all blocks of a few rows when the caches allow, else one row of as many blocks as
 * fit; fewer, where that leaves cores idle. `line` are the bytes of a row of one block, of which an
 * out-row takes row_span. Returns the bands of an image. */
static int band_rows(const Device *device, const ConvDesc *d, size_t line, int row_span,
                     ConvBandArgs *a)
{
    size_t room = device->info.local_memory, budget = room < BAND_BYTES ? room : BAND_BYTES;
    int height = div_up(a->s.out_height, a->s.out_stride);
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
    a->band_rows = (a->rows - 1) * a->row_pitch + row_span;
    return div_up(height, a->rows);
}

static Status band_plan(const Device *device, const Step *step, const Algorithm *how,
                        BandPlan *plan)
{
    const ConvDesc *d = &step->conv;
    ConvBandArgs *a = &plan->args;
    *plan = (BandPlan){
        .args = {.s = conv_shape(d, d->op, how->vecs, how->method->packing),
                 .relu = d->relu,
                 .accumulate = d->accumulate}};
    int row_span, col_span, step_in = a->s.in_stride;
    band_axis(d, d->op, d->R, &a->row_base, &row_span);
    band_axis(d, d->op, d->S, &a->col_base, &col_span);
    a->row_pitch = min_int(step_in, row_span);
    a->col_pitch = min_int(step_in, col_span);
    int width = div_up(a->s.out_width, a->s.out_stride), beyond = (col_span - 1) / step_in;
    TRY(band_columns(step, how, device->info.local_memory, width, beyond, row_span, a));
    a->cols = a->part_cols + beyond;
    size_t line = (size_t)a->cols * (size_t)a->col_pitch * pixel_bytes(how);
    int bands = band_rows(device, d, line, row_span, a);
    a->item_tiles = conv_split_tiles(device, a->s.tiles, d->N * bands * a->parts);
    plan->local = line * (size_t)a->band_rows * (size_t)a->chunk;
    memcpy(plan->items, (int[3]){div_up(a->s.tiles, a->item_tiles), d->N, bands * a->parts},
           sizeof plan->items);
    return STATUS_OK;
}

static bool band_applies(const Device *device, const Step *step, const Algorithm *how)
{
    (void)device, (void)step, (void)how;
    return true;
}

/* The share of a row's tiles that are pixels. */
static double row_worth(const ConvDesc *d, int tile)
{
    int width = d->op == CONV_GRAD_DATA ? div_up(d->W, d->stride) : d->Q;
    return (double)width / round_up(width, tile);
}

static double band_worth(const Device *device, const Step *step, const Algorithm *how)
{
    const ConvDesc *d = &step->conv;
    double zeros = conv_group_worth(d, d->op, how->vecs, how->method->packing);
    return conv_cpu_worth(device, d, how, zeros) * row_worth(d, how->rows);
}

static Status band_choose(const Device *device, Step *step, const Algorithm *how)
{
    BandPlan plan;
    TRY(band_plan(device, step, how, &plan));
    conv_cpu_choose(step, how);
    const ConvShape *s = &plan.args.s;
    if (step->conv.type != DTYPE_F32 && plan.args.chunk < s->tile_blocks)
        step->workspace_bytes = sizeof(float) * (uint64_t)step->conv.N * (uint64_t)s->out_image;
    return STATUS_OK;
}

static Status band_prepare(const Device *device, const Step *step, const Algorithm *how,
                           Prepared *prepared)
{
    BandPlan plan;
    TRY(band_plan(device, step, how, &plan));
    TRY(conv_cpu_launch(step, how, "conv_cpu", "conv_band", plan.items, prepared));
    if (step->conv.type != DTYPE_F32)
        TRY(launch_ref(prepared, step->workspace));
    TRY(launch_local(prepared, plan.local));
    return launch_value(prepared, &plan.args, sizeof plan.args);
}

static Status direct_pack(const Device *device, const Step *step, const Algorithm *how,
                          Prepared *prepared)
{
    ConvOptions options;
    snprintf(options, sizeof options, "-DLANES=16%s",
             conv_stored(&step->conv, how->method->packing));
    return conv_cpu_pack(device, step, how, "conv_pack", options, "conv_pack", prepared);
}

const Method conv_band = {.serves = 1 << ALGORITHM_FORWARD | 1 << ALGORITHM_GRAD_DATA,
                          .processor = true,
                          .packing = PACKING_ITEMS,
                          .applies = band_applies,
                          .worth = band_worth,
                          .choose = band_choose,
                          .prepare = band_prepare,
                          .pack = direct_pack};

/* ---- bands of spread groups */

static bool group_applies(const Device *device, const Step *step, const Algorithm *how)
{
    (void)device;
    return conv_spread_group(&step->conv) && how->vecs == 1;
}

static double group_worth(const Device *device, const Step *step, const Algorithm *how)
{
    const ConvDesc *d = &step->conv;
    return conv_cpu_worth(device, d, how, SPREAD_WORTH) * row_worth(d, how->rows);
}

const Method conv_group = {.serves = 1 << ALGORITHM_FORWARD | 1 << ALGORITHM_GRAD_DATA,
                           .processor = true,
                           .packing = PACKING_SPREAD,
                           .applies = group_applies,
                           .worth = group_worth,
                           .choose = band_choose,
                           .prepare = band_prepare,
                           .pack = direct_pack};

/* ---- points */

static bool point_applies(const Device *device, const Step *step, const Algorithm *how)
{
    (void)device;
    const ConvDesc *d = &step->conv;
    return d->R == 1 && d->S == 1 && d->stride == 1 && d->pad == 0 && d->H * d->W % how->rows == 0;
}

static double point_worth(const Device *device, const Step *step, const Algorithm *how)
{
    const ConvDesc *d = &step->conv;
    double zeros = conv_group_worth(d, d->op, how->vecs, how->method->packing);
    return conv_cpu_worth(device, d, how, zeros) * POINT_WORTH;
}

static Status point_choose(const Device *device, Step *step, const Algorithm *how)
{
    (void)device;
    conv_cpu_choose(step, how);
    return STATUS_OK;
}

static Status point_prepare(const Device *device, const Step *step, const Algorithm *how,
                            Prepared *prepared)
{
    const ConvDesc *d = &step->conv;
    ConvPointArgs a = {.s = conv_shape(d, d->op, how->vecs, how->method->packing),
                       .pixels = d->H * d->W,
                       .relu = d->relu,
                       .accumulate = d->accumulate};
    int tiles = a.pixels / how->rows;
    int parts = min_int(div_up(ITEMS_PER_UNIT * (int)device->info.units, d->N), tiles);
    a.item_pixels = div_up(tiles, parts) * how->rows;
    parts = div_up(a.pixels, a.item_pixels);
    a.item_tiles = conv_split_tiles(device, a.s.tiles, d->N * parts);
    int items[3] = {div_up(a.s.tiles, a.item_tiles), d->N, parts};
    TRY(conv_cpu_launch(step, how, "conv_cpu", "conv_point", items, prepared));
    return launch_value(prepared, &a, sizeof a);
}

const Method conv_point = {.serves = 1 << ALGORITHM_FORWARD | 1 << ALGORITHM_GRAD_DATA,
                           .processor = true,
                           .packing = PACKING_ITEMS,
                           .applies = point_applies,
                           .worth = point_worth,
                           .choose = point_choose,
                           .prepare = point_prepare,
                           .pack = direct_pack};

/* ---- bands and points that multiply pairs of bf16 */

/* A single channel has no pair. */
static bool dot_applies(const Device *device, const Step *step, const Algorithm *how)
{
    const ConvDesc *d = &step->conv;
    (void)how;
    int in_channels = d->op == CONV_GRAD_DATA ? d->K : d->C;
    return device->dot_bf16 && d->type == DTYPE_BF16 && in_channels > 1;
}

static double dot_band_worth(const Device *device, const Step *step, const Algorithm *how)
{
    return DOT_WORTH * band_worth(device, step, how);
}

const Method conv_dot_band = {.serves = 1 << ALGORITHM_FORWARD | 1 << ALGORITHM_GRAD_DATA,
                              .processor = true,
                              .packing = PACKING_PAIRS,
                              .applies = dot_applies,
                              .worth = dot_band_worth,
                              .choose = band_choose,
                              .prepare = band_prepare,
                              .pack = direct_pack};

static bool dot_point_applies(const Device *device, const Step *step, const Algorithm *how)
{
    return dot_applies(device, step, how) && point_applies(device, step, how);
}

static double dot_point_worth(const Device *device, const Step *step, const Algorithm *how)
{
    return DOT_WORTH * point_worth(device, step, how);
}

const Method conv_dot_point = {.serves = 1 << ALGORITHM_FORWARD | 1 << ALGORITHM_GRAD_DATA,
                               .processor = true,
                               .packing = PACKING_PAIRS,
                               .applies = dot_point_applies,
                               .worth = dot_point_worth,
                               .choose = point_choose,
                               .prepare = point_prepare,
                               .pack = direct_pack};
