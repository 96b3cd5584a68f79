/* Convolutions in work-groups: tile sizes, grids and launches of conv_gpu.cl. */
#include "conv.h"

#include "base/check.h"

#include <stdio.h>

enum { BM = 64, GROUPS_PER_UNIT = 4, EACH_GROUP = 64 };

/* Width of a tile in vectors of 16 out-channels, and rows per work-item: groups of 64 or 128. */
typedef struct GroupTile {
    int vecs, rows;
    size_t threads;
    char options[64];
} GroupTile;

static GroupTile group_tile(const Device *device, int out_blocks)
{
    GroupTile t = {.vecs = out_blocks >= 3 && device->info.max_group >= 128 ? 4
                           : out_blocks >= 2                                ? 2
                                                                            : 1};
    t.rows = t.vecs == 1 ? 4 : 8;
    t.threads = (size_t)(t.vecs * 4 * (BM / t.rows));
    snprintf(t.options, sizeof t.options, "-DLANES=4 -DVECS=%d -DTM=%d", t.vecs, t.rows);
    return t;
}

static Status group_check(const Device *device, const Step *step, GroupTile t)
{
    size_t local = (size_t)(16 * (BM + 4) + 16 * t.vecs * 16) * 4;
    if (t.threads > device->info.max_group || local > device->info.local_memory)
        return status_fail(STATUS_DEVICE,
                           "opencl: %s: %s allows groups of %u and %u bytes of local memory, "
                           "convolutions need %zu and %zu",
                           step->name, device->info.name, device->info.max_group,
                           device->info.local_memory, t.threads, local);
    return STATUS_OK;
}

/* A launch of the convolution file with `groups` groups of t.threads. */
static Status group_launch(Device *device, Prepared *prepared, const GroupTile *t, const char *name,
                           const size_t groups[3], Launch **launch)
{
    size_t global[3] = {groups[0] * t->threads, groups[1], groups[2]};
    return launch_add(device, prepared, "conv_gpu", t->options, name, global,
                      (size_t[3]){t->threads, 1, 1}, launch);
}

/* A launch with one item for each of `count` values. */
static Status each_launch(Device *device, Prepared *prepared, const GroupTile *t, const char *name,
                          uint64_t count, Launch **launch)
{
    size_t global[3] = {(size_t)((count + EACH_GROUP - 1) / EACH_GROUP * EACH_GROUP), 1, 1};
    return launch_add(device, prepared, "conv_gpu", t->options, name, global,
                      (size_t[3]){EACH_GROUP, 1, 1}, launch);
}

static int out_blocks(const ConvDesc *d, ConvOp op)
{
    return div_up(op == CONV_GRAD_DATA ? d->C : d->K, 16);
}

static Status direct_prepare(Device *device, Step *step, Prepared *prepared)
{
    const ConvDesc *d = &step->conv;
    GroupTile t = group_tile(device, out_blocks(d, d->op));
    ConvTileArgs a = {.s = conv_shape(d, d->op, t.vecs),
                      .backward = d->op == CONV_GRAD_DATA,
                      .relu = d->relu,
                      .accumulate = d->accumulate};
    int step_out = a.s.out_stride;
    int pixels = div_up(a.s.out_height, step_out) * div_up(a.s.out_width, step_out);
    size_t groups[3] = {(size_t)div_up(pixels, BM), (size_t)a.s.tiles,
                        (size_t)(d->N * step_out * step_out)};
    bool forward = d->op == CONV_FORWARD;
    Ref none = {0};
    Launch *launch;
    TRY(group_launch(device, prepared, &t, "conv_tile", groups, &launch));
    TRY(launch_ref(device, launch, step->refs[0]));
    TRY(launch_ref(device, launch, step->packed));
    TRY(launch_ref(device, launch, forward && step->refs_count > 3 ? step->refs[3] : none));
    TRY(launch_ref(device, launch, forward && step->refs_count > 4 ? step->refs[4] : none));
    TRY(launch_ref(device, launch, step->refs[2]));
    return launch_value(launch, &a, sizeof a);
}

static Status pack_prepare(Device *device, Step *step, Prepared *prepared)
{
    const ConvDesc *d = &step->conv;
    GroupTile t = group_tile(device, out_blocks(d, d->packed_for));
    ConvPackArgs a = {.s = conv_shape(d, d->packed_for, t.vecs),
                      .backward = d->packed_for == CONV_GRAD_DATA};
    Launch *launch;
    TRY(each_launch(device, prepared, &t, "conv_pack_each", conv_packed_floats(&a.s), &launch));
    TRY(launch_ref(device, launch, step->refs[0]));
    TRY(launch_ref(device, launch, step->refs[1]));
    return launch_value(launch, &a, sizeof a);
}

/* Images are split until the groups keep the device busy. */
static ConvWeightArgs plan_weight(const Device *device, const ConvDesc *d, const GroupTile *t)
{
    ConvWeightArgs a = {.s = conv_shape(d, CONV_FORWARD, t->vecs), .images = d->N};
    a.taps = d->S * a.s.lanes;
    a.split_floats = (long)a.s.tiles * a.s.tile_blocks * d->R * a.taps * t->vecs * 16;
    int groups = div_up(d->R * a.taps, BM) * a.s.tiles * a.s.tile_blocks;
    a.splits = min_int(d->N, max_int(1, GROUPS_PER_UNIT * (int)device->info.units / groups));
    return a;
}

static Status weight_prepare(Device *device, Step *step, Prepared *prepared)
{
    const ConvDesc *d = &step->conv;
    GroupTile t = group_tile(device, out_blocks(d, CONV_FORWARD));
    ConvWeightArgs a = plan_weight(device, d, &t);
    size_t groups[3] = {(size_t)div_up(d->R * a.taps, BM), (size_t)(a.s.tiles * a.s.tile_blocks),
                        (size_t)a.splits};
    Launch *launch;
    TRY(group_launch(device, prepared, &t, "conv_weight_tile", groups, &launch));
    TRY(launch_ref(device, launch, step->refs[0]));
    TRY(launch_ref(device, launch, step->refs[1]));
    TRY(launch_ref(device, launch, step->workspace));
    TRY(launch_value(launch, &a, sizeof a));
    ConvUnpackArgs u = {
        .s = a.s, .split_floats = a.split_floats, .taps = a.taps, .splits = a.splits};
    uint64_t weights = (uint64_t)d->K * (uint64_t)a.s.in_group * (uint64_t)(d->R * d->S);
    TRY(each_launch(device, prepared, &t, "conv_unpack_each", weights, &launch));
    TRY(launch_ref(device, launch, step->workspace));
    TRY(launch_ref(device, launch, step->refs[2]));
    return launch_value(launch, &u, sizeof u);
}

const char *conv_gpu_candidate(const Step *step, int i)
{
    return i > 0 ? NULL : step->conv.op == CONV_GRAD_WEIGHT ? "gpu-weight-tile" : "gpu-tile";
}

Status conv_gpu_choose(Device *device, Step *step)
{
    const ConvDesc *d = &step->conv;
    ConvOp op = d->op == CONV_PACK ? d->packed_for : d->op;
    GroupTile t = group_tile(device, out_blocks(d, op));
    TRY(group_check(device, step, t));
    step->algorithm = conv_gpu_candidate(step, 0);
    if (d->op == CONV_GRAD_WEIGHT) {
        ConvWeightArgs a = plan_weight(device, d, &t);
        step->workspace_bytes = 4 * (uint64_t)a.split_floats * (uint64_t)a.splits;
    } else if (d->op != CONV_PACK) {
        ConvShape s = conv_shape(d, d->op, t.vecs);
        step->packed_bytes = 4 * conv_packed_floats(&s);
        step->packed_layout = conv_layout(d, t.vecs, 1);
    }
    return STATUS_OK;
}

Status conv_gpu_prepare(Device *device, Step *step, Prepared *prepared)
{
    if (step->conv.op == CONV_PACK)
        return pack_prepare(device, step, prepared);
    return step->conv.op == CONV_GRAD_WEIGHT ? weight_prepare(device, step, prepared)
                                             : direct_prepare(device, step, prepared);
}
