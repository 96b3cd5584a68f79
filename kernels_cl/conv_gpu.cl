/* Convolutions for GPUs: matrix products over the same blocked activations, formed tile by tile in
 * local memory.
 *
 * A work-group makes BM x BN values, each work-item TM x 4 of them in registers. Forward and data
 * gradient: rows are out-pixels of one phase (conv_args.h) of an image, columns out-channels, and
 * one tap of one in-block is a step of the sum. Weight gradient: rows are (tap, lane) pairs of an
 * in-block, columns out-channels, and 16 pixels are a step. Compile-time: BM, VECS (BN is
 * 16 * VECS) and TM; THREADS must be a multiple of BM. */

enum { BN = VECS * 16, DEPTH = 16, PITCH = BM + 4, THREADS = (BN / 4) * (BM / TM) };

/* Four neighbours at a place that is a multiple of four. */
#ifdef STORED_16
#define LOAD4(p) LOADA(p)
#define STORE4(p, v) STOREA(p, v)
#else
#define LOAD4(p) (*(GLOBAL const float4 *)(p))
#define STORE4(p, v) (*(GLOBAL float4 *)(p) = (v))
#endif

#define GROUP __attribute__((reqd_work_group_size(THREADS, 1, 1)))

/* acc += rows^T columns over `depth` steps: rows [depth][PITCH], columns [depth][BN] in local
 * memory. */
static inline void multiply(float4 acc[TM], LOCAL const float *rows, LOCAL const float *columns, int depth)
{
    for (int l = 0; l < depth; l++) {
        float4 b = *(LOCAL const float4 *)(columns + l * BN);
        UNROLL
        for (int i = 0; i < TM; i += 4) {
            float4 a = *(LOCAL const float4 *)(rows + l * PITCH + i);
            acc[i] = fma((float4)(a.x), b, acc[i]);
            acc[i + 1] = fma((float4)(a.y), b, acc[i + 1]);
            acc[i + 2] = fma((float4)(a.z), b, acc[i + 2]);
            acc[i + 3] = fma((float4)(a.w), b, acc[i + 3]);
        }
    }
}

/* One output phase along one axis: taps, and the in-place of tap 0 of out-place 0. */
typedef struct Phase {
    int taps, base, size;
} Phase;

static inline Phase phase_axis(int a, int extent, int out_size, const ConvShape *s, int backward)
{
    if (!backward)
        return (Phase){extent, -s->pad, out_size};
    int first = (a + s->pad) % s->out_stride;
    int taps = first < extent ? (extent - 1 - first) / s->out_stride + 1 : 0;
    return (Phase){taps, (a + s->pad - first) / s->out_stride - (taps - 1),
                   (out_size - a + s->out_stride - 1) / s->out_stride};
}

/* Groups: (pixels of a phase / BM, tiles of out-channels, images * phases). refs as conv_band. */
KERNEL GROUP void conv_tile(CONV_REFS, ConvTileArgs a)
{
    enum { SLOTS = BM * 4 / THREADS, PIECES = DEPTH * BN / 4 / THREADS };
    LOCAL float rows[DEPTH * PITCH] __attribute__((aligned(16)));
    LOCAL float columns[DEPTH * BN] __attribute__((aligned(16)));
    CONV_PLACES;
    const ConvShape *s = &a.s;
    const int id = get_local_id(0), tile = get_group_id(1), m0 = get_group_id(0) * BM,
              step = s->out_stride;
    const int n = get_group_id(2) / (step * step), phase = get_group_id(2) % (step * step);
    const Phase pr = phase_axis(phase / step, s->R, s->out_height, s, a.backward);
    const Phase pc = phase_axis(phase % step, s->S, s->out_width, s, a.backward);
    const int pixels = pr.size * pc.size;
    if (m0 >= pixels)
        return; /* the whole group: phases differ in size */
    w += tile * s->w_tile;
    for (int p = 0; p < phase; p++)
        w += (long)phase_axis(p / step, s->R, s->out_height, s, a.backward).taps *
             phase_axis(p % step, s->S, s->out_width, s, a.backward).taps * s->tile_blocks *
             s->lanes * BN;
    x += n * s->in_image + first_block(s, tile) * s->in_block;
    int in_y[SLOTS], in_x[SLOTS];
    UNROLL
    for (int i = 0; i < SLOTS; i++) {
        int m = m0 + (id + i * THREADS) / 4;
        in_y[i] = m < pixels ? m / pc.size * s->in_stride + pr.base : -(1 << 24);
        in_x[i] = m % pc.size * s->in_stride + pc.base;
    }
    float4 acc[TM];
    UNROLL
    for (int i = 0; i < TM; i++)
        acc[i] = (float4)(0.f);
    const int q = id % 4 * 4, column = id % (BN / 4) * 4, row = id / (BN / 4) * TM;
    for (int b = 0; b < s->tile_blocks; b++, x += s->in_block)
        for (int t = 0; t < pr.taps; t++)
            for (int u = 0; u < pc.taps; u++, w += s->lanes * BN) {
                barrier(CLK_LOCAL_MEM_FENCE);
                float4 got[SLOTS], weights[PIECES];
                UNROLL
                for (int i = 0; i < SLOTS; i++) {
                    int iy = in_y[i] + t, ix = in_x[i] + u;
                    int inside = iy >= 0 & iy < s->in_height & ix >= 0 & ix < s->in_width & q < s->lanes;
                    int4 v = as_int4(LOAD4(x + (inside ? iy * s->in_width + ix : 0) * 16L + q));
                    got[i] = as_float4(v & (int4)(-inside));
                }
                UNROLL
                for (int i = 0; i < PIECES; i++)
                    weights[i] = LOAD4(w + min((id + i * THREADS) * 4, s->lanes * BN - 4));
                UNROLL
                for (int i = 0; i < SLOTS; i++) {
                    int m = (id + i * THREADS) / 4;
                    rows[q * PITCH + m] = got[i].x;
                    rows[(q + 1) * PITCH + m] = got[i].y;
                    rows[(q + 2) * PITCH + m] = got[i].z;
                    rows[(q + 3) * PITCH + m] = got[i].w;
                }
                UNROLL
                for (int i = 0; i < PIECES; i++)
                    *(LOCAL float4 *)(columns + (id + i * THREADS) * 4) = weights[i];
                barrier(CLK_LOCAL_MEM_FENCE);
                if (s->lanes == DEPTH)
                    multiply(acc, rows + row, columns + column, DEPTH);
                else
                    multiply(acc, rows + row, columns + column, s->lanes);
            }
    const int k = tile * BN + column;
    if (k >= s->out_blocks * 16)
        return;
    float4 shift = (float4)(0.f);
    if (bias)
        shift = (float4)(k < s->out_channels ? bias[k] : 0.f,
                         k + 1 < s->out_channels ? bias[k + 1] : 0.f,
                         k + 2 < s->out_channels ? bias[k + 2] : 0.f,
                         k + 3 < s->out_channels ? bias[k + 3] : 0.f);
    UNROLL
    for (int i = 0; i < TM; i++) {
        int m = m0 + row + i;
        if (m >= pixels)
            continue;
        long pixel = (long)(phase / step + m / pc.size * step) * s->out_width + phase % step +
                     m % pc.size * step;
        long at = n * s->out_image + k / 16 * s->out_block + pixel * 16 + k % 16;
        float4 v = acc[i] + shift;
        if (a.accumulate)
            v += LOADA(y + at);
        if (residual)
            v += LOADA(residual + at);
        if (a.relu)
            v = v < 0.f ? (float4)(0.f) : v; /* not-a-number stays */
        STORE4(y + at, v);
    }
}

/* Groups: (rows / BM, tiles * tile_blocks, splits); sums [split][tile][block][R * S * lanes][BN].
 * refs x, dy, workspace. */
KERNEL GROUP void conv_weight_tile(SUMS_REFS, ConvWeightArgs a)
{
    LOCAL float rows[DEPTH * PITCH] __attribute__((aligned(16)));
    LOCAL float columns[DEPTH * BN] __attribute__((aligned(16)));
    SUMS_PLACES;
    const ConvShape *s = &a.s;
    const int id = get_local_id(0), tile = get_group_id(1);
    const int block_rows = s->R * s->S * s->lanes, all_rows = s->tile_blocks * block_rows;
    const int pixels = s->out_height * s->out_width;
    /* This work-item fetches one row of the tile, always the same: THREADS is a multiple of BM. */
    const int q = get_group_id(0) * BM + id % BM, b = min(q / block_rows, s->tile_blocks - 1);
    const int tap = q % block_rows / s->lanes, lane = q % s->lanes;
    const int shift_y = tap / s->S - s->pad, shift_x = tap % s->S - s->pad;
    const int column = id % (BN / 4) * 4, row = id / (BN / 4) * TM;
    /* Bands of DEPTH pixels of all images, one after another. */
    const long bands = (long)a.images * a.bands;
    const int band0 = bands * get_group_id(2) / a.splits, band1 = bands * (get_group_id(2) + 1) / a.splits;
    int n = band0 / a.bands, p0 = band0 % a.bands * DEPTH;
    float4 acc[TM];
    UNROLL
    for (int i = 0; i < TM; i++)
        acc[i] = (float4)(0.f);
    x += (first_block(s, tile) + b) * s->in_block + lane;
    for (int band = band0; band < band1; band++) {
        GLOBAL const act *plane = x + n * s->in_image;
        barrier(CLK_LOCAL_MEM_FENCE);
        float got[DEPTH * BM / THREADS];
        float4 grads[DEPTH * BN / 4 / THREADS];
        UNROLL
        for (int i = 0; i < DEPTH * BM / THREADS; i++) {
            int p = p0 + id / BM + i * (THREADS / BM), iy = p / s->out_width * s->in_stride + shift_y;
            int ix = p % s->out_width * s->in_stride + shift_x;
            int inside = p < pixels & q < all_rows & iy >= 0 & iy < s->in_height & ix >= 0 & ix < s->in_width;
            got[i] = as_float(as_int(LOAD1(plane + (inside ? iy * s->in_width + ix : 0) * 16L)) & -inside);
        }
        UNROLL
        for (int i = 0; i < DEPTH * BN / 4 / THREADS; i++) {
            int e = id + i * THREADS, p = p0 + e / (BN / 4), k = tile * BN + e % (BN / 4) * 4;
            int inside = p < pixels & k < s->out_blocks * 16;
            int4 v = as_int4(LOAD4(dy + n * s->out_image +
                                   (inside ? k / 16 * s->out_block + p * 16L + k % 16 : 0)));
            grads[i] = as_float4(v & (int4)(-inside));
        }
        UNROLL
        for (int i = 0; i < DEPTH * BM / THREADS; i++)
            rows[(id / BM + i * (THREADS / BM)) * PITCH + id % BM] = got[i];
        UNROLL
        for (int i = 0; i < DEPTH * BN / 4 / THREADS; i++)
            *(LOCAL float4 *)(columns + (id + i * THREADS) * 4) = grads[i];
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply(acc, rows + row, columns + column, DEPTH);
        p0 += DEPTH;
        if (p0 >= pixels) {
            p0 = 0;
            n++;
        }
    }
    sums += get_group_id(2) * a.split_floats + (long)tile * all_rows * BN;
    UNROLL
    for (int i = 0; i < TM; i++) {
        int r = get_group_id(0) * BM + row + i;
        if (r < all_rows)
            vstore4(acc[i], 0, sums + (long)r * BN + column);
    }
}

/* One item per packed weight: [tile][phase][block][t][u][lane][BN], as conv_pack. */
KERNEL void conv_pack_each(CREF(float, w), REF(wgt, packed), ConvPackArgs a)
{
    PLACE(const float, w);
    PLACE(wgt, packed);
    const ConvShape *s = &a.s;
    const long item = get_global_id(0);
    if (item >= s->tiles * s->w_tile)
        return;
    const int tile = item / s->w_tile, step = s->out_stride;
    long rest = item % s->w_tile;
    int r0 = 0, s0 = 0, rows = s->R, cols = s->S;
    for (int phase = 0; phase < step * step; phase++) {
        if (a.backward) {
            r0 = (phase / step + s->pad) % step;
            s0 = (phase % step + s->pad) % step;
            rows = max((s->R - r0 + step - 1) / step, 0);
            cols = max((s->S - s0 + step - 1) / step, 0);
        }
        long floats = (long)s->tile_blocks * rows * cols * s->lanes * BN;
        if (rest < floats)
            break;
        rest -= floats;
    }
    const int k = tile * BN + rest % BN, lane = rest / BN % s->lanes,
              u = rest / BN / s->lanes % cols;
    const int t = rest / BN / s->lanes / cols % rows, b = rest / BN / s->lanes / cols / rows;
    const int c = (first_block(s, tile) + b) * 16 + lane;
    const int r = a.backward ? r0 + (rows - 1 - t) * step : t,
              col = a.backward ? s0 + (cols - 1 - u) * step : u;
    float value = 0.f;
    if (k < s->out_channels && c < s->in_channels && k / s->out_group == c / s->in_group) {
        long pair = a.backward ? (long)c * s->out_group + k % s->out_group
                               : (long)k * s->in_group + c % s->in_group;
        value = w[(pair * s->R + r) * s->S + col];
    }
    STORE1(packed + item, value);
}

/* One item per weight [K][C/groups][R][S]: its sums over splits, in order. */
KERNEL void conv_unpack_each(CREF(float, tiles), REF(float, dw), ConvUnpackArgs a)
{
    PLACE(const float, tiles);
    PLACE(float, dw);
    const ConvShape *s = &a.s;
    const int taps = s->R * s->S;
    const long item = get_global_id(0);
    if (item >= (long)s->out_channels * s->in_group * taps)
        return;
    const int tap = item % taps, k = item / taps / s->in_group, tile = k / BN;
    const int c = k / s->out_group * s->in_group + item / taps % s->in_group;
    const int b = c / 16 - first_block(s, tile);
    long at = ((((long)tile * s->tile_blocks + b) * taps + tap) * s->lanes + c % 16) * BN + k % BN;
    float sum = tiles[at];
    for (int i = 1; i < a.splits; i++)
        sum += tiles[i * a.split_floats + at];
    dw[item] = sum;
}
