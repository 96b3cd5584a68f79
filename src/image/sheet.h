/* Sheets: many views in one picture. */
#ifndef PACO_IMAGE_SHEET_H
#define PACO_IMAGE_SHEET_H

#include "image/recipe.h"

enum { SHEET_VIEWS_MAX = 1024 };

/* A grid that is about square of n cells, each for a query view above its key view, filled one
 * after another. */
typedef struct Sheet {
    const Recipe *recipe;
    const RecipeOptions *options;
    uint64_t seed;
    int columns, filled; /* cells */
    Image image;         /* image_free it */
} Sheet;

/* An image that views are drawn of. */
typedef struct SheetSource {
    const char *name; /* for messages */
    const uint8_t *bytes;
    size_t size; /* of its file */
    uint32_t epoch,
        number; /* its views are those that training draws of this image in this epoch */
} SheetSource;

/* STATUS_LIMIT where the picture would have more than IMAGE_MAX_PIXELS; n is at least 1. */
Status sheet_new(const Recipe *recipe, const RecipeOptions *options, uint64_t seed, int n,
                 Sheet *sheet);
/* Fills the next cell; fails as recipe_views does. */
Status sheet_add(Sheet *sheet, const SheetSource *source);
/* A sheet of one image, number 0, in its first n epochs. */
Status sheet_draw(const Recipe *recipe, const RecipeOptions *options, uint64_t seed, int n,
                  const char *name, const uint8_t *bytes, size_t size, Image *image);

#endif
