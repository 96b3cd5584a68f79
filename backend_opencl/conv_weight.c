/* Weight gradients of convolutions on processors, as kernels_cl/conv_weight_cpu.cl has them:
 *
 *     band    bands of in- and out-rows, the in-rows through local memory: anything
 *     group   the same, groups of 4 or 8 channels spread in a vector (conv_common.h)
 *     point   1x1 of stride 1, in place: a band is a range of pixels
 *
 * All of them sum over the same kind of units (bands of groups of images) and leave sums of one
 * layout, which conv_unpack adds up. Here is how large bands, groups and items are. */
#include "conv.h"

#include <string.h>

enum {
    GROUP_PIXELS = 512,      /* of small images that are taken together */
    WEIGHT_BYTES = 64 << 10, /* in- and out-rows of a band that an item sums over */
};

typedef struct WeightPlan {
    ConvSums sums;
    ConvWeightArgs args;
} WeightPlan;

/* Pixels of a band, and tiles and blocks of an item, so that sums and band stay in the caches. */
static void point_cut(const ConvDesc *d, ConvWeightArgs *a)
{
    int pixels = d->P * d->Q;
    a->bands = div_up(pixels, 256);
    a->rows = div_up(pixels, a->bands);
    a->item_tiles = min_int(a->s.tiles, 8);
    a->item_blocks = min_int(a->s.in_blocks, 16);
}

/* Cuts out-rows whose in-rows do not fit the local memory: it holds R rows of `fit` pixels. */
static Status band_columns(const Step *step, int fit, ConvWeightArgs *a)
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

static Status band_cut(const Device *device, const Step *step, WeightPlan *plan)
{
    const ConvDesc *d = &step->conv;
    ConvWeightArgs *a = &plan->args;
    a->row_pitch = min_int(d->stride, d->R);
    a->col_pitch = min_int(d->stride, d->S);
    size_t tail = (size_t)plan->sums.tile * 4;
    size_t pixel = a->s.spread ? 64 : (size_t)a->s.lanes * 4;
    int room = (int)((device->info.local_memory - tail) / pixel); /* pixels */
    TRY(band_columns(step, room / d->R, a));
    a->cols = (a->part_cols - 1) * a->col_pitch + d->S;
    size_t line = (size_t)a->cols * pixel;
    size_t row =
        line * (size_t)a->row_pitch + (size_t)a->part_cols * (size_t)plan->sums.vecs * 64;
    int most = (room / a->cols - d->R) / a->row_pitch + 1;
    a->rows = max_int(1, min_int(min_int((int)(WEIGHT_BYTES / row), most), d->P));
    a->bands = div_up(d->P, a->rows);
    a->rows = div_up(d->P, a->bands);
    a->bands = div_up(d->P, a->rows) * a->parts;
    plan->sums.local = line * (size_t)((a->rows - 1) * a->row_pitch + d->R) + tail;
    a->band_floats = (int)(plan->sums.local / 4);
    /* A band is copied once for the tiles of an item: worth it where few taps share it. */
    a->item_tiles = min_int(a->s.tiles, max_int(1, 16 / (d->R * d->S)));
    a->item_blocks = 1;
    return STATUS_OK;
}

/* Images taken together where each is a single band of few pixels, without leaving cores idle. */
static int images_together(const Device *device, const ConvDesc *d, const WeightPlan *plan,
                           int pairs)
{
    int splits = div_up(ITEMS_PER_UNIT * (int)device->info.units, pairs);
    int group = min_int(div_up(GROUP_PIXELS, d->P * d->Q), max_int(1, d->N / splits));
    if (plan->sums.local)
        group = min_int(group, (int)(device->info.local_memory / 2 / plan->sums.local));
    return plan->args.bands == 1 ? max_int(1, group) : 1;
}

/* What all forms do once their bands are cut: items of tiles and blocks, groups of images, splits.
 */
static void items_cut(const Device *device, const ConvDesc *d, WeightPlan *plan)
{
    ConvWeightArgs *a = &plan->args;
    ConvSums *sums = &plan->sums;
    a->images = d->N;
    a->taps = round_up(d->S * a->s.lanes, sums->tile);
    if (a->s.tile_blocks < a->s.in_blocks) { /* groups: a tile finds its own blocks */
        a->item_tiles = 1;
        a->item_blocks = a->s.in_blocks;
    }
    a->split_floats = (long)a->s.tiles * a->s.tile_blocks * d->R * a->taps * sums->vecs * 16;
    int columns = div_up(a->s.tiles, a->item_tiles),
        blocks = div_up(a->s.in_blocks, a->item_blocks);
    a->group = images_together(device, d, plan, columns * blocks);
    sums->local *= (size_t)a->group;
    a->splits = conv_splits(device, columns * blocks, div_up(d->N, a->group) * a->bands);
    memcpy(sums->items, (int[3]){columns, blocks, a->splits}, sizeof sums->items);
    sums->unpack = (ConvUnpackArgs){
        .s = a->s, .split_floats = a->split_floats, .taps = a->taps, .splits = a->splits};
}

static Status band_plan(const Device *device, const Step *step, const Algorithm *how,
                        WeightPlan *plan)
{
    const ConvDesc *d = &step->conv;
    bool spread = how->method->packing == PACKING_SPREAD;
    int vecs = spread ? 1 : conv_sums_vecs(device, d);
    *plan = (WeightPlan){
        .sums = {.vecs = vecs,
                 .tile = spread ? conv_spread_group(d) : conv_sums_tile(device, vecs)},
        .args.s = conv_shape(d, CONV_FORWARD, vecs, how->method->packing)};
    TRY(band_cut(device, step, plan));
    items_cut(device, d, plan);
    return STATUS_OK;
}

static void point_plan(const Device *device, const ConvDesc *d, WeightPlan *plan)
{
    int vecs = conv_sums_vecs(device, d);
    *plan = (WeightPlan){.sums = {.vecs = vecs, .tile = conv_sums_tile(device, vecs)},
                         .args.s = conv_shape(d, CONV_FORWARD, vecs, PACKING_ITEMS)};
    plan->args.s.lanes = 16; /* as they lie */
    point_cut(d, &plan->args);
    items_cut(device, d, plan);
}

static Status sums_launch(const Step *step, const WeightPlan *plan, const Algorithm *how,
                          const char *kernel, Prepared *prepared)
{
    ConvOptions options;
    conv_cpu_options(&step->conv, how->method->packing, plan->sums.tile, plan->sums.vecs, options);
    return conv_sums_launch(step, &plan->sums, (ConvKernel){"conv_weight_cpu", options, kernel},
                            &plan->args, sizeof plan->args,
                            (ConvKernel){"conv_pack", "-DLANES=16", "conv_unpack"}, prepared);
}

static bool band_applies(const Device *device, const Step *step, const Algorithm *how)
{
    (void)device;
    return how->method->packing != PACKING_SPREAD || conv_spread_group(&step->conv) != 0;
}

static double rank_worth(const Device *device, const Step *step, const Algorithm *how)
{
    (void)device, (void)step;
    return -how->rank;
}

static Status band_choose(const Device *device, Step *step, const Algorithm *how)
{
    WeightPlan plan;
    TRY(band_plan(device, step, how, &plan));
    step->workspace_bytes = conv_sums_bytes(&plan.sums);
    return STATUS_OK;
}

static Status band_prepare(const Device *device, const Step *step, const Algorithm *how,
                           Prepared *prepared)
{
    WeightPlan plan;
    TRY(band_plan(device, step, how, &plan));
    return sums_launch(step, &plan, how, "conv_weight_band", prepared);
}

static bool point_applies(const Device *device, const Step *step, const Algorithm *how)
{
    (void)device, (void)how;
    const ConvDesc *d = &step->conv;
    return d->R == 1 && d->S == 1 && d->stride == 1 && d->pad == 0;
}

static Status point_choose(const Device *device, Step *step, const Algorithm *how)
{
    (void)how;
    WeightPlan plan;
    point_plan(device, &step->conv, &plan);
    step->workspace_bytes = conv_sums_bytes(&plan.sums);
    return STATUS_OK;
}

static Status point_prepare(const Device *device, const Step *step, const Algorithm *how,
                            Prepared *prepared)
{
    WeightPlan plan;
    point_plan(device, &step->conv, &plan);
    return sums_launch(step, &plan, how, "conv_weight_point", prepared);
}

const Method conv_weight_band = {.serves = 1 << ALGORITHM_GRAD_WEIGHT,
                                 .processor = true,
                                 .packing = PACKING_ITEMS,
                                 .applies = band_applies,
                                 .worth = rank_worth,
                                 .choose = band_choose,
                                 .prepare = band_prepare};

const Method conv_weight_group = {.serves = 1 << ALGORITHM_GRAD_WEIGHT,
                                  .processor = true,
                                  .packing = PACKING_SPREAD,
                                  .applies = band_applies,
                                  .worth = rank_worth,
                                  .choose = band_choose,
                                  .prepare = band_prepare};

const Method conv_weight_point = {.serves = 1 << ALGORITHM_GRAD_WEIGHT,
                                  .processor = true,
                                  .packing = PACKING_ITEMS,
                                  .applies = point_applies,
                                  .worth = rank_worth,
                                  .choose = point_choose,
                                  .prepare = point_prepare};
