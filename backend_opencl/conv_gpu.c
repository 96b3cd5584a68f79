/* Convolutions in work-groups: tile sizes, grids and launches of conv_gpu.cl. */
#include "conv.h"

#include <stdio.h>
#include <string.h>

enum { GROUPS_PER_UNIT = 4, EACH_GROUP = 64, DEPTH = 16 };

/* What a group makes: rows (pixels, or taps) x vecs * 16 out-channels, item_rows x 4 of them by
 * each work-item; and the names of the two algorithms that use it. A group's work-items are a
 * multiple of its rows: conv_weight_tile relies on it. */
typedef struct GroupTile {
    int rows, vecs, item_rows;
    const char *names[2]; /* forward and data gradient; weight gradient */
} GroupTile;

#define TILE(rows, columns, item_rows) \
    {rows, columns / 16, item_rows,    \
     {"gpu-tile-" #rows "x" #columns, "gpu-weight-tile-" #rows "x" #columns}}
static const GroupTile tiles[] = {TILE(64, 64, 8),   TILE(64, 32, 8),  TILE(64, 16, 4),
                                  TILE(32, 64, 4),   TILE(32, 32, 4),  TILE(128, 32, 8),
                                  TILE(128, 64, 8),  TILE(128, 128, 16)};
enum { TILE_COUNT = sizeof tiles / sizeof *tiles };

static int out_blocks(const ConvDesc *d, ConvOp op)
{
    return div_up(op == CONV_GRAD_DATA ? d->C : d->K, 16);
}

static ConvOp op_of(const ConvDesc *d)
{
    return d->op == CONV_PACK ? d->packed_for : d->op;
}

static size_t tile_threads(const GroupTile *t)
{
    return (size_t)(t->vecs * 4 * (t->rows / t->item_rows));
}

static size_t tile_local(const GroupTile *t)
{
    return (size_t)(DEPTH * (t->rows + 4) + DEPTH * t->vecs * 16) * sizeof(float);
}

static bool tile_fits(const Device *device, const GroupTile *t)
{
    return tile_threads(t) <= device->info.max_group && tile_local(t) <= device->info.local_memory;
}

/* Blocks of out-channels that share their in-channels: a wider tile would multiply by zeros. */
static int shared_blocks(const ConvDesc *d, ConvOp op)
{
    int channels = op == CONV_GRAD_DATA ? d->C : d->K;
    return d->groups == 1 ? div_up(channels, 16) : max_int(1, channels / d->groups / 16);
}

/* Without tuning: 64 rows, and no more columns than share their in-channels; where the device
 * cannot run that, the first after it that it can run. */
static const GroupTile *default_tile(const Device *device, const ConvDesc *d, ConvOp op)
{
    int blocks = shared_blocks(d, op);
    int wanted = blocks >= 3 ? 0 : blocks >= 2 ? 1 : 2;
    for (int i = 0; i < TILE_COUNT; i++)
        if (tile_fits(device, &tiles[(wanted + i) % TILE_COUNT]))
            return &tiles[(wanted + i) % TILE_COUNT];
    return &tiles[wanted];
}

/* The tile of the algorithm that the step names, if the device can run it; else the default. */
static const GroupTile *group_tile(const Device *device, const Step *step)
{
    ConvOp op = op_of(&step->conv);
    for (int i = 0; i < TILE_COUNT; i++)
        if (step->algorithm &&
            strcmp(step->algorithm, tiles[i].names[op == CONV_GRAD_WEIGHT]) == 0 &&
            tile_fits(device, &tiles[i]))
            return &tiles[i];
    return default_tile(device, &step->conv, op);
}

static Status group_check(const Device *device, const Step *step, const GroupTile *t)
{
    if (!tile_fits(device, t))
        return status_fail(STATUS_DEVICE,
                           "opencl: %s: %s allows groups of %u and %u bytes of local memory, "
                           "convolutions need %zu and %zu",
                           step->name, device->info.name, device->info.max_group,
                           device->info.local_memory, tile_threads(t), tile_local(t));
    return STATUS_OK;
}

static Status tile_launch(Device *device, Prepared *prepared, const GroupTile *t, const char *name,
                          const size_t global[3], size_t threads, Launch **launch)
{
    char options[64];
    snprintf(options, sizeof options, "-DLANES=4 -DBM=%d -DVECS=%d -DTM=%d", t->rows, t->vecs,
             t->item_rows);
    return launch_add(device, prepared, "conv_gpu", options, name, global,
                      (size_t[3]){threads, 1, 1}, launch);
}

/* A launch of the convolution file with `groups` groups of a tile's work-items. */
static Status group_launch(Device *device, Prepared *prepared, const GroupTile *t, const char *name,
                           const size_t groups[3], Launch **launch)
{
    size_t threads = tile_threads(t), global[3] = {groups[0] * threads, groups[1], groups[2]};
    return tile_launch(device, prepared, t, name, global, threads, launch);
}

/* A launch with one item for each of `count` values. */
static Status each_launch(Device *device, Prepared *prepared, const GroupTile *t, const char *name,
                          uint64_t count, Launch **launch)
{
    size_t global[3] = {(size_t)((count + EACH_GROUP - 1) / EACH_GROUP * EACH_GROUP), 1, 1};
    return tile_launch(device, prepared, t, name, global, EACH_GROUP, launch);
}

static Status direct_prepare(Device *device, Step *step, Prepared *prepared)
{
    const ConvDesc *d = &step->conv;
    const GroupTile *t = group_tile(device, step);
    ConvTileArgs a = {.s = conv_shape(d, d->op, t->vecs),
                      .backward = d->op == CONV_GRAD_DATA,
                      .relu = d->relu,
                      .accumulate = d->accumulate};
    int step_out = a.s.out_stride;
    int pixels = div_up(a.s.out_height, step_out) * div_up(a.s.out_width, step_out);
    size_t groups[3] = {(size_t)div_up(pixels, t->rows), (size_t)a.s.tiles,
                        (size_t)(d->N * step_out * step_out)};
    bool forward = d->op == CONV_FORWARD;
    Ref none = {0};
    Launch *launch;
    TRY(group_launch(device, prepared, t, "conv_tile", groups, &launch));
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
    const GroupTile *t = group_tile(device, step);
    ConvPackArgs a = {.s = conv_shape(d, d->packed_for, t->vecs),
                      .backward = d->packed_for == CONV_GRAD_DATA};
    Launch *launch;
    TRY(each_launch(device, prepared, t, "conv_pack_each", conv_packed_floats(&a.s), &launch));
    TRY(launch_ref(device, launch, step->refs[0]));
    TRY(launch_ref(device, launch, step->refs[1]));
    return launch_value(launch, &a, sizeof a);
}

/* Images, and bands of their pixels, are split until the groups keep the device busy. */
static ConvWeightArgs plan_weight(const Device *device, const ConvDesc *d, const GroupTile *t)
{
    enum { LEAST_BANDS = 8 }; /* of a split, whose sums are written and read once more */
    ConvWeightArgs a = {.s = conv_shape(d, CONV_FORWARD, t->vecs), .images = d->N};
    a.taps = d->S * a.s.lanes;
    a.split_floats = (long)a.s.tiles * a.s.tile_blocks * d->R * a.taps * t->vecs * 16;
    int groups = div_up(a.s.tile_blocks * d->R * a.taps, t->rows) * a.s.tiles;
    a.bands = div_up(d->P * d->Q, DEPTH);
    int64_t most = ((int64_t)d->N * a.bands + LEAST_BANDS - 1) / LEAST_BANDS;
    int wanted = max_int(1, GROUPS_PER_UNIT * (int)device->info.units / groups);
    a.splits = most < wanted ? (int)most : wanted;
    return a;
}

static Status weight_prepare(Device *device, Step *step, Prepared *prepared)
{
    const ConvDesc *d = &step->conv;
    const GroupTile *t = group_tile(device, step);
    ConvWeightArgs a = plan_weight(device, d, t);
    size_t groups[3] = {(size_t)div_up(a.s.tile_blocks * d->R * a.taps, t->rows), (size_t)a.s.tiles,
                        (size_t)a.splits};
    Launch *launch;
    TRY(group_launch(device, prepared, t, "conv_weight_tile", groups, &launch));
    TRY(launch_ref(device, launch, step->refs[0]));
    TRY(launch_ref(device, launch, step->refs[1]));
    TRY(launch_ref(device, launch, step->workspace));
    TRY(launch_value(launch, &a, sizeof a));
    ConvUnpackArgs u = {
        .s = a.s, .split_floats = a.split_floats, .taps = a.taps, .splits = a.splits};
    uint64_t weights = (uint64_t)d->K * (uint64_t)a.s.in_group * (uint64_t)(d->R * d->S);
    TRY(each_launch(device, prepared, t, "conv_unpack_each", weights, &launch));
    TRY(launch_ref(device, launch, step->workspace));
    TRY(launch_ref(device, launch, step->refs[2]));
    return launch_value(launch, &u, sizeof u);
}

/* The default first, then what fits the device and is less than half idle columns. */
const char *conv_gpu_candidate(const Device *device, const Step *step, int i)
{
    if (step->conv.op == CONV_PACK)
        return NULL;
    int blocks = out_blocks(&step->conv, step->conv.op), kind = step->conv.op == CONV_GRAD_WEIGHT;
    const GroupTile *own = default_tile(device, &step->conv, step->conv.op);
    if (i == 0)
        return own->names[kind];
    for (int t = 0; t < TILE_COUNT; t++)
        if (&tiles[t] != own && tile_fits(device, &tiles[t]) && tiles[t].vecs < 2 * blocks &&
            --i == 0)
            return tiles[t].names[kind];
    return NULL;
}

Status conv_gpu_choose(Device *device, Step *step)
{
    const ConvDesc *d = &step->conv;
    const GroupTile *t = group_tile(device, step);
    TRY(group_check(device, step, t));
    step->algorithm = t->names[op_of(d) == CONV_GRAD_WEIGHT];
    if (d->op == CONV_GRAD_WEIGHT) {
        ConvWeightArgs a = plan_weight(device, d, t);
        step->workspace_bytes = 4 * (uint64_t)a.split_floats * (uint64_t)a.splits;
    } else if (d->op != CONV_PACK) {
        ConvShape s = conv_shape(d, d->op, t->vecs);
        step->packed_bytes = 4 * conv_packed_floats(&s);
        step->packed_layout = conv_layout(d, t->vecs, 1);
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
