/* Batch normalisation over images and features; with channels last the host gives all images as one plane.
 *
 * Sums are split over images, and over pieces of their planes where those are too few for a GPU: a team per span of
 * channels and split. Its members read their own pixels once, in blocks that registers hold: a block's mean, then its
 * squared distances from that, and blocks are joined by Chan's formula, so that nothing large cancels. Partial results
 * are [split][2][width]; they are merged, in the order of the splits, by a kernel of its own, or where the device has a
 * LAST_TEAM by the team that comes last of a span's. */

/* The channels of this member of a team, and whether it has the team's results of them; its part of the planes' pieces;
 * how many pixels lie before a piece. */
#define CHANNELS                                                         \
    int c = TEAM_ITEM * SPAN + MEMBER_VECTOR * LANES;                    \
    const bool inside = c < a.width
#define HOLDS (MEMBER < VECTORS && inside)
#define SPLIT_BEGIN(a, split) ((int)((long)(a).N * (a).pieces * (split) / (a).splits))
#define SPLIT(a) int split = ITEM(1), from = SPLIT_BEGIN(a, split), to = SPLIT_BEGIN(a, split + 1)
#define PIECE_BEGIN(a, piece) ((int)((long)(a).HW * (piece) / (a).pieces))
#define PIXELS_BEFORE(a, u) ((long)((u) / (a).pieces) * (a).HW + PIECE_BEGIN(a, (u) % (a).pieces))
#define PLANE(n) PLACE_OF(n, c, a.HW, a.width)
/* Floats of all splits' partial results. */
#define PARTIAL(a) ((a).splits * 2 * (a).width)

/* Mean and squared distances from it of `count` values; of none: zeros. */
typedef struct Moments {
    vec mean, squares;
    float count;
} Moments;

/* The moments of both. What the mean rounds off is left in `lost`, for the next join: many small ones cost no digits. */
DEVICE Moments moments_join_next(Moments a, Moments b, vec *lost)
{
    float total = a.count + b.count, share = b.count / total;
    vec delta = b.mean - a.mean, step = fma(delta, (vec)(share), *lost), mean = a.mean + step;
    *lost = step - (mean - a.mean);
    return (Moments){mean, a.squares + b.squares + delta * delta * (a.count * share), total};
}

DEVICE Moments moments_join(Moments a, Moments b)
{
    vec lost = 0.0f;
    return b.count == 0.0f ? a : moments_join_next(a, b, &lost);
}

/* Pixels of a block. A member of a GPU's team may have no more than four in all (lower_pieces). */
enum { BLOCK = LANES == 16 ? 8 : 4 };

/* Of a block whose pixels lie `next` apart. */
DEVICE Moments block_moments(GLOBAL const act *x, long next)
{
    vec v[BLOCK], sums[2] = {0.0f, 0.0f}, squares[2] = {0.0f, 0.0f};
    UNROLL for (int i = 0; i < BLOCK; i++) {
        v[i] = LOADA(x + next * i);
        sums[i % 2] += v[i];
    }
    vec mean = (sums[0] + sums[1]) * (1.0f / BLOCK);
    UNROLL for (int i = 0; i < BLOCK; i++)
        squares[i % 2] = fma(v[i] - mean, v[i] - mean, squares[i % 2]);
    return (Moments){mean, squares[0] + squares[1], BLOCK};
}

#if TEAM == 1
#define team_moments(own, shared, apart) (own)
#else
#ifdef SUBGROUPS
DEVICE Moments from_lane_Moments(Moments m, int lane)
{
    return (Moments){from_lane_vec(m.mean, lane), from_lane_vec(m.squares, lane), from_lane_float(m.count, lane)};
}
#else
#define from_lane_Moments(m, lane) (m)
#endif
TEAM_REDUCTION(team_moments, Moments, moments_join(a, b))
#endif

/* The member's part of the moments of its channels, from those of all splits. */
DEVICE Moments moments_of_splits(GLOBAL const float *partial, BnArgs a)
{
    CHANNELS;
    Moments all = {0.0f, 0.0f, 0.0f};
    for (int split = MEMBER_PIXEL; inside && split < a.splits; split += TEAM_PIXELS) {
        int from = SPLIT_BEGIN(a, split), to = SPLIT_BEGIN(a, split + 1);
        all = moments_join(all, (Moments){LOAD(partial + (split * 2 + 0) * a.width + c),
                                          LOAD(partial + (split * 2 + 1) * a.width + c),
                                          (float)(PIXELS_BEFORE(a, to) - PIXELS_BEFORE(a, from))});
    }
    return all;
}

/* The statistics, and on rank 0 the move of the running ones, from the moments of all. */
DEVICE void put_moments(Moments all, GLOBAL float *mean, GLOBAL float *invstd, GLOBAL float *running_mean,
                        GLOBAL float *running_var, GLOBAL const StepState *state, BnArgs a)
{
    CHANNELS;
    int live = a.C - c;
    if (!HOLDS)
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

/* The moments of the member's own pixels of its channels and split. */
DEVICE Moments moments_of_pixels(GLOBAL const act *x, BnArgs a)
{
    CHANNELS;
    SPLIT(a);
    const long pixel = PIXEL(a.width), next = pixel * TEAM_PIXELS;
    Moments all = {0.0f, 0.0f, 0.0f};
    vec lost = 0.0f;
    for (int u = from; inside && u < to; u++) {
        int piece = u % a.pieces, begin = PIECE_BEGIN(a, piece), count = PIECE_BEGIN(a, piece + 1) - begin;
        GLOBAL const act *first = x + PLANE(u / a.pieces) + pixel * begin;
        int i = MEMBER_PIXEL;
        for (; i + (BLOCK - 1) * TEAM_PIXELS < count; i += BLOCK * TEAM_PIXELS)
            all = moments_join_next(all, block_moments(first + pixel * i, next), &lost);
        for (; i < count; i += TEAM_PIXELS)
            all = moments_join_next(all, (Moments){LOADA(first + pixel * i), 0.0f, 1.0f}, &lost);
    }
    return all;
}

/* What a team leaves of its split. */
DEVICE void put_partial(vec first, vec second, GLOBAL float *partial, int c, BnArgs a)
{
    STORE(partial + (ITEM(1) * 2 + 0) * a.width + c, first);
    STORE(partial + (ITEM(1) * 2 + 1) * a.width + c, second);
}

TEAM_KERNEL void bn_stats(CREF(act, x), REF(float, partial), REF(float, mean), REF(float, invstd),
                          REF(float, running_mean), REF(float, running_var), CREF(StepState, state), REF(uint, arrived),
                          BnArgs a)
{
    TEAM_MEMORY(Moments, 1, shared);
    PLACE(const act, x);
    PLACE(float, partial);
    CHANNELS;
    Moments all = team_moments(moments_of_pixels(x, a), shared, VECTORS);
    if (HOLDS)
        put_partial(all.mean, all.squares, partial, c, a);
#ifdef LAST_TEAM
    PLACE(float, mean);
    PLACE(float, invstd);
    PLACE(float, running_mean);
    PLACE(float, running_var);
    PLACE(const StepState, state);
    PLACE(uint, arrived);
    if (!LAST_TEAM(arrived + TEAM_ITEM, a.splits))
        return;
    all = team_moments(moments_of_splits(partial, a), shared, VECTORS);
    put_moments(all, mean, invstd, running_mean, running_var, state, a);
#endif
}

/* Of two at once: teams of the one and of the other. */
TEAM_KERNEL void bn_pair_stats(CREF(act, x), CREF(act, x2), REF(float, partial), REF(float, mean), REF(float, invstd),
                               REF(float, running_mean), REF(float, running_var), REF(float, mean2),
                               REF(float, invstd2), REF(float, running_mean2), REF(float, running_var2),
                               CREF(StepState, state), REF(uint, arrived), BnArgs a)
{
    TEAM_MEMORY(Moments, 1, shared);
    PLACE(const act, x);
    PLACE(const act, x2);
    PLACE(float, partial);
    const int other = ITEM(2);
    CHANNELS;
    partial += other * PARTIAL(a);
    Moments all = team_moments(moments_of_pixels(other ? x2 : x, a), shared, VECTORS);
    if (HOLDS)
        put_partial(all.mean, all.squares, partial, c, a);
#ifdef LAST_TEAM
    PLACE(float, mean);
    PLACE(float, invstd);
    PLACE(float, running_mean);
    PLACE(float, running_var);
    PLACE(float, mean2);
    PLACE(float, invstd2);
    PLACE(float, running_mean2);
    PLACE(float, running_var2);
    PLACE(const StepState, state);
    PLACE(uint, arrived);
    if (!LAST_TEAM(arrived + other * TEAM_ITEMS + TEAM_ITEM, a.splits))
        return;
    all = team_moments(moments_of_splits(partial, a), shared, VECTORS);
    put_moments(all, other ? mean2 : mean, other ? invstd2 : invstd, other ? running_mean2 : running_mean,
                other ? running_var2 : running_var, state, a);
#endif
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
    Moments all = team_moments(moments_of_splits(partial, a), shared, VECTORS);
    put_moments(all, mean, invstd, running_mean, running_var, state, a);
}

/* A work-item's channels and its share of a plane's pixels. Items: parts of the plane, vector fastest; blocks of
 * channels; images. */
#define PIXELS(a)                                                                                    \
    int c = ITEM(1) * SPAN + ITEM(0) % VECTORS * LANES, n = ITEM(2), live = (a).C - c;               \
    int part = ITEM(0) / VECTORS, parts = ITEMS(0) / VECTORS, pixels = c < (a).width ? (a).HW : 0;   \
    const long pixel = PIXEL((a).width), plane = PLANE(n)

/* An output, and where it is wanted the bits that say where it is positive or not-a-number. */
DEVICE void put_applied(vec v, float least, GLOBAL act *y, GLOBAL bits *mask, long at)
{
    STOREA(y + at, at_least(v, least));
    if (mask)
        mask[at / LANES] = bits_of(~(v <= 0.0f));
}

KERNEL void bn_apply(CREF(act, x), CREF(float, gamma), CREF(float, beta), CREF(float, mean),
                     CREF(float, invstd), CREF(act, residual), CREF(float, gamma2), CREF(float, beta2),
                     CREF(float, mean2), CREF(float, invstd2), REF(act, y), REF(bits, mask), BnArgs a)
{
    PLACE(const act, x);
    PLACE(const float, gamma);
    PLACE(const float, beta);
    PLACE(const float, mean);
    PLACE(const float, invstd);
    PLACE_OR_NULL(const act, residual);
    PLACE_OR_NULL(const float, gamma2);
    PLACE_OR_NULL(const float, beta2);
    PLACE_OR_NULL(const float, mean2);
    PLACE_OR_NULL(const float, invstd2);
    PLACE(act, y);
    PLACE_OR_NULL(bits, mask);
    PIXELS(a);
    vec scale = load_some(gamma + c, live) * load_some(invstd + c, live);
    vec middle = load_some(mean + c, live), shift = load_some(beta + c, live);
    float least = a.relu ? 0.0f : -INFINITY;
    if (gamma2) {
        vec scale2 = load_some(gamma2 + c, live) * load_some(invstd2 + c, live);
        vec middle2 = load_some(mean2 + c, live), shift2 = load_some(beta2 + c, live);
        for (SHARE(i, pixels, part, parts)) {
            long at = plane + pixel * i;
            put_applied(fma(LOADA(x + at) - middle, scale, shift) +
                            fma(LOADA(residual + at) - middle2, scale2, shift2),
                        least, y, mask, at);
        }
    } else if (residual)
        for (SHARE(i, pixels, part, parts)) {
            long at = plane + pixel * i;
            put_applied(fma(LOADA(x + at) - middle, scale, shift) + LOADA(residual + at), least, y, mask, at);
        }
    else
        for (SHARE(i, pixels, part, parts)) {
            long at = plane + pixel * i;
            put_applied(fma(LOADA(x + at) - middle, scale, shift), least, y, mask, at);
        }
}

/* dy where the output was positive or not-a-number, as y itself or the mask says; all of dy without either. */
#define MASKED_BY_BITS(at) select((vec)(0.0f), LOADA(dy + (at)), lanes_of(mask[(at) / LANES]))
#define MASKED(at)                                                                                     \
    (mask ? MASKED_BY_BITS(at)                                                                         \
     : y  ? select(LOADA(dy + (at)), (vec)(0.0f), LOADA(y + (at)) <= 0.0f)                             \
          : LOADA(dy + (at)))

/* The member's part of the sums of its channels, from those of all splits. */
DEVICE void sums_of_splits(vec *sums, GLOBAL const float *partial, BnArgs a)
{
    CHANNELS;
    sums[0] = sums[1] = 0.0f;
    for (int split = MEMBER_PIXEL; inside && split < a.splits; split += TEAM_PIXELS) {
        sums[0] += LOAD(partial + (split * 2 + 0) * a.width + c);
        sums[1] += LOAD(partial + (split * 2 + 1) * a.width + c);
    }
}

DEVICE void put_sums(const vec *sums, GLOBAL float *dgamma, GLOBAL float *dbeta, BnArgs a)
{
    CHANNELS;
    if (!HOLDS)
        return;
    store_some(dbeta + c, sums[0], a.C - c);
    store_some(dgamma + c, sums[1], a.C - c);
}

TEAM_KERNEL void bn_grad_sums(CREF(act, dy), CREF(act, x), CREF(float, mean), CREF(float, invstd),
                              CREF(act, y), CREF(bits, mask), REF(float, partial), REF(float, dgamma),
                              REF(float, dbeta), REF(uint, arrived), BnArgs a)
{
    TEAM_MEMORY(vec, 2, shared);
    PLACE(const act, dy);
    PLACE(const act, x);
    PLACE(const float, mean);
    PLACE(const float, invstd);
    PLACE_OR_NULL(const act, y);
    PLACE_OR_NULL(const bits, mask);
    PLACE(float, partial);
    CHANNELS;
    SPLIT(a);
    int live = a.C - c;
    const long pixel = PIXEL(a.width), next = pixel * TEAM_PIXELS;
    vec middle = load_some(mean + c, live), sums[2] = {0.0f, 0.0f}; /* of g, and of g times the distance */
    for (int u = from; inside && u < to; u++) {
        vec s0 = 0.0f, s1 = 0.0f, d0 = 0.0f, d1 = 0.0f;
        long plane = PLANE(u / a.pieces), end = plane + pixel * PIECE_BEGIN(a, u % a.pieces + 1);
        long at = plane + pixel * PIECE_BEGIN(a, u % a.pieces);
        for (at += pixel * MEMBER_PIXEL; at + next < end; at += 2 * next) {
            vec g0 = MASKED(at), g1 = MASKED(at + next);
            s0 += g0;
            s1 += g1;
            d0 = fma(g0, LOADA(x + at) - middle, d0);
            d1 = fma(g1, LOADA(x + at + next) - middle, d1);
        }
        for (; at < end; at += next) {
            vec g = MASKED(at);
            s0 += g;
            d0 = fma(g, LOADA(x + at) - middle, d0);
        }
        sums[0] += s0 + s1;
        sums[1] += d0 + d1;
    }
    team_join_vec(sums, 2, shared, VECTORS);
    if (HOLDS)
        put_partial(sums[0], sums[1] * load_some(invstd + c, live), partial, c, a);
#ifdef LAST_TEAM
    PLACE(float, dgamma);
    PLACE(float, dbeta);
    PLACE(uint, arrived);
    if (!LAST_TEAM(arrived + TEAM_ITEM, a.splits))
        return;
    sums_of_splits(sums, partial, a);
    team_join_vec(sums, 2, shared, VECTORS);
    put_sums(sums, dgamma, dbeta, a);
#endif
}

/* Of two whose outputs were added: dy is read once for both. */
TEAM_KERNEL_WIDE void bn_pair_grad_sums(CREF(act, dy), CREF(bits, mask), CREF(act, x), CREF(float, mean),
                                   CREF(float, invstd), CREF(act, x2), CREF(float, mean2), CREF(float, invstd2),
                                   REF(float, partial), REF(float, dgamma), REF(float, dbeta), REF(float, dgamma2),
                                   REF(float, dbeta2), REF(uint, arrived), BnArgs a)
{
    TEAM_MEMORY(vec, 2, shared);
    PLACE(const act, dy);
    PLACE(const bits, mask);
    PLACE(const act, x);
    PLACE(const float, mean);
    PLACE(const float, invstd);
    PLACE(const act, x2);
    PLACE(const float, mean2);
    PLACE(const float, invstd2);
    PLACE(float, partial);
    CHANNELS;
    SPLIT(a);
    int live = a.C - c;
    const long pixel = PIXEL(a.width), next = pixel * TEAM_PIXELS;
    vec middle = load_some(mean + c, live), middle2 = load_some(mean2 + c, live);
    vec sums[3] = {0.0f, 0.0f, 0.0f}; /* of g, and of g times the distance of the one and of the other */
    for (int u = from; inside && u < to; u++) {
        vec s0 = 0.0f, s1 = 0.0f, d0 = 0.0f, d1 = 0.0f, e0 = 0.0f, e1 = 0.0f;
        long plane = PLANE(u / a.pieces), end = plane + pixel * PIECE_BEGIN(a, u % a.pieces + 1);
        long at = plane + pixel * PIECE_BEGIN(a, u % a.pieces);
        for (at += pixel * MEMBER_PIXEL; at + next < end; at += 2 * next) {
            vec g0 = MASKED_BY_BITS(at);
            s0 += g0;
            d0 = fma(g0, LOADA(x + at) - middle, d0);
            e0 = fma(g0, LOADA(x2 + at) - middle2, e0);
            vec g1 = MASKED_BY_BITS(at + next);
            s1 += g1;
            d1 = fma(g1, LOADA(x + at + next) - middle, d1);
            e1 = fma(g1, LOADA(x2 + at + next) - middle2, e1);
        }
        for (; at < end; at += next) {
            vec g = MASKED_BY_BITS(at);
            s0 += g;
            d0 = fma(g, LOADA(x + at) - middle, d0);
            e0 = fma(g, LOADA(x2 + at) - middle2, e0);
        }
        sums[0] += s0 + s1;
        sums[1] += d0 + d1;
        sums[2] += e0 + e1;
    }
    team_join_vec(sums, 3, shared, VECTORS);
    if (HOLDS) {
        put_partial(sums[0], sums[1] * load_some(invstd + c, live), partial, c, a);
        put_partial(sums[0], sums[2] * load_some(invstd2 + c, live), partial + PARTIAL(a), c, a);
    }
#ifdef LAST_TEAM
    PLACE(float, dgamma);
    PLACE(float, dbeta);
    PLACE(float, dgamma2);
    PLACE(float, dbeta2);
    PLACE(uint, arrived);
    if (!LAST_TEAM(arrived + TEAM_ITEM, a.splits))
        return;
    for (int other = 0; other < 2; other++) {
        sums_of_splits(sums, partial + other * PARTIAL(a), a);
        team_join_vec(sums, 2, shared, VECTORS);
        put_sums(sums, other ? dgamma2 : dgamma, other ? dbeta2 : dbeta, a);
    }
#endif
}

TEAM_KERNEL void bn_grad_merge(CREF(float, partial), REF(float, dgamma), REF(float, dbeta), BnArgs a)
{
    TEAM_MEMORY(vec, 2, shared);
    PLACE(const float, partial);
    PLACE(float, dgamma);
    PLACE(float, dbeta);
    vec sums[2];
    sums_of_splits(sums, partial, a);
    team_join_vec(sums, 2, shared, VECTORS);
    put_sums(sums, dgamma, dbeta, a);
}

/* What dx is made of for the channels of a work-item. */
typedef struct BnSlope {
    vec middle, scale, mean_g, mean_gx;
} BnSlope;

DEVICE BnSlope bn_slope(GLOBAL const float *gamma, GLOBAL const float *mean, GLOBAL const float *invstd,
                        GLOBAL const float *dgamma, GLOBAL const float *dbeta, int live, BnArgs a)
{
    float count = (float)a.N * (float)a.HW;
    vec inverse = load_some(invstd, live);
    return (BnSlope){load_some(mean, live), load_some(gamma, live) * inverse, load_some(dbeta, live) / count,
                     load_some(dgamma, live) / count * inverse};
}

/* dx = gamma invstd (g - mean(g) - xhat mean(g xhat)), g the masked dy */
DEVICE vec slope_at(BnSlope s, vec g, vec x)
{
    return s.scale * (g - s.mean_g - (x - s.middle) * s.mean_gx);
}

KERNEL void bn_grad_apply(CREF(act, dy), CREF(act, x), CREF(float, gamma), CREF(float, mean),
                          CREF(float, invstd), CREF(float, dgamma), CREF(float, dbeta), CREF(act, y),
                          CREF(bits, mask), REF(act, dx), REF(act, masked), BnArgs a)
{
    PLACE(const act, dy);
    PLACE(const act, x);
    PLACE(const float, gamma);
    PLACE(const float, mean);
    PLACE(const float, invstd);
    PLACE(const float, dgamma);
    PLACE(const float, dbeta);
    PLACE_OR_NULL(const act, y);
    PLACE_OR_NULL(const bits, mask);
    PLACE(act, dx);
    PLACE_OR_NULL(act, masked);
    PIXELS(a);
    const BnSlope slope = bn_slope(gamma + c, mean + c, invstd + c, dgamma + c, dbeta + c, live, a);
    for (SHARE(i, pixels, part, parts)) {
        long at = plane + pixel * i;
        vec g = MASKED(at);
        if (masked)
            STOREA(masked + at, g);
        STOREA(dx + at, slope_at(slope, g, LOADA(x + at)));
    }
}

KERNEL void bn_pair_grad_apply(CREF(act, dy), CREF(bits, mask), CREF(float, dbeta), CREF(act, x),
                               CREF(float, gamma), CREF(float, mean), CREF(float, invstd), CREF(float, dgamma),
                               CREF(act, x2), CREF(float, gamma2), CREF(float, mean2), CREF(float, invstd2),
                               CREF(float, dgamma2), REF(act, dx), REF(act, dx2), BnArgs a)
{
    PLACE(const act, dy);
    PLACE(const bits, mask);
    PLACE(const float, dbeta);
    PLACE(const act, x);
    PLACE(const float, gamma);
    PLACE(const float, mean);
    PLACE(const float, invstd);
    PLACE(const float, dgamma);
    PLACE(const act, x2);
    PLACE(const float, gamma2);
    PLACE(const float, mean2);
    PLACE(const float, invstd2);
    PLACE(const float, dgamma2);
    PLACE(act, dx);
    PLACE(act, dx2);
    PIXELS(a);
    const BnSlope one = bn_slope(gamma + c, mean + c, invstd + c, dgamma + c, dbeta + c, live, a);
    const BnSlope other = bn_slope(gamma2 + c, mean2 + c, invstd2 + c, dgamma2 + c, dbeta + c, live, a);
    for (SHARE(i, pixels, part, parts)) {
        long at = plane + pixel * i;
        vec g = MASKED_BY_BITS(at);
        STOREA(dx + at, slope_at(one, g, LOADA(x + at)));
        STOREA(dx2 + at, slope_at(other, g, LOADA(x2 + at)));
    }
}

/* y = gamma / sqrt(var + eps) (x - mean) + beta */
KERNEL void bn_eval(CREF(act, x), CREF(float, gamma), CREF(float, beta), CREF(float, mean), CREF(float, var),
                    REF(act, y), BnArgs a)
{
    PLACE(const act, x);
    PLACE(const float, gamma);
    PLACE(const float, beta);
    PLACE(const float, mean);
    PLACE(const float, var);
    PLACE(act, y);
    PIXELS(a);
    vec scale = load_some(gamma + c, live) / sqrt(load_some(var + c, live) + a.eps);
    vec middle = load_some(mean + c, live), shift = load_some(beta + c, live);
    for (SHARE(i, pixels, part, parts))
        STOREA(y + plane + pixel * i, fma(LOADA(x + plane + pixel * i) - middle, scale, shift));
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
