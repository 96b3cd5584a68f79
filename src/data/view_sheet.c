/* Images in memory go through a PNG, which changes no pixel. */
#include "data/view_sheet.h"

#include "image/encode_png.h"
#include "image/image_ops.h"
#include "image/sheet.h"

#include <stdlib.h>

enum { SHEET_GAP = 4 }; /* about what lies between views */

typedef struct ClassSize {
    int64_t images;
    int number;
} ClassSize;

static int larger_first(const void *a, const void *b)
{
    const ClassSize *x = a, *y = b;
    if (x->images != y->images)
        return x->images < y->images ? 1 : -1;
    return x->number - y->number;
}

/* Classes that have images, the largest first. */
static ClassSize *by_size(const Dataset *data, int *count)
{
    ClassSize *sizes = mem_alloc((size_t)data->classes * sizeof *sizes);
    *count = 0;
    for (int c = 0; c < data->classes; c++)
        if (data->counts[c] > 0)
            sizes[(*count)++] = (ClassSize){data->counts[c], c};
    qsort(sizes, (size_t)*count, sizeof *sizes, larger_first);
    return sizes;
}

/* The class of a cell, and how many cells before it have the same one. */
static const ClassSize *class_of(const ClassSize *sizes, int classes, int cell, int cells,
                                 int *before)
{
    bool few = classes < cells;
    *before = few ? cell / classes : 0;
    return &sizes[few ? cell % classes
                      : (int64_t)cell * (classes - 1) / (cells > 1 ? cells - 1 : 1)];
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
    int classes, before;
    TRY(sheet_new(recipe, views, seed, n, &sheet));
    ClassSize *sizes = by_size(data, &classes);
    Status status = STATUS_OK;
    for (int i = 0; i < n; i++) {
        const ClassSize *c = class_of(sizes, classes, i, n, &before);
        int64_t member = before % c->images, epoch = before / c->images % epochs;
        uint32_t number = data->members[data->first[c->number] + member];
        status = add_image(data, number, (uint32_t)epoch, &sheet);
    }
    free(sizes);
    *image = sheet.image;
    if (views->size > side)
        shrink(image, views->size, side);
    return sheet.filled > 0 ? STATUS_OK : status;
}
