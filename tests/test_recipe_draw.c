/* What the recipes draw, against its definition: 100,000 draws of each parameter (support_draws.h).
 * RandAugment and AutoAugment have test_randaugment.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "support_draws.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    double *area = test_values(), *ratio = test_values(), *left = test_values(), *top = test_values();
    for (int v = 0; v < 2; v++) {
        size_t inner = 0;
        for (int i = 0; i < DRAWS; i++) {
            Augment drawn;
            test_draw(views[v].name, RECIPE_QUERY, 10, side, side, (uint64_t)i, &drawn);
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
    double *area = test_values(), *ratio = test_values(), *left = test_values(), *top = test_values();
    size_t inner = 0;
    Rng smear = rng_stream(6, 0, 0, RNG_TEST);
    for (int i = 0; i < DRAWS; i++) {
        Augment drawn;
        test_draw("randcls", RECIPE_QUERY, 10, width, height, (uint64_t)i, &drawn);
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
        test_draw("sim", RECIPE_QUERY, 10, cases[i].width, cases[i].height, 1, &drawn);
        assert_memory_equal(&drawn.step[0].box, &cases[i].want, sizeof(ImageBox));
    }
    for (int i = 0; i < 1000; i++) {
        Augment drawn;
        test_draw("sim", RECIPE_QUERY, 10, 1, 1, (uint64_t)i, &drawn);
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
        value[k] = test_values();
    size_t n = 0;
    for (int i = 0; i < DRAWS; i++) {
        Augment drawn;
        test_draw("mocov2", RECIPE_QUERY, 10, 500, 375, (uint64_t)i, &drawn);
        if (!test_drawn(&drawn, AUGMENT_HUE))
            continue;
        int code = 0;
        for (int k = 0; k < 4; k++) {
            const AugmentStep *s = test_drawn(&drawn, ops[k]);
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
    double *sigma = test_values();
    for (size_t v = 0; v < sizeof views / sizeof *views; v++) {
        double flips = 0, greys = 0;
        size_t blurs = 0;
        for (int i = 0; i < DRAWS; i++) {
            Augment drawn;
            test_draw(views[v].view, RECIPE_QUERY, 10, 500, 375, (uint64_t)i, &drawn);
            const AugmentStep *blur = test_drawn(&drawn, AUGMENT_BLUR);
            flips += test_drawn(&drawn, AUGMENT_FLIP) != NULL;
            greys += test_drawn(&drawn, AUGMENT_GRAYSCALE) != NULL;
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

static void cifar_crop_and_cutout(void **state)
{
    (void)state;
    double corner[81] = {0}, centre[1024] = {0};
    for (int i = 0; i < DRAWS; i++) {
        Augment drawn;
        test_draw("cifar100", RECIPE_QUERY, 10, 32, 32, (uint64_t)i, &drawn);
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
            test_draw(VIEWS[v].name, RECIPE_QUERY, 10, 500, 375, i, &drawn);
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
        flips[2 * (test_drawn(&drawn[0], AUGMENT_FLIP) != NULL) + (test_drawn(&drawn[1], AUGMENT_FLIP) != NULL)]++;
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
        test_draw("sim", RECIPE_QUERY, 10, 500, 375, i, &a);
        test_draw("sim", RECIPE_QUERY, 10, 500, 375, i, &b);
        test_draw("sim", RECIPE_QUERY, 10, 500, 375, i + 1, &c);
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
        cmocka_unit_test(cifar_crop_and_cutout),
        cmocka_unit_test(recipes_are_the_published_ones),
        cmocka_unit_test(draws_keep_the_order),
        cmocka_unit_test(draws_follow_streams),
        cmocka_unit_test(views_draw_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
