/* What RandAugment and AutoAugment draw, against their definitions and the published policy: 100,000
 * draws of each parameter (support_draws.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "image/randaugment.h"
#include "support_draws.h"
#include "support_files.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        test_draw("randcls", RECIPE_QUERY, 5, 500, 375, (uint64_t)i, &drawn);
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
    double *values = test_values();
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
            test_draw("randcls", RECIPE_QUERY, m, 500, 375, (uint64_t)i, &drawn);
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
        const AugmentStep *s = test_drawn(&drawn, AUGMENT_SOLARIZE);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(randaugment_is_as_defined),
        cmocka_unit_test(randaugment_pairs),
        cmocka_unit_test(randaugment_amounts),
        cmocka_unit_test(randaugment_clips),
        cmocka_unit_test(autoaugment_is_as_defined),
        cmocka_unit_test(autoaugment_rows),
        cmocka_unit_test(autoaugment_solarizes),
        cmocka_unit_test(autoaugment_signs),
        cmocka_unit_test(autoaugment_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
