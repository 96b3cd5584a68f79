/* Winograd's form of 3x3 convolutions on processors (kernels_cl/conv_winograd.cl): where it
 * applies, how an image is cut into work-items, and what that is worth. */
#include "conv.h"

enum {
    SPECTRUM_BYTES = 256 << 10, /* transformed pixels of a work-item: second cache */
    LARGE_WEIGHTS = 8 << 20,    /* bytes that no private cache holds */
    TRANSFORM_COST = 48, /* of a square of one block there or back, in multiplications of vectors */
};

long winograd_tile_floats(const ConvShape *s)
{
    return (long)s->in_blocks * FREQUENCIES * 16 * s->vecs * 16;
}

size_t winograd_bytes(const ConvShape *s, int places, int tile)
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

bool winograd_applies(const Device *device, const ConvDesc *d, ConvOp op, int tile, int vecs)
{
    if (!shape_applies(d))
        return false;
    ConvShape s = conv_shape(d, op, vecs);
    return winograd_bytes(&s, round_up(columns_of(&s), tile), tile) <= room(device);
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
        size_t bytes = winograd_bytes(s, round_up(rows * columns_of(s), tile), tile);
        int places = image_places(s, rows, tile), least = image_places(s, best, tile);
        if (bytes > room(device))
            break;
        if (places < least || (places == least && bytes <= SPECTRUM_BYTES))
            best = rows;
    }
    return best;
}

double winograd_worth(const Device *device, const ConvDesc *d, ConvOp op, int tile, int vecs)
{
    ConvShape s = conv_shape(d, op, vecs);
    double places = image_places(&s, choose_rows(device, &s, d->N, tile), tile);
    double products = places * FREQUENCIES * s.in_channels * s.out_blocks;
    double transforms =
        (double)columns_of(&s) * height_of(&s) * TRANSFORM_COST * (s.in_blocks + s.out_blocks);
    double worth =
        9.0 * s.out_height * s.out_width * s.in_channels * s.out_blocks / (products + transforms);
    /* Weights that no private cache holds arrive late, TILE products for each. */
    bool large = winograd_tile_floats(&s) * 4 * s.tiles > LARGE_WEIGHTS;
    return large ? worth * tile / (tile + 4) : worth;
}

int winograd_args(const Device *device, const ConvDesc *d, ConvOp op, int tile, int vecs,
                  ConvWinogradArgs *args)
{
    ConvShape s = conv_shape(d, op, vecs);
    s.w_tile = winograd_tile_floats(&s);
    int rows = choose_rows(device, &s, d->N, tile);
    *args = (ConvWinogradArgs){.s = s,
                               .columns = columns_of(&s),
                               .height = height_of(&s),
                               .rows = rows,
                               .places = round_up(rows * columns_of(&s), tile),
                               .relu = d->relu,
                               .accumulate = d->accumulate};
    return div_up(height_of(&s), rows);
}

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

bool winograd_weight_applies(const Device *device, const ConvDesc *d, int vecs)
{
    ConvWinogradWeightArgs args;
    return shape_applies(d) && winograd_weight_args(device, d, vecs, &args) <= room(device);
}

bool winograd_weight_pays(const ConvDesc *d)
{
    return 1.2 * FREQUENCIES * div_up(d->P, 2) * div_up(d->Q, 2) < 9.0 * d->P * d->Q;
}

size_t winograd_weight_args(const Device *device, const ConvDesc *d, int vecs,
                            ConvWinogradWeightArgs *args)
{
    ConvShape s = conv_shape(d, CONV_GRAD_WEIGHT, vecs);
    ConvWinogradWeightArgs a = {.s = s,
                                .images = d->N,
                                .columns = columns_of(&s),
                                .height = height_of(&s),
                                .group = 1,
                                .item_tiles = min_int(s.tiles, ITEM_TILES),
                                .item_blocks = min_int(s.in_blocks, ITEM_BLOCKS)};
    a.split_floats = s.tiles * winograd_tile_floats(&s);
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
    *args = a;
    return weight_bytes(&a);
}
