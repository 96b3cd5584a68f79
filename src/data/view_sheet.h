/* What training sees of a data set's first image, in one picture. */
#ifndef PACO_DATA_VIEW_SHEET_H
#define PACO_DATA_VIEW_SHEET_H

#include "data/dataset.h"
#include "image/recipe.h"

/* Its n views of the first epochs of training with this seed, as sheet_draw places them, each shown
 * at most `side` pixels wide; image_free the sheet. Fails as dataset_fetch and sheet_draw do. */
Status view_sheet(const Dataset *data, const Recipe *recipe, const RecipeOptions *views,
                  uint64_t seed, int n, int side, Image *sheet);

#endif
