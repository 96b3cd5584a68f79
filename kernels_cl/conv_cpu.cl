/* Convolution forward and data gradient for processors.
 *
 * A work-item is a whole loop nest over a band of rows of one image: it copies the in-rows it needs
 * into local memory, with zeros around and columns sorted by stride phase, so that the innermost
 * loop is one for every kernel size, stride and padding: one in-channel of TILE pixels, 16 numbers
 * apart, times VECS vectors of out-channels; with DOT_BF16 two in-channels at once, as they are
 * stored. Compile-time: TILE and VECS, the register tile.
 *
 * 1x1 kernels of stride 1 need no band: conv_point reads the image in place, all rows as one. */

/* Stores `valid` pixels of a tile, `pitch` floats apart, the first at out + at. Called instead of inlined it would keep
 * the sums in memory, also while they are added to. */
static inline __attribute__((always_inline)) void store_tile(vec acc[TILE][VECS], GLOBAL act *out, long at, int pitch,
                                                             int valid, int tile, const ConvShape *s, const Ending *end)
{
    UNROLL
    for (int k = 0; k < VECS; k++) {
        int block = tile * VECS + k;
        if (block >= s->out_blocks)
            continue;
        vec bias = end->bias ? bias_load(end->bias, block * 16, s->out_channels) : (vec)(0.f);
        UNROLL
        for (int p = 0; p < TILE; p++) {
            if (p >= valid)
                continue;
            store_ended(acc[p][k] + bias, out, at + block * s->out_block + p * pitch, end);
        }
    }
}

/* What in-rows are copied as. */
#ifdef DOT_BF16
typedef act kept;
#define KEEP(to, from) vstore16(vload16(0, from), 0, to)
#define KEEP_ZERO(to) vstore16((ushort16)(0), 0, to)
#else
typedef float kept;
#define KEEP(to, from) STORE(to, LOADA(from))
#define KEEP_ZERO(to) STORE(to, (vec)(0.f))
#endif

/* Copies in-row y, columns of one phase, into cols pixels at d; zeros where there is no pixel. */
static inline void copy_row(LOCAL kept *d, GLOBAL const act *image, int y, int column,
                            const ConvBandArgs *a)
{
    const int step = a->s.in_stride, W = a->s.in_width;
    int from = 0, to = 0;
    if (y >= 0 && y < a->s.in_height) {
        from = column < 0 ? min((step - 1 - column) / step, a->cols) : 0;
        to = column < W ? min((W - 1 - column) / step + 1, a->cols) : 0;
        to = max(to, from);
    }
    GLOBAL const act *row = image + ((long)y * W + column) * 16;
    for (int i = 0; i < from; i++)
        KEEP_ZERO(d + i * 16);
    for (int i = from; i < to; i++)
        KEEP(d + i * 16, row + (long)i * step * 16);
    for (int i = to; i < a->cols; i++)
        KEEP_ZERO(d + i * 16);
}

/* Copies what out-rows i0... from out-column j0 on need of `blocks` blocks: [block][row][phase][cols][16]. */
static inline void copy_band(LOCAL kept *band, GLOBAL const act *image, int blocks, int i0, int j0,
                             const ConvBandArgs *a)
{
    for (int b = 0; b < blocks; b++, image += a->s.in_block)
        for (int l = 0; l < a->band_rows; l++) {
            int y = (i0 + l / a->row_pitch) * a->s.in_stride + l % a->row_pitch + a->row_base;
            for (int f = 0; f < a->col_pitch; f++, band += a->cols * 16)
                copy_row(band, image, y, f + a->col_base + j0 * a->s.in_stride, a);
        }
}

/* The taps of one output phase along one axis: how many, and how far the first lies behind the
 * base. */
typedef struct Taps {
    int count, shift;
} Taps;

static inline Taps phase_taps(int a, int extent, int pad, int base, const ConvShape *s)
{
    if (s->out_stride == 1)
        return (Taps){extent, 0};
    int first = (a + pad) % s->out_stride;
    int count = first < extent ? (extent - 1 - first) / s->out_stride + 1 : 0;
    return (Taps){count, (a + pad - first) / s->out_stride - (count - 1) - base};
}

/* Sums and stores one row (of a phase) of out-pixels of one tile of channels. */
static inline void band_row(LOCAL const kept *row, GLOBAL const wgt *weights, GLOBAL act *out,
                            long at, int pixels, int blocks, Taps rows, Taps cols, int tile,
                            const ConvBandArgs *a, const Ending *end)
{
    const int lanes = a->s.lanes, pitch = a->s.out_stride * 16;
    const int line = a->col_pitch * a->cols * 16, plane = a->band_rows * line;
    for (int j = 0; j < pixels; j += TILE) {
        GLOBAL const wgt *w = weights;
        vec acc[TILE][VECS];
        CLEAR(acc)
        for (int b = 0; b < blocks; b++)
            for (int t = 0; t < rows.count; t++) {
                LOCAL const kept *x = row + b * plane + t * line + (j + cols.shift) * 16;
                int phase = 0;
                for (int u = 0; u < cols.count; u++) {
                    LOCAL const kept *xp = x + phase * a->cols * 16;
                    ACCUMULATE(xp)
                    if (++phase == a->col_pitch) {
                        phase = 0;
                        x += 16;
                    }
                }
            }
        store_tile(acc, out, at + (long)j * pitch, pitch, pixels - j, tile, &a->s, end);
    }
}

/* One tile of channels over all phases of a band; `weights` is the tile's. first: in-blocks done
 * before. */
static inline void band_tile(LOCAL const kept *band, GLOBAL const wgt *weights, GLOBAL act *out,
                             int i0, int j0, int first, int blocks, int tile, const ConvBandArgs *a,
                             const Ending *end)
{
    const ConvShape *s = &a->s;
    const int line = a->col_pitch * a->cols * 16;
    for (int pa = 0; pa < s->out_stride; pa++) {
        Taps rows = phase_taps(pa, s->R, s->pad, a->row_base, s);
        int height = (s->out_height - pa + s->out_stride - 1) / s->out_stride;
        for (int pb = 0; pb < s->out_stride; pb++) {
            Taps cols = phase_taps(pb, s->S, s->pad, a->col_base, s);
            int width = min((s->out_width - pb + s->out_stride - 1) / s->out_stride - j0, a->part_cols);
            long tap_floats = (long)rows.count * cols.count * s->lanes * KT;
            for (int i = i0; i < min(i0 + a->rows, height); i++)
                band_row(band + ((i - i0) * a->row_pitch + rows.shift) * line,
                         weights + first * tap_floats, out,
                         ((long)(pa + i * s->out_stride) * s->out_width + pb + j0 * s->out_stride) * 16, width, blocks,
                         rows, cols, tile, a, end);
            weights += s->tile_blocks * tap_floats;
        }
    }
}

/* Where sums over a part of the in-blocks lie meanwhile. */
#ifdef STORED_16
#define PARTIAL_REF REF(float, partial),
#define PARTIAL_PLACE PLACE_OR_NULL(float, partial);
#else
#define PARTIAL_REF
#define PARTIAL_PLACE
#endif

/* Items: (tiles / item_tiles, images, bands * parts). refs in, packed weights, bias or none, residual or
 * none, out; in 16 bits also place for partial sums, where there are any. */
KERNEL ONE void conv_band(CONV_REFS, PARTIAL_REF LOCAL kept *band, ConvBandArgs a)
{
    CONV_PLACES;
    PARTIAL_PLACE
    const ConvShape *s = &a.s;
    const int n = ITEM(1), i0 = ITEM(2) / a.parts * a.rows, j0 = ITEM(2) % a.parts * a.part_cols;
    ITEM_TILES(a);
    x += n * s->in_image;
    y += n * s->out_image;
    if (residual)
        residual += n * s->out_image;
    /* One tile at a time where tiles meet different blocks, else one chunk of blocks for all tiles.
     */
    const int together = s->tile_blocks == s->in_blocks ? tile1 - tile0 : 1;
    for (int tile = tile0; tile < tile1; tile += together) {
        int block = first_block(s, tile);
        for (int done = 0; done < s->tile_blocks; done += a.chunk) {
            int blocks = min(a.chunk, s->tile_blocks - done),
                last = done + blocks == s->tile_blocks;
#ifdef STORED_16
            Ending end = {last ? bias : 0, last ? residual : 0, last && a.accumulate, last && a.relu,
                          partial ? partial + n * s->out_image : 0, !last, done > 0};
#else
            Ending end = {last ? bias : 0, last ? residual : 0, a.accumulate || done,
                          last && a.relu};
#endif
            copy_band(band, x + (block + done) * s->in_block, blocks, i0, j0, &a);
            for (int i = 0; i < together; i++)
                band_tile(band, w + (tile + i) * s->w_tile, y, i0, j0, done, blocks, tile + i, &a,
                          &end);
        }
    }
}

/* 1x1, stride 1. Items: (tiles / item_tiles, images, pixels / item_pixels); pixels is a multiple of
 * TILE. */
KERNEL ONE void conv_point(CONV_REFS, ConvPointArgs a)
{
    CONV_PLACES;
    const ConvShape *s = &a.s;
    const int lanes = s->lanes, n = ITEM(1);
    const int p0 = ITEM(2) * a.item_pixels, p1 = min(p0 + a.item_pixels, a.pixels);
    ITEM_TILES(a);
    Ending end = {bias, residual ? residual + n * s->out_image : 0, a.accumulate, a.relu};
    for (int tile = tile0; tile < tile1; tile++) {
        GLOBAL const act *image = x + n * s->in_image + first_block(s, tile) * s->in_block;
        for (int j = p0; j < p1; j += TILE) {
            GLOBAL const wgt *weights = w + tile * s->w_tile;
            vec acc[TILE][VECS];
            CLEAR(acc)
            for (int b = 0; b < s->tile_blocks; b++) {
                GLOBAL const act *from = image + b * s->in_block + (long)j * 16;
                GLOBAL const wgt *w = weights + (long)b * lanes * KT;
#if defined(STORED_16) && !defined(DOT_BF16)
                float xp[TILE * 16];
                UNROLL
                for (int p = 0; p < TILE; p++)
                    STORE(xp + p * 16, LOADA(from + p * 16));
                ACCUMULATE(xp)
#else
                ACCUMULATE(from)
#endif
            }
            store_tile(acc, y + n * s->out_image, (long)j * 16, 16, TILE, tile, s, &end);
        }
    }
}
