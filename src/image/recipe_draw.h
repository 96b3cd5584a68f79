/* Drawing: from a recipe's view and a stream of random numbers to operations with all their
 * parameters. */
#ifndef PACO_IMAGE_RECIPE_DRAW_H
#define PACO_IMAGE_RECIPE_DRAW_H

#include "image/augment.h"
#include "image/recipe.h"

typedef enum RecipeStepKind {
    RECIPE_END,
    RECIPE_RESIZED_CROP,
    RECIPE_PAD_CROP,
    RECIPE_FLIP,
    RECIPE_JITTER,
    RECIPE_GREY,
    RECIPE_BLUR,
    RECIPE_RANDAUGMENT,
    RECIPE_AUTOAUGMENT,
    RECIPE_CUTOUT,
} RecipeStepKind;

enum { RECIPE_MAX_STEPS = 6 };

typedef struct RecipeStep {
    RecipeStepKind kind;
    double p;     /* probability; 1 for steps that always act */
    double a[4];  /* ranges, as recipes.def names them */
} RecipeStep;

struct RecipeView {
    const char *name;
    int size;
    RecipeStep steps[RECIPE_MAX_STEPS + 1]; /* RECIPE_END after the last */
};

/* Draws a view of a width x height image. STATUS_INPUT as recipe_view's. */
Status recipe_draw(const RecipeView *view, const RecipeOptions *options, const char *name,
                   int width, int height, Rng *rng, Augment *out);

#endif
