/* Sheets: many views of one photograph in one picture. */
#ifndef PACO_IMAGE_SHEET_H
#define PACO_IMAGE_SHEET_H

#include "image/recipe.h"

enum { SHEET_VIEWS_MAX = 1024 };

/* Draws n views of the bytes of an image file, each query view above its key view: view i is the
 * one that training with this seed draws of image 0 in epoch i. image_free the sheet. STATUS_LIMIT
 * where it would have more than IMAGE_MAX_PIXELS; else as recipe_views fails. */
Status sheet_draw(const Recipe *recipe, const RecipeOptions *options, uint64_t seed, int n,
                  const char *name, const uint8_t *bytes, size_t size, Image *sheet);

#endif
