/* What training sees of a data set, in one picture. */
#ifndef PACO_DATA_VIEW_SHEET_H
#define PACO_DATA_VIEW_SHEET_H

#include "data/dataset.h"
#include "image/recipe.h"

/* What a sheet shows, for those who describe it. */
#define VIEW_SHEET_ABOUT                                                                           \
    "Training images of classes from the largest to the smallest, as the network saw them in the " \
    "first epochs: the query view above the key view."

/* n views of the first of so many epochs of training with this seed: of n classes spread evenly
 * from the largest to the smallest one image each, where there are fewer classes several; cells as
 * sheet_new has them, each shown at most `side` pixels wide. image_free the sheet. Images that
 * cannot be read are left out; where that are all, it fails as dataset_fetch and sheet_add do. */
Status view_sheet(const Dataset *data, const Recipe *recipe, const RecipeOptions *views,
                  uint64_t seed, int epochs, int n, int side, Image *sheet);

#endif
