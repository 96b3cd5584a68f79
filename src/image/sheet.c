/* Sheets: a grid that is about square, its cells the two views of a draw. */
#include "image/sheet.h"

#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 4, BACKGROUND = 255 };

static void paste(Image *sheet, int left, int top, const uint8_t *view, int size)
{
    for (int y = 0; y < size; y++)
        memcpy(sheet->pixels + ((size_t)(top + y) * (size_t)sheet->width + (size_t)left) * 3,
               view + (size_t)y * (size_t)size * 3, (size_t)size * 3);
}

Status sheet_draw(const Recipe *recipe, const RecipeOptions *options, uint64_t seed, int n,
                  const char *name, const uint8_t *bytes, size_t bytes_size, Image *sheet)
{
    int size = options->size, columns = (int)ceil(sqrt((double)n));
    int rows = (n + columns - 1) / columns, cell = 2 * size + GAP;
    size_t view = (size_t)size * (size_t)size * 3;
    uint64_t width = (uint64_t)columns * (uint64_t)(size + GAP) + GAP;
    uint64_t height = (uint64_t)rows * (uint64_t)(cell + GAP) + GAP;
    if (width * height > IMAGE_MAX_PIXELS)
        return status_fail(STATUS_LIMIT,
                           "augment: the sheet is too large (%llu x %llu vs at most %d pixels). "
                           "Use a smaller --n or --size",
                           (unsigned long long)width, (unsigned long long)height, IMAGE_MAX_PIXELS);
    *sheet = image_new((int)width, (int)height);
    memset(sheet->pixels, BACKGROUND, (size_t)width * (size_t)height * 3);
    uint8_t *views = mem_alloc(2 * view);
    Status status = STATUS_OK;
    for (int i = 0; i < n && status == STATUS_OK; i++) {
        Rng query = rng_stream(seed, (uint32_t)i, 0, RNG_VIEW_Q);
        Rng key = rng_stream(seed, (uint32_t)i, 0, RNG_VIEW_K);
        status = recipe_views(recipe, options, name, bytes, bytes_size, &query, &key, views,
                              views + view);
        int left = GAP + i % columns * (size + GAP), top = GAP + i / columns * (cell + GAP);
        if (status == STATUS_OK) {
            paste(sheet, left, top, views, size);
            paste(sheet, left, top + size + GAP / 2, views + view, size);
        }
    }
    free(views);
    return status;
}
