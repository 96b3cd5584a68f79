/* What the recipes draw, against its definition: 100,000 draws of each parameter with a fixed
 * seed, by Kolmogorov-Smirnov where it is continuous and chi-square where it is not. A right
 * generator fails one of these tests with probability 0.001; the seed is fixed, so it does so
 * always or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "image/randaugment.h"
#include "image/recipe_draw.h"
#include "support_files.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 100000 };

typedef double Cdf(double x, const double *parameters);

static double uniform_cdf(double x, const double *range)
{
    return (x - range[0]) / (range[1] - range[0]);
}

static double normal_cdf(double x, const double *p)
{
    return 0.5 * erfc((p[0] - x) / (p[1] * sqrt(2.0)));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Largest distance to the CDF times sqrt(n): above 1.95 with probability 0.001. Sorts the
 * values. */
static void assert_ks(const char *what, double *values, size_t n, Cdf *cdf,
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

/* Pearson's sum through Wilson and Hilferty's cube root: normal, above 3.1 with probability
 * 0.001. */
static void assert_chi(const char *what, const double *counts, const double *expected, int cells)
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

static void assert_even(const char *what, const double *counts, int cells)
{
    double total = 0, *expected = mem_alloc((size_t)cells * sizeof *expected);
    for (int i = 0; i < cells; i++)
        total += counts[i];
    for (int i = 0; i < cells; i++)
        expected[i] = total / cells;
    assert_chi(what, counts, expected, cells);
    free(expected);
}

static void assert_share(const char *what, double hits, double n, double p)
{
    assert_chi(what, (double[2]){hits, n - hits}, (double[2]){n * p, n * (1 - p)}, 2);
}

/* One view of an image, drawn anew for every sample number. */
static void draw(const char *recipe, RecipeSide side, double m, int width, int height,
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

static const AugmentStep *find(const Augment *drawn, AugmentOp op)
{
    for (int i = 0; i < drawn->count; i++)
        if (drawn->step[i].op == op)
            return &drawn->step[i];
    return NULL;
}

static double *values_new(void)
{
    return mem_alloc(DRAWS * sizeof(double));
}

/* Integral from scale to u of the share of ratios that fit a square: all below 3/4, then -log u
 * of log 4/3. */
static double fits(double u)
{
    double widest = log(4.0 / 3), low = fmin(u, 0.75) * widest;
    return u <= 0.75 ? low : low + (u - u * log(u)) - (0.75 - 0.75 * log(0.75));
}

static double area_cdf(double u, const double *scale)
{
    return (fits(u) - fits(*scale)) / (fits(1) - fits(*scale));
}

static void crop_is_uniform(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double scale;
    } views[] = {{"randcls", 0.08}, {"sim02", 0.2}};
    const int side = 30000;
    double *area = values_new(), *ratio = values_new(), *left = values_new(), *top = values_new();
    for (int v = 0; v < 2; v++) {
        size_t inner = 0;
        for (int i = 0; i < DRAWS; i++) {
            Augment drawn;
            draw(views[v].name, RECIPE_QUERY, 10, side, side, (uint64_t)i, &drawn);
            assert_int_equal(drawn.step[0].op, AUGMENT_RESIZED_CROP);
            ImageBox b = drawn.step[0].box;
            area[i] = (double)b.width * b.height / ((double)side * side);
            left[i] = (b.left + 0.5) / (side - b.width + 1);
            top[i] = (b.top + 0.5) / (side - b.height + 1);
            if (area[i] < 0.74)
                ratio[inner++] = log((double)b.width / b.height);
        }
        printf("%s\n", views[v].name);
        assert_ks("crop area", area, DRAWS, area_cdf, &views[v].scale);
        assert_ks("crop log ratio", ratio, inner, uniform_cdf, (double[2]){log(0.75), -log(0.75)});
        assert_ks("crop left", left, DRAWS, uniform_cdf, (double[2]){0, 1});
        assert_ks("crop top", top, DRAWS, uniform_cdf, (double[2]){0, 1});
    }
    free(area), free(ratio), free(left), free(top);
}

/* The same of an image of 4 to 3: no box is too wide for it, and those of a ratio below 4/3 u are too high; that is
 * of log ratios, 2 log 4/3 up to u 9/16, then -log u. */
static double wide_fits(double u)
{
    double low = 2 * log(4.0 / 3) * fmin(u, 9.0 / 16);
    return u <= 9.0 / 16 ? low : low + (u - u * log(u)) - (9.0 / 16 - 9.0 / 16 * log(9.0 / 16));
}

static double wide_area_cdf(double u, const double *scale)
{
    return (wide_fits(u) - wide_fits(*scale)) / (wide_fits(1) - wide_fits(*scale));
}

/* Sides in whole pixels blur the definition: too little to be seen in so many draws, ratios of small boxes
 * apart. Places have few values where the box is nearly as large as the image, so that they are smeared over their
 * pixel. */
static void crop_of_a_photo(void **state)
{
    (void)state;
    const int width = 500, height = 375;
    const double scale = 0.08;
    double *area = values_new(), *ratio = values_new(), *left = values_new(), *top = values_new();
    size_t inner = 0;
    Rng smear = rng_stream(6, 0, 0, RNG_TEST);
    for (int i = 0; i < DRAWS; i++) {
        Augment drawn;
        draw("randcls", RECIPE_QUERY, 10, width, height, (uint64_t)i, &drawn);
        ImageBox b = drawn.step[0].box;
        assert_true(b.left >= 0 && b.top >= 0 && b.left + b.width <= width && b.top + b.height <= height);
        area[i] = (double)b.width * b.height / (width * height);
        left[i] = (b.left + rng_uniform(&smear)) / (width - b.width + 1);
        top[i] = (b.top + rng_uniform(&smear)) / (height - b.height + 1);
        if (area[i] > 0.3 && area[i] < 0.55)
            ratio[inner++] = log((double)b.width / b.height);
    }
    printf("randcls of 500 x 375\n");
    assert_ks("crop area", area, DRAWS, wide_area_cdf, &scale);
    assert_ks("crop log ratio", ratio, inner, uniform_cdf, (double[2]){log(0.75), -log(0.75)});
    assert_ks("crop left", left, DRAWS, uniform_cdf, (double[2]){0, 1});
    assert_ks("crop top", top, DRAWS, uniform_cdf, (double[2]){0, 1});
    free(area), free(ratio), free(left), free(top);
}

/* Where no box fits ten times: the clamped centre. */
static void crop_falls_back(void **state)
{
    (void)state;
    static const struct { int width, height; ImageBox want; } cases[] = {
        {1, 65535, {0, 32767, 1, 1}}, {65535, 1, {32767, 0, 1, 1}},
        {10, 10000, {0, 4993, 10, 13}}, {10000, 10, {4993, 0, 13, 10}},
    };
    for (int i = 0; i < 4; i++) {
        Augment drawn;
        draw("sim", RECIPE_QUERY, 10, cases[i].width, cases[i].height, 1, &drawn);
        assert_memory_equal(&drawn.step[0].box, &cases[i].want, sizeof(ImageBox));
    }
    for (int i = 0; i < 1000; i++) {
        Augment drawn;
        draw("sim", RECIPE_QUERY, 10, 1, 1, (uint64_t)i, &drawn);
        assert_int_equal(drawn.step[0].box.width * drawn.step[0].box.height, 1);
    }
}

static void jitter_is_as_defined(void **state)
{
    (void)state;
    static const AugmentOp ops[4] = {AUGMENT_BRIGHTNESS, AUGMENT_CONTRAST, AUGMENT_COLOR,
                                     AUGMENT_HUE};
    double *value[4], order[256] = {0}, acted = 0;
    for (int k = 0; k < 4; k++)
        value[k] = values_new();
    size_t n = 0;
    for (int i = 0; i < DRAWS; i++) {
        Augment drawn;
        draw("mocov2", RECIPE_QUERY, 10, 500, 375, (uint64_t)i, &drawn);
        if (!find(&drawn, AUGMENT_HUE))
            continue;
        int code = 0;
        for (int k = 0; k < 4; k++) {
            const AugmentStep *s = find(&drawn, ops[k]);
            assert_non_null(s);
            value[k][n] = s->amount;
            code = code * 4 + (int)(s - drawn.step) - 1;
        }
        n++;
        acted++;
        order[code]++;
    }
    double orders[24];
    int used = 0;
    for (int code = 0; code < 256; code++)
        if (order[code] > 0) {
            assert_true(used < 24);
            orders[used++] = order[code];
        }
    assert_int_equal(used, 24);
    printf("mocov2\n");
    assert_share("jitter acts", acted, DRAWS, 0.8);
    assert_even("jitter order", orders, 24);
    assert_ks("brightness", value[0], n, uniform_cdf, (double[2]){0.6, 1.4});
    assert_ks("contrast", value[1], n, uniform_cdf, (double[2]){0.6, 1.4});
    assert_ks("saturation", value[2], n, uniform_cdf, (double[2]){0.6, 1.4});
    assert_ks("hue", value[3], n, uniform_cdf, (double[2]){-0.1, 0.1});
    for (int k = 0; k < 4; k++)
        free(value[k]);
}

static void coins_and_blur(void **state)
{
    (void)state;
    static const struct {
        const char *view;
        bool softens; /* grey and blur beside the flip */
    } views[] = {{"randcls", false}, {"randclsstack", true}, {"sim", true},
                 {"sim02", true},    {"mocov2", true},       {"regular", false},
                 {"cifar", false},   {"cifar_plain", false}, {"cifar_sim", true}};
    double *sigma = values_new();
    for (size_t v = 0; v < sizeof views / sizeof *views; v++) {
        double flips = 0, greys = 0;
        size_t blurs = 0;
        for (int i = 0; i < DRAWS; i++) {
            Augment drawn;
            draw(views[v].view, RECIPE_QUERY, 10, 500, 375, (uint64_t)i, &drawn);
            const AugmentStep *blur = find(&drawn, AUGMENT_BLUR);
            flips += find(&drawn, AUGMENT_FLIP) != NULL;
            greys += find(&drawn, AUGMENT_GRAYSCALE) != NULL;
            if (blur)
                sigma[blurs++] = blur->amount;
        }
        printf("%s\n", views[v].view);
        assert_share("flip", flips, DRAWS, 0.5);
        if (!views[v].softens) {
            assert_true(greys == 0 && blurs == 0);
            continue;
        }
        assert_share("grey", greys, DRAWS, 0.2);
        assert_share("blur", (double)blurs, DRAWS, 0.5);
        assert_ks("blur deviation", sigma, blurs, uniform_cdf, (double[2]){0.1, 2.0});
    }
    free(sigma);
}

/* The operations after the jitter of a randcls view are RandAugment's. */
static int randaugment_begin(const Augment *drawn)
{
    int i = 1;
    while (i < drawn->count &&
           (drawn->step[i].op == AUGMENT_FLIP || i < 4 + (drawn->step[1].op == AUGMENT_FLIP)))
        i++;
    return i;
}

static void randaugment_is_as_defined(void **state)
{
    (void)state;
    double ops[AUGMENT_OP_COUNT] = {0}, counts[15], number[3] = {0};
    for (int i = 0; i < DRAWS; i++) {
        Augment drawn;
        draw("randcls", RECIPE_QUERY, 5, 500, 375, (uint64_t)i, &drawn);
        int begin = randaugment_begin(&drawn);
        number[drawn.count - begin]++;
        for (int k = begin; k < drawn.count; k++) {
            const AugmentStep *s = &drawn.step[k];
            ops[s->op]++;
            if (s->op == AUGMENT_ROTATE || s->op == AUGMENT_SHEAR_X || s->op == AUGMENT_SHEAR_Y ||
                s->op == AUGMENT_TRANSLATE_X || s->op == AUGMENT_TRANSLATE_Y) {
                assert_memory_equal(s->fill, ((uint8_t[3]){124, 116, 104}), 3);
                assert_true(s->filter != IMAGE_NEAREST);
            }
        }
    }
    int used = 0;
    for (int op = 0; op < AUGMENT_OP_COUNT; op++)
        if (ops[op] > 0) {
            assert_true(used < 15);
            counts[used++] = ops[op];
        }
    assert_int_equal(used, 15);
    printf("randcls\n");
    assert_chi("RandAugment applied", number, (double[3]){DRAWS * 0.25, DRAWS * 0.5, DRAWS * 0.25},
               3);
    assert_even("RandAugment operation", counts, 15);
}

/* The two operations of RandAugment are drawn with replacement, the second whatever the first: every pair as often. */
static void randaugment_pairs(void **state)
{
    (void)state;
    double pairs[AUGMENT_OP_COUNT][AUGMENT_OP_COUNT] = {{0}}, counts[15 * 15];
    for (int i = 0; i < 4 * DRAWS; i++) { /* a quarter applies both */
        Augment drawn = {.size = 224};
        Rng rng = rng_stream(13, 1, (uint64_t)i, RNG_TEST);
        randaugment_draw(2, 5, &rng, &drawn);
        if (drawn.count == 2)
            pairs[drawn.step[0].op][drawn.step[1].op]++;
    }
    int used = 0;
    for (int a = 0; a < AUGMENT_OP_COUNT; a++)
        for (int b = 0; b < AUGMENT_OP_COUNT; b++)
            if (pairs[a][b] > 0) {
                assert_true(used < 15 * 15);
                counts[used++] = pairs[a][b];
            }
    assert_int_equal(used, 15 * 15);
    assert_even("RandAugment pairs", counts, used);
}

/* Integers 0 to 256 cut from normal amounts, by chi-square; values too rare for it share a cell. */
static void assert_cut_normal(const char *what, const double *values, size_t n,
                              const double *normal)
{
    double hits[257] = {0}, counts[257] = {0}, expected[257] = {0}, below = 0;
    int cells = 1;
    for (size_t i = 0; i < n; i++)
        hits[(int)values[i]] += values[i] == (int)values[i];
    for (int v = 0; v <= 256; v++) {
        double upto = v == 256 ? 1 : normal_cdf(v + 1, normal);
        if (expected[cells - 1] > 10 && (1 - below) * (double)n > 10) /* else on with this cell */
            cells++;
        expected[cells - 1] += (upto - below) * (double)n;
        counts[cells - 1] += hits[v];
        below = upto;
    }
    assert_chi(what, counts, expected, cells);
}

/* Operations of RandAugment that have an amount: at m 5, the offset and half of the scale on
 * average. */
static const struct {
    const char *name;
    AugmentOp op;
    double scale, offset;
    bool cut, either; /* to an integer; sign and interpolation at random */
} AMOUNTS[] = {
    {"rotate", AUGMENT_ROTATE, 30, 0, false, true},
    {"shear x", AUGMENT_SHEAR_X, 0.3, 0, false, true},
    {"shear y", AUGMENT_SHEAR_Y, 0.3, 0, false, true},
    {"translate x", AUGMENT_TRANSLATE_X, 0.45, 0, false, true},
    {"translate y", AUGMENT_TRANSLATE_Y, 0.45, 0, false, true},
    {"posterize", AUGMENT_POSTERIZE, 4, 0, true, false},
    {"solarize", AUGMENT_SOLARIZE, 256, 0, true, false},
    {"solarize-add", AUGMENT_SOLARIZE_ADD, 110, 0, true, false},
    {"color", AUGMENT_COLOR, 1.8, 0.1, false, false},
    {"contrast", AUGMENT_CONTRAST, 1.8, 0.1, false, false},
    {"brightness", AUGMENT_BRIGHTNESS, 1.8, 0.1, false, false},
    {"sharpness", AUGMENT_SHARPNESS, 1.8, 0.1, false, false},
};
enum { AMOUNT_COUNT = sizeof AMOUNTS / sizeof *AMOUNTS };

static void randaugment_amounts(void **state)
{
    (void)state;
    double *values = values_new();
    for (int a = 0; a < AMOUNT_COUNT; a++) {
        const double normal[2] = {0.5 * AMOUNTS[a].scale + AMOUNTS[a].offset,
                                  0.05 * AMOUNTS[a].scale};
        double up = 0, cubic = 0;
        size_t n = 0;
        for (uint64_t i = 0; n < DRAWS; i++) {
            Augment drawn = {.size = 224};
            Rng rng = rng_stream(11, (uint32_t)a, i, RNG_TEST);
            randaugment_draw(16, 5, &rng, &drawn);
            for (int k = 0; k < drawn.count && n < DRAWS; k++) {
                const AugmentStep *s = &drawn.step[k];
                if (s->op != AMOUNTS[a].op)
                    continue;
                values[n++] = AMOUNTS[a].either ? fabs(s->amount) : s->amount;
                up += s->amount > 0;
                cubic += s->filter == IMAGE_BICUBIC;
            }
        }
        if (AMOUNTS[a].cut)
            assert_cut_normal(AMOUNTS[a].name, values, n, normal);
        else
            assert_ks(AMOUNTS[a].name, values, n, normal_cdf, normal);
        if (AMOUNTS[a].either) {
            assert_share("its sign", up, (double)n, 0.5);
            assert_share("its interpolation", cubic, (double)n, 0.5);
        }
    }
    free(values);
}

/* Amounts at the ends of the range, clipped: m 10 half of the time, m 12 but for 3 of 100,000 (4 deviations off), m 14
 * always; 0 at m 0 likewise. */
static void randaugment_clips(void **state)
{
    (void)state;
    static const struct { AugmentOp op; double low, high; } ends[] = {
        {AUGMENT_ROTATE, 0, 30}, {AUGMENT_POSTERIZE, 0, 4}, {AUGMENT_SOLARIZE, 0, 256},
        {AUGMENT_SOLARIZE_ADD, 0, 110}, {AUGMENT_COLOR, 0.1, 1.9}, {AUGMENT_CONTRAST, 0.1, 1.9},
        {AUGMENT_BRIGHTNESS, 0.1, 1.9}, {AUGMENT_SHARPNESS, 0.1, 1.9}, {AUGMENT_SHEAR_X, 0, 0.3},
        {AUGMENT_SHEAR_Y, 0, 0.3}, {AUGMENT_TRANSLATE_X, 0, 0.45}, {AUGMENT_TRANSLATE_Y, 0, 0.45},
    };
    static const int levels[] = {0, 10, 12, 14};
    double full = 0, rotations = 0;
    int amounts_of_12 = 0, below_of_12 = 0;
    for (int i = 0; i < DRAWS; i++)
        for (int l = 0; l < 4; l++) {
            int m = levels[l];
            Augment drawn;
            draw("randcls", RECIPE_QUERY, m, 500, 375, (uint64_t)i, &drawn);
            for (int k = randaugment_begin(&drawn); k < drawn.count; k++) {
                const AugmentStep *s = &drawn.step[k];
                for (size_t e = 0; e < sizeof ends / sizeof *ends; e++) {
                    if (ends[e].op != s->op)
                        continue;
                    assert_true(fabs(s->amount) <= ends[e].high + 1e-12);
                    assert_true(fabs(s->amount) >= ends[e].low - 1e-12);
                    bool most = fabs(fabs(s->amount) - ends[e].high) < 1e-12;
                    assert_true(m < 14 || most);
                    amounts_of_12 += m == 12;
                    below_of_12 += m == 12 && !most;
                }
                if (m == 10 && s->op == AUGMENT_ROTATE) {
                    rotations++;
                    full += fabs(s->amount) == 30;
                }
            }
        }
    assert_share("clipped at m 10", full, rotations, 0.5);
    printf("  %-28s %7d draws, %d below 10\n", "m 12", amounts_of_12, below_of_12);
    assert_true(amounts_of_12 > 75000 && below_of_12 <= 10); /* 2.5 on average */
}

typedef struct PolicyRow {
    AugmentOp op[2];
    double p[2];
    int index[2];
} PolicyRow;

static const PolicyRow POLICY[25] = {
#define RANGE(op, low, high, kind, filter)
#define ROW(op1, p1, i1, op2, p2, i2) {{AUGMENT_##op1, AUGMENT_##op2}, {p1, p2}, {i1, i2}},
#include "image/autoaugment.def"
#undef ROW
#undef RANGE
};

/* Chi-square over the cells that can occur: `used` of them. */
static void assert_possible(const char *what, const double *counts, const double *expected, int cells, int used)
{
    double c[AUGMENT_OP_COUNT + 25], e[AUGMENT_OP_COUNT + 25];
    int n = 0;
    for (int i = 0; i < cells; i++) {
        assert_true(expected[i] > 0 || counts[i] == 0);
        if (expected[i] > 0)
            c[n] = counts[i], e[n++] = expected[i];
    }
    assert_int_equal(n, used);
    assert_chi(what, c, e, n);
}

static void autoaugment_is_as_defined(void **state)
{
    (void)state;
    double counts[AUGMENT_OP_COUNT] = {0}, expected[AUGMENT_OP_COUNT] = {0};
    for (int row = 0; row < 25; row++)
        for (int k = 0; k < 2; k++)
            expected[POLICY[row].op[k]] += DRAWS / 25.0 * POLICY[row].p[k];
    for (int i = 0; i < DRAWS; i++) {
        Augment drawn = {.size = 32};
        Rng rng = rng_stream(9, 1, (uint64_t)i, RNG_TEST);
        autoaugment_draw(&rng, &drawn);
        assert_true(drawn.count <= 2);
        for (int k = 0; k < drawn.count; k++) {
            const AugmentStep *s = &drawn.step[k];
            counts[s->op]++;
            assert_true(s->op != AUGMENT_TRANSLATE_Y ||
                        (s->filter == IMAGE_NEAREST && s->fill[0] == 128));
            assert_true(s->op != AUGMENT_ROTATE || fabs(s->amount - 20.0 / 3) < 1e-12);
            assert_true(s->op != AUGMENT_POSTERIZE || s->amount == 5);
            assert_true(s->op != AUGMENT_SHEAR_Y || s->filter == IMAGE_BICUBIC);
        }
    }
    assert_possible("AutoAugment operation", counts, expected, AUGMENT_OP_COUNT, 13);
}

/* What an operation of the policy has at an index, without its sign. */
static double policy_amount(AugmentOp op, int index)
{
    switch (op) {
    case AUGMENT_SHEAR_X:
    case AUGMENT_SHEAR_Y:
        return 0.3 * index / 9;
    case AUGMENT_TRANSLATE_X:
    case AUGMENT_TRANSLATE_Y:
        return 150.0 / 331 * index / 9;
    case AUGMENT_ROTATE:
        return 30.0 * index / 9;
    case AUGMENT_COLOR:
    case AUGMENT_CONTRAST:
    case AUGMENT_SHARPNESS:
    case AUGMENT_BRIGHTNESS:
        return 0.9 * index / 9; /* off 1 */
    case AUGMENT_POSTERIZE:
        return nearbyint(8 - 4.0 * index / 9);
    case AUGMENT_SOLARIZE:
        return 256 - 256.0 * index / 9; /* no whole number: the threshold is a float */
    default:
        return 0;
    }
}

static double drawn_amount(const AugmentStep *s)
{
    bool around_one = s->op == AUGMENT_COLOR || s->op == AUGMENT_CONTRAST || s->op == AUGMENT_SHARPNESS ||
                      s->op == AUGMENT_BRIGHTNESS;
    return fabs(around_one ? s->amount - 1 : s->amount);
}

/* The first row that looks like these two operations with their amounts, or -1: some rows look alike. */
static int policy_row(const AugmentOp op[2], const double amount[2])
{
    for (int row = 0; row < 25; row++) {
        bool same = true;
        for (int k = 0; k < 2; k++)
            same &= POLICY[row].op[k] == op[k] &&
                    fabs(policy_amount(op[k], POLICY[row].index[k]) - amount[k]) < 1e-9;
        if (same)
            return row;
    }
    return -1;
}

/* Both operations are of one row, each applied by a coin of its own; every amount is its row's. */
static void autoaugment_rows(void **state)
{
    (void)state;
    double counts[25] = {0}, expected[25] = {0}, number[3] = {0}, share[3] = {0};
    for (int row = 0; row < 25; row++) {
        const PolicyRow *r = &POLICY[row];
        double n = 16.0 * DRAWS / 25, both = r->p[0] * r->p[1];
        int first = policy_row(r->op, (double[2]){policy_amount(r->op[0], r->index[0]),
                                                  policy_amount(r->op[1], r->index[1])});
        expected[first] += n * both;
        share[2] += n * both;
        share[1] += n * (r->p[0] + r->p[1] - 2 * both);
        share[0] += n * (1 - r->p[0]) * (1 - r->p[1]);
    }
    for (int i = 0; i < 16 * DRAWS; i++) {
        Augment drawn = {.size = 32};
        Rng rng = rng_stream(14, 1, (uint64_t)i, RNG_TEST);
        autoaugment_draw(&rng, &drawn);
        number[drawn.count]++;
        if (drawn.count < 2)
            continue;
        int row = policy_row((AugmentOp[2]){drawn.step[0].op, drawn.step[1].op},
                             (double[2]){drawn_amount(&drawn.step[0]), drawn_amount(&drawn.step[1])});
        assert_true(row >= 0); /* else of two rows */
        counts[row]++;
    }
    /* 25 but for two that look like others and one whose second is never applied */
    assert_possible("AutoAugment rows", counts, expected, 25, 22);
    assert_chi("AutoAugment applied", number, share, 3);
}

/* Solarize, which has no sign, has the threshold of an index in use, and each of them. */
static void autoaugment_solarizes(void **state)
{
    (void)state;
    double counts[10] = {0}, expected[10] = {0};
    for (int k = 0; k < 50; k++)
        if (POLICY[k / 2].op[k % 2] == AUGMENT_SOLARIZE)
            expected[POLICY[k / 2].index[k % 2]] += DRAWS / 25.0 * POLICY[k / 2].p[k % 2];
    for (int i = 0; i < DRAWS; i++) {
        Augment drawn = {.size = 32};
        Rng rng = rng_stream(15, 1, (uint64_t)i, RNG_TEST);
        autoaugment_draw(&rng, &drawn);
        const AugmentStep *s = find(&drawn, AUGMENT_SOLARIZE);
        int index = s ? (int)nearbyint((256 - s->amount) * 9 / 256) : 0;
        if (!s)
            continue;
        assert_true(index >= 0 && index < 10 && fabs(s->amount - (256 - 256.0 * index / 9)) < 1e-9);
        counts[index]++;
    }
    assert_possible("AutoAugment solarize", counts, expected, 10, 4);
}

/* AutoAugment's operations with a sign draw it evenly, at the amount of an index of the policy. */
static void autoaugment_signs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        AugmentOp op;
        double middle, most;
    } ops[] = {
        {"shear y", AUGMENT_SHEAR_Y, 0, 0.3},
        {"translate x", AUGMENT_TRANSLATE_X, 0, 150.0 / 331},
        {"translate y", AUGMENT_TRANSLATE_Y, 0, 150.0 / 331},
        {"color", AUGMENT_COLOR, 1, 0.9},
        {"contrast", AUGMENT_CONTRAST, 1, 0.9},
        {"sharpness", AUGMENT_SHARPNESS, 1, 0.9},
        {"brightness", AUGMENT_BRIGHTNESS, 1, 0.9},
    };
    for (size_t o = 0; o < sizeof ops / sizeof *ops; o++) {
        double up = 0, n = 0;
        bool in_policy[10] = {false};
        for (int k = 0; k < 50; k++)
            if (POLICY[k / 2].op[k % 2] == ops[o].op)
                in_policy[POLICY[k / 2].index[k % 2]] = true;
        for (int i = 0; i < DRAWS; i++) {
            Augment drawn = {.size = 32};
            Rng rng = rng_stream(12, 1, (uint64_t)i, RNG_TEST);
            autoaugment_draw(&rng, &drawn);
            for (int k = 0; k < drawn.count; k++) {
                double off = drawn.step[k].amount - ops[o].middle;
                double index = 9 * fabs(off) / ops[o].most;
                if (drawn.step[k].op != ops[o].op)
                    continue;
                assert_true(fabs(index - nearbyint(index)) < 1e-9 && nearbyint(index) <= 9);
                assert_true(in_policy[(int)nearbyint(index)]);
                n += off != 0; /* index 0 has no sign */
                up += off > 0;
            }
        }
        assert_share(ops[o].name, up, n, 0.5);
    }
}

/* The policy in the tables is the published one, as a table of it lists it. */
static void check_policy(const char *path)
{
    static const struct { const char *name; AugmentOp op;
    } names[] = {
        {"invert", AUGMENT_INVERT},
        {"contrast", AUGMENT_CONTRAST},
        {"rotate", AUGMENT_ROTATE},
        {"translateX", AUGMENT_TRANSLATE_X},
        {"translateY", AUGMENT_TRANSLATE_Y},
        {"sharpness", AUGMENT_SHARPNESS},
        {"shearX", AUGMENT_SHEAR_X},
        {"shearY", AUGMENT_SHEAR_Y},
        {"autocontrast", AUGMENT_AUTOCONTRAST},
        {"equalize", AUGMENT_EQUALIZE},
        {"posterize", AUGMENT_POSTERIZE},
        {"color", AUGMENT_COLOR},
        {"brightness", AUGMENT_BRIGHTNESS},
        {"solarize", AUGMENT_SOLARIZE},
    };
    char line[1024];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    int rows = 0;
    while (fgets(line, sizeof line, file)) {
        int row;
        char name[2][32];
        PolicyRow r;
        if (sscanf(line, "| %d | %31s | %lf | %d | %31s | %lf | %d |", &row, name[0], &r.p[0],
                   &r.index[0], name[1], &r.p[1], &r.index[1]) != 7)
            continue;
        assert_int_equal(row, rows++);
        for (int k = 0; k < 2; k++) {
            size_t i = 0;
            while (i < sizeof names / sizeof *names && strcmp(names[i].name, name[k]) != 0)
                i++;
            assert_true(i < sizeof names / sizeof *names);
            assert_int_equal(POLICY[row].op[k], names[i].op);
            assert_true(POLICY[row].p[k] == r.p[k] && POLICY[row].index[k] == r.index[k]);
        }
    }
    fclose(file);
    assert_int_equal(rows, 25);
}

static void autoaugment_table(void **state)
{
    (void)state;
    const char *other = test_shared("reference/autoaugment_cifar10.md");
    check_policy(test_data("data/autoaugment_cifar10.txt"));
    if (other)
        check_policy(other);
}

static void cifar_crop_and_cutout(void **state)
{
    (void)state;
    double corner[81] = {0}, centre[1024] = {0};
    for (int i = 0; i < DRAWS; i++) {
        Augment drawn;
        draw("cifar100", RECIPE_QUERY, 10, 32, 32, (uint64_t)i, &drawn);
        const AugmentStep *crop = &drawn.step[0], *hole = &drawn.step[drawn.count - 1];
        assert_true(crop->op == AUGMENT_CROP && hole->op == AUGMENT_CUTOUT &&
                    hole->box.width == 16);
        corner[(crop->box.top + 4) * 9 + crop->box.left + 4]++;
        centre[hole->box.top * 32 + hole->box.left]++;
    }
    assert_even("padded crop", corner, 81);
    assert_even("cutout", centre, 1024);
}

/* Every view's steps in their published order, typed in again here. */
#define CROP(scale) {RECIPE_RESIZED_CROP, 1, {scale}}
#define PAD {RECIPE_PAD_CROP, 1, {4}}
#define FLIP {RECIPE_FLIP, 0.5, {0}}
#define JITTER {RECIPE_JITTER, 1, {0.4, 0.4, 0.4, 0}}
#define JITTER_OFTEN {RECIPE_JITTER, 0.8, {0.4, 0.4, 0.4, 0.1}}
#define GREY {RECIPE_GREY, 0.2, {0}}
#define BLUR {RECIPE_BLUR, 0.5, {0.1, 2}}
#define RANDAUGMENT {RECIPE_RANDAUGMENT, 1, {0}}
#define AUTOAUGMENT {RECIPE_AUTOAUGMENT, 1, {0}}
#define CUTOUT {RECIPE_CUTOUT, 1, {16}}
static const RecipeView VIEWS[] = {
    {"randcls", 224, {CROP(0.08), FLIP, JITTER, RANDAUGMENT}},
    {"randclsstack", 224, {CROP(0.08), FLIP, JITTER, GREY, BLUR, RANDAUGMENT}},
    {"sim", 224, {CROP(0.08), JITTER, GREY, BLUR, FLIP}},
    {"sim02", 224, {CROP(0.2), JITTER, GREY, BLUR, FLIP}},
    {"mocov2", 224, {CROP(0.2), JITTER_OFTEN, GREY, BLUR, FLIP}},
    {"regular", 224, {CROP(0.08), FLIP, JITTER}},
    {"cifar", 32, {PAD, FLIP, AUTOAUGMENT, CUTOUT}},
    {"cifar_sim", 32, {CROP(0.2), FLIP, JITTER_OFTEN, GREY, BLUR}},
    {"cifar_plain", 32, {PAD, FLIP}}, /* of this project */
};
enum { VIEW_COUNT = sizeof VIEWS / sizeof *VIEWS };

static const char *const PAIRS[][3] = {
    {"randcls_sim", "randcls", "sim"},
    {"randclsstack_sim", "randclsstack", "sim"},
    {"randclsstack_sim02", "randclsstack", "sim02"},
    {"sim_sim", "sim", "sim"},
    {"mocov2_mocov2", "mocov2", "mocov2"},
    {"regular_regular", "regular", "regular"},
    {"cifar100", "cifar", "cifar_sim"},
};
enum { PAIR_COUNT = sizeof PAIRS / sizeof *PAIRS };

static bool same_step(const RecipeStep *a, const RecipeStep *b)
{
    return a->kind == b->kind && a->p == b->p && memcmp(a->a, b->a, sizeof a->a) == 0;
}

static void recipes_are_the_published_ones(void **state)
{
    (void)state;
    for (int v = 0; v < VIEW_COUNT; v++) {
        const Recipe *recipe = recipe_find(VIEWS[v].name);
        assert_non_null(recipe);
        assert_int_equal(recipe->size, VIEWS[v].size);
        assert_ptr_equal(recipe->view[RECIPE_KEY], recipe->view[RECIPE_QUERY]);
        for (int i = 0; i <= RECIPE_MAX_STEPS; i++)
            if (!same_step(&recipe->view[RECIPE_QUERY]->steps[i], &VIEWS[v].steps[i]))
                fail_msg("%s: step %d is not the published one", VIEWS[v].name, i);
    }
    for (int r = 0; r < PAIR_COUNT; r++) {
        const Recipe *recipe = recipe_find(PAIRS[r][0]);
        assert_non_null(recipe);
        assert_string_equal(recipe_view_name(recipe, RECIPE_QUERY), PAIRS[r][1]);
        assert_string_equal(recipe_view_name(recipe, RECIPE_KEY), PAIRS[r][2]);
    }
    assert_null(recipe_at(VIEW_COUNT + PAIR_COUNT)); /* there are no others */
}

/* Whether a step of this kind can have drawn the operation. */
static bool draws_op(RecipeStepKind kind, AugmentOp op)
{
    switch (kind) {
    case RECIPE_RESIZED_CROP:
        return op == AUGMENT_RESIZED_CROP;
    case RECIPE_PAD_CROP:
        return op == AUGMENT_CROP;
    case RECIPE_FLIP:
        return op == AUGMENT_FLIP;
    case RECIPE_JITTER:
        return op >= AUGMENT_BRIGHTNESS && op <= AUGMENT_HUE;
    case RECIPE_GREY:
        return op == AUGMENT_GRAYSCALE;
    case RECIPE_BLUR:
        return op == AUGMENT_BLUR;
    case RECIPE_CUTOUT:
        return op == AUGMENT_CUTOUT;
    default:
        return op >= AUGMENT_AUTOCONTRAST ||
               (op >= AUGMENT_BRIGHTNESS && op <= AUGMENT_COLOR);
    }
}

/* What is drawn keeps to that order. */
static void draws_keep_the_order(void **state)
{
    (void)state;
    for (int v = 0; v < VIEW_COUNT; v++)
        for (uint64_t i = 0; i < 1000; i++) {
            Augment drawn;
            int at = 0;
            draw(VIEWS[v].name, RECIPE_QUERY, 10, 500, 375, i, &drawn);
            for (int k = 0; k < drawn.count; k++) {
                while (VIEWS[v].steps[at].kind != RECIPE_END &&
                       !draws_op(VIEWS[v].steps[at].kind, drawn.step[k].op))
                    at++;
                if (VIEWS[v].steps[at].kind == RECIPE_END)
                    fail_msg("%s, sample %d: operation %d is out of order", VIEWS[v].name, (int)i,
                             k);
            }
        }
}

/* The streams of the two views of a sample draw apart: equal boxes are chance, and flips are independent. */
static void views_draw_apart(void **state)
{
    (void)state;
    const RecipeView *view = recipe_find("sim")->view[RECIPE_QUERY];
    RecipeOptions options = recipe_options(recipe_find("sim"));
    double flips[4] = {0};
    int equal = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        Augment drawn[2];
        for (int side = 0; side < 2; side++) {
            Rng rng = rng_stream(5, 3, i, side ? RNG_VIEW_K : RNG_VIEW_Q);
            assert_int_equal(recipe_draw(view, &options, "test", 500, 375, &rng, &drawn[side]), STATUS_OK);
        }
        flips[2 * (find(&drawn[0], AUGMENT_FLIP) != NULL) + (find(&drawn[1], AUGMENT_FLIP) != NULL)]++;
        equal += memcmp(&drawn[0].step[0].box, &drawn[1].step[0].box, sizeof(ImageBox)) == 0;
    }
    printf("sim twice: %d of %d boxes equal\n", equal, DRAWS);
    assert_true(equal < DRAWS / 1000);
    assert_even("flips of both views", flips, 4);
}

/* Streams decide: the same one draws the same, another another. */
static void draws_follow_streams(void **state)
{
    (void)state;
    int equal = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        Augment a = {0}, b = {0}, c = {0};
        draw("sim", RECIPE_QUERY, 10, 500, 375, i, &a);
        draw("sim", RECIPE_QUERY, 10, 500, 375, i, &b);
        draw("sim", RECIPE_QUERY, 10, 500, 375, i + 1, &c);
        assert_int_equal(a.count, b.count);
        for (int k = 0; k < a.count; k++)
            assert_true(a.step[k].op == b.step[k].op && a.step[k].amount == b.step[k].amount);
        equal += memcmp(&a.step[0].box, &c.step[0].box, sizeof(ImageBox)) == 0;
    }
    assert_true(equal < 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crop_is_uniform),
        cmocka_unit_test(crop_of_a_photo),
        cmocka_unit_test(crop_falls_back),
        cmocka_unit_test(jitter_is_as_defined),
        cmocka_unit_test(coins_and_blur),
        cmocka_unit_test(randaugment_is_as_defined),
        cmocka_unit_test(randaugment_pairs),
        cmocka_unit_test(randaugment_amounts),
        cmocka_unit_test(randaugment_clips),
        cmocka_unit_test(autoaugment_is_as_defined),
        cmocka_unit_test(autoaugment_rows),
        cmocka_unit_test(autoaugment_solarizes),
        cmocka_unit_test(autoaugment_signs),
        cmocka_unit_test(autoaugment_table),
        cmocka_unit_test(cifar_crop_and_cutout),
        cmocka_unit_test(recipes_are_the_published_ones),
        cmocka_unit_test(draws_keep_the_order),
        cmocka_unit_test(draws_follow_streams),
        cmocka_unit_test(views_draw_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
