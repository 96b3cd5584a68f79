/* The recipes' tables, and making their views: draws first (recipe_draw.c), then only the part of
 * the image that they need is decoded, then they are applied (augment.c). */
#include "image/recipe.h"

#include "base/check.h"
#include "image/decode.h"
#include "image/image_ops.h"
#include "image/recipe_draw.h"

#include <string.h>

#define RESIZED_CROP(scale) {RECIPE_RESIZED_CROP, 1, {scale}}
#define PAD_CROP(pad) {RECIPE_PAD_CROP, 1, {pad}}
#define FLIP(p) {RECIPE_FLIP, p, {0}}
#define JITTER(p, b, c, s, h) {RECIPE_JITTER, p, {b, c, s, h}}
#define GREY(p) {RECIPE_GREY, p, {0}}
#define BLUR(p, low, high) {RECIPE_BLUR, p, {low, high}}
#define CUTOUT(length) {RECIPE_CUTOUT, 1, {length}}
#define RANDAUGMENT {RECIPE_RANDAUGMENT, 1, {0}}
#define AUTOAUGMENT {RECIPE_AUTOAUGMENT, 1, {0}}

#define VIEW(name, size, ...)      \
    enum { SIZE_##name = (size) }; \
    static const RecipeView VIEW_##name = {#name, SIZE_##name, {__VA_ARGS__}};
#define RECIPE(name, query, key)
#include "image/recipes.def"
#undef VIEW
#undef RECIPE

static const Recipe RECIPES[] = {
#define VIEW(name, size, ...)
#define RECIPE(name, query, key) {#name, {&VIEW_##query, &VIEW_##key}, SIZE_##query},
#include "image/recipes.def"
#undef VIEW
#undef RECIPE
#define VIEW(name, size, ...) {#name, {&VIEW_##name, &VIEW_##name}, SIZE_##name},
#define RECIPE(name, query, key)
#include "image/recipes.def"
#undef VIEW
#undef RECIPE
};

const Recipe *recipe_at(int i)
{
    return i >= 0 && i < (int)(sizeof RECIPES / sizeof *RECIPES) ? &RECIPES[i] : NULL;
}

const Recipe *recipe_find(const char *name)
{
    /* Few enough to look at each. */
    const Recipe *recipe;
    for (int i = 0; (recipe = recipe_at(i)); i++)
        if (strcmp(recipe->name, name) == 0)
            break;
    return recipe;
}

const char *recipe_view_name(const Recipe *recipe, RecipeSide side)
{
    return recipe->view[side]->name;
}

RecipeOptions recipe_options(const Recipe *recipe)
{
    return (RecipeOptions){.size = recipe->size, .randaugment_n = 2, .randaugment_m = 10,
                           .eval_resize = recipe->size == 32 ? 32 : 256};
}

Status recipe_view(const Recipe *recipe, RecipeSide side, const RecipeOptions *options,
                   const char *name, const Image *image, Rng *rng, uint8_t *out)
{
    Augment drawn;
    ImageBox all = {0, 0, image->width, image->height};
    TRY(recipe_draw(recipe->view[side], options, name, image->width, image->height, rng, &drawn));
    augment_apply(&drawn, image, all, out);
    return STATUS_OK;
}

/* The views of one image, drawn as soon as its size is known. */
typedef struct Views {
    const Recipe *recipe;
    const RecipeOptions *options;
    const char *name;
    uint8_t *out[2]; /* by RecipeSide; NULL: not wanted */
    Rng *rng[2];
    Augment drawn[2];
    Status status;
} Views;

/* The smallest box that holds both. */
static ImageBox cover(ImageBox a, ImageBox b)
{
    int left = a.left < b.left ? a.left : b.left, top = a.top < b.top ? a.top : b.top;
    int right = a.left + a.width > b.left + b.width ? a.left + a.width : b.left + b.width;
    int bottom = a.top + a.height > b.top + b.height ? a.top + a.height : b.top + b.height;
    return (ImageBox){left, top, right - left, bottom - top};
}

static ImageBox views_want(int width, int height, void *context)
{
    Views *views = context;
    ImageBox want = {0, 0, width, height};
    /* Called by the decoder once it knows the size; a failure is kept until the image is
     * decoded. */
    views->status = STATUS_OK;
    bool first = true;
    for (int i = 0; i < 2; i++) {
        if (!views->out[i])
            continue;
        views->status = recipe_draw(views->recipe->view[i], views->options, views->name, width,
                                    height, views->rng[i], &views->drawn[i]);
        if (views->status != STATUS_OK)
            break;
        ImageBox box = augment_box(&views->drawn[i], width, height);
        want = first ? box : cover(want, box);
        first = false;
    }
    return want;
}

Status recipe_views(const Recipe *recipe, const RecipeOptions *options, const char *name,
                    const uint8_t *bytes, size_t size, Rng *query_rng, Rng *key_rng, uint8_t *query,
                    uint8_t *key)
{
    /* A file that is damaged anywhere fails before its views do: decoding comes first. */
    Views views = {.recipe = recipe,
                   .options = options,
                   .name = name,
                   .out = {query, key},
                   .rng = {query_rng, key_rng}};
    Image part;
    ImageBox at, whole;
    TRY(image_decode_part(name, bytes, size, views_want, &views, &part, &at, &whole));
    for (int i = 0; i < 2 && views.status == STATUS_OK; i++)
        if (views.out[i])
            augment_apply(&views.drawn[i], &part, at, views.out[i]);
    image_free(&part);
    return views.status;
}

static void check_eval(const RecipeOptions *options)
{
    CHECK(options->size >= 1 && options->size <= RECIPE_SIZE_MAX);
    CHECK(options->eval_resize >= 1 && options->eval_resize <= RECIPE_RESIZE_MAX);
}

static void eval_part(const RecipeOptions *options, const Image *part, ImageBox at, ImageBox whole,
                      uint8_t *out)
{
    Image view = image_resize_center(part, at, whole, options->eval_resize, options->size);
    memcpy(out, view.pixels, (size_t)options->size * (size_t)options->size * 3);
    image_free(&view);
}

void view_eval(const RecipeOptions *options, const Image *image, uint8_t *out)
{
    ImageBox all = {0, 0, image->width, image->height};
    check_eval(options);
    eval_part(options, image, all, all, out);
}

static ImageBox eval_want(int width, int height, void *context)
{
    const RecipeOptions *options = context;
    return image_resize_center_box(width, height, options->eval_resize, options->size);
}

Status view_eval_bytes(const RecipeOptions *options, const char *name, const uint8_t *bytes,
                       size_t size, uint8_t *out)
{
    RecipeOptions copy = *options;
    Image part;
    ImageBox at, whole;
    check_eval(options);
    TRY(image_decode_part(name, bytes, size, eval_want, &copy, &part, &at, &whole));
    eval_part(options, &part, at, whole, out);
    image_free(&part);
    return STATUS_OK;
}
