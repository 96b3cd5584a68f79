/* Pooling over activations [N][CB][HW][16]; a team takes some rows of one plane, its members pixels of a row. Items:
 * teams along the rows; blocks of channels; images. */

#define PLANE                                                                                             \
    int cb = ITEM(1), n = ITEM(2), lane = MEMBER_VECTOR * LANES;                                          \
    long big = ((long)n * a.CB + cb) * a.H * a.W * 16 + lane, small = ((long)n * a.CB + cb) * a.P * a.Q * 16 + lane

/* Lane i of a vector whose first `live` lanes are channels: all bits set there, else none. */
ivec live_lanes(int live)
{
    int mask[LANES];
    for (int i = 0; i < LANES; i++)
        mask[i] = i < live ? -1 : 0;
    return LOADI(mask);
}

/* index: place of the maximum within its window, the first in reading order; of not-a-numbers, which count as the
 * largest, the last. */
TEAM_KERNEL void max_pool(CREF(float, x), REF(float, y), REF(uchar, index), PoolArgs a)
{
    PLACE(const float, x);
    PLACE(float, y);
    PLACE(uchar, index);
    PLANE;
    ivec live = live_lanes(a.C - cb * 16 - lane);
    for (SHARE(p, a.P, TEAM_ITEM, TEAM_ITEMS))
        for (int q = MEMBER_PIXEL; q < a.Q; q += TEAM_PIXELS) {
            vec best = -INFINITY;
            int h0 = p * a.stride - a.pad, w0 = q * a.stride - a.pad, r0 = max(0, -h0), s0 = max(0, -w0);
            ivec where = r0 * a.window + s0; /* should all be -INFINITY */
            for (int r = r0; r < min(a.window, a.H - h0); r++)
                for (int s = s0; s < min(a.window, a.W - w0); s++) {
                    vec value = LOAD(x + big + ((long)(h0 + r) * a.W + w0 + s) * 16);
                    ivec more = (value > best) | isnan(value);
                    best = select(best, value, more);
                    where = select(where, (ivec)(r * a.window + s), more);
                }
            STORE(y + small + ((long)p * a.Q + q) * 16, best);
            STOREB(index + small + ((long)p * a.Q + q) * 16, TO_BYTE(where & live));
        }
}

/* Gathers: a pixel gets dy of every window whose maximum it is. */
TEAM_KERNEL void max_pool_grad(CREF(float, dy), CREF(uchar, index), REF(float, dx), PoolArgs a)
{
    PLACE(const float, dy);
    PLACE(const uchar, index);
    PLACE(float, dx);
    PLANE;
    for (SHARE(h, a.H, TEAM_ITEM, TEAM_ITEMS))
        for (int w = MEMBER_PIXEL; w < a.W; w += TEAM_PIXELS) {
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

/* Teams: blocks of channels; images. */
TEAM_KERNEL void avg_pool(CREF(float, x), REF(float, y), PoolArgs a)
{
    TEAM_MEMORY(vec, 2, shared);
    PLACE(const float, x);
    PLACE(float, y);
    int cb = TEAM_ITEM, n = ITEM(1), HW = a.H * a.W;
    long block = (long)n * a.CB + cb, lane = MEMBER_VECTOR * LANES;
    vec sum = 0.0f;
    for (int i = MEMBER_PIXEL; i < HW; i += TEAM_PIXELS)
        sum += LOAD(x + (block * HW + i) * 16 + lane);
    sum = team_sum_vec(sum, shared, VECTORS);
    if (MEMBER < VECTORS)
        STORE(y + block * 16 + lane, sum / (float)HW);
}

/* Items: parts of the plane, vector fastest; blocks of channels; images. */
KERNEL void avg_pool_grad(CREF(float, dy), REF(float, dx), PoolArgs a)
{
    PLACE(const float, dy);
    PLACE(float, dx);
    int HW = a.H * a.W, part = ITEM(0) / VECTORS, parts = ITEMS(0) / VECTORS;
    long block = (long)ITEM(2) * a.CB + ITEM(1), lane = ITEM(0) % VECTORS * LANES;
    vec each = LOAD(dy + block * 16 + lane) / (float)HW;
    for (SHARE(i, HW, part, parts))
        STORE(dx + (block * HW + i) * 16 + lane, each);
}
