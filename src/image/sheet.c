#include "image/sheet.h"

#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 4, BACKGROUND = 255 };

Status sheet_new(const Recipe *recipe, const RecipeOptions *options, uint64_t seed, int n,
                 Sheet *sheet)
{
    int size = options->size, columns = (int)ceil(sqrt((double)n));
    int rows = (n + columns - 1) / columns, cell = 2 * size + GAP;
    uint64_t width = (uint64_t)columns * (uint64_t)(size + GAP) + GAP;
    uint64_t height = (uint64_t)rows * (uint64_t)(cell + GAP) + GAP;
    if (width * height > IMAGE_MAX_PIXELS)
        return status_fail(STATUS_LIMIT,
                           "augment: the sheet is too large (%llu x %llu vs at most %d pixels). "
                           "Use a smaller --n or --size",
                           (unsigned long long)width, (unsigned long long)height, IMAGE_MAX_PIXELS);
    *sheet = (Sheet){recipe, options, seed, columns, 0, image_new((int)width, (int)height)};
    memset(sheet->image.pixels, BACKGROUND, (size_t)width * (size_t)height * 3);
    return STATUS_OK;
}

static void paste(Image *image, int left, int top, const uint8_t *view, int size)
{
    for (int y = 0; y < size; y++)
        memcpy(image->pixels + ((size_t)(top + y) * (size_t)image->width + (size_t)left) * 3,
               view + (size_t)y * (size_t)size * 3, (size_t)size * 3);
}

Status sheet_add(Sheet *sheet, const SheetSource *source)
{
    int size = sheet->options->size, at = sheet->filled;
    int left = GAP + at % sheet->columns * (size + GAP);
    int top = GAP + at / sheet->columns * (2 * size + 2 * GAP);
    size_t view = (size_t)size * (size_t)size * 3;
    Rng query = rng_stream(sheet->seed, source->epoch, source->number, RNG_VIEW_Q);
    Rng key = rng_stream(sheet->seed, source->epoch, source->number, RNG_VIEW_K);
    uint8_t *views = mem_alloc(2 * view);
    Status status = recipe_views(sheet->recipe, sheet->options, source->name, source->bytes,
                                 source->size, &query, &key, views, views + view);
    if (status == STATUS_OK) {
        paste(&sheet->image, left, top, views, size);
        paste(&sheet->image, left, top + size + GAP / 2, views + view, size);
        sheet->filled++;
    }
    free(views);
    return status;
}

Status sheet_draw(const Recipe *recipe, const RecipeOptions *options, uint64_t seed, int n,
                  const char *name, const uint8_t *bytes, size_t size, Image *image)
{
    Sheet sheet;
    TRY(sheet_new(recipe, options, seed, n, &sheet));
    Status status = STATUS_OK;
    for (int i = 0; i < n && status == STATUS_OK; i++)
        status = sheet_add(&sheet, &(SheetSource){name, bytes, size, (uint32_t)i, 0});
    *image = sheet.image;
    return status;
}
