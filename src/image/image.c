/* Images in memory. */
#include "image/image.h"

#include "base/arena.h"
#include "image/budget.h"
#include "base/check.h"

#include <stdlib.h>
#include <string.h>

Image image_new(int width, int height)
{
    CHECKF(width > 0 && height > 0 && (int64_t)width * height <= IMAGE_MAX_PIXELS, "%d x %d", width,
           height);
    return (Image){width, height, mem_alloc((size_t)width * (size_t)height * 3), 0};
}

Image image_try_new(int width, int height)
{
    return (Image){width, height, malloc((size_t)width * (size_t)height * 3), 0};
}

void image_free(Image *image)
{
    budget_give(image->charge);
    free(image->pixels);
    *image = (Image){0};
}

Image image_copy(const Image *image)
{
    Image copy = image_new(image->width, image->height);
    memcpy(copy.pixels, image->pixels, (size_t)image->width * (size_t)image->height * 3);
    return copy;
}
