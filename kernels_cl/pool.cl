/* Pooling over activations [N][CB][HW][16]; an item takes some rows of one plane. */

#define ROWS(count)                                                                                       \
    int v = ITEM(0), cb = v / VECTORS, lane = LANE(v), n = ITEM(1);                                       \
    int from = (count) * ITEM(2) / a.splits, to = (count) * (ITEM(2) + 1) / a.splits;                     \
    long big = ((long)n * a.CB + cb) * a.H * a.W * 16 + lane, small = ((long)n * a.CB + cb) * a.P * a.Q * 16 + lane

/* Lane i of a vector whose first `live` lanes are channels: all bits set there, else none. */
ivec live_lanes(int live)
{
    int mask[LANES];
    for (int i = 0; i < LANES; i++)
        mask[i] = i < live ? -1 : 0;
    return LOADI(mask);
}

/* index: place of the maximum within its window, the first in reading order. */
KERNEL void max_pool(CREF(float, x), REF(float, y), REF(uchar, index), PoolArgs a)
{
    PLACE(const float, x);
    PLACE(float, y);
    PLACE(uchar, index);
    ROWS(a.P);
    ivec live = live_lanes(a.C - cb * 16 - lane);
    for (int p = from; p < to; p++)
        for (int q = 0; q < a.Q; q++) {
            vec best = -INFINITY;
            ivec where = 0;
            int h0 = p * a.stride - a.pad, w0 = q * a.stride - a.pad;
            for (int r = max(0, -h0); r < min(a.window, a.H - h0); r++)
                for (int s = max(0, -w0); s < min(a.window, a.W - w0); s++) {
                    vec value = LOAD(x + big + ((long)(h0 + r) * a.W + w0 + s) * 16);
                    ivec more = value > best;
                    best = select(best, value, more);
                    where = select(where, (ivec)(r * a.window + s), more);
                }
            STORE(y + small + ((long)p * a.Q + q) * 16, best);
            STOREB(index + small + ((long)p * a.Q + q) * 16, TO_BYTE(where & live));
        }
}

/* Gathers: a pixel gets dy of every window whose maximum it is. */
KERNEL void max_pool_grad(CREF(float, dy), CREF(uchar, index), REF(float, dx), PoolArgs a)
{
    PLACE(const float, dy);
    PLACE(const uchar, index);
    PLACE(float, dx);
    ROWS(a.H);
    for (int h = from; h < to; h++)
        for (int w = 0; w < a.W; w++) {
            vec sum = 0.0f;
            int p0 = max(0, (h + a.pad - a.window + a.stride) / a.stride), p1 = min(a.P - 1, (h + a.pad) / a.stride);
            int q0 = max(0, (w + a.pad - a.window + a.stride) / a.stride), q1 = min(a.Q - 1, (w + a.pad) / a.stride);
            for (int p = p0; p <= p1; p++)
                for (int q = q0; q <= q1; q++) {
                    int place = (h - p * a.stride + a.pad) * a.window + w - q * a.stride + a.pad;
                    long at = small + ((long)p * a.Q + q) * 16;
                    sum += select((vec)(0.0f), LOAD(dy + at), TO_INT(LOADB(index + at)) == (ivec)(place));
                }
            STORE(dx + big + ((long)h * a.W + w) * 16, sum);
        }
}

KERNEL void avg_pool(CREF(float, x), REF(float, y), PoolArgs a)
{
    PLACE(const float, x);
    PLACE(float, y);
    int v = ITEM(0), cb = v / VECTORS, lane = LANE(v), n = ITEM(1), HW = a.H * a.W;
    GLOBAL const float *plane = x + ((long)n * a.CB + cb) * HW * 16 + lane;
    vec sum = 0.0f;
    for (int i = 0; i < HW; i++)
        sum += LOAD(plane + 16 * i);
    STORE(y + ((long)n * a.CB + cb) * 16 + lane, sum / (float)HW);
}

KERNEL void avg_pool_grad(CREF(float, dy), REF(float, dx), PoolArgs a)
{
    PLACE(const float, dy);
    PLACE(float, dx);
    int v = ITEM(0), cb = v / VECTORS, lane = LANE(v), n = ITEM(1), HW = a.H * a.W;
    GLOBAL float *plane = dx + ((long)n * a.CB + cb) * HW * 16 + lane;
    vec each = LOAD(dy + ((long)n * a.CB + cb) * 16 + lane) / (float)HW;
    for (int i = 0; i < HW; i++)
        STORE(plane + 16 * i, each);
}
