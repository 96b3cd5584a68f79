/* Elementwise kernels over ranges: on CPUs each work-item takes one chunk of consecutive floats, on GPUs every
 * ITEMS-th vector, so that neighbours touch neighbouring memory. What is left of the last vector falls to the
 * work-item whose turn it is. */

#if LANES == 16
#define RANGE(a)                                                             \
    const long next = LANES;                                                 \
    long i = ITEM(0) * (a).chunk, end = min((a).n, i + (a).chunk)
#else
#define RANGE(a)                                                             \
    const long next = (long)ITEMS(0) * LANES;                                \
    long i = (long)ITEM(0) * LANES, end = (a).n
#endif

/* y = x < 0 ? 0 : x */
KERNEL void relu(CREF(act, x), REF(act, y), RangeArgs a)
{
    PLACE(const act, x);
    PLACE(act, y);
    RANGE(a);
    for (; i + LANES <= end; i += next)
        STOREA(y + i, at_least(LOADA(x + i), 0.0f));
    for (; i < end; i++)
        STORE1(y + i, LOAD1(x + i) < 0.0f ? 0.0f : LOAD1(x + i));
}

/* dx = y <= 0 ? 0 : dy */
KERNEL void relu_grad(CREF(act, dy), CREF(act, y), REF(act, dx), RangeArgs a)
{
    PLACE(const act, dy);
    PLACE(const act, y);
    PLACE(act, dx);
    RANGE(a);
    for (; i + LANES <= end; i += next)
        STOREA(dx + i, select(LOADA(dy + i), (vec)(0.0f), LOADA(y + i) <= 0.0f));
    for (; i < end; i++)
        STORE1(dx + i, LOAD1(y + i) <= 0.0f ? 0.0f : LOAD1(dy + i));
}

KERNEL void add(CREF(act, x), CREF(act, z), REF(act, y), RangeArgs a)
{
    PLACE(const act, x);
    PLACE(const act, z);
    PLACE(act, y);
    RANGE(a);
    for (; i + LANES <= end; i += next)
        STOREA(y + i, LOADA(x + i) + LOADA(z + i));
    for (; i < end; i++)
        STORE1(y + i, LOAD1(x + i) + LOAD1(z + i));
}

/* sums[held - merged] = sums[held - merged] + (... + (sums[held - 1] + g)): one rank's gradient on its way up the tree of
 * comm/ranks.h. Sums that no rank of the share needs are absent. */
KERNEL void grad_sum(CREF(float, g), CREF(StepState, state), REF(float, s0), REF(float, s1), REF(float, s2),
                     REF(float, s3), REF(float, s4), REF(float, s5), REF(float, s6), REF(float, s7), REF(float, s8),
                     REF(float, s9), REF(float, s10), REF(float, s11), RangeArgs a)
{
    PLACE(const float, g);
    PLACE(const StepState, state);
    PLACE_OR_NULL(float, s0);
    PLACE_OR_NULL(float, s1);
    PLACE_OR_NULL(float, s2);
    PLACE_OR_NULL(float, s3);
    PLACE_OR_NULL(float, s4);
    PLACE_OR_NULL(float, s5);
    PLACE_OR_NULL(float, s6);
    PLACE_OR_NULL(float, s7);
    PLACE_OR_NULL(float, s8);
    PLACE_OR_NULL(float, s9);
    PLACE_OR_NULL(float, s10);
    PLACE_OR_NULL(float, s11);
    GLOBAL float *sums[] = {s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11};
    int held = state->sums_held, to = held - state->sums_merged;
    RANGE(a);
    for (; i + LANES <= end; i += next) {
        vec sum = LOAD(g + i);
        for (int s = held - 1; s >= to; s--)
            sum = LOAD(sums[s] + i) + sum;
        STORE(sums[to] + i, sum);
    }
    for (; i < end; i++) {
        float sum = g[i];
        for (int s = held - 1; s >= to; s--)
            sum = sums[s][i] + sum;
        sums[to][i] = sum;
    }
}

/* Weights in place, and their copy where there is one. */
#define STORE_WEIGHTS(w, copy, v)   \
    {                               \
        const vec stored = (v);     \
        STORE(w, stored);           \
        if (copy)                   \
            STOREA(copy + i, stored); \
    }
#define STORE_WEIGHT(w, copy, v)    \
    {                               \
        *(w) = (v);                 \
        if (copy)                   \
            STORE1(copy + i, *(w)); \
    }

/* v = momentum v + (g + decay w);  w -= lr v */
KERNEL void sgd(CREF(float, g), CREF(StepState, state), REF(float, w), REF(float, v), REF(act, copy), RangeArgs a)
{
    PLACE(const float, g);
    PLACE(const StepState, state);
    PLACE(float, w);
    PLACE(float, v);
    PLACE_OR_NULL(act, copy);
    RANGE(a);
    float lr = state->lr;
    for (; i + LANES <= end; i += next) {
        vec weight = LOAD(w + i), velocity = a.a * LOAD(v + i) + (LOAD(g + i) + a.b * weight);
        STORE(v + i, velocity);
        STORE_WEIGHTS(w + i, copy, weight - lr * velocity)
    }
    for (; i < end; i++) {
        float velocity = a.a * v[i] + (g[i] + a.b * w[i]);
        v[i] = velocity;
        STORE_WEIGHT(w + i, copy, w[i] - lr * velocity)
    }
}

/* The same of a gradient that was scaled, unless one of the step's is not finite. A division may be off in its last
 * bits: a step of Newton's leaves powers of two none. */
KERNEL void sgd_scaled(CREF(float, g), CREF(StepState, state), CREF(float, scaler), REF(float, w), REF(float, v),
                       REF(act, copy), RangeArgs a)
{
    PLACE(const float, g);
    PLACE(const StepState, state);
    PLACE(const float, scaler);
    PLACE(float, w);
    PLACE(float, v);
    PLACE_OR_NULL(act, copy);
    if (scaler[SCALER_FOUND] != 0.0f)
        return;
    RANGE(a);
    float lr = state->lr, scale = scaler[SCALER_SCALE], unscale = 1.0f / scale;
    unscale = fma(fma(-scale, unscale, 1.0f), unscale, unscale);
    for (; i + LANES <= end; i += next) {
        vec weight = LOAD(w + i), velocity = a.a * LOAD(v + i) + (unscale * LOAD(g + i) + a.b * weight);
        STORE(v + i, velocity);
        STORE_WEIGHTS(w + i, copy, weight - lr * velocity)
    }
    for (; i < end; i++) {
        float velocity = a.a * v[i] + (unscale * g[i] + a.b * w[i]);
        v[i] = velocity;
        STORE_WEIGHT(w + i, copy, w[i] - lr * velocity)
    }
}

/* Notes whether anything is not finite. Whoever finds something puts the same bits there, whole. */
KERNEL void grad_check(CREF(float, g), REF(float, scaler), RangeArgs a)
{
    PLACE(const float, g);
    PLACE(float, scaler);
    RANGE(a);
    ivec finite = (ivec)(-1);
    for (; i + LANES <= end; i += next)
        finite &= isfinite(LOAD(g + i));
    bool found = !all(finite);
    for (; i < end; i++)
        found = found || !isfinite(g[i]);
    if (found)
        ATOMIC_PUT(scaler + SCALER_FOUND, 1.0f);
}

/* GradScaler's rule; a scale that would not be finite stays. One work-item. */
KERNEL void scale_update(REF(float, scaler), ScaleArgs a)
{
    PLACE(float, scaler);
    if (ITEM(0) != 0)
        return;
    if (scaler[SCALER_FOUND] != 0.0f) {
        scaler[SCALER_SCALE] *= a.backoff;
        scaler[SCALER_GROWTH] = 0.0f;
        scaler[SCALER_SKIPS] += 1.0f;
    } else {
        scaler[SCALER_GROWTH] += 1.0f;
        if (scaler[SCALER_GROWTH] >= (float)a.interval) {
            if (isfinite(scaler[SCALER_SCALE] * a.growth))
                scaler[SCALER_SCALE] *= a.growth;
            scaler[SCALER_GROWTH] = 0.0f;
        }
    }
    scaler[SCALER_FOUND] = 0.0f;
}

/* k = m k + (1 - m) q */
KERNEL void ema(CREF(float, q), REF(float, k), REF(act, copy), RangeArgs a)
{
    PLACE(const float, q);
    PLACE(float, k);
    PLACE_OR_NULL(act, copy);
    RANGE(a);
    for (; i + LANES <= end; i += next)
        STORE_WEIGHTS(k + i, copy, a.a * LOAD(k + i) + a.b * LOAD(q + i))
    for (; i < end; i++)
        STORE_WEIGHT(k + i, copy, a.a * k[i] + a.b * q[i])
}

/* Copies of weights in what images are stored in, and gradients that lie in it. */
KERNEL void narrow(CREF(float, x), REF(act, y), RangeArgs a)
{
    PLACE(const float, x);
    PLACE(act, y);
    RANGE(a);
    for (; i + LANES <= end; i += next)
        STOREA(y + i, LOAD(x + i));
    for (; i < end; i++)
        STORE1(y + i, x[i]);
}

DEVICE float factor_at(WidenArgs a, long i)
{
    float factor = a.a;
    UNROLL for (int k = 0; k < WIDEN_MORE; k++)
        factor = i >= a.begins[k] ? a.factors[k] : factor;
    return factor;
}

KERNEL void widen(CREF(act, x), REF(float, y), WidenArgs a)
{
    PLACE(const act, x);
    PLACE(float, y);
    RANGE(a);
    for (; i + LANES <= end; i += next)
        STORE(y + i, LOADA(x + i) * factor_at(a, i));
    for (; i < end; i++)
        y[i] = LOAD1(x + i) * factor_at(a, i);
}

/* `count` chains of a.n multiply-adds, in registers where the compiler keeps them there. */
#define CHAINS(count)                                  \
    {                                                  \
        vec s[count];                                  \
        for (int i = 0; i < count; i++)                \
            s[i] = (vec)((float)(ITEM(0) % 7 + i));    \
        for (long r = 0; r < a.n; r++) {               \
            UNROLL                                     \
            for (int i = 0; i < count; i++)            \
                s[i] = fma(s[i], m, c);                \
        }                                              \
        for (int i = 0; i < count; i++)                \
            sum += s[i];                               \
    }

/* Nothing but fused multiply-adds, a.chunk chains of n: what the device can compute at most. Few chains wait for each
 * other, many do not fit the registers: 4, 8 or 16. */
KERNEL void peak_fma(REF(float, y), RangeArgs a)
{
    PLACE(float, y);
    vec m = (vec)(a.a), c = (vec)(a.b), sum = 0.0f;
    if (a.chunk == 4)
        CHAINS(4)
    else if (a.chunk == 8)
        CHAINS(8)
    else
        CHAINS(16)
    STORE(y + (long)ITEM(0) * LANES, sum);
}
