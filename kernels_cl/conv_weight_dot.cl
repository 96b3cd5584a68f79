/* Weight gradient of a convolution for processors that multiply pairs of bf16 and add to float32 (dot_pairs).
 *
 * A pair are the same pixel of two images: taps and strides shift both alike, and no row has an odd end. Bands of
 * in-pixels and of out-pixels come to local memory as pairs, the first image's in the lower half of each uint; an odd
 * last image is paired with zeros. The rest is as in conv_weight_cpu.cl: columns and in-channels of a kernel row are one
 * axis [S][lanes], a register tile is TILE places of it times VECS vectors of out-channels, and conv_unpack sums the
 * shares. The dot product takes numbers below the smallest normal one for zeros. */

/* Brings sixteen channels from p on, with those of the image `second` elements further, to `to`; 0: there is none.
 * They are loaded as uints, as which they are aligned: ushorts are, by LLVM 14, in parts. */
static inline void copy_pairs(LOCAL uint *to, GLOBAL const act *p, long second)
{
    const ushort16 a = as_ushort16(vload8(0, (GLOBAL const uint *)p));
    const ushort16 b = as_ushort16(vload8(0, (GLOBAL const uint *)(p + second))) & (ushort16)(second ? 0xffff : 0);
    vstore8(as_uint8(INTERLEAVE_LOW(ushort16, a, b)), 0, to);
    vstore8(as_uint8(INTERLEAVE_HIGH(ushort16, a, b)), 1, to);
}

static inline uint load_pair(GLOBAL const act *p, long second)
{
    return second ? *p | (uint)p[second] << 16 : *p;
}

/* What out-rows i0... from out-column j0 on need of one in-block: [row][cols][lanes], zeros where there is no pixel, and
 * TILE zeros behind the end, which the last register tile of a row may reach. */
static inline void copy_in(LOCAL uint *band, GLOBAL const act *plane, long second, int i0, int j0, int band_rows,
                           const ConvWeightArgs *a)
{
    const ConvShape *s = &a->s;
    const int lanes = s->lanes, skip = s->in_stride - a->col_pitch;
    for (int l = 0; l < band_rows; l++) {
        const int y = (i0 + l / a->row_pitch) * s->in_stride + l % a->row_pitch - s->pad;
        const bool row_inside = y >= 0 && y < s->in_height;
        int x = j0 * s->in_stride - s->pad;
        for (int i = 0, phase = 0; i < a->cols; i++, x++, band += lanes) {
            const bool inside = row_inside && x >= 0 && x < s->in_width;
            GLOBAL const act *from = plane + ((long)y * s->in_width + x) * 16;
            if (lanes == 16 && inside)
                copy_pairs(band, from, second);
            else if (lanes == 16)
                vstore16((pairs)(0), 0, band);
            else
                for (int c = 0; c < lanes; c++)
                    band[c] = inside ? load_pair(from + c, second) : 0;
            if (++phase == a->col_pitch) {
                phase = 0;
                x += skip;
            }
        }
    }
    for (int i = 0; i < TILE; i++)
        band[i] = 0;
}

/* Out-pixels, rows x count from dy on, of one tile: [row][count][KT]. Blocks past the end repeat the last, and nobody
 * reads their sums. */
static inline void copy_out(LOCAL uint *to, GLOBAL const act *dy, long second, int rows, int count, int tile,
                            const ConvShape *s)
{
    for (int k = 0; k < VECS; k++) {
        GLOBAL const act *block = dy + min(tile * VECS + k, s->out_blocks - 1) * s->out_block;
        LOCAL uint *at = to + k * 16;
        for (int i = 0; i < rows; i++, block += (long)s->out_width * 16)
            for (int j = 0; j < count; j++, at += KT)
                copy_pairs(at, block + j * 16, second);
    }
}

/* Adds bands of rows x count out-pixels, of several pairs of images, to the sums [R][taps][KT] of one tile and block. */
static inline void band_add(LOCAL const uint *band, LOCAL const uint *outs, GLOBAL float *sums, int images, int rows,
                            int count, bool fresh, const ConvWeightArgs *a)
{
    const int line = a->cols * a->s.lanes, step = a->col_pitch * a->s.lanes;
    if (a->s.R == 1 && count == a->cols) { /* 1x1: the rows of a band are one */
        count *= rows;
        rows = 1;
    }
    for (int r = 0; r < a->s.R; r++)
        for (int q0 = 0; q0 < a->taps; q0 += TILE, sums += TILE * KT) {
            LOCAL const uint *y = outs;
            TILE_LOAD(sums, fresh)
            for (int n = 0; n < images; n += 2)
                for (int i = 0; i < rows; i++) {
                    LOCAL const uint *x = band + n / 2 * a->band_floats + (i * a->row_pitch + r) * line + q0;
                    for (int p = 0; p < count; p++, x += step, y += KT) {
                        pairs yv[VECS];
                        UNROLL
                        for (int k = 0; k < VECS; k++)
                            yv[k] = vload16(k, y);
                        UNROLL
                        for (int q = 0; q < TILE; q++) {
                            UNROLL
                            for (int k = 0; k < VECS; k++)
                                acc[q][k] = dot_pairs(acc[q][k], (pairs)(x[q]), yv[k]);
                        }
                    }
                }
            TILE_STORE(sums)
        }
}

/* Items: (tiles / item_tiles, in-blocks / item_blocks, splits). refs x, dy, workspace. */
KERNEL ONE void conv_weight_dot(SUMS_REFS, LOCAL uint *band, ConvWeightArgs a)
{
    SUMS_PLACES;
    const ConvShape *s = &a.s;
    ITEM_TILES(a);
    const int block0 = ITEM(1) * a.item_blocks, block1 = min(block0 + a.item_blocks, s->in_blocks);
    LOCAL uint *outs = band + a.group / 2 * a.band_floats;
    ITEM_UNITS(a);
    sums += ITEM(2) * a.split_floats;
    for (long unit = unit0; unit < unit1; unit++) {
        const int n0 = unit / a.bands * a.group, images = min(a.group, a.images - n0);
        const int i0 = unit % a.bands / a.parts * a.rows, j0 = unit % a.bands % a.parts * a.part_cols;
        const int rows = min(a.rows, s->out_height - i0), count = min(a.part_cols, s->out_width - j0);
        const int pair_words = rows * count * KT, tile_words = (images + 1) / 2 * pair_words;
        for (int tile = tile0; tile < tile1; tile++)
            for (int n = 0; n < images; n += 2)
                copy_out(outs + (tile - tile0) * tile_words + n / 2 * pair_words,
                         dy + (n0 + n) * s->out_image + ((long)i0 * s->out_width + j0) * 16,
                         n + 1 < images ? s->out_image : 0, rows, count, tile, s);
        for (int block = block0; block < block1; block++) {
            for (int n = 0; n < images; n += 2)
                copy_in(band + n / 2 * a.band_floats, x + (n0 + n) * s->in_image + block * s->in_block,
                        n + 1 < images ? s->in_image : 0, i0, j0, (rows - 1) * a.row_pitch + s->R, &a);
            for (int tile = tile0; tile < tile1; tile++)
                band_add(band, outs + (tile - tile0) * tile_words,
                         sums + ((long)tile * s->in_blocks + block) * s->R * a.taps * KT, images, rows, count,
                         unit == unit0, &a);
        }
    }
}
