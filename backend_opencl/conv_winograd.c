/* Winograd's form of 3x3 convolutions on processors (kernels_cl/conv_winograd.cl): where it applies, how an image is cut
 * into work-items, and what that is worth. */
#include "conv.h"

enum {
    FREQUENCIES = 16,             /* of the 4 x 4 pixels that a square of 2 x 2 out-pixels needs */
    SPECTRUM_BYTES = 256 << 10,   /* transformed pixels of a work-item: second cache */
    LARGE_WEIGHTS = 8 << 20,
    ITEMS_PER_UNIT = 4,           /* work-items per core */
    TRANSFORM_COST = 48,          /* of a square of one block there or back, in multiplications of vectors */
};

long winograd_tile_floats(const ConvShape *s)
{
    return (long)s->in_blocks * FREQUENCIES * 16 * s->vecs * 16;
}

size_t winograd_bytes(const ConvShape *s, int places, int tile)
{
    size_t spectra = (size_t)s->in_blocks * (size_t)places, products = (size_t)tile * (size_t)s->vecs;
    return (spectra + products) * FREQUENCIES * 64;
}

static size_t room(const Device *device)
{
    return device->info.local_memory / 4 * 3;
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
    if (d->R != 3 || d->S != 3 || d->stride != 1 || d->pad != 1 || d->groups != 1 || min_int(d->C, d->K) < 16)
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

/* Rows of squares of a work-item: those that waste the fewest places; of equals as many as the second cache holds. */
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
    double transforms = (double)columns_of(&s) * height_of(&s) * TRANSFORM_COST * (s.in_blocks + s.out_blocks);
    double worth = 9.0 * s.out_height * s.out_width * s.in_channels * s.out_blocks / (products + transforms);
    /* Weights that no private cache holds arrive late, TILE products for each. */
    bool large = winograd_tile_floats(&s) * 4 * s.tiles > LARGE_WEIGHTS;
    return large ? worth * tile / (tile + 4) : worth;
}

int winograd_args(const Device *device, const ConvDesc *d, ConvOp op, int tile, int vecs, ConvWinogradArgs *args)
{
    ConvShape s = conv_shape(d, op, vecs);
    s.w_tile = winograd_tile_floats(&s);
    int rows = choose_rows(device, &s, d->N, tile);
    *args = (ConvWinogradArgs){.s = s, .columns = columns_of(&s), .height = height_of(&s), .rows = rows,
                               .places = round_up(rows * columns_of(&s), tile), .relu = d->relu,
                               .accumulate = d->accumulate};
    return div_up(height_of(&s), rows);
}
