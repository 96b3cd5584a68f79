/* Statistics of draws. */
#include "support_draws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

double uniform_cdf(double x, const double *range)
{
    return (x - range[0]) / (range[1] - range[0]);
}

double normal_cdf(double x, const double *p)
{
    return 0.5 * erfc((p[0] - x) / (p[1] * sqrt(2.0)));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void assert_ks(const char *what, double *values, size_t n, Cdf *cdf,
                      const double *parameters)
{
    double most = 0;
    assert_true(n > 1000);
    qsort(values, n, sizeof *values, by_value);
    for (size_t i = 0; i < n; i++) {
        double f = cdf(values[i], parameters);
        most = fmax(most, fmax(f - (double)i / (double)n, (double)(i + 1) / (double)n - f));
    }
    printf("  %-28s %7zu draws, Kolmogorov-Smirnov %.3f\n", what, n, most * sqrt((double)n));
    assert_true(most * sqrt((double)n) < 1.95);
}

void assert_chi(const char *what, const double *counts, const double *expected, int cells)
{
    double sum = 0, n = 0;
    for (int i = 0; i < cells; i++) {
        assert_true(expected[i] > 5);
        sum += (counts[i] - expected[i]) * (counts[i] - expected[i]) / expected[i];
        n += counts[i];
    }
    double df = cells - 1, spread = 2 / (9 * df),
           z = (cbrt(sum / df) - (1 - spread)) / sqrt(spread);
    printf("  %-28s %7.0f draws, chi-square %.1f of %.0f\n", what, n, sum, df);
    assert_true(z < 3.1);
}

void assert_even(const char *what, const double *counts, int cells)
{
    double total = 0, *expected = mem_alloc((size_t)cells * sizeof *expected);
    for (int i = 0; i < cells; i++)
        total += counts[i];
    for (int i = 0; i < cells; i++)
        expected[i] = total / cells;
    assert_chi(what, counts, expected, cells);
    free(expected);
}

void assert_share(const char *what, double hits, double n, double p)
{
    assert_chi(what, (double[2]){hits, n - hits}, (double[2]){n * p, n * (1 - p)}, 2);
}

void test_draw(const char *recipe, RecipeSide side, double m, int width, int height,
                 uint64_t sample, Augment *out)
{
    const Recipe *r = recipe_find(recipe);
    assert_non_null(r);
    RecipeOptions options = recipe_options(r);
    options.randaugment_m = m;
    Rng rng = rng_stream(5, 3, sample, RNG_TEST);
    assert_int_equal(recipe_draw(r->view[side], &options, "test", width, height, &rng, out),
                     STATUS_OK);
}

const AugmentStep *test_drawn(const Augment *drawn, AugmentOp op)
{
    for (int i = 0; i < drawn->count; i++)
        if (drawn->step[i].op == op)
            return &drawn->step[i];
    return NULL;
}

double *test_values(void)
{
    return mem_alloc(DRAWS * sizeof(double));
}
