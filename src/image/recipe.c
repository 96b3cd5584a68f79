/* The recipes' tables, and drawing and making their views. */
#include "image/recipe.h"

#include "base/check.h"
#include "image/recipe_draw.h"

#include <math.h>
#include <stdbool.h>
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

static bool chance(Rng *rng, double p)
{
    return rng_uniform(rng) < p;
}

static double uniform(Rng *rng, double low, double high)
{
    return low + (high - low) * rng_uniform(rng);
}

/* A place at random for a box of this size. */
static ImageBox place(Rng *rng, int width, int height, int box_width, int box_height)
{
    int top = (int)rng_below(rng, (uint32_t)(height - box_height + 1));
    int left = (int)rng_below(rng, (uint32_t)(width - box_width + 1));
    return (ImageBox){left, top, box_width, box_height};
}

/* torchvision's RandomResizedCrop: ten tries, then as much of the centre as the ratio allows. */
static ImageBox draw_box(Rng *rng, int width, int height, double scale)
{
    const double least = 3.0 / 4, most = 4.0 / 3;
    double area = (double)width * height;
    for (int attempt = 0; attempt < 10; attempt++) {
        double target = area * uniform(rng, scale, 1.0);
        double ratio = exp(uniform(rng, log(least), log(most)));
        double w = nearbyint(sqrt(target * ratio)), h = nearbyint(sqrt(target / ratio));
        if (w >= 1 && w <= width && h >= 1 && h <= height)
            return place(rng, width, height, (int)w, (int)h);
    }
    ImageBox box = {0, 0, width, height};
    double ratio = (double)width / height;
    if (ratio < least)
        box.height = (int)nearbyint(width / least);
    else if (ratio > most)
        box.width = (int)nearbyint(height * most);
    box.top = (height - box.height) / 2;
    box.left = (width - box.width) / 2;
    return box;
}

static void draw_jitter(Rng *rng, const double range[4], Augment *out)
{
    static const AugmentOp ops[4] = {AUGMENT_BRIGHTNESS, AUGMENT_CONTRAST, AUGMENT_COLOR,
                                     AUGMENT_HUE};
    uint32_t order[4];
    rng_permutation(rng, order, 4);
    for (int i = 0; i < 4; i++) {
        AugmentOp op = ops[order[i]];
        double r = range[order[i]], middle = op == AUGMENT_HUE ? 0 : 1;
        if (r > 0)
            augment_add(out, op, uniform(rng, middle - r, middle + r));
    }
}

static Status draw_pad_crop(const char *name, int pad, int width, int height, Rng *rng,
                            Augment *out)
{
    int padded_width = width + 2 * pad, padded_height = height + 2 * pad, size = out->size;
    if (padded_width < size || padded_height < size)
        return status_fail(STATUS_INPUT,
                           "%s: image too small for the crop (%d x %d with a border of %d vs "
                           "%d x %d). Use a recipe that resizes",
                           name, width, height, pad, size, size);
    ImageBox box = place(rng, padded_width, padded_height, size, size);
    box.left -= pad;
    box.top -= pad;
    augment_add(out, AUGMENT_CROP, 0)->box = box;
    return STATUS_OK;
}

Status recipe_draw(const RecipeView *view, const RecipeOptions *options, const char *name,
                   int width, int height, Rng *rng, Augment *out)
{
    CHECK(options->size >= 1 && options->size <= RECIPE_SIZE_MAX);
    out->size = options->size;
    out->count = 0;
    for (const RecipeStep *s = view->steps; s->kind != RECIPE_END; s++) {
        if (s->p < 1 && !chance(rng, s->p))
            continue;
        switch (s->kind) {
        case RECIPE_RESIZED_CROP: {
            ImageBox box = draw_box(rng, width, height, s->a[0]);
            augment_add(out, AUGMENT_RESIZED_CROP, out->size)->box = box;
            break;
        }
        case RECIPE_PAD_CROP:
            TRY(draw_pad_crop(name, (int)s->a[0], width, height, rng, out));
            break;
        case RECIPE_FLIP:
            augment_add(out, AUGMENT_FLIP, 0);
            break;
        case RECIPE_JITTER:
            draw_jitter(rng, s->a, out);
            break;
        case RECIPE_GREY:
            augment_add(out, AUGMENT_GRAYSCALE, 0);
            break;
        case RECIPE_BLUR:
            augment_add(out, AUGMENT_BLUR, uniform(rng, s->a[0], s->a[1]));
            break;
        case RECIPE_RANDAUGMENT:
            randaugment_draw(options->randaugment_n, options->randaugment_m, rng, out);
            break;
        case RECIPE_AUTOAUGMENT:
            autoaugment_draw(rng, out);
            break;
        case RECIPE_CUTOUT: {
            AugmentStep *step = augment_add(out, AUGMENT_CUTOUT, 0);
            step->box.top = (int)rng_below(rng, (uint32_t)out->size);
            step->box.left = (int)rng_below(rng, (uint32_t)out->size);
            step->box.width = (int)s->a[0];
            break;
        }
        case RECIPE_END:
            break;
        }
    }
    return STATUS_OK;
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
    int count; /* by RecipeSide: 1 is the query's alone */
    Rng *rng[2];
    Augment drawn[2];
    Status status;
} Views;

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
    views->status = STATUS_OK;
    for (int i = 0; i < views->count; i++) {
        views->status = recipe_draw(views->recipe->view[i], views->options, views->name, width,
                                    height, views->rng[i], &views->drawn[i]);
        if (views->status != STATUS_OK)
            break;
        ImageBox box = augment_box(&views->drawn[i], width, height);
        want = i == 0 ? box : cover(want, box);
    }
    return want;
}

Status recipe_views(const Recipe *recipe, const RecipeOptions *options, const char *name,
                    const uint8_t *bytes, size_t size, Rng *query_rng, Rng *key_rng, uint8_t *query,
                    uint8_t *key)
{
    Views views = {.recipe = recipe, .options = options, .name = name, .count = key ? 2 : 1,
                   .rng = {query_rng, key_rng}};
    uint8_t *out[2] = {query, key};
    Image part;
    ImageBox at, whole;
    TRY(image_decode_part(name, bytes, size, views_want, &views, &part, &at, &whole));
    for (int i = 0; i < views.count && views.status == STATUS_OK; i++)
        augment_apply(&views.drawn[i], &part, at, out[i]);
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
