/* Batch normalisation over activations [N][CB][HW][16].
 *
 * Sums are split over images, and over pieces of their planes where those are too few for a GPU: a team per block of
 * channels and split. Its members keep count, mean and squared
 * distances of their own pixels (plane by plane in two passes, joined by Chan's formula), so that nothing large
 * cancels. Partial results are [split][2][CB * 16]. */

/* The channels of this member of a team, and its part of the planes' pieces; how many pixels lie before a piece. */
#define CHANNELS                                                         \
    int cb = TEAM_ITEM, lane = MEMBER_VECTOR * LANES, c = cb * 16 + lane
#define SPLIT_BEGIN(a, split) ((int)((long)(a).N * (a).pieces * (split) / (a).splits))
#define SPLIT(a) int split = ITEM(1), from = SPLIT_BEGIN(a, split), to = SPLIT_BEGIN(a, split + 1)
#define PIECE_BEGIN(a, piece) ((int)((long)(a).HW * (piece) / (a).pieces))
#define PIXELS_BEFORE(a, u) ((long)((u) / (a).pieces) * (a).HW + PIECE_BEGIN(a, (u) % (a).pieces))
#define PLANE(n) (((long)(n) * a.CB + cb) * a.HW * 16 + lane)

/* Sum over the member's pixels of a plane, four sums in turn. */
vec plane_sum(GLOBAL const float *x, int count)
{
    vec s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    int i = MEMBER_PIXEL;
    for (; i + 3 * TEAM_PIXELS < count; i += 4 * TEAM_PIXELS) {
        s0 += LOAD(x + 16 * i);
        s1 += LOAD(x + 16 * (i + TEAM_PIXELS));
        s2 += LOAD(x + 16 * (i + 2 * TEAM_PIXELS));
        s3 += LOAD(x + 16 * (i + 3 * TEAM_PIXELS));
    }
    for (; i < count; i += TEAM_PIXELS)
        s0 += LOAD(x + 16 * i);
    return (s0 + s1) + (s2 + s3);
}

/* Sum of squared distances from `mean` over the member's pixels of a plane. */
vec plane_squares(GLOBAL const float *x, int count, vec mean)
{
    vec s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    int i = MEMBER_PIXEL;
    for (; i + 3 * TEAM_PIXELS < count; i += 4 * TEAM_PIXELS) {
        vec d0 = LOAD(x + 16 * i) - mean, d1 = LOAD(x + 16 * (i + TEAM_PIXELS)) - mean;
        vec d2 = LOAD(x + 16 * (i + 2 * TEAM_PIXELS)) - mean, d3 = LOAD(x + 16 * (i + 3 * TEAM_PIXELS)) - mean;
        s0 = fma(d0, d0, s0);
        s1 = fma(d1, d1, s1);
        s2 = fma(d2, d2, s2);
        s3 = fma(d3, d3, s3);
    }
    for (; i < count; i += TEAM_PIXELS) {
        vec d = LOAD(x + 16 * i) - mean;
        s0 = fma(d, d, s0);
    }
    return (s0 + s1) + (s2 + s3);
}

/* Mean and squared distances from it of `count` values; of none: zeros. */
typedef struct Moments {
    vec mean, squares;
    float count;
} Moments;

Moments moments_join(Moments a, Moments b)
{
    if (b.count == 0.0f)
        return a;
    vec delta = b.mean - a.mean;
    float total = a.count + b.count;
    a.mean += delta * (b.count / total);
    a.squares += b.squares + delta * delta * (a.count * b.count / total);
    a.count = total;
    return a;
}

#if TEAM == 1
#define team_moments(own, shared, apart) (own)
#else
#ifdef SUBGROUPS
static inline Moments from_lane_Moments(Moments m, int lane)
{
    return (Moments){from_lane_vec(m.mean, lane), from_lane_vec(m.squares, lane), from_lane_float(m.count, lane)};
}
#else
#define from_lane_Moments(m, lane) (m)
#endif
TEAM_REDUCTION(team_moments, Moments, moments_join(a, b))
#endif

TEAM_KERNEL void bn_stats(CREF(float, x), REF(float, partial), BnArgs a)
{
    TEAM_MEMORY(Moments, 1, shared);
    PLACE(const float, x);
    PLACE(float, partial);
    CHANNELS;
    SPLIT(a);
    Moments all = {0.0f, 0.0f, 0.0f};
    for (int u = from; u < to; u++) {
        int piece = u % a.pieces, begin = PIECE_BEGIN(a, piece), count = PIECE_BEGIN(a, piece + 1) - begin;
        int pixels = (count - MEMBER_PIXEL + TEAM_PIXELS - 1) / TEAM_PIXELS;
        if (pixels <= 0)
            continue;
        GLOBAL const float *first = x + PLANE(u / a.pieces) + 16L * begin;
        vec mean = plane_sum(first, count) / (float)pixels;
        all = moments_join(all, (Moments){mean, plane_squares(first, count, mean), (float)pixels});
    }
    all = team_moments(all, shared, VECTORS);
    if (MEMBER >= VECTORS)
        return;
    STORE(partial + (split * 2 + 0) * a.CB * 16 + c, all.mean);
    STORE(partial + (split * 2 + 1) * a.CB * 16 + c, all.squares);
}

TEAM_KERNEL void bn_merge(CREF(float, partial), REF(float, mean), REF(float, invstd), REF(float, running_mean),
                          REF(float, running_var), CREF(StepState, state), BnArgs a)
{
    TEAM_MEMORY(Moments, 1, shared);
    PLACE(const float, partial);
    PLACE(float, mean);
    PLACE(float, invstd);
    PLACE(float, running_mean);
    PLACE(float, running_var);
    PLACE(const StepState, state);
    CHANNELS;
    int live = a.C - c;
    Moments all = {0.0f, 0.0f, 0.0f};
    for (int split = MEMBER_PIXEL; split < a.splits; split += TEAM_PIXELS) {
        int from = SPLIT_BEGIN(a, split), to = SPLIT_BEGIN(a, split + 1);
        all = moments_join(all, (Moments){LOAD(partial + (split * 2 + 0) * a.CB * 16 + c),
                                          LOAD(partial + (split * 2 + 1) * a.CB * 16 + c),
                                          (float)(PIXELS_BEFORE(a, to) - PIXELS_BEFORE(a, from))});
    }
    all = team_moments(all, shared, VECTORS);
    if (MEMBER >= VECTORS)
        return;
    store_some(mean + c, all.mean, live);
    store_some(invstd + c, 1.0f / sqrt(all.squares / all.count + a.eps), live);
    if (state->rank != 0)
        return;
    vec unbiased = all.squares / (all.count - 1.0f);
    float keep = 1.0f - a.momentum;
    store_some(running_mean + c, keep * load_some(running_mean + c, live) + a.momentum * all.mean, live);
    store_some(running_var + c, keep * load_some(running_var + c, live) + a.momentum * unbiased, live);
}

/* A work-item's channels and its share of a plane's pixels. Items: parts of the plane, vector fastest; blocks of
 * channels; images. */
#define PIXELS(a)                                                                                    \
    int cb = ITEM(1), n = ITEM(2), lane = ITEM(0) % VECTORS * LANES, c = cb * 16 + lane;             \
    int live = (a).C - c, part = ITEM(0) / VECTORS, parts = ITEMS(0) / VECTORS;                      \
    long plane = PLANE(n)

KERNEL void bn_apply(CREF(float, x), CREF(float, gamma), CREF(float, beta), CREF(float, mean),
                     CREF(float, invstd), CREF(float, residual), REF(float, y), BnArgs a)
{
    PLACE(const float, x);
    PLACE(const float, gamma);
    PLACE(const float, beta);
    PLACE(const float, mean);
    PLACE(const float, invstd);
    PLACE_OR_NULL(const float, residual);
    PLACE(float, y);
    PIXELS(a);
    vec scale = load_some(gamma + c, live) * load_some(invstd + c, live);
    vec middle = load_some(mean + c, live), shift = load_some(beta + c, live);
    float least = a.relu ? 0.0f : -INFINITY;
    if (residual)
        for (SHARE(i, a.HW, part, parts)) {
            long at = plane + 16 * i;
            STORE(y + at, at_least(fma(LOAD(x + at) - middle, scale, shift) + LOAD(residual + at), least));
        }
    else
        for (SHARE(i, a.HW, part, parts)) {
            long at = plane + 16 * i;
            STORE(y + at, at_least(fma(LOAD(x + at) - middle, scale, shift), least));
        }
}

/* dy where the output y was positive or not-a-number; all of dy without y. */
#define MASKED(at) (y ? select(LOAD(dy + (at)), (vec)(0.0f), LOAD(y + (at)) <= 0.0f) : LOAD(dy + (at)))

TEAM_KERNEL void bn_grad_sums(CREF(float, dy), CREF(float, x), CREF(float, mean), CREF(float, invstd),
                              CREF(float, y), REF(float, partial), BnArgs a)
{
    TEAM_MEMORY(vec, 2, shared);
    PLACE(const float, dy);
    PLACE(const float, x);
    PLACE(const float, mean);
    PLACE(const float, invstd);
    PLACE_OR_NULL(const float, y);
    PLACE(float, partial);
    CHANNELS;
    SPLIT(a);
    int live = a.C - c;
    const long next = 16 * TEAM_PIXELS;
    vec middle = load_some(mean + c, live), sums[2] = {0.0f, 0.0f}; /* of g, and of g times the distance */
    for (int u = from; u < to; u++) {
        vec s0 = 0.0f, s1 = 0.0f, d0 = 0.0f, d1 = 0.0f;
        long plane = PLANE(u / a.pieces), end = plane + 16L * PIECE_BEGIN(a, u % a.pieces + 1);
        long at = plane + 16L * PIECE_BEGIN(a, u % a.pieces);
        for (at += 16 * MEMBER_PIXEL; at + next < end; at += 2 * next) {
            vec g0 = MASKED(at), g1 = MASKED(at + next);
            s0 += g0;
            s1 += g1;
            d0 = fma(g0, LOAD(x + at) - middle, d0);
            d1 = fma(g1, LOAD(x + at + next) - middle, d1);
        }
        for (; at < end; at += next) {
            vec g = MASKED(at);
            s0 += g;
            d0 = fma(g, LOAD(x + at) - middle, d0);
        }
        sums[0] += s0 + s1;
        sums[1] += d0 + d1;
    }
    team_join_vec(sums, 2, shared, VECTORS);
    if (MEMBER >= VECTORS)
        return;
    STORE(partial + (split * 2 + 0) * a.CB * 16 + c, sums[0]);
    STORE(partial + (split * 2 + 1) * a.CB * 16 + c, sums[1] * load_some(invstd + c, live));
}

TEAM_KERNEL void bn_grad_merge(CREF(float, partial), REF(float, dgamma), REF(float, dbeta), BnArgs a)
{
    TEAM_MEMORY(vec, 2, shared);
    PLACE(const float, partial);
    PLACE(float, dgamma);
    PLACE(float, dbeta);
    CHANNELS;
    vec sums[2] = {0.0f, 0.0f};
    for (int split = MEMBER_PIXEL; split < a.splits; split += TEAM_PIXELS) {
        sums[0] += LOAD(partial + (split * 2 + 0) * a.CB * 16 + c);
        sums[1] += LOAD(partial + (split * 2 + 1) * a.CB * 16 + c);
    }
    team_join_vec(sums, 2, shared, VECTORS);
    if (MEMBER >= VECTORS)
        return;
    store_some(dbeta + c, sums[0], a.C - c);
    store_some(dgamma + c, sums[1], a.C - c);
}

/* dx = gamma invstd (g - mean(g) - xhat mean(g xhat)), g the masked dy */
KERNEL void bn_grad_apply(CREF(float, dy), CREF(float, x), CREF(float, gamma), CREF(float, mean),
                          CREF(float, invstd), CREF(float, dgamma), CREF(float, dbeta), CREF(float, y),
                          REF(float, dx), REF(float, masked), BnArgs a)
{
    PLACE(const float, dy);
    PLACE(const float, x);
    PLACE(const float, gamma);
    PLACE(const float, mean);
    PLACE(const float, invstd);
    PLACE(const float, dgamma);
    PLACE(const float, dbeta);
    PLACE_OR_NULL(const float, y);
    PLACE(float, dx);
    PLACE_OR_NULL(float, masked);
    PIXELS(a);
    float count = (float)a.N * (float)a.HW;
    vec middle = load_some(mean + c, live), inverse = load_some(invstd + c, live);
    vec scale = load_some(gamma + c, live) * inverse;
    vec mean_g = load_some(dbeta + c, live) / count;
    vec mean_gx = load_some(dgamma + c, live) / count * inverse;
    for (SHARE(i, a.HW, part, parts)) {
        long at = plane + 16 * i;
        vec g = MASKED(at);
        if (masked)
            STORE(masked + at, g);
        STORE(dx + at, scale * (g - mean_g - (LOAD(x + at) - middle) * mean_gx));
    }
}

/* y = gamma / sqrt(var + eps) (x - mean) + beta */
KERNEL void bn_eval(CREF(float, x), CREF(float, gamma), CREF(float, beta), CREF(float, mean), CREF(float, var),
                    REF(float, y), BnArgs a)
{
    PLACE(const float, x);
    PLACE(const float, gamma);
    PLACE(const float, beta);
    PLACE(const float, mean);
    PLACE(const float, var);
    PLACE(float, y);
    PIXELS(a);
    vec scale = load_some(gamma + c, live) / sqrt(load_some(var + c, live) + a.eps);
    vec middle = load_some(mean + c, live), shift = load_some(beta + c, live);
    for (SHARE(i, a.HW, part, parts))
        STORE(y + plane + 16 * i, fma(LOAD(x + plane + 16 * i) - middle, scale, shift));
}

/* Batch norm in the weights: w' = w s, bias' = beta - mean s, with s = gamma / sqrt(var + eps) per row. */
TEAM_KERNEL void bn_fold(CREF(float, w), CREF(float, gamma), CREF(float, beta), CREF(float, mean),
                         CREF(float, var), REF(float, folded), REF(float, bias), FoldArgs a)
{
    PLACE(const float, w);
    PLACE(const float, gamma);
    PLACE(const float, beta);
    PLACE(const float, mean);
    PLACE(const float, var);
    PLACE(float, folded);
    PLACE(float, bias);
    int k = TEAM_ITEM;
    float scale = gamma[k] / sqrt(var[k] + a.eps);
    long row = (long)k * a.row;
    for (int i = MEMBER; i < a.row; i += TEAM)
        folded[row + i] = w[row + i] * scale;
    if (MEMBER == 0)
        bias[k] = beta[k] - mean[k] * scale;
}
