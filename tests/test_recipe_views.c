/* Views: those of a file's bytes equal those of the decoded image, for every recipe and shape;
 * sizes that a recipe cannot take are refused; evaluation views of odd images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "data/dataset.h"
#include "image/decode.h"
#include "image/image_ops.h"
#include "image/recipe.h"
#include "support_files.h"
#include "support_image.h"

#include <stdio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int SIZES[][2] = {{200, 150}, {97, 131}, {40, 33}, {32, 32},
                               {1, 1},     {1, 700},  {900, 2}};
enum { SIZE_COUNT = sizeof SIZES / sizeof *SIZES };

static void pairs_equal_views(void **state)
{
    (void)state;
    for (int s = 0; s < SIZE_COUNT; s++) {
        Image image = image_pattern(SIZES[s][0], SIZES[s][1], 1), decoded;
        size_t size;
        uint8_t *bytes = jpeg_write(&image, &(JpegKind){.components = 3, .h = 2, .v = 2}, &size);
        assert_int_equal(image_decode("t", bytes, size, &decoded), STATUS_OK);
        const Recipe *recipe;
        for (int r = 0; (recipe = recipe_at(r)); r++) {
            RecipeOptions options = recipe_options(recipe);
            options.size = recipe->size == 32 ? 32 : 75;
            size_t n = (size_t)options.size * (size_t)options.size * 3;
            uint8_t *a = mem_alloc(2 * n), *b = mem_alloc(2 * n);
            for (uint64_t i = 0; i < 6; i++) {
                Rng q = rng_stream(1, 2, i, RNG_VIEW_Q), k = rng_stream(1, 2, i, RNG_VIEW_K);
                Rng q2 = q, k2 = k;
                Status pair = recipe_views(recipe, &options, "t", bytes, size, &q, &k, a, a + n);
                Status one = recipe_view(recipe, RECIPE_QUERY, &options, "t", &decoded, &q2, b);
                Status two = recipe_view(recipe, RECIPE_KEY, &options, "t", &decoded, &k2, b + n);
                assert_int_equal(pair, one ? one : two);
                if (pair == STATUS_OK)
                    assert_memory_equal(a, b, 2 * n);
                else
                    assert_true(recipe->size == 32 && (SIZES[s][0] < 24 || SIZES[s][1] < 24));
            }
            free(a), free(b);
        }
        free(bytes);
        image_free(&decoded), image_free(&image);
    }
}

static void corrupt_pairs_are_refused(void **state)
{
    (void)state;
    Image image = image_pattern(120, 90, 1);
    const Recipe *recipe = recipe_find("randcls_sim");
    RecipeOptions options = recipe_options(recipe);
    uint8_t *views = mem_alloc(2 * 224 * 224 * 3);
    size_t size;
    uint8_t *bytes = jpeg_write(&image, &(JpegKind){.components = 3, .h = 2, .v = 2}, &size);
    for (uint64_t i = 0; i < 50; i++) { /* whatever part the crops need */
        Rng q = rng_stream(1, 2, i, RNG_VIEW_Q), k = rng_stream(1, 2, i, RNG_VIEW_K);
        assert_int_equal(recipe_views(recipe, &options, "t", bytes, size - 40, &q, &k, views,
                                      views + 224 * 224 * 3),
                         STATUS_INPUT);
    }
    free(bytes), free(views);
    image_free(&image);
}

/* torchvision's CenterCrop: size x size around the centre, zeros outside a smaller image. */
static void center_crop(Image *image, int size)
{
    int left = (int)nearbyint((image->width - size) / 2.0), top = (int)nearbyint((image->height - size) / 2.0);
    image_crop(image, (ImageBox){left, top, size, size});
}

static void evaluation_views(void **state)
{
    (void)state;
    static const struct { int resize, size; } ways[] = {{256, 224}, {32, 32}, {64, 80}, {40, 1}};
    for (int s = 0; s < SIZE_COUNT; s++)
        for (int w = 0; w < 4; w++) {
            Image image = image_pattern(SIZES[s][0], SIZES[s][1], 1), decoded, slow;
            size_t size, n = (size_t)ways[w].size * (size_t)ways[w].size * 3;
            uint8_t *bytes = jpeg_write(&image, &(JpegKind){.components = 3, .h = 2, .v = 2},
                                        &size);
            uint8_t *a = mem_alloc(n), *b = mem_alloc(n);
            RecipeOptions options = {.size = ways[w].size, .eval_resize = ways[w].resize};
            assert_int_equal(image_decode("t", bytes, size, &decoded), STATUS_OK);
            view_eval(&options, &decoded, a);
            assert_int_equal(view_eval_bytes(&options, "t", bytes, size, b), STATUS_OK);
            assert_memory_equal(a, b, n);
            slow = image_copy(&decoded);
            assert_int_equal(image_resize_short_side("t", &slow, ways[w].resize), STATUS_OK);
            center_crop(&slow, ways[w].size);
            assert_memory_equal(a, slow.pixels, n);
            image_free(&slow), image_free(&decoded), image_free(&image);
            free(a), free(b), free(bytes);
        }
}

/* What the loader makes of a photograph's bytes, in evaluation and for a baseline, is what whole
 * decoding gives; cut short (H03), it is refused by both. */
static void photograph(const RecipeOptions *options, const uint8_t *bytes, size_t size, int number)
{
    static uint8_t a[224 * 224 * 3], b[224 * 224 * 3];
    const Recipe *recipe = recipe_find("regular");
    Rng rng = rng_stream(1, 0, (uint64_t)number, RNG_VIEW_Q), same = rng;
    Image image;
    assert_int_equal(image_decode("t", bytes, size, &image), STATUS_OK);
    view_eval(options, &image, a);
    assert_int_equal(view_eval_bytes(options, "t", bytes, size, b), STATUS_OK);
    if (memcmp(a, b, sizeof a) != 0)
        fail_msg("photograph %d: the evaluation view depends on what is decoded", number);
    assert_int_equal(recipe_view(recipe, RECIPE_QUERY, options, "t", &image, &rng, a), STATUS_OK);
    assert_int_equal(recipe_views(recipe, options, "t", bytes, size, &same, NULL, b, NULL),
                     STATUS_OK);
    if (memcmp(a, b, sizeof a) != 0)
        fail_msg("photograph %d: the query view depends on what is decoded", number);
    image_free(&image);
    size_t cut = size * (size_t)(1 + number % 15) / 16;
    assert_int_equal(view_eval_bytes(options, "t", bytes, cut, b), STATUS_INPUT);
    assert_int_equal(recipe_views(recipe, options, "t", bytes, cut, &same, NULL, b, NULL),
                     STATUS_INPUT);
}

static void photographs(void **state)
{
    (void)state;
    Dataset *d;
    DatasetSpec spec[2];
    int lists = test_photographs(spec);
    RecipeOptions options = recipe_options(recipe_find("regular"));
    for (int k = 0; k < lists; k++) {
        test_stderr_begin();
        Status status = dataset_open(&spec[k], &d);
        free(test_stderr_end());
        assert_int_equal(status, STATUS_OK);
        for (int64_t i = 0; i < d->count; i++) {
            uint8_t *bytes;
            size_t size;
            assert_int_equal(dataset_read(d, i, &bytes, &size), STATUS_OK);
            photograph(&options, bytes, size, (int)i);
            free(bytes);
        }
        dataset_close(d);
    }
}

/* H07: a line of pixels. Resized whole it would have 4 billion; only the crop is made. */
static void long_lines(void **state)
{
    (void)state;
    RecipeOptions options = {.size = 224, .eval_resize = 256};
    uint8_t *out = mem_alloc(224 * 224 * 3);
    for (int tall = 0; tall < 2; tall++) {
        Image image = image_new(tall ? 1 : 65535, tall ? 65535 : 1);
        for (int i = 0; i < 65535; i++)
            memset(image.pixels + 3 * i, i / 256, 3);
        view_eval(&options, &image, out);
        for (int i = 0; i < 224 * 224 * 3; i++)
            assert_true(out[i] == 127 || out[i] == 128); /* its middle */
        assert_int_equal(image_resize_short_side("t", &image, 256), STATUS_LIMIT);
        Rng rng = rng_stream(1, 0, 0, RNG_VIEW_Q);
        assert_int_equal(
            recipe_view(recipe_find("sim"), RECIPE_QUERY, &options, "t", &image, &rng, out),
            STATUS_OK);
        image_free(&image);
    }
    free(out);
}

/* CIFAR's own size passes evaluation untouched. */
static void small_images_pass(void **state)
{
    (void)state;
    Image image = image_pattern(32, 32, 3);
    RecipeOptions options = recipe_options(recipe_find("cifar100"));
    uint8_t out[32 * 32 * 3];
    assert_true(options.size == 32 && options.eval_resize == 32);
    view_eval(&options, &image, out);
    assert_memory_equal(out, image.pixels, sizeof out);
    image_free(&image);
}

static void names(void **state)
{
    (void)state;
    static const char *const published[] = {
        "randcls",
        "randclsstack",
        "sim",
        "sim02",
        "mocov2",
        "regular",
        "cifar",
        "cifar_sim",
        "randcls_sim",
        "randclsstack_sim",
        "randclsstack_sim02",
        "sim_sim",
        "mocov2_mocov2",
        "regular_regular",
        "cifar100",
        "cifar_plain",
    };
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        const Recipe *recipe = recipe_find(published[i]);
        assert_non_null(recipe);
        RecipeOptions options = recipe_options(recipe);
        assert_int_equal(options.size, strncmp(published[i], "cifar", 5) == 0 ? 32 : 224);
    }
    assert_null(recipe_find("randcls_"));
    assert_null(recipe_find(""));
    assert_string_equal(recipe_view_name(recipe_find("cifar100"), RECIPE_QUERY), "cifar");
    assert_string_equal(recipe_view_name(recipe_find("cifar100"), RECIPE_KEY), "cifar_sim");
    assert_string_equal(recipe_view_name(recipe_find("randclsstack_sim02"), RECIPE_KEY), "sim02");
}

/* A view is flipped or not, and otherwise the padded crop: every pixel is one of the image's, or
 * black. */
static void plain_views_move_pixels(void **state)
{
    (void)state;
    Image image = image_new(32, 32);
    for (int i = 0; i < 32 * 32; i++)
        image.pixels[3 * i] = (uint8_t)(i % 32 + 1),
                         image.pixels[3 * i + 1] = (uint8_t)(i / 32 + 1);
    const Recipe *recipe = recipe_find("cifar_plain");
    RecipeOptions options = recipe_options(recipe);
    uint8_t out[32 * 32 * 3];
    for (uint64_t s = 0; s < 200; s++) {
        Rng rng = rng_stream(3, 0, s, RNG_VIEW_K);
        assert_int_equal(recipe_view(recipe, RECIPE_KEY, &options, "t", &image, &rng, out),
                         STATUS_OK);
        const uint8_t *middle = out + (16 * 32 + 16) * 3, *beside = middle + 3;
        int step = beside[0] - middle[0], left = middle[0] - 16 * step, top = middle[1] - 16;
        assert_true(step == 1 || step == -1);
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 32; x++) {
                int from_x = left + step * x, from_y = top + y;
                int inside = from_x >= 1 && from_x <= 32 && from_y >= 1 && from_y <= 32;
                assert_int_equal(out[(y * 32 + x) * 3], inside ? from_x : 0);
                assert_int_equal(out[(y * 32 + x) * 3 + 1], inside ? from_y : 0);
            }
    }
    image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_equal_views), cmocka_unit_test(corrupt_pairs_are_refused),
        cmocka_unit_test(evaluation_views),  cmocka_unit_test(photographs),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(small_images_pass), cmocka_unit_test(names),
        cmocka_unit_test(plain_views_move_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
