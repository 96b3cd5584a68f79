/* Winograd's form of 3x3 convolutions on processors (kernels_cl/conv_winograd.cl): where it
 * applies, how an image is cut into work-items, what that is worth, and the launches. First forward
 * and data gradient, for a register tile of `rows` squares of 2 x 2 out-pixels times vectors of
 * out-channels; then the weight gradient in the same squares. */
#include "conv.h"

#include <string.h>

enum {
    SPECTRUM_BYTES = 256 << 10, /* transformed pixels of a work-item: second cache */
    LARGE_WEIGHTS = 8 << 20,    /* bytes that no private cache holds */
    TRANSFORM_COST = 48, /* of a square of one block there or back, in multiplications of vectors */
};

/* Local memory for that many places (squares, rounded up to the tile). */
static size_t spectrum_bytes(const ConvShape *s, int places, int tile)
{
    size_t spectra = (size_t)s->in_blocks * (size_t)places,
           products = (size_t)tile * (size_t)s->vecs;
    return (spectra + products) * FREQUENCIES * 64;
}

static size_t room(const Device *device)
{
    return device->info.local_memory / 4 * 3;
}

static bool shape_applies(const ConvDesc *d)
{
    return d->R == 3 && d->S == 3 && d->stride == 1 && d->pad == 1 && d->groups == 1 &&
           min_int(d->C, d->K) >= 16;
}

static int columns_of(const ConvShape *s)
{
    return div_up(s->out_width, 2);
}

static int height_of(const ConvShape *s)
{
    return div_up(s->out_height, 2);
}

static bool winograd_applies(const Device *device, const Step *step, const Algorithm *how)
{
    const ConvDesc *d = &step->conv;
    if (!shape_applies(d))
        return false;
    ConvShape s = conv_shape(d, d->op, how->vecs, PACKING_WINOGRAD);
    return spectrum_bytes(&s, round_up(columns_of(&s), how->rows), how->rows) <= room(device);
}

/* Places of an image cut into work-items of `rows` rows. */
static int image_places(const ConvShape *s, int rows, int tile)
{
    int columns = columns_of(s), height = height_of(s);
    return height / rows * round_up(rows * columns, tile) + round_up(height % rows * columns, tile);
}

/* Rows of squares of a work-item: those that waste the fewest places; of equals as many as the
 * second cache holds. */
static int choose_rows(const Device *device, const ConvShape *s, int images, int tile)
{
    int parts = div_up(ITEMS_PER_UNIT * (int)device->info.units, images), best = 1;
    for (int rows = 2; rows <= height_of(s) / parts; rows++) {
        size_t bytes = spectrum_bytes(s, round_up(rows * columns_of(s), tile), tile);
        int places = image_places(s, rows, tile), least = image_places(s, best, tile);
        if (bytes > room(device))
            break;
        if (places < least || (places == least && bytes <= SPECTRUM_BYTES))
            best = rows;
    }
    return best;
}

/* Multiplications of the direct form per multiplication of this one, transformations and waste
 * included: up to 2.25. */
static double saved(const Device *device, const ConvDesc *d, int tile, int vecs)
{
    ConvShape s = conv_shape(d, d->op, vecs, PACKING_WINOGRAD);
    double places = image_places(&s, choose_rows(device, &s, d->N, tile), tile);
    double products = places * FREQUENCIES * s.in_channels * s.out_blocks;
    double transforms =
        (double)columns_of(&s) * height_of(&s) * TRANSFORM_COST * (s.in_blocks + s.out_blocks);
    double worth =
        9.0 * s.out_height * s.out_width * s.in_channels * s.out_blocks / (products + transforms);
    /* Weights that no private cache holds arrive late, TILE products for each. */
    bool large = sizeof(float) * conv_packed_count(&s) > LARGE_WEIGHTS;
    return large ? worth * tile / (tile + 4) : worth;
}

static double winograd_worth(const Device *device, const Step *step, const Algorithm *how)
{
    const ConvDesc *d = &step->conv;
    double zeros = conv_group_worth(d, d->op, how->vecs, PACKING_ITEMS);
    return conv_cpu_worth(device, d, how, zeros) * saved(device, d, how->rows, how->vecs);
}

static Status winograd_choose(const Device *device, Step *step, const Algorithm *how)
{
    (void)device;
    conv_cpu_choose(step, how);
    return STATUS_OK;
}

static Status winograd_prepare(const Device *device, const Step *step, const Algorithm *how,
                               Prepared *prepared)
{
    const ConvDesc *d = &step->conv;
    ConvShape s = conv_shape(d, d->op, how->vecs, PACKING_WINOGRAD);
    int rows = choose_rows(device, &s, d->N, how->rows), bands = div_up(height_of(&s), rows);
    ConvWinogradArgs a = {.s = s,
                          .columns = columns_of(&s),
                          .height = height_of(&s),
                          .rows = rows,
                          .places = round_up(rows * columns_of(&s), how->rows),
                          .item_tiles = conv_split_tiles(device, s.tiles, d->N * bands),
                          .relu = d->relu,
                          .accumulate = d->accumulate};
    int items[3] = {div_up(s.tiles, a.item_tiles), d->N, bands};
    TRY(conv_cpu_launch(step, how, "conv_winograd", "conv_winograd", items, prepared));
    TRY(launch_local(prepared, spectrum_bytes(&s, a.places, how->rows)));
    return launch_value(prepared, &a, sizeof a);
}

static Status winograd_pack(const Device *device, const Step *step, const Algorithm *how,
                            Prepared *prepared)
{
    ConvOptions options;
    conv_cpu_options(&step->conv, PACKING_WINOGRAD, how->rows, how->vecs, options);
    return conv_cpu_pack(device, step, how, "conv_winograd", options, "conv_winograd_pack", prepared);
}

const Method conv_winograd = {.serves = 1 << ALGORITHM_FORWARD | 1 << ALGORITHM_GRAD_DATA,
                              .processor = true,
                              .packing = PACKING_WINOGRAD,
                              .applies = winograd_applies,
                              .worth = winograd_worth,
                              .choose = winograd_choose,
                              .prepare = winograd_prepare,
                              .pack = winograd_pack};

/* ---- weight gradient */

enum {
    BAND_SQUARES = 56, /* of a band at least, where there are so many: the sums in memory are added
                          to once per band */
    ITEM_TILES = 2, /* of a work-item at most: transformed pixels serve all its pairs of channels */
    ITEM_BLOCKS = 4,
};

/* Bytes of the transformed pixels of a work-item. */
static size_t weight_bytes(const ConvWinogradWeightArgs *a)
{
    return (size_t)(a->item_blocks + a->item_tiles * a->s.vecs) * (size_t)a->places * FREQUENCIES *
           64;
}

/* All but splits. */
static ConvWinogradWeightArgs weight_cut(const Device *device, const ConvDesc *d)
{
    ConvShape s = conv_shape(d, CONV_GRAD_WEIGHT, conv_sums_vecs(device, d), PACKING_WINOGRAD);
    ConvWinogradWeightArgs a = {.s = s,
                                .images = d->N,
                                .columns = columns_of(&s),
                                .height = height_of(&s),
                                .group = 1,
                                .item_tiles = min_int(s.tiles, ITEM_TILES),
                                .item_blocks = min_int(s.in_blocks, ITEM_BLOCKS)};
    a.split_floats = (long)conv_packed_count(&s);
    a.rows = min_int(div_up(BAND_SQUARES, a.columns), a.height);
    a.bands = div_up(a.height, a.rows);
    if (a.bands == 1)
        a.group = min_int(div_up(BAND_SQUARES, a.columns * a.height), div_up(d->N, ITEMS_PER_UNIT));
    a.places = a.rows * a.columns * a.group;
    /* Narrow work-items, then bands, to what fits. */
    while (weight_bytes(&a) > room(device) && a.item_tiles * a.item_blocks > 1) {
        a.item_tiles = 1;
        a.item_blocks = div_up(a.item_blocks, 2);
    }
    while (weight_bytes(&a) > room(device) && (a.rows > 1 || a.group > 1)) {
        a.rows = a.group > 1 ? a.rows : div_up(a.rows, 2);
        a.group = div_up(a.group, 2);
        a.bands = div_up(a.height, a.rows);
        a.places = a.rows * a.columns * a.group;
    }
    return a;
}

static bool weight_applies(const Device *device, const Step *step, const Algorithm *how)
{
    (void)how;
    if (!shape_applies(&step->conv))
        return false;
    ConvWinogradWeightArgs a = weight_cut(device, &step->conv);
    return weight_bytes(&a) <= room(device);
}

/* Behind all others where it does not take fewer multiplications. */
static double weight_worth(const Device *device, const Step *step, const Algorithm *how)
{
    enum { BEHIND = 100 };
    (void)device;
    const ConvDesc *d = &step->conv;
    bool pays = 1.2 * FREQUENCIES * div_up(d->P, 2) * div_up(d->Q, 2) < 9.0 * d->P * d->Q;
    return pays ? -how->rank : -how->rank - BEHIND;
}

static void weight_plan(const Device *device, const ConvDesc *d, ConvSums *sums,
                        ConvWinogradWeightArgs *args)
{
    ConvWinogradWeightArgs a = weight_cut(device, d);
    int columns = div_up(a.s.tiles, a.item_tiles), blocks = div_up(a.s.in_blocks, a.item_blocks);
    a.splits = conv_splits(device, columns * blocks, div_up(a.images, a.group) * a.bands);
    *sums = (ConvSums){
        .vecs = a.s.vecs,
        .tile = conv_sums_tile(device, a.s.vecs),
        .items = {columns, blocks, a.splits},
        .local = weight_bytes(&a),
        .unpack = {.s = a.s, .split_floats = a.split_floats, .splits = a.splits}};
    *args = a;
}

static Status weight_choose(const Device *device, Step *step, const Algorithm *how)
{
    (void)how;
    ConvSums sums;
    ConvWinogradWeightArgs args;
    weight_plan(device, &step->conv, &sums, &args);
    step->workspace_bytes = conv_sums_bytes(&sums);
    return STATUS_OK;
}

static Status weight_prepare(const Device *device, const Step *step, const Algorithm *how,
                             Prepared *prepared)
{
    (void)how;
    ConvSums sums;
    ConvWinogradWeightArgs args;
    ConvOptions options;
    weight_plan(device, &step->conv, &sums, &args);
    conv_cpu_options(&step->conv, PACKING_WINOGRAD, sums.tile, sums.vecs, options);
    strcat(options, " -DWEIGHT_GRADIENT");
    return conv_sums_launch(step, &sums,
                            (ConvKernel){"conv_winograd", options, "conv_winograd_weight"}, &args,
                            sizeof args,
                            (ConvKernel){"conv_winograd", options, "conv_winograd_unpack"},
                            prepared);
}

const Method conv_weight_winograd = {.serves = 1 << ALGORITHM_GRAD_WEIGHT,
                                     .processor = true,
                                     .packing = PACKING_WINOGRAD,
                                     .applies = weight_applies,
                                     .worth = weight_worth,
                                     .choose = weight_choose,
                                     .prepare = weight_prepare};
