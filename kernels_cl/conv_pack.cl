/* Convolution weights between the master order [K][C/groups][R][S] and the tiles of the computing
 * kernels. Loops keep to what lies together in the master copy; the tile they meet fits the first
 * cache. */

/* Where the weights between an out-channel and the in-channels of a block begin in the master copy:
 * those of its own group, lanes [from, to) of the block; the pair of (out, lane) is at start +
 * (lane - from) * step taps. */
typedef struct Lanes {
    int from, to;
    long start, step;
} Lanes;

static inline Lanes group_lanes(const ConvShape *s, int out, int block, int backward)
{
    if (out >= s->out_channels)
        return (Lanes){0, 0, 0, 0};
    int group = out / s->out_group, begin = group * s->in_group;
    int from = max(begin, block * 16), to = min(begin + s->in_group, block * 16 + s->lanes), origin = block * 16;
    if (s->spread) {
        from = origin = begin;
        to = begin + s->in_group;
    }
    long start = backward ? (long)from * s->out_group + out - group * s->out_group
                          : (long)out * s->in_group + from - begin;
    return (Lanes){from - origin, to - origin, start, backward ? s->out_group : 1};
}

/* The taps of one phase: rows x cols of them, tap (t, u) at row r0 + t * step of the kernel, counted from its
 * other end when backward. */
typedef struct Phase {
    int rows, cols, r0, s0;
} Phase;

static inline int tap_at(const ConvPackArgs *a, Phase p, int t, int u)
{
    const int step = a->s.out_stride;
    int r = a->backward ? p.r0 + (p.rows - 1 - t) * step : t;
    int c = a->backward ? p.s0 + (p.cols - 1 - u) * step : u;
    return r * a->s.S + c;
}

/* One lane of a block, all sixteen out-channels of a vector, into the weights of a tap, [lane][width]; with DOT_BF16
 * [lane / 2][width][2], even lanes first. */
#ifdef DOT_BF16
#define PLACE_OF_LANE(lane, width, k) (((lane) / 2 * (width) + (k)) * 2 + (lane) % 2)
static inline void put_lane(GLOBAL wgt *tap, int lane, int width, int k, vec v)
{
    GLOBAL uint *to = (GLOBAL uint *)tap + lane / 2 * width + k;
    uvec bits = bf16_bits(v);
    vstore16(lane % 2 ? vload16(0, to) | bits << 16 : bits, 0, to);
}
#else
#define PLACE_OF_LANE(lane, width, k) ((lane) * (width) + (k))
static inline void put_lane(GLOBAL wgt *tap, int lane, int width, int k, vec v)
{
    STOREW(tap + PLACE_OF_LANE(lane, width, k), v);
}
#endif

/* Whether all channels of a tile exist and meet all lanes of a block, which exist. */
static inline bool is_dense(const ConvShape *s, int tile, int block)
{
    return s->in_group == s->in_channels && (tile + 1) * s->vecs * 16 <= s->out_channels &&
           (block + 1) * 16 <= s->in_channels;
}

/* A dense block of a tile: whole vectors of out-channels. Forward, the weights of an out-channel and a block lie
 * together, [lane][tap]: sixteen out-channels are transposed at a time. */
static inline void pack_forward(GLOBAL const float *w, GLOBAL wgt *to, int out, int block, const ConvPackArgs *a)
{
    const ConvShape *s = &a->s;
    const int taps = s->R * s->S, width = s->vecs * 16;
    const long row = (long)s->in_group * taps;
    w += out * row + (long)block * 16 * taps;
    for (int v = 0; v < s->vecs; v++, w += 16 * row)
        for (int at = 0, tap = 0, lane = 0; at < taps; at++) {
            vec columns[16];
            load_columns(columns, w + at * 16, row);
            for (int i = 0; i < 16; i++) {
                put_lane(to + tap * 16 * width, lane, width, v * 16, columns[i]);
                if (++tap == taps) {
                    tap = 0;
                    lane++;
                }
            }
        }
}

/* Backward, those of an in-channel (K) and sixteen out-channels (C) do, [out][tap]. */
static inline void pack_backward(GLOBAL const float *w, GLOBAL wgt *to, int out, int block, Phase p,
                                 const ConvPackArgs *a)
{
    const ConvShape *s = &a->s;
    const int taps = s->R * s->S, width = s->vecs * 16;
    const long in_step = (long)s->out_group * taps;
    w += (long)out * taps + block * 16 * in_step;
    for (int t = 0; t < p.rows; t++)
        for (int u = 0; u < p.cols; u++, to += 16 * width) {
            GLOBAL const float *from = w + tap_at(a, p, t, u);
            for (int lane = 0; lane < 16; lane++, from += in_step)
                for (int k = 0; k < width; k += 16)
                    put_lane(to, lane, width, k, taps == 1 ? LOAD(from + k) : gather(from + k * taps, taps));
        }
}

/* Any block: channels beyond the last and lanes of other groups are zero. */
static inline void pack_sparse(GLOBAL const float *w, GLOBAL wgt *to, int tile, int block, Phase p,
                               const ConvPackArgs *a)
{
    const ConvShape *s = &a->s;
    const int width = s->vecs * 16;
    for (int i = 0; i < p.rows * p.cols * s->lanes * width; i += 16)
        STOREW(to + i, (vec)(0.f));
    for (int k = 0; k < width; k++) {
        Lanes l = group_lanes(s, tile * width + k, block, a->backward);
        GLOBAL const float *from = w + l.start * s->R * s->S;
        for (int lane = l.from; lane < l.to; lane++, from += l.step * s->R * s->S) {
            GLOBAL wgt *at = to + PLACE_OF_LANE(lane, width, k);
            for (int t = 0; t < p.rows; t++)
                for (int u = 0; u < p.cols; u++, at += s->lanes * width)
                    STORE1(at, from[tap_at(a, p, t, u)]);
        }
    }
}

/* packed[tile][phase][block][t][u][lane][16 * vecs], or as put_lane has lanes. Items: (tiles, in-blocks / chunk). */
KERNEL ONE void conv_pack(CREF(float, w), REF(wgt, packed), ConvPackArgs a)
{
    PLACE(const float, w);
    PLACE(wgt, packed);
    const ConvShape *s = &a.s;
    const int tile = ITEM(0), width = s->vecs * 16, step = s->out_stride;
    const int b0 = ITEM(1) * a.chunk, b1 = min(b0 + a.chunk, s->tile_blocks);
    packed += tile * s->w_tile;
    for (int phase = 0; phase < step * step; phase++) {
        Phase p = {0, 0, 0, 0};
        if (a.backward) {
            p.r0 = (phase / step + s->pad) % step;
            p.s0 = (phase % step + s->pad) % step;
        }
        p.rows = max((s->R - p.r0 + step - 1) / step, 0);
        p.cols = max((s->S - p.s0 + step - 1) / step, 0);
        const int floats = p.rows * p.cols * s->lanes * width; /* of a block */
        for (int b = b0; b < b1; b++) {
            int block = first_block(s, tile) + b;
            const bool dense = is_dense(s, tile, block);
            if (dense && a.backward)
                pack_backward(w, packed + (long)b * floats, tile * width, block, p, &a);
            else if (dense)
                pack_forward(w, packed + (long)b * floats, tile * width, block, &a);
            else
                pack_sparse(w, packed + (long)b * floats, tile, block, p, &a);
        }
        packed += (long)s->tile_blocks * floats;
    }
}

/* The sums of a dense block, the other way round than pack_forward. */
static inline void unpack_dense(GLOBAL float *dw, GLOBAL const float *from, int out, int block, const ConvUnpackArgs *a)
{
    const ConvShape *s = &a->s;
    const int taps = s->R * s->S, width = s->vecs * 16;
    const long row = (long)s->in_group * taps;
    dw += out * row + (long)block * 16 * taps;
    for (int v = 0; v < s->vecs; v++, dw += 16 * row, from += 16)
        for (int at = 0, r = 0, c = 0, lane = 0; at < taps; at++) {
            vec columns[16];
            for (int i = 0; i < 16; i++) {
                columns[i] = LOAD(from + (r * a->taps + c * 16 + lane) * width);
                if (++c < s->S)
                    continue;
                c = 0;
                if (++r == s->R) {
                    r = 0;
                    lane++;
                }
            }
            store_columns(dw + at * 16, row, columns);
        }
}

/* dw = sum over splits, in order, of tiles [tile][block][R][taps][16 * vecs]; the first split is
 * overwritten with the sum. Items: (tiles, tile_blocks). */
KERNEL ONE void conv_unpack(REF(float, tiles), REF(float, dw), ConvUnpackArgs a)
{
    PLACE(float, tiles);
    PLACE(float, dw);
    const ConvShape *s = &a.s;
    const int tile = ITEM(0), b = ITEM(1), width = s->vecs * 16, floats = s->R * a.taps * width;
    tiles += ((long)tile * s->tile_blocks + b) * floats;
    if (a.splits > 1)
        for (int i = 0; i < floats; i += 16) {
            vec sum = LOAD(tiles + i);
            for (int split = 1; split < a.splits; split++)
                sum += LOAD(tiles + split * a.split_floats + i);
            STORE(tiles + i, sum);
        }
    const int taps = s->R * s->S, block = first_block(s, tile) + b;
    if (is_dense(s, tile, block)) {
        unpack_dense(dw, tiles, tile * width, block, &a);
        return;
    }
    for (int k = 0; k < width; k++) {
        Lanes l = group_lanes(s, tile * width + k, block, 0);
        GLOBAL float *to = dw + l.start * taps;
        GLOBAL const float *from = tiles + l.from * width + k;
        const int lanes = l.to - l.from;
        for (int r = 0; r < s->R; r++)
            for (int c = 0; c < s->S; c++) {
                GLOBAL const float *tap = from + (r * a.taps + c * s->lanes) * width;
                GLOBAL float *at = to + r * s->S + c;
                for (int lane = 0; lane < lanes; lane++)
                    at[lane * taps] = tap[lane * width];
            }
    }
}
