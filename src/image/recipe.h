/* Recipes: the random views of the published training recipes, as data, and the evaluation view.
 *
 * A recipe is a pair of views (query and key); a view is a list of steps (crop, jitter,
 * RandAugment ...) with their probabilities and ranges. Tables: recipes.def. Every draw comes
 * from the Rng handed in, so a view is a function of (image, stream): rng_stream(seed, epoch,
 * sample, RNG_VIEW_Q or RNG_VIEW_K). All functions may be called from any number of threads.
 * Pixels are those of torchvision 0.14 on Pillow 9.4 for the same draws. Normalisation is not
 * done here: the device does it. */
#ifndef PACO_IMAGE_RECIPE_H
#define PACO_IMAGE_RECIPE_H

#include "base/rng.h"
#include "base/status.h"
#include "image/image.h"

#include <stddef.h>
#include <stdint.h>

typedef enum RecipeSide { RECIPE_QUERY, RECIPE_KEY } RecipeSide;

typedef struct RecipeView RecipeView; /* one row of recipes.def: a named list of steps */

typedef struct Recipe {
    const char *name;               /* "randcls_sim" */
    const RecipeView *view[2];      /* by RecipeSide */
    int size;                       /* published output size: 224, or 32 for CIFAR */
} Recipe;

enum { RECIPE_SIZE_MAX = 4096, RECIPE_RESIZE_MAX = 8192 };

typedef struct RecipeOptions {
    int size;             /* a view is size x size pixels, 1 to RECIPE_SIZE_MAX */
    int randaugment_n;    /* operations drawn by RandAugment, 0 to 16 */
    double randaugment_m; /* their mean magnitude, 0 to 100; what is drawn is clipped to 0..10 */
    int eval_resize;      /* view_eval: short side before the centre crop, 1 to RECIPE_RESIZE_MAX */
} RecipeOptions;

/* The recipe called so, or NULL. A name of one view alone ("mocov2") is a recipe with that view
 * twice. */
const Recipe *recipe_find(const char *name);
/* Recipe i = 0, 1, ... for listings; NULL past the last. */
const Recipe *recipe_at(int i);
/* Name of a recipe's query or key view. */
const char *recipe_view_name(const Recipe *recipe, RecipeSide side);
/* Published options: the recipe's size, RandAugment n 2 m 10, evaluation resize 256 (for 224) or
 * 32. */
RecipeOptions recipe_options(const Recipe *recipe);

/* Draws one view of a decoded image: out[size][size][3], RGB. STATUS_INPUT only where a recipe
 * with a padded crop meets an image whose padded side is shorter than `size`; `name` is for that
 * message. */
Status recipe_view(const Recipe *recipe, RecipeSide side, const RecipeOptions *options,
                   const char *name, const Image *image, Rng *rng, uint8_t *out);
/* The views of the bytes of an image file, which is decoded once and only where a view needs it:
 * the query's and the key's, each where it is not NULL. The same pixels, and the same failures, as
 * image_decode followed by recipe_view for each. */
Status recipe_views(const Recipe *recipe, const RecipeOptions *options, const char *name,
                    const uint8_t *bytes, size_t size, Rng *query_rng, Rng *key_rng, uint8_t *query,
                    uint8_t *key);
/* The evaluation view: short side to eval_resize, then the centre size x size (zeros outside a
 * smaller image); an image whose short side is eval_resize already is only cropped.
 * out[size][size][3]. */
void view_eval(const RecipeOptions *options, const Image *image, uint8_t *out);
/* The evaluation view of the bytes of an image file, decoded only where it is needed: the same
 * pixels, and the same failures, as image_decode followed by view_eval. */
Status view_eval_bytes(const RecipeOptions *options, const char *name, const uint8_t *bytes,
                       size_t size, uint8_t *out);

#endif
