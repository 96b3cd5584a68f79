/* Batch normalisation over activations [N][CB][HW][16].
 *
 * Sums are split over images; each split keeps mean and squared distances of its own (plane by plane in two
 * passes, joined by Chan's formula), so that nothing large cancels. Partial results are [split][2][CB * 16]. */

/* The vector of channels that item 0 stands for, and its part of the images. */
#define CHANNELS(a)                                                              \
    int v = ITEM(0), cb = v / VECTORS, lane = LANE(v), c = cb * 16 + lane;       \
    int split = ITEM(1)
#define IMAGES(a)                                                                \
    int from = (int)((long)(a).N * split / (a).splits);                          \
    int to = (int)((long)(a).N * (split + 1) / (a).splits)
#define PLANE(n) (((long)(n) * a.CB + cb) * a.HW * 16 + lane)

/* Sum over a plane, four sums in turn. */
vec plane_sum(GLOBAL const float *x, int count)
{
    vec s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    int i = 0;
    for (; i + 4 <= count; i += 4) {
        s0 += LOAD(x + 16 * i);
        s1 += LOAD(x + 16 * i + 16);
        s2 += LOAD(x + 16 * i + 32);
        s3 += LOAD(x + 16 * i + 48);
    }
    for (; i < count; i++)
        s0 += LOAD(x + 16 * i);
    return (s0 + s1) + (s2 + s3);
}

/* Sum of squared distances from `mean` over a plane. */
vec plane_squares(GLOBAL const float *x, int count, vec mean)
{
    vec s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    int i = 0;
    for (; i + 4 <= count; i += 4) {
        vec d0 = LOAD(x + 16 * i) - mean, d1 = LOAD(x + 16 * i + 16) - mean;
        vec d2 = LOAD(x + 16 * i + 32) - mean, d3 = LOAD(x + 16 * i + 48) - mean;
        s0 = fma(d0, d0, s0);
        s1 = fma(d1, d1, s1);
        s2 = fma(d2, d2, s2);
        s3 = fma(d3, d3, s3);
    }
    for (; i < count; i++) {
        vec d = LOAD(x + 16 * i) - mean;
        s0 = fma(d, d, s0);
    }
    return (s0 + s1) + (s2 + s3);
}

KERNEL void bn_stats(CREF(float, x), REF(float, partial), BnArgs a)
{
    PLACE(const float, x);
    PLACE(float, partial);
    CHANNELS(a);
    IMAGES(a);
    vec mean = 0.0f, squares = 0.0f;
    float count = 0.0f, plane = (float)a.HW;
    for (int n = from; n < to; n++) {
        vec own = plane_sum(x + PLANE(n), a.HW) / plane;
        vec own_squares = plane_squares(x + PLANE(n), a.HW, own);
        vec delta = own - mean;
        float total = count + plane;
        mean += delta * (plane / total);
        squares += own_squares + delta * delta * (count * plane / total);
        count = total;
    }
    STORE(partial + (split * 2 + 0) * a.CB * 16 + c, mean);
    STORE(partial + (split * 2 + 1) * a.CB * 16 + c, squares);
}

KERNEL void bn_merge(CREF(float, partial), REF(float, mean), REF(float, invstd), REF(float, running_mean),
                     REF(float, running_var), CREF(StepState, state), BnArgs a)
{
    PLACE(const float, partial);
    PLACE(float, mean);
    PLACE(float, invstd);
    PLACE(float, running_mean);
    PLACE(float, running_var);
    PLACE(const StepState, state);
    int v = ITEM(0), c = v / VECTORS * 16 + LANE(v), live = a.C - c;
    if (live <= 0)
        return;
    vec m = 0.0f, squares = 0.0f;
    float count = 0.0f;
    for (int split = 0; split < a.splits; split++) {
        float images = (float)((long)a.N * (split + 1) / a.splits - (long)a.N * split / a.splits);
        float own = images * (float)a.HW, total = count + own;
        vec delta = LOAD(partial + (split * 2 + 0) * a.CB * 16 + c) - m;
        m += delta * (own / total);
        squares += LOAD(partial + (split * 2 + 1) * a.CB * 16 + c) + delta * delta * (count * own / total);
        count = total;
    }
    store_some(mean + c, m, live);
    store_some(invstd + c, 1.0f / sqrt(squares / count + a.eps), live);
    if (state->rank != 0)
        return;
    vec unbiased = squares / (count - 1.0f);
    float keep = 1.0f - a.momentum;
    store_some(running_mean + c, keep * load_some(running_mean + c, live) + a.momentum * m, live);
    store_some(running_var + c, keep * load_some(running_var + c, live) + a.momentum * unbiased, live);
}

/* Pixels of the plane that item 2 takes. */
#define PIXELS(a)                                                                                        \
    int v = ITEM(0), cb = v / VECTORS, lane = LANE(v), c = cb * 16 + lane, live = (a).C - c, n = ITEM(1); \
    int from = (int)((long)(a).HW * ITEM(2) / (a).splits);                                               \
    int to = (int)((long)(a).HW * (ITEM(2) + 1) / (a).splits);                                           \
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
        for (int i = from; i < to; i++) {
            long at = plane + 16 * i;
            STORE(y + at, fmax(fma(LOAD(x + at) - middle, scale, shift) + LOAD(residual + at), least));
        }
    else
        for (int i = from; i < to; i++) {
            long at = plane + 16 * i;
            STORE(y + at, fmax(fma(LOAD(x + at) - middle, scale, shift), least));
        }
}

/* dy where the output y was positive; all of dy without y. */
#define MASKED(at) (y ? select((vec)(0.0f), LOAD(dy + (at)), LOAD(y + (at)) > 0.0f) : LOAD(dy + (at)))

KERNEL void bn_grad_sums(CREF(float, dy), CREF(float, x), CREF(float, mean), CREF(float, invstd), CREF(float, y),
                         REF(float, partial), BnArgs a)
{
    PLACE(const float, dy);
    PLACE(const float, x);
    PLACE(const float, mean);
    PLACE(const float, invstd);
    PLACE_OR_NULL(const float, y);
    PLACE(float, partial);
    CHANNELS(a);
    IMAGES(a);
    int live = a.C - c;
    vec middle = load_some(mean + c, live), sum = 0.0f, dot = 0.0f;
    for (int n = from; n < to; n++) {
        vec s0 = 0.0f, s1 = 0.0f, d0 = 0.0f, d1 = 0.0f;
        long at = PLANE(n), end = at + 16L * a.HW;
        for (; at + 32 <= end; at += 32) {
            vec g0 = MASKED(at), g1 = MASKED(at + 16);
            s0 += g0;
            s1 += g1;
            d0 = fma(g0, LOAD(x + at) - middle, d0);
            d1 = fma(g1, LOAD(x + at + 16) - middle, d1);
        }
        for (; at < end; at += 16) {
            vec g = MASKED(at);
            s0 += g;
            d0 = fma(g, LOAD(x + at) - middle, d0);
        }
        sum += s0 + s1;
        dot += d0 + d1;
    }
    STORE(partial + (split * 2 + 0) * a.CB * 16 + c, sum);
    STORE(partial + (split * 2 + 1) * a.CB * 16 + c, dot * load_some(invstd + c, live));
}

KERNEL void bn_grad_merge(CREF(float, partial), REF(float, dgamma), REF(float, dbeta), BnArgs a)
{
    PLACE(const float, partial);
    PLACE(float, dgamma);
    PLACE(float, dbeta);
    int v = ITEM(0), c = v / VECTORS * 16 + LANE(v), live = a.C - c;
    if (live <= 0)
        return;
    vec sum = 0.0f, dot = 0.0f;
    for (int split = 0; split < a.splits; split++) {
        sum += LOAD(partial + (split * 2 + 0) * a.CB * 16 + c);
        dot += LOAD(partial + (split * 2 + 1) * a.CB * 16 + c);
    }
    store_some(dbeta + c, sum, live);
    store_some(dgamma + c, dot, live);
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
    for (int i = from; i < to; i++) {
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
    for (int i = from; i < to; i++)
        STORE(y + plane + 16 * i, fma(LOAD(x + plane + 16 * i) - middle, scale, shift));
}

/* Batch norm in the weights: w' = w s, bias' = beta - mean s, with s = gamma / sqrt(var + eps) per row. */
KERNEL void bn_fold(CREF(float, w), CREF(float, gamma), CREF(float, beta), CREF(float, mean), CREF(float, var),
                    REF(float, folded), REF(float, bias), FoldArgs a)
{
    PLACE(const float, w);
    PLACE(const float, gamma);
    PLACE(const float, beta);
    PLACE(const float, mean);
    PLACE(const float, var);
    PLACE(float, folded);
    PLACE(float, bias);
    int k = ITEM(0);
    float scale = gamma[k] / sqrt(var[k] + a.eps);
    long row = (long)k * a.row;
    for (int i = 0; i < a.row; i++)
        folded[row + i] = w[row + i] * scale;
    bias[k] = beta[k] - mean[k] * scale;
}
