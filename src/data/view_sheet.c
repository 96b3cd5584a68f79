/* Images in memory go through a PNG, which changes no pixel. */
#include "data/view_sheet.h"

#include "image/class_order.h"
#include "image/encode_png.h"
#include "image/image_ops.h"
#include "image/sheet.h"

#include <stdlib.h>

enum { SHEET_GAP = 4 }; /* about what lies between views */

/* Those that have images, of classes in their order. */
static int with_images(const Dataset *data, const int *order)
{
    int n = data->classes;
    while (n > 0 && data->counts[order[n - 1]] == 0)
        n--;
    return n;
}

/* The place of a cell's class in the order, and how many cells before it have the same one. */
static int place_of(int classes, int cell, int cells, int *before)
{
    bool few = classes < cells;
    *before = few ? cell / classes : 0;
    return few ? cell % classes
               : (int)((int64_t)cell * (classes - 1) / (cells > 1 ? cells - 1 : 1));
}

static Status add_image(const Dataset *data, uint32_t image, uint32_t epoch, Sheet *sheet)
{
    Image photo = {0};
    uint8_t *bytes;
    size_t size;
    char name[4200];
    TRY(dataset_fetch(data, image, &photo));
    Status status = image_encode_png(&photo, &bytes, &size);
    image_free(&photo);
    TRY(status);
    dataset_name(data, image, name, sizeof name);
    status = sheet_add(sheet, &(SheetSource){name, bytes, size, epoch, image});
    free(bytes);
    return status;
}

static void shrink(Image *sheet, int from, int to)
{
    double scale = (double)(to + SHEET_GAP) / (from + SHEET_GAP);
    image_resize(sheet, (int)(scale * sheet->width), (int)(scale * sheet->height));
}

Status view_sheet(const Dataset *data, const Recipe *recipe, const RecipeOptions *views,
                  uint64_t seed, int epochs, int n, int side, Image *image)
{
    Sheet sheet;
    int before;
    TRY(sheet_new(recipe, views, seed, n, &sheet));
    int *order = class_order(data->classes, data->counts);
    int classes = with_images(data, order);
    Status status = STATUS_OK;
    for (int i = 0; i < n; i++) {
        int c = order[place_of(classes, i, n, &before)];
        int64_t member = before % data->counts[c], epoch = before / data->counts[c] % epochs;
        uint32_t number = data->members[data->first[c] + member];
        status = add_image(data, number, (uint32_t)epoch, &sheet);
    }
    free(order);
    *image = sheet.image;
    if (views->size > side)
        shrink(image, views->size, side);
    return sheet.filled > 0 ? STATUS_OK : status;
}
