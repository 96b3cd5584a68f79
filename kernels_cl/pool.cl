/* Pooling over images; a team takes some rows of one plane, its members pixels of a row. Items: teams along the rows;
 * spans of channels; images. */

#define POOL_PLANE                                                                                             \
    int c = ITEM(1) * SPAN + MEMBER_VECTOR * LANES, n = ITEM(2);                                          \
    const bool inside = c < a.width;                                                                      \
    const long pixel = PIXEL(a.width);                                                                    \
    const long big = PLACE_OF(n, c, a.H * a.W, a.width), small = PLACE_OF(n, c, a.P * a.Q, a.width)

/* Lane i of a vector whose first `live` lanes are channels: all bits set there, else none. */
DEVICE ivec live_lanes(int live)
{
    int mask[LANES];
    for (int i = 0; i < LANES; i++)
        mask[i] = i < live ? -1 : 0;
    return FROM_ARRAY(mask);
}

/* index: place of the maximum within its window, the first in reading order; of not-a-numbers, which count as the
 * largest, the last. */
TEAM_KERNEL void max_pool(CREF(act, x), REF(act, y), REF(uchar, index), PoolArgs a)
{
    PLACE(const act, x);
    PLACE(act, y);
    PLACE(uchar, index);
    POOL_PLANE;
    ivec live = live_lanes(a.C - c);
    for (SHARE(p, a.P, TEAM_ITEM, TEAM_ITEMS))
        for (int q = MEMBER_PIXEL; inside && q < a.Q; q += TEAM_PIXELS) {
            vec best = -INFINITY;
            int h0 = p * a.stride - a.pad, w0 = q * a.stride - a.pad, r0 = max(0, -h0), s0 = max(0, -w0);
            ivec where = r0 * a.window + s0; /* should all be -INFINITY */
            for (int r = r0; r < min(a.window, a.H - h0); r++)
                for (int s = s0; s < min(a.window, a.W - w0); s++) {
                    vec value = LOADA(x + big + ((long)(h0 + r) * a.W + w0 + s) * pixel);
                    ivec more = (value > best) | isnan(value);
                    best = select(best, value, more);
                    where = select(where, (ivec)(r * a.window + s), more);
                }
            STOREA(y + small + ((long)p * a.Q + q) * pixel, best);
            STOREB(index + small + ((long)p * a.Q + q) * pixel, TO_BYTE(where & live));
        }
}

/* Gathers: a pixel gets dy of every window whose maximum it is. */
TEAM_KERNEL void max_pool_grad(CREF(act, dy), CREF(uchar, index), REF(act, dx), PoolArgs a)
{
    PLACE(const act, dy);
    PLACE(const uchar, index);
    PLACE(act, dx);
    POOL_PLANE;
    for (SHARE(h, a.H, TEAM_ITEM, TEAM_ITEMS))
        for (int w = MEMBER_PIXEL; inside && w < a.W; w += TEAM_PIXELS) {
            vec sum = 0.0f;
            int p0 = max(0, (h + a.pad - a.window + a.stride) / a.stride), p1 = min(a.P - 1, (h + a.pad) / a.stride);
            int q0 = max(0, (w + a.pad - a.window + a.stride) / a.stride), q1 = min(a.Q - 1, (w + a.pad) / a.stride);
            for (int p = p0; p <= p1; p++)
                ROLLED for (int q = q0; q <= q1; q++) {
                    int place = (h - p * a.stride + a.pad) * a.window + w - q * a.stride + a.pad;
                    long at = small + ((long)p * a.Q + q) * pixel;
                    sum += select((vec)(0.0f), LOADA(dy + at), TO_INT(LOADB(index + at)) == (ivec)(place));
                }
            STOREA(dx + big + ((long)h * a.W + w) * pixel, sum);
        }
}

/* Teams: spans of channels; images. */
TEAM_KERNEL void avg_pool(CREF(act, x), REF(float, y), PoolArgs a)
{
    TEAM_MEMORY(vec, 2, shared);
    PLACE(const act, x);
    PLACE(float, y);
    int c = TEAM_ITEM * SPAN + MEMBER_VECTOR * LANES, n = ITEM(1), HW = a.H * a.W;
    const bool inside = c < a.width;
    const long pixel = PIXEL(a.width), plane = PLACE_OF(n, c, HW, a.width);
    vec sum = 0.0f;
    for (int i = MEMBER_PIXEL; inside && i < HW; i += TEAM_PIXELS)
        sum += LOADA(x + plane + pixel * i);
    sum = team_sum_vec(sum, shared, VECTORS);
    if (MEMBER < VECTORS && inside)
        STORE(y + (long)n * a.width + c, sum / (float)HW);
}

/* Items: parts of the plane, vector fastest; spans of channels; images. */
KERNEL void avg_pool_grad(CREF(float, dy), REF(act, dx), PoolArgs a)
{
    PLACE(const float, dy);
    PLACE(act, dx);
    int HW = a.H * a.W, part = ITEM(0) / VECTORS, parts = ITEMS(0) / VECTORS;
    int c = ITEM(1) * SPAN + ITEM(0) % VECTORS * LANES, n = ITEM(2);
    if (c >= a.width)
        return;
    const long pixel = PIXEL(a.width), plane = PLACE_OF(n, c, HW, a.width);
    vec each = LOAD(dy + (long)n * a.width + c) / (float)HW;
    for (SHARE(i, HW, part, parts))
        STOREA(dx + plane + pixel * i, each);
}
