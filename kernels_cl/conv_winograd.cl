/* Convolution 3x3 of stride 1 and padding 1 for processors, by Winograd's minimal
 * filtering F(2x2, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", section 4.1): a square of
 * 2 x 2 out-pixels takes 16 products per pair of channels instead of 36.
 *
 * A work-item takes rows of squares of one image. It transforms the 4 x 4 in-pixels of every square, B'dB, into local
 * memory, [in-block][16 frequencies][places][16]; every frequency is then a matrix product with weights that were
 * transformed when packed, GgG'; the products of TILE squares go through local memory, [16][TILE][KT], to the
 * transformation back, A'mA. Places beyond the last square are zero.
 *
 * Sums and differences of pixels make a not-a-number of an infinity: it reaches its whole square, where direct convolution
 * would leave it to the pixels that see it.
 *
 * The weight gradient is the transpose of that: G'[(B'dB) (A dy A')]G, summed over all squares between the brackets. */

/* B'dB of the 4 x 4 pixels of a plane from (y, x) on, zeros outside; the frequencies `step` floats apart. */
static inline void transform_in(LOCAL float *to, long step, GLOBAL const act *plane, int y, int x,
                                const ConvShape *s)
{
    const int H = s->in_height, W = s->in_width;
    GLOBAL const act *corner = plane + ((long)y * W + x) * 16;
    vec d[4][4], t[4][4];
    if (y >= 0 && x >= 0 && y + 4 <= H && x + 4 <= W) {
        UNROLL
        for (int i = 0; i < 16; i++)
            d[i / 4][i % 4] = LOADA(corner + ((long)(i / 4) * W + i % 4) * 16);
    } else {
        UNROLL
        for (int i = 0; i < 16; i++) {
            bool inside = y + i / 4 >= 0 && y + i / 4 < H && x + i % 4 >= 0 && x + i % 4 < W;
            d[i / 4][i % 4] = inside ? LOADA(corner + ((long)(i / 4) * W + i % 4) * 16) : (vec)(0.f);
        }
    }
    UNROLL
    for (int j = 0; j < 4; j++) {
        t[0][j] = d[0][j] - d[2][j];
        t[1][j] = d[1][j] + d[2][j];
        t[2][j] = d[2][j] - d[1][j];
        t[3][j] = d[1][j] - d[3][j];
    }
    UNROLL
    for (int i = 0; i < 4; i++, to += 4 * step) {
        STORE(to, t[i][0] - t[i][2]);
        STORE(to + step, t[i][1] + t[i][2]);
        STORE(to + 2 * step, t[i][2] - t[i][1]);
        STORE(to + 3 * step, t[i][1] - t[i][3]);
    }
}

/* All squares of some rows of one block. */
static inline void transform_rows(LOCAL float *to, int places, GLOBAL const act *plane, int row0, int rows,
                                  int columns, const ConvShape *s)
{
    for (int y = row0; y < row0 + rows; y++)
        for (int x = 0; x < columns; x++, to += 16)
            transform_in(to, places * 16, plane, 2 * y - 1, 2 * x - 1, s);
}

#ifndef WEIGHT_GRADIENT /* a program is one or the other: a driver builds each kernel, needed or not */

/* Every block of in-channels of the item's rows. */
static inline void transform_image(LOCAL float *spectra, GLOBAL const act *image, int row0, int squares,
                                   const ConvWinogradArgs *a)
{
    for (int b = 0; b < a->s.in_blocks; b++, image += a->s.in_block) {
        transform_rows(spectra, a->places, image, row0, squares / a->columns, a->columns, &a->s);
        for (int f = 0; f < FREQUENCIES; f++, spectra += a->places * 16)
            for (int i = squares; i < a->places; i++)
                STORE(spectra + i * 16, (vec)(0.f));
    }
}

/* The products of TILE squares, from place j on, with one tile of out-channels. */
static inline void multiply(LOCAL float *products, LOCAL const float *spectra, GLOBAL const wgt *weights, int j,
                            const ConvWinogradArgs *a)
{
    const int lanes = 16;
    for (int f = 0; f < FREQUENCIES; f++) {
        vec acc[TILE][VECS];
        CLEAR(acc)
        for (int b = 0; b < a->s.in_blocks; b++) {
            GLOBAL const wgt *w = weights + (long)(b * FREQUENCIES + f) * 16 * KT;
            LOCAL const float *x = spectra + ((b * FREQUENCIES + f) * a->places + j) * 16;
            ACCUMULATE(x)
        }
        UNROLL
        for (int p = 0; p < TILE; p++)
            UNROLL
        for (int k = 0; k < VECS; k++, products += 16)
            STORE(products, acc[p][k]);
    }
}

typedef struct Square {
    int row, column;
} Square;

static inline Square square_next(Square s, int columns)
{
    return s.column + 1 < columns ? (Square){s.row, s.column + 1} : (Square){s.row + 1, 0};
}

/* A'mA of one square and one vector of out-channels, and its up to four pixels to memory. */
static inline void transform_out(LOCAL const float *products, GLOBAL act *out, long plane, int y, int x, vec bias,
                                 const ConvShape *s, const Ending *end)
{
    vec t[2][4];
    UNROLL
    for (int j = 0; j < 4; j++, products += TILE * KT) {
        vec m1 = LOAD(products + 4 * TILE * KT), m2 = LOAD(products + 8 * TILE * KT);
        t[0][j] = LOAD(products) + m1 + m2;
        t[1][j] = m1 - m2 - LOAD(products + 12 * TILE * KT);
    }
    UNROLL
    for (int i = 0; i < 2; i++) {
        if (y + i >= s->out_height)
            continue;
        long place = plane + ((long)(y + i) * s->out_width + x) * 16;
        store_ended(t[i][0] + t[i][1] + t[i][2] + bias, out, place, end);
        if (x + 1 < s->out_width)
            store_ended(t[i][1] - t[i][2] - t[i][3] + bias, out, place + 16, end);
    }
}

/* Items: (tiles / item_tiles, images, rows of squares / rows). refs in, packed weights, bias or none, residual or none,
 * out. */
KERNEL ONE void conv_winograd(CONV_REFS, LOCAL float *spectra, ConvWinogradArgs a)
{
    CONV_PLACES;
    const ConvShape *s = &a.s;
    const int n = ITEM(1), row0 = ITEM(2) * a.rows, squares = min(a.rows, a.height - row0) * a.columns;
    ITEM_TILES(a);
    LOCAL float *products = spectra + s->in_blocks * FREQUENCIES * a.places * 16;
    Ending end = {bias, residual ? residual + n * s->out_image : 0, a.accumulate, a.relu};
    y += n * s->out_image;
    transform_image(spectra, x + n * s->in_image, row0, squares, &a);
    for (int tile = tile0; tile < tile1; tile++)
        for (int j = 0; j < squares; j += TILE) {
            multiply(products, spectra, w + tile * s->w_tile, j, &a);
            for (int k = 0; k < VECS && tile * VECS + k < s->out_blocks; k++) {
                int block = tile * VECS + k;
                vec added = bias ? bias_load(bias, block * 16, s->out_channels) : (vec)(0.f);
                Square at = {row0 + j / a.columns, j % a.columns};
                for (int p = 0; p < min(TILE, squares - j); p++, at = square_next(at, a.columns))
                    transform_out(products + p * KT + k * 16, y, block * s->out_block, 2 * at.row, 2 * at.column,
                                  added, s, &end);
            }
        }
}

/* ---- packing of weights */

/* The 3 x 3 taps between 16 out-channels from `out` on and the 16 in-channels of a block, [lane][tap]; zeros where
 * there is no channel. Backward they are turned by 180 degrees. */
static inline void load_taps(vec g[16 * 9], GLOBAL const float *w, int out, int block, const ConvPackArgs *a)
{
    const ConvShape *s = &a->s;
    const long out_step = a->backward ? 9 : s->in_channels * 9L, in_step = a->backward ? s->out_channels * 9L : 9;
    const int outs = min(s->out_channels - out, 16), ins = min(s->in_channels - block * 16, 16);
    w += out * out_step + block * 16 * in_step;
    if (!a->backward && outs == 16 && ins == 16) {
        for (int i = 0; i < 9; i++)
            load_columns(g + i * 16, w + i * 16, out_step);
        return;
    }
    for (int i = 0; i < 16 * 9; i++) {
        GLOBAL const float *from = w + i / 9 * in_step + (a->backward ? 8 - i % 9 : i % 9);
        if (outs == 16 && i / 9 < ins) {
            g[i] = gather(from, out_step);
            continue;
        }
        float lanes[16];
        for (int k = 0; k < 16; k++)
            lanes[k] = k < outs && i / 9 < ins ? from[k * out_step] : 0.f;
        g[i] = LOAD(lanes);
    }
}

/* GgG', the frequencies `step` floats apart. */
static inline void transform_weights(GLOBAL float *to, long step, const vec g[9])
{
    vec t[4][3];
    UNROLL
    for (int j = 0; j < 3; j++) {
        vec even = 0.5f * (g[j] + g[6 + j]), odd = 0.5f * g[3 + j];
        t[0][j] = g[j];
        t[1][j] = even + odd;
        t[2][j] = even - odd;
        t[3][j] = g[6 + j];
    }
    UNROLL
    for (int i = 0; i < 4; i++, to += 4 * step) {
        vec even = 0.5f * (t[i][0] + t[i][2]), odd = 0.5f * t[i][1];
        STORE(to, t[i][0]);
        STORE(to + step, even + odd);
        STORE(to + 2 * step, even - odd);
        STORE(to + 3 * step, t[i][2]);
    }
}

/* packed[tile][block][frequency][lane][KT]. Items: (tiles, in-blocks / chunk). */
KERNEL ONE void conv_winograd_pack(CREF(float, w), REF(float, packed), ConvPackArgs a)
{
    PLACE(const float, w);
    PLACE(float, packed);
    const int tile = ITEM(0), b0 = ITEM(1) * a.chunk, b1 = min(b0 + a.chunk, a.s.in_blocks);
    packed += tile * a.s.w_tile + (long)b0 * FREQUENCIES * 16 * KT;
    for (int b = b0; b < b1; b++, packed += FREQUENCIES * 16 * KT)
        for (int k = 0; k < VECS; k++) {
            vec g[16 * 9];
            load_taps(g, w, (tile * VECS + k) * 16, b, &a);
            for (int i = 0; i < 16 * 9; i++)
                g[i] = rounda(g[i]);
            for (int lane = 0; lane < 16; lane++)
                transform_weights(packed + lane * KT + k * 16, 16 * KT, g + lane * 9);
        }
}

#else /* ---- weight gradient: here a register tile is TILE in-channels times VECS vectors of out-channels */

/* A dy A' of the 2 x 2 pixels of a plane from (y, x) on, zeros outside; the frequencies `step` floats apart. */
static inline void transform_square(LOCAL float *to, long step, GLOBAL const act *plane, int y, int x,
                                    const ConvShape *s)
{
    const int H = s->out_height, W = s->out_width;
    GLOBAL const act *corner = plane + ((long)y * W + x) * 16;
    const bool right = x + 1 < W, below = y + 1 < H;
    vec d[2][2], t[4][2];
    d[0][0] = LOADA(corner);
    d[0][1] = right ? LOADA(corner + 16) : (vec)(0.f);
    d[1][0] = below ? LOADA(corner + (long)W * 16) : (vec)(0.f);
    d[1][1] = right && below ? LOADA(corner + (long)(W + 1) * 16) : (vec)(0.f);
    UNROLL
    for (int j = 0; j < 2; j++) {
        t[0][j] = d[0][j];
        t[1][j] = d[0][j] + d[1][j];
        t[2][j] = d[0][j] - d[1][j];
        t[3][j] = -d[1][j];
    }
    UNROLL
    for (int i = 0; i < 4; i++, to += 4 * step) {
        STORE(to, t[i][0]);
        STORE(to + step, t[i][0] + t[i][1]);
        STORE(to + 2 * step, t[i][0] - t[i][1]);
        STORE(to + 3 * step, -t[i][1]);
    }
}

/* One block of out-channels, its vector of the places [place][KT]; nobody reads the sums of a block past the end. */
static inline void transform_squares(LOCAL float *to, GLOBAL const act *image, int block, int row0, int rows,
                                     const ConvWinogradWeightArgs *a)
{
    block = min(block, a->s.out_blocks - 1);
    for (int y = row0; y < row0 + rows; y++)
        for (int x = 0; x < a->columns; x++, to += KT)
            transform_square(to, (long)a->places * KT, image + block * a->s.out_block, 2 * y, 2 * x, &a->s);
}

/* sums[frequency][lane][KT] += x[frequency][place][lane] dy[frequency][place][KT] */
static inline void add_squares(GLOBAL float *sums, LOCAL const float *x, LOCAL const float *dy, int squares, bool fresh,
                               int places)
{
    for (int f = 0; f < FREQUENCIES; f++, x += places * 16, dy += places * KT)
        for (int lane = 0; lane < 16; lane += TILE, sums += TILE * KT) {
            TILE_LOAD(sums, fresh)
            for (int p = 0; p < squares; p++) {
                vec yv[VECS];
                UNROLL
                for (int k = 0; k < VECS; k++)
                    yv[k] = LOAD(dy + p * KT + k * 16);
                UNROLL
                for (int q = 0; q < TILE; q++) {
                    vec xv = (vec)(x[p * 16 + lane + q]);
                    UNROLL
                    for (int k = 0; k < VECS; k++)
                        acc[q][k] = fma(xv, yv[k], acc[q][k]);
                }
            }
            TILE_STORE(sums)
        }
}

/* Items: (tiles / item_tiles, in-blocks / item_blocks, splits of the images' bands). refs x, dy, workspace: sums
 * [split][tile][block][frequency][lane][KT]. */
KERNEL ONE void conv_winograd_weight(SUMS_REFS, LOCAL float *xs, ConvWinogradWeightArgs a)
{
    SUMS_PLACES;
    const ConvShape *s = &a.s;
    ITEM_TILES(a);
    const int block0 = ITEM(1) * a.item_blocks, block1 = min(block0 + a.item_blocks, s->in_blocks);
    ITEM_UNITS(a);
    const int x_floats = FREQUENCIES * a.places * 16, y_floats = FREQUENCIES * a.places * KT;
    LOCAL float *ys = xs + a.item_blocks * x_floats;
    sums += ITEM(2) * a.split_floats;
    for (long unit = unit0; unit < unit1; unit++) {
        const int n0 = unit / a.bands * a.group, n1 = min(n0 + a.group, a.images);
        const int row0 = unit % a.bands * a.rows, rows = min(a.rows, a.height - row0);
        int squares = 0;
        for (int n = n0; n < n1; n++, squares += rows * a.columns) {
            for (int b = block0; b < block1; b++)
                transform_rows(xs + (b - block0) * x_floats + squares * 16, a.places,
                               x + n * s->in_image + b * s->in_block, row0, rows, a.columns, s);
            for (int k = tile0 * VECS; k < tile1 * VECS; k++)
                transform_squares(ys + (k / VECS - tile0) * y_floats + squares * KT + k % VECS * 16,
                                  dy + n * s->out_image, k, row0, rows, &a);
        }
        for (int tile = tile0; tile < tile1; tile++)
            for (int b = block0; b < block1; b++)
                add_squares(sums + ((long)tile * s->in_blocks + b) * FREQUENCIES * 16 * KT,
                            xs + (b - block0) * x_floats, ys + (tile - tile0) * y_floats, squares, unit == unit0,
                            a.places);
    }
}

/* G'uG of sixteen out-channels, u the sums of the splits, in order, `step` floats from one frequency to the next. */
static inline void transform_sums(vec g[9], GLOBAL const float *u, long step, const ConvUnpackArgs *a)
{
    vec t[3][4];
    UNROLL
    for (int j = 0; j < 4; j++) {
        vec column[4];
        UNROLL
        for (int i = 0; i < 4; i++) {
            GLOBAL const float *from = u + (4 * i + j) * step;
            column[i] = LOAD(from);
            for (int split = 1; split < a->splits; split++)
                column[i] += LOAD(from + split * a->split_floats);
        }
        vec even = 0.5f * (column[1] + column[2]);
        t[0][j] = column[0] + even;
        t[1][j] = 0.5f * (column[1] - column[2]);
        t[2][j] = even + column[3];
    }
    UNROLL
    for (int i = 0; i < 3; i++) {
        vec even = 0.5f * (t[i][1] + t[i][2]);
        g[3 * i] = t[i][0] + even;
        g[3 * i + 1] = 0.5f * (t[i][1] - t[i][2]);
        g[3 * i + 2] = even + t[i][3];
    }
}

/* Stores [lane][tap] vectors of out-channels from `out` on; channels that do not exist are left out. */
static inline void store_taps(GLOBAL float *dw, vec g[16 * 9], int out, int block, const ConvShape *s)
{
    const long row = s->in_channels * 9L;
    const int outs = min(s->out_channels - out, 16), ins = min(s->in_channels - block * 16, 16);
    dw += out * row + block * 16 * 9;
    if (outs == 16 && ins == 16) {
        for (int i = 0; i < 9; i++)
            store_columns(dw + i * 16, row, g + i * 16);
        return;
    }
    for (int i = 0; i < ins * 9; i++) {
        float lanes[16];
        STORE(lanes, g[i]);
        for (int k = 0; k < outs; k++)
            dw[k * row + i] = lanes[k];
    }
}

/* Items: (tiles, in-blocks). */
KERNEL ONE void conv_winograd_unpack(CREF(float, sums), REF(float, dw), ConvUnpackArgs a)
{
    PLACE(const float, sums);
    PLACE(float, dw);
    const int tile = ITEM(0), block = ITEM(1);
    sums += ((long)tile * a.s.in_blocks + block) * FREQUENCIES * 16 * KT;
    for (int k = 0; k < VECS && tile * VECS + k < a.s.out_blocks; k++) {
        vec g[16 * 9];
        for (int lane = 0; lane < 16; lane++)
            transform_sums(g + lane * 9, sums + lane * KT + k * 16, 16 * KT, &a);
        store_taps(dw, g, (tile * VECS + k) * 16, block, &a.s);
    }
}

#endif
