/* The draws of every kind of step, in a fixed order: a view is a function of its stream.
 * RandAugment and AutoAugment have tables of their own (randaugment.c). */
#include "image/recipe_draw.h"

#include "base/check.h"
#include "image/randaugment.h"

#include <math.h>
#include <stdbool.h>

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
    /* Area uniform, ratio uniform in its logarithm. */
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
    /* Rounded down, as Python's // does. */
    box.top = (height - box.height) / 2;
    box.left = (width - box.width) / 2;
    return box;
}

static void draw_jitter(Rng *rng, const double range[4], Augment *out)
{
    static const AugmentOp ops[4] = {AUGMENT_BRIGHTNESS, AUGMENT_CONTRAST, AUGMENT_COLOR,
                                     AUGMENT_HUE};
    /* The four in random order, but amounts are drawn in the order that they are applied. */
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
        /* Steps that always act take no draw. */
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
        case RECIPE_FLIP: augment_add(out, AUGMENT_FLIP, 0); break;
        case RECIPE_JITTER: draw_jitter(rng, s->a, out); break;
        case RECIPE_GREY: augment_add(out, AUGMENT_GRAYSCALE, 0); break;
        case RECIPE_BLUR: augment_add(out, AUGMENT_BLUR, uniform(rng, s->a[0], s->a[1])); break;
        case RECIPE_RANDAUGMENT:
            randaugment_draw(options->randaugment_n, options->randaugment_m, rng, out);
            break;
        case RECIPE_AUTOAUGMENT: autoaugment_draw(rng, out); break;
        case RECIPE_CUTOUT: {
            AugmentStep *step = augment_add(out, AUGMENT_CUTOUT, 0);
            /* A centre within the image: at its edges the hole is smaller. */
            step->box.top = (int)rng_below(rng, (uint32_t)out->size);
            step->box.left = (int)rng_below(rng, (uint32_t)out->size);
            step->box.width = (int)s->a[0];
            break;
        }
        case RECIPE_END: break;
        }
    }
    return STATUS_OK;
}
