/* Images in memory go through a PNG, which changes no pixel. */
#include "data/view_sheet.h"

#include "image/encode_png.h"
#include "image/image_ops.h"
#include "image/sheet.h"

#include <stdlib.h>

enum { SHEET_GAP = 4 }; /* about what sheet_draw leaves between views */

Status view_sheet(const Dataset *data, const Recipe *recipe, const RecipeOptions *views,
                  uint64_t seed, int n, int side, Image *sheet)
{
    Image photo = {0};
    uint8_t *bytes;
    size_t size;
    char name[4200];
    TRY(dataset_fetch(data, 0, &photo));
    Status status = image_encode_png(&photo, &bytes, &size);
    image_free(&photo);
    TRY(status);
    status = sheet_draw(recipe, views, seed, n, dataset_name(data, 0, name, sizeof name), bytes,
                        size, sheet);
    free(bytes);
    if (status == STATUS_OK && views->size > side) {
        double scale = (double)(side + SHEET_GAP) / (views->size + SHEET_GAP);
        image_resize(sheet, (int)(scale * sheet->width), (int)(scale * sheet->height));
    }
    return status;
}
