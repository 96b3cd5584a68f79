/* Convolution weights between the master order [K][C/groups][R][S] and the tiles of the computing
 * kernels. Loops keep to what lies together in the master copy; the tile they meet fits the first
 * cache. */

#define ONE __attribute__((reqd_work_group_size(1, 1, 1)))

/* Where the weights between an out-channel and the in-channels of a block begin in the master copy:
 * those of its own group, lanes [from, to) of the block; the pair of (out, lane) is at start +
 * (lane - from) * step taps. */
typedef struct Lanes {
    int from, to;
    long start, step;
} Lanes;

inline Lanes group_lanes(const ConvShape *s, int out, int block, int backward)
{
    if (out >= s->out_channels)
        return (Lanes){0, 0, 0, 0};
    int group = out / s->out_group, begin = group * s->in_group;
    int from = max(begin, block * 16), to = min(begin + s->in_group, block * 16 + s->lanes);
    long start = backward ? (long)from * s->out_group + out - group * s->out_group
                          : (long)out * s->in_group + from - begin;
    return (Lanes){from - block * 16, to - block * 16, start, backward ? s->out_group : 1};
}

inline int first_block(const ConvShape *s, int tile)
{
    return min(tile * s->vecs * 16 / s->out_group * s->in_group / 16,
               s->in_blocks - s->tile_blocks);
}

/* packed[tile][phase][block][t][u][lane][16 * vecs]. Items: (tiles, in-blocks / chunk). */
KERNEL ONE void conv_pack(CREF(float, w), REF(float, packed), ConvPackArgs a)
{
    PLACE(const float, w);
    PLACE(float, packed);
    const ConvShape *s = &a.s;
    const int tile = ITEM(0), width = s->vecs * 16, step = s->out_stride;
    const int b0 = ITEM(1) * a.chunk, b1 = min(b0 + a.chunk, s->tile_blocks);
    packed += tile * s->w_tile;
    for (int phase = 0; phase < step * step; phase++) {
        const int r0 = a.backward ? (phase / step + s->pad) % step : 0;
        const int s0 = a.backward ? (phase % step + s->pad) % step : 0;
        const int rows = max((s->R - r0 + step - 1) / step, 0),
                  cols = max((s->S - s0 + step - 1) / step, 0);
        const int floats = rows * cols * s->lanes * width; /* of a block */
        for (int b = b0; b < b1; b++) {
            GLOBAL float *to = packed + (long)b * floats;
            for (int i = 0; i < floats; i += 16)
                STORE(to + i, (vec)(0.f));
            for (int k = 0; k < width; k++) {
                Lanes l = group_lanes(s, tile * width + k, first_block(s, tile) + b, a.backward);
                GLOBAL const float *from = w + l.start * s->R * s->S;
                for (int lane = l.from; lane < l.to; lane++, from += l.step * s->R * s->S) {
                    GLOBAL float *at = to + lane * width + k;
                    for (int t = 0; t < rows; t++)
                        for (int u = 0; u < cols; u++, at += s->lanes * width) {
                            int r = a.backward ? r0 + (rows - 1 - t) * step : t;
                            int c = a.backward ? s0 + (cols - 1 - u) * step : u;
                            *at = from[r * s->S + c];
                        }
                }
            }
        }
        packed += (long)s->tile_blocks * floats;
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
    for (int k = 0; k < width; k++) {
        Lanes l = group_lanes(s, tile * width + k, first_block(s, tile) + b, 0);
        GLOBAL float *to = dw + l.start * s->R * s->S;
        for (int lane = l.from; lane < l.to; lane++)
            for (int r = 0; r < s->R; r++) {
                GLOBAL const float *from = tiles + (r * a.taps + lane) * width + k;
                for (int c = 0; c < s->S; c++, from += s->lanes * width)
                    *to++ = *from;
            }
    }
}
