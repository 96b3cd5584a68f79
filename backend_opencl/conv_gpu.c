/* Convolutions in work-groups (kernels_cl/conv_gpu.cl): which tiles a device can run and which to
 * prefer, grids and launches. Rows of a tile are pixels, or taps of the weight gradient. */
#include "conv.h"
#include "group.h"
#include "program.h"

#include <stdio.h>

static size_t tile_local(const Algorithm *how)
{
    return (size_t)(GROUP_DEPTH * (how->rows + 4) + GROUP_DEPTH * how->vecs * 16) * sizeof(float);
}

static bool tile_applies(const Device *device, const Step *step, const Algorithm *how)
{
    (void)step;
    return group_fits(device, how, tile_local(how));
}

static int out_channels(const ConvDesc *d)
{
    return d->op == CONV_GRAD_DATA ? d->C : d->K;
}

/* Blocks of out-channels that share their in-channels: a wider tile would multiply by zeros. */
static int shared_blocks(const ConvDesc *d)
{
    int channels = out_channels(d);
    return d->groups == 1 ? div_up(channels, 16) : max_int(1, channels / d->groups / 16);
}

/* Without tuning: the first three ranks, 64 rows by 64, 32 and 16 columns, are for so many that
 * share their in-channels; where the device cannot run that, the next after it that it can run. */
static double tile_worth(const Device *device, const Step *step, const Algorithm *how)
{
    enum { BEHIND = 100 };
    (void)device;
    int blocks = shared_blocks(&step->conv), wanted = blocks >= 3 ? 0 : blocks >= 2 ? 1 : 2;
    return how->rank >= wanted ? -how->rank : -how->rank - BEHIND;
}

static bool tile_idles(const Step *step, const Algorithm *how)
{
    return how->vecs >= 2 * div_up(out_channels(&step->conv), 16);
}

static Status tile_check(const Device *device, const Step *step, const Algorithm *how)
{
    return group_check(device, step, how, tile_local(how), "convolutions");
}

static Status tile_launch(const Algorithm *how, DType type, const char *name,
                          const size_t global[3], size_t threads, Prepared *prepared)
{
    char options[96];
    snprintf(options, sizeof options, "-DLANES=4 -DBM=%d -DVECS=%d -DTM=%d%s", how->rows, how->vecs,
             how->item_rows, program_stored(type));
    return launch_add(prepared, "conv_gpu", options, name, global, (size_t[3]){threads, 1, 1});
}

/* A launch of the convolution file with `groups` groups of a tile's work-items. */
static Status group_launch(const Algorithm *how, DType type, const char *name,
                           const size_t groups[3], Prepared *prepared)
{
    size_t threads = group_threads(how), global[3] = {groups[0] * threads, groups[1], groups[2]};
    return tile_launch(how, type, name, global, threads, prepared);
}

/* A launch with one item for each of `count` values. */
static Status each_launch(const Algorithm *how, DType type, const char *name, uint64_t count,
                          Prepared *prepared)
{
    size_t global[3] = {group_each(count), 1, 1};
    return tile_launch(how, type, name, global, EACH_GROUP, prepared);
}

/* ---- forward and data gradient */

static Status tile_choose(const Device *device, Step *step, const Algorithm *how)
{
    TRY(tile_check(device, step, how));
    ConvShape s = conv_shape(&step->conv, step->conv.op, how->vecs, PACKING_GROUPS);
    conv_choose_packed(step, &s, PACKING_GROUPS);
    return STATUS_OK;
}

static Status tile_prepare(const Device *device, const Step *step, const Algorithm *how,
                           Prepared *prepared)
{
    (void)device;
    const ConvDesc *d = &step->conv;
    ConvTileArgs a = {.s = conv_shape(d, d->op, how->vecs, PACKING_GROUPS),
                      .backward = d->op == CONV_GRAD_DATA,
                      .relu = d->relu,
                      .accumulate = d->accumulate};
    int step_out = a.s.out_stride;
    int pixels = div_up(a.s.out_height, step_out) * div_up(a.s.out_width, step_out);
    size_t groups[3] = {(size_t)div_up(pixels, how->rows), (size_t)a.s.tiles,
                        (size_t)(d->N * step_out * step_out)};
    TRY(group_launch(how, d->type, "conv_tile", groups, prepared));
    TRY(conv_refs(step, prepared));
    return launch_value(prepared, &a, sizeof a);
}

static Status tile_pack(const Device *device, const Step *step, const Algorithm *how,
                        Prepared *prepared)
{
    (void)device;
    const ConvDesc *d = &step->conv;
    ConvPackArgs a = {.s = conv_shape(d, d->packed_for, how->vecs, PACKING_GROUPS),
                      .backward = d->packed_for == CONV_GRAD_DATA};
    TRY(each_launch(how, d->type, "conv_pack_each", conv_packed_count(&a.s), prepared));
    TRY(launch_ref(prepared, step->refs[0]));
    TRY(launch_ref(prepared, step->refs[1]));
    return launch_value(prepared, &a, sizeof a);
}

const Method conv_tile = {.serves = 1 << ALGORITHM_FORWARD | 1 << ALGORITHM_GRAD_DATA,
                          .packing = PACKING_GROUPS,
                          .applies = tile_applies,
                          .worth = tile_worth,
                          .idles = tile_idles,
                          .choose = tile_choose,
                          .prepare = tile_prepare,
                          .pack = tile_pack};

/* ---- weight gradient */

/* Images, and bands of their pixels, are split until the groups keep the device busy. */
static ConvWeightArgs weight_plan(const Device *device, const ConvDesc *d, const Algorithm *how)
{
    enum { LEAST_BANDS = 8 }; /* of a split, whose sums are written and read once more */
    ConvWeightArgs a = {.s = conv_shape(d, CONV_FORWARD, how->vecs, PACKING_GROUPS),
                        .images = d->N};
    a.taps = d->S * a.s.lanes;
    a.split_floats = (long)a.s.tiles * a.s.tile_blocks * d->R * a.taps * how->vecs * 16;
    int groups = div_up(a.s.tile_blocks * d->R * a.taps, how->rows) * a.s.tiles;
    a.bands = div_up(d->P * d->Q, GROUP_DEPTH);
    int64_t most = ((int64_t)d->N * a.bands + LEAST_BANDS - 1) / LEAST_BANDS;
    int wanted = max_int(1, GROUPS_PER_UNIT * (int)device->info.units / groups);
    a.splits = most < wanted ? (int)most : wanted;
    return a;
}

static Status weight_choose(const Device *device, Step *step, const Algorithm *how)
{
    TRY(tile_check(device, step, how));
    ConvWeightArgs a = weight_plan(device, &step->conv, how);
    step->workspace_bytes = sizeof(float) * (uint64_t)a.split_floats * (uint64_t)a.splits;
    return STATUS_OK;
}

static Status weight_prepare(const Device *device, const Step *step, const Algorithm *how,
                             Prepared *prepared)
{
    const ConvDesc *d = &step->conv;
    ConvWeightArgs a = weight_plan(device, d, how);
    size_t groups[3] = {(size_t)div_up(a.s.tile_blocks * d->R * a.taps, how->rows),
                        (size_t)a.s.tiles, (size_t)a.splits};
    TRY(group_launch(how, d->type, "conv_weight_tile", groups, prepared));
    TRY(launch_ref(prepared, step->refs[0]));
    TRY(launch_ref(prepared, step->refs[1]));
    TRY(launch_ref(prepared, step->workspace));
    TRY(launch_value(prepared, &a, sizeof a));
    ConvUnpackArgs u = {
        .s = a.s, .split_floats = a.split_floats, .taps = a.taps, .splits = a.splits};
    uint64_t weights = (uint64_t)d->K * (uint64_t)a.s.in_group * (uint64_t)(d->R * d->S);
    TRY(each_launch(how, d->type, "conv_unpack_each", weights, prepared));
    TRY(launch_ref(prepared, step->workspace));
    TRY(launch_ref(prepared, step->refs[2]));
    return launch_value(prepared, &u, sizeof u);
}

const Method conv_weight_tile = {.serves = 1 << ALGORITHM_GRAD_WEIGHT,
                                 .packing = PACKING_GROUPS,
                                 .applies = tile_applies,
                                 .worth = tile_worth,
                                 .idles = tile_idles,
                                 .choose = weight_choose,
                                 .prepare = weight_prepare};
