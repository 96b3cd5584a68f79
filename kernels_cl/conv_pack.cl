/* Convolution weights between the master order [K][C/groups][R][S] and the tiles of the computing kernels. */

#define ONE __attribute__((reqd_work_group_size(1, 1, 1)))

/* Master index of the weight between an out- and an in-channel, tap 0; -1 when their groups differ. */
inline long master_index(const ConvShape *s, int out, int in, int backward)
{
    int group = out / s->out_group;
    if (out >= s->out_channels || in >= s->in_channels || group != in / s->in_group)
        return -1;
    long pair = backward ? (long)in * s->out_group + out - group * s->out_group
                         : (long)out * s->in_group + in - group * s->in_group;
    return pair * s->R * s->S;
}

/* packed[tile][phase][block][t][u][lane][16 * vecs]. Items: (tiles, in-blocks / chunk). */
KERNEL ONE void conv_pack(CREF(float, w), REF(float, packed), ConvPackArgs a)
{
    PLACE(const float, w);
    PLACE(float, packed);
    const ConvShape *s = &a.s;
    const int tile = ITEM(0), width = s->vecs * 16, step = s->out_stride;
    const int b0 = ITEM(1) * a.chunk, b1 = min(b0 + a.chunk, s->tile_blocks);
    const int block = min(tile * width / s->out_group * s->in_group / 16, s->in_blocks - s->tile_blocks);
    packed += tile * s->w_tile;
    for (int phase = 0; phase < step * step; phase++) {
        int r0 = a.backward ? (phase / step + s->pad) % step : 0;
        int s0 = a.backward ? (phase % step + s->pad) % step : 0;
        int rows = (s->R - r0 + step - 1) / step, cols = (s->S - s0 + step - 1) / step;
        rows = max(rows, 0);
        cols = max(cols, 0);
        for (int b = b0; b < b1; b++)
            for (int tap = 0; tap < rows * cols; tap++) {
                int t = tap / cols, u = tap % cols;
                int r = a.backward ? r0 + (rows - 1 - t) * step : t;
                int c = a.backward ? s0 + (cols - 1 - u) * step : u;
                GLOBAL float *to = packed + ((long)b * rows * cols + tap) * s->lanes * width;
                for (int lane = 0; lane < s->lanes; lane++)
                    for (int k = 0; k < width; k++) {
                        long at = master_index(s, tile * width + k, (block + b) * 16 + lane, a.backward);
                        to[lane * width + k] = at < 0 ? 0.f : w[at + r * s->S + c];
                    }
            }
        packed += (long)s->tile_blocks * rows * cols * s->lanes * width;
    }
}

/* dw = sum over splits of tiles [tile][block][R][taps][16 * vecs]. Items: (tiles, tile_blocks). */
KERNEL ONE void conv_unpack(CREF(float, tiles), REF(float, dw), ConvUnpackArgs a)
{
    PLACE(const float, tiles);
    PLACE(float, dw);
    const ConvShape *s = &a.s;
    const int tile = ITEM(0), width = s->vecs * 16;
    const int block = min(tile * width / s->out_group * s->in_group / 16, s->in_blocks - s->tile_blocks);
    tiles += ((long)tile * s->tile_blocks + ITEM(1)) * s->R * a.taps * width;
    for (int lane = 0; lane < s->lanes; lane++)
        for (int tap = 0; tap < s->R * s->S; tap++) {
            int row = tap / s->S * a.taps + tap % s->S * s->lanes + lane;
            GLOBAL const float *from = tiles + (long)row * width;
            for (int k = 0; k < width; k++) {
                long at = master_index(s, tile * width + k, (block + (int)ITEM(1)) * 16 + lane, 0);
                if (at < 0)
                    continue;
                float sum = from[k];
                for (int i = 1; i < a.splits; i++)
                    sum += from[i * a.split_floats + k];
                dw[at + tap] = sum;
            }
        }
}
