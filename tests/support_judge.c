/* How a device's tensors are judged: see support_graph.h. */
#include "support_graph.h"


#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

static const double ROUNDING = 6e-8; /* of float32 */
enum { SMALL = 64 };                 /* elements of a tensor too small for a mean */

Distance tensor_distance(const double *a, const double *b, int64_t n)
{
    Distance d = {0};
    double squares = 0, errors = 0;
    for (int64_t i = 0; i < n; i++)
        squares += b[i] * b[i];
    double rms = sqrt(squares / (double)n);
    for (int64_t i = 0; i < n; i++) {
        double error = fabs(a[i] - b[i]), share = error / (fabs(b[i]) + rms + 1e-300);
        errors += error * error;
        if (!(share <= d.element))
            d.element = share, d.where = i;
    }
    d.relative = sqrt(errors) / (sqrt(squares) + 1e-300);
    return d;
}

static void judge_exact(const char *what, const double *seen, const TrialValue *e, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double expected = e->value->dtype == DTYPE_F32 ? (float)e->ref64[i] : e->ref64[i];
        if (!(seen[i] == expected))
            fail_msg("%s: element %lld is %.9g, expected %.9g exactly", what, (long long)i, seen[i],
                     expected);
    }
}

/* Normalised mean squared error that a float32 sum of `length` terms may have. */
static double sum_bound(double length)
{
    return 10 * (0.55 + 0.1 * length) * ROUNDING * ROUNDING;
}

/* Every element has its bound. The mean square is one of many elements: those of small tensors are judged together,
 * once the operator's cases have run. */
static void judge_sum(Rig *rig, const char *what, const double *seen, const TrialValue *e, int64_t n)
{
    const double length = e->judge.length;
    Distance d = tensor_distance(seen, e->ref64, n);
    double mean_square = d.relative * d.relative / sum_bound(length);
    double element = d.element / (32 * ROUNDING * sqrt(length));
    bool small = n < SMALL;
    if (!(mean_square <= 1 || small) || !(element <= 1))
        fail_msg("%s: mean squared error %.3f, element %lld %.3f of the bounds (%.9g, expected %.9g)", what,
                 mean_square, (long long)d.where, element, seen[d.where], e->ref64[d.where]);
    if (small) {
        rig->pooled_sum += mean_square * (double)n;
        rig->pooled_elements += (double)n;
    } else
        rig->worst_sum = fmax(rig->worst_sum, mean_square);
    rig->worst_element = fmax(rig->worst_element, element);
}

void rig_judge_pool(Rig *rig)
{
    if (rig->pooled_elements == 0)
        return;
    double mean_square = rig->pooled_sum / rig->pooled_elements;
    if (!(mean_square <= 1))
        fail_msg("small tensors: mean squared error %.3f of the bound, over %.0f elements", mean_square,
                 rig->pooled_elements);
    rig->worst_sum = fmax(rig->worst_sum, mean_square);
}

void rig_clear(Rig *rig)
{
    rig->cases = rig->compared = 0;
    rig->worst_sum = rig->worst_element = rig->worst_cancel = rig->pooled_sum = rig->pooled_elements = rig->worst_share = 0;
}

static double rms(const double *x, int64_t n)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++)
        squares += x[i] * x[i];
    return sqrt(squares / (double)n);
}

/* What is nothing but cancelled terms (the gradient of normalising one element) has the scale of what is filled. */
static bool cancels_wholly(const Trial *t, const TrialValue *e, int64_t n, double *scale)
{
    *scale = 0;
    for (int i = 0; i < t->count; i++)
        if (t->values[i].filled && t->values[i].value->dtype == DTYPE_F32)
            *scale = fmax(*scale, rms(t->values[i].initial, dims_count(t->values[i].value->dims)));
    return rms(e->ref64, n) < ROUNDING * ROUNDING * *scale;
}

/* The reference's own float32 can be right by luck where elements are few, and its sums are exacter than most: no
 * result is judged by less than the bound of a sum of `length` terms that do not cancel. */
static void judge_cancel(Trial *t, const char *what, const double *seen, const TrialValue *e, int64_t n)
{
    Rig *rig = t->rig;
    Distance d = tensor_distance(seen, e->ref64, n), own = tensor_distance(e->ref32, e->ref64, n);
    double bound = fmax(8 * own.relative, sqrt(sum_bound(e->judge.length))), scale;
    if (cancels_wholly(t, e, n, &scale))
        d.relative = rms(seen, n) / scale;
    /* Up to three of the terms may come from images between operators that were rounded otherwise (judge_stored). */
    if (t->storage != DTYPE_F32)
        bound = fmax(bound, 3 * ldexp(1, -half_digits(t->storage)) / sqrt(fmax(e->judge.length, 1)));
    if (!(d.relative <= bound))
        fail_msg("%s: %.3g from the reference, whose own float32 is %.3g from it", what, d.relative,
                 own.relative);
    rig->worst_cancel = fmax(rig->worst_cancel, d.relative / bound);
}

/* What both round to 16 bits they round alike, but for what lies so near the middle between two numbers that the errors
 * of their float32 sums decide: few elements, and those by one unit of the format. */
static void judge_stored(const Trial *t, const char *what, const double *seen, const TrialValue *e, int64_t n, DType stored)
{
    double error = 32 * ROUNDING * sqrt(fmax(e->judge.length, 1)), scale = rms(e->ref64, n);
    Rig *rig = t->rig;
    /* Of a chain up to three terms may be what was rounded otherwise in between: images, weights. */
    double between = t->fuse ? 3 * ldexp(scale, -half_digits(stored)) / sqrt(fmax(e->judge.length, 1)) : 0;
    double few = 3 + (double)n * 8 * fmax(error, 8 * e->own / scale) * ldexp(1, half_digits(stored));
    int64_t differ = 0;
    for (int64_t i = 0; i < n; i++) {
        double unit = fabs(e->ref64[i]) > 0 ? ldexp(1, ilogb(e->ref64[i]) - half_digits(stored)) : 0;
        double least = ldexp(1, half_least(stored) - half_digits(stored));
        double off = fabs(seen[i] - e->ref64[i]), bound = fmax(unit, least) + error * (fabs(e->ref64[i]) + scale) + 32 * e->own + between;
        differ += off != 0;
        if (!(off <= bound))
            fail_msg("%s: element %lld is %.9g, expected %.9g in %s", what, (long long)i, seen[i], e->ref64[i],
                     dtype_word(stored));
    }
    if ((double)differ > few)
        fail_msg("%s: %lld of %lld elements are not rounded as on the reference", what, (long long)differ,
                 (long long)n);
    rig->worst_share = fmax(rig->worst_share, (double)differ / few);
}

static void judge_nans(const char *what, const double *seen, const TrialValue *e, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        count += isnan(e->ref64[i]) != 0;
        if (isnan(seen[i]) != isnan(e->ref64[i]))
            fail_msg("%s: element %lld is %g, on the reference %g", what, (long long)i, seen[i], e->ref64[i]);
    }
    if (count != (int64_t)e->judge.length)
        fail_msg("%s: %lld not-a-numbers, expected %.0f", what, (long long)count, e->judge.length);
}

void trial_judge(Trial *t, const char *what, const double *seen, const TrialValue *e, DType stored)
{
    int64_t n = dims_count(e->value->dims);
    char text[512];
    snprintf(text, sizeof text, "%.250s: %s", what, e->value->name);
    if (e->judge.kind == JUDGE_EXACT)
        judge_exact(text, seen, e, n);
    else if (e->judge.kind == JUDGE_NANS)
        judge_nans(text, seen, e, n);
    else if (stored == DTYPE_F16 || stored == DTYPE_BF16)
        judge_stored(t, text, seen, e, n, stored);
    else if (e->judge.kind == JUDGE_SUM)
        judge_sum(t->rig, text, seen, e, n);
    else
        judge_cancel(t, text, seen, e, n);
    t->rig->compared++;
}
