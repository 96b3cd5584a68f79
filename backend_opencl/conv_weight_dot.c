/* Weight gradient of dense convolutions on processors that multiply pairs of bf16, as
 * kernels_cl/conv_weight_dot.cl has it: how its bands, items and groups of images are cut. */
#include "conv.h"

enum {
    BAND_PAIRS = 256,       /* of out-pixels that are summed at once, where there are so many */
    SUMS_BYTES = 512 << 10, /* that an item adds to: second cache */
    ITEM_TILES = 8,         /* of an item at most: its pixels are copied once */
    ITEM_BLOCKS = 16,
};

/* Local memory of a unit of work: in-pixels of a block and out-pixels of the item's tiles. */
static size_t unit_bytes(const ConvWeightArgs *a)
{
    size_t out = (size_t)a->item_tiles * (size_t)a->s.vecs * 16 * (size_t)(a->rows * a->part_cols);
    return 4 * ((size_t)a->band_floats + out) * (size_t)(a->group / 2);
}

/* Bands of at most `rows` out-rows and `columns` out-columns. */
static void cut_bands(const ConvDesc *d, int rows, int columns, int tile, ConvWeightArgs *a)
{
    a->parts = div_up(d->Q, columns);
    a->part_cols = div_up(d->Q, a->parts);
    a->parts = div_up(d->Q, a->part_cols);
    a->bands = div_up(d->P, rows);
    a->rows = div_up(d->P, a->bands);
    a->bands = div_up(d->P, a->rows) * a->parts;
    a->cols = (a->part_cols - 1) * a->col_pitch + d->S;
    a->band_floats = ((a->rows - 1) * a->row_pitch + d->R) * a->cols * a->s.lanes + tile;
}

/* Tiles and blocks of an item, and its bands: first what is fast, then less of it until it fits. */
static void cut_item(const Device *device, const ConvDesc *d, int tile, ConvWeightArgs *a)
{
    int columns = min_int(d->Q, BAND_PAIRS), rows = min_int(d->P, BAND_PAIRS / columns);
    int sums = (int)sizeof(float) * d->R * a->taps * a->s.vecs * 16; /* of a tile and a block */
    a->item_tiles = min_int(a->s.tiles, d->R * d->S == 1 ? ITEM_TILES : ITEM_TILES / 2);
    a->item_blocks = min_int(a->s.in_blocks, ITEM_BLOCKS);
    a->item_blocks = max_int(1, min_int(a->item_blocks, SUMS_BYTES / sums / a->item_tiles));
    cut_bands(d, rows, columns, tile, a);
    while (unit_bytes(a) > device->info.local_memory && a->item_tiles * rows * columns > 1) {
        if (a->item_tiles > 1)
            a->item_tiles = div_up(a->item_tiles, 2);
        else if (rows > 1)
            rows = div_up(rows, 2);
        else
            columns = div_up(columns, 2);
        cut_bands(d, rows, columns, tile, a);
    }
}

/* Images taken together where each is a single band of few pixels, without leaving cores idle. */
static int images_together(const Device *device, const ConvDesc *d, int items,
                           const ConvWeightArgs *a)
{
    int splits = conv_splits(device, items, d->N);
    int few = min_int(div_up(BAND_PAIRS, d->P * d->Q), d->N / 2 / splits);
    int fit = (int)(device->info.local_memory / unit_bytes(a)); /* pairs, as `few` */
    return a->bands == 1 ? 2 * max_int(1, min_int(few, fit)) : 2;
}

static void dot_plan(const Device *device, const ConvDesc *d, ConvSums *sums, ConvWeightArgs *args)
{
    const int vecs = conv_sums_vecs(device, d), tile = conv_sums_tile(device, vecs);
    ConvWeightArgs a = {.s = conv_shape(d, CONV_GRAD_WEIGHT, vecs, PACKING_ITEMS),
                        .images = d->N,
                        .group = 2,
                        .row_pitch = min_int(d->stride, d->R),
                        .col_pitch = min_int(d->stride, d->S)};
    a.taps = round_up(d->S * a.s.lanes, tile);
    a.split_floats = (long)a.s.tiles * a.s.in_blocks * d->R * a.taps * vecs * 16;
    cut_item(device, d, tile, &a);
    int columns = div_up(a.s.tiles, a.item_tiles), blocks = div_up(a.s.in_blocks, a.item_blocks);
    a.group = images_together(device, d, columns * blocks, &a);
    a.splits = conv_splits(device, columns * blocks, div_up(d->N, a.group) * a.bands);
    *sums = (ConvSums){
        .vecs = vecs,
        .tile = tile,
        .items = {columns, blocks, a.splits},
        .local = unit_bytes(&a),
        .unpack = {.s = a.s, .split_floats = a.split_floats, .taps = a.taps, .splits = a.splits}};
    *args = a;
}

static bool dot_applies(const Device *device, const Step *step, const Algorithm *how)
{
    (void)how;
    const ConvDesc *d = &step->conv;
    if (!device->dot_bf16 || d->type != DTYPE_BF16 || d->groups > 1)
        return false;
    ConvSums sums;
    ConvWeightArgs args;
    dot_plan(device, d, &sums, &args);
    return sums.local <= device->info.local_memory;
}

/* Behind all others for a single image, which is paired with zeros. */
static double dot_worth(const Device *device, const Step *step, const Algorithm *how)
{
    enum { BEHIND = 100 };
    (void)device;
    return step->conv.N > 1 ? -how->rank : -how->rank - BEHIND;
}

static Status dot_choose(const Device *device, Step *step, const Algorithm *how)
{
    (void)how;
    ConvSums sums;
    ConvWeightArgs args;
    dot_plan(device, &step->conv, &sums, &args);
    step->workspace_bytes = conv_sums_bytes(&sums);
    return STATUS_OK;
}

static Status dot_prepare(const Device *device, const Step *step, const Algorithm *how,
                          Prepared *prepared)
{
    ConvSums sums;
    ConvWeightArgs args;
    ConvOptions options;
    dot_plan(device, &step->conv, &sums, &args);
    conv_cpu_options(&step->conv, how->method->packing, sums.tile, sums.vecs, options);
    return conv_sums_launch(step, &sums,
                            (ConvKernel){"conv_weight_dot", options, "conv_weight_dot"}, &args,
                            sizeof args, (ConvKernel){"conv_pack", "-DLANES=16", "conv_unpack"},
                            prepared);
}

const Method conv_weight_dot = {.serves = 1 << ALGORITHM_GRAD_WEIGHT,
                                .processor = true,
                                .packing = PACKING_PAIRS,
                                .applies = dot_applies,
                                .worth = dot_worth,
                                .choose = dot_choose,
                                .prepare = dot_prepare};
