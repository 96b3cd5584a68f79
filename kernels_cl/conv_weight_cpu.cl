/* Weight gradient of a convolution for processors.
 *
 * A work-item takes a share of the images' bands, a range of out-channel tiles and of in-blocks,
 * and adds to its own tiles in workspace; conv_unpack sums the shares in one order. Columns and
 * in-channels of a kernel row are neighbours in a band, so [S][lanes] is one axis: a register tile
 * is TILE places of it times VECS vectors of out-channels, summed over the band's pixels. Small images are
 * taken together, `group` of them, so that the sums in memory are read and written less often. */

/* Offsets of the out-blocks of a tile; those past the end repeat the last, and nobody reads their
 * sums. */
#define BLOCK_OFFSETS(offset, s, tile) \
    long offset[VECS];                 \
    UNROLL                             \
    for (int k = 0; k < VECS; k++)     \
        offset[k] = min((tile)*VECS + k, (s)->out_blocks - 1) * (s)->out_block;

/* Floats of a pixel in a band, and where places of the axis [S][lanes] begin in a row of one: groups (conv_common.h)
 * are spread out of whole blocks, TILE being the group. */
#ifdef GROUP
#define BAND_LANES(s) 16
#define BAND_PLACE(q) ((q) / GROUP * 16)
#define PLACES(x) vec block_ = LOAD(x);
#define PLACE_AT(x, q) SPREAD(block_, q)
#else
#define BAND_LANES(s) (s)->lanes
#define BAND_PLACE(q) (q)
#define PLACES(x)
#define PLACE_AT(x, q) (vec)((x)[q])
#endif

/* The same for images in place, of TILE places from q0 on: 16 bits are brought into floats a vector at a time. */
#ifdef STORED_16
#define POINT_PLACES(x) float lanes_[16]; STORE(lanes_, LOADA((x) - q0));
#define POINT_AT(x, q) (vec)(lanes_[q0 + (q)])
#else
#define POINT_PLACES(x)
#define POINT_AT(x, q) (vec)((x)[q])
#endif

/* Adds x[q] dy over `count` pixels: x moves on by `step` elements, dy by 16. */
#define PIXELS(x, dy, step, count, PLACES, PLACE_AT)   \
    for (int p = 0; p < (count); p++) {                \
        vec yv[VECS];                                  \
        UNROLL                                         \
        for (int k = 0; k < VECS; k++)                 \
            yv[k] = LOADA((dy) + offset[k]);           \
        PLACES(x)                                      \
        UNROLL                                         \
        for (int q = 0; q < TILE; q++) {               \
            vec xv = PLACE_AT(x, q);                   \
            UNROLL                                     \
            for (int k = 0; k < VECS; k++)             \
                acc[q][k] = fma(xv, yv[k], acc[q][k]); \
        }                                              \
        x += (step);                                   \
        dy += 16;                                      \
    }

/* Copies what out-rows i0... from out-column j0 on need of one block: [row][cols][lanes], zeros where there is no
 * pixel, and TILE zeros behind the end, which the last register tile of a row may reach. */
static inline void copy_band(LOCAL float *band, GLOBAL const act *plane, int i0, int j0, int band_rows,
                             const ConvWeightArgs *a)
{
    const ConvShape *s = &a->s;
    const int lanes = BAND_LANES(s);
    for (int l = 0; l < band_rows; l++) {
        int y = (i0 + l / a->row_pitch) * s->in_stride + l % a->row_pitch - s->pad;
        for (int i = 0; i < a->cols; i++, band += lanes) {
            int x = (j0 + i / a->col_pitch) * s->in_stride + i % a->col_pitch - s->pad;
            bool inside = y >= 0 && y < s->in_height && x >= 0 && x < s->in_width;
            GLOBAL const act *from = plane + ((long)y * s->in_width + x) * 16;
            if (lanes == 16)
                STORE(band, inside ? LOADA(from) : (vec)(0.f));
            else
                for (int c = 0; c < lanes; c++)
                    band[c] = inside ? LOAD1(from + c) : 0.f;
        }
    }
    for (int i = 0; i < TILE; i++)
        band[i] = 0.f;
}

/* Adds bands of rows x count out-pixels, of several images, to the sums [R][taps][KT] of one tile and block. */
static inline void band_add(LOCAL const float *band, GLOBAL const act *dy, GLOBAL float *sums, int images, int rows,
                            int count, int tile, int fresh, const ConvWeightArgs *a)
{
    const ConvShape *s = &a->s;
    const int line = a->cols * BAND_LANES(s), step = a->col_pitch * BAND_LANES(s);
    BLOCK_OFFSETS(offset, s, tile)
    for (int r = 0; r < s->R; r++)
        for (int q0 = 0; q0 < a->taps; q0 += TILE, sums += TILE * KT) {
            TILE_LOAD(sums, fresh)
            for (int n = 0; n < images; n++)
                for (int i = 0; i < rows; i++) {
                    LOCAL const float *x =
                        band + n * a->band_floats + (i * a->row_pitch + r) * line + BAND_PLACE(q0);
                    GLOBAL const act *y = dy + n * s->out_image + (long)i * s->out_width * 16;
                    PIXELS(x, y, step, count, PLACES, PLACE_AT)
                }
            TILE_STORE(sums)
        }
}

/* Items: (tiles / item_tiles, in-blocks / item_blocks, splits). refs x, dy, workspace. */
KERNEL ONE void conv_weight_band(SUMS_REFS, LOCAL float *band, ConvWeightArgs a)
{
    SUMS_PLACES;
    const ConvShape *s = &a.s;
    ITEM_TILES(a);
    const int block0 = max((int)ITEM(1) * a.item_blocks, first_block(s, tile0));
    const int block1 =
        min((int)(ITEM(1) + 1) * a.item_blocks, first_block(s, tile1 - 1) + s->tile_blocks);
    ITEM_UNITS(a);
    sums += ITEM(2) * a.split_floats;
    for (long unit = unit0; unit < unit1; unit++) {
        const int n0 = unit / a.bands * a.group, images = min(a.group, a.images - n0);
        const int i0 = unit % a.bands / a.parts * a.rows, j0 = unit % a.bands % a.parts * a.part_cols;
        const int rows = min(a.rows, s->out_height - i0), count = min(a.part_cols, s->out_width - j0);
        const int band_rows = (rows - 1) * a.row_pitch + s->R;
        for (int block = block0; block < block1; block++) {
            for (int n = 0; n < images; n++)
                copy_band(band + n * a.band_floats, x + (n0 + n) * s->in_image + block * s->in_block, i0, j0,
                          band_rows, &a);
            for (int tile = tile0; tile < tile1; tile++) {
                int b = block - first_block(s, tile);
                if (b >= 0 && b < s->tile_blocks)
                    band_add(band, dy + n0 * s->out_image + ((long)i0 * s->out_width + j0) * 16,
                             sums + ((long)tile * s->tile_blocks + b) * s->R * a.taps * KT, images, rows,
                             count, tile, unit == unit0, &a);
            }
        }
    }
}

/* 1x1, stride 1: x in place; bands are ranges of `rows` pixels. Otherwise as conv_weight_band. */
KERNEL ONE void conv_weight_point(SUMS_REFS, ConvWeightArgs a)
{
    SUMS_PLACES;
    const ConvShape *s = &a.s;
    ITEM_TILES(a);
    const int pixels = s->out_height * s->out_width;
    ITEM_UNITS(a);
    sums += ITEM(2) * a.split_floats;
    for (long unit = unit0; unit < unit1; unit++) {
        const int n0 = unit / a.bands * a.group, n1 = min(n0 + a.group, a.images);
        const int p0 = unit % a.bands * a.rows, count = min(a.rows, pixels - p0);
        for (int tile = tile0; tile < tile1; tile++) {
            const int first = first_block(s, tile);
            const int block0 = max((int)ITEM(1) * a.item_blocks, first);
            const int block1 = min((int)(ITEM(1) + 1) * a.item_blocks, first + s->tile_blocks);
            BLOCK_OFFSETS(offset, s, tile)
            for (int block = block0; block < block1; block++)
                for (int q0 = 0; q0 < 16; q0 += TILE) {
                    GLOBAL float *d =
                        sums + (((long)tile * s->tile_blocks + block - first) * 16 + q0) * KT;
                    TILE_LOAD(d, unit == unit0)
                    for (int n = n0; n < n1; n++) {
                        GLOBAL const act *xp = x + n * s->in_image + block * s->in_block + (long)p0 * 16 + q0;
                        GLOBAL const act *yp = dy + n * s->out_image + (long)p0 * 16;
                        PIXELS(xp, yp, 16, count, POINT_PLACES, POINT_AT)
                    }
                    TILE_STORE(d)
                }
        }
    }
}
