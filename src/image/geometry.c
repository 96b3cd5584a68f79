/* Operations that only move pixels: flip, crops, Cutout. */
#include "image/image_ops.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

void image_flip(Image *image)
{
    for (int y = 0; y < image->height; y++) {
        uint8_t *left = image->pixels + (size_t)y * (size_t)image->width * 3;
        uint8_t *right = left + (size_t)(image->width - 1) * 3;
        for (; left < right; left += 3, right -= 3)
            for (int c = 0; c < 3; c++) {
                uint8_t t = left[c];
                left[c] = right[c];
                right[c] = t;
            }
    }
}

static int clip(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

void image_crop(Image *image, ImageBox box)
{
    Image out = image_new(box.width, box.height);
    size_t stride = (size_t)image->width * 3, out_stride = (size_t)box.width * 3;
    int left = clip(box.left, 0, image->width);
    int right = clip(box.left + box.width, left, image->width);
    int top = clip(box.top, 0, image->height);
    int bottom = clip(box.top + box.height, top, image->height);
    /* Only where something of the box lies outside: the rest is written in any case. */
    if (right - left < box.width || bottom - top < box.height)
        memset(out.pixels, 0, out_stride * (size_t)box.height);
    for (int y = top; y < bottom && right > left; y++)
        memcpy(out.pixels + (size_t)(y - box.top) * out_stride + (size_t)(left - box.left) * 3,
               image->pixels + (size_t)y * stride + (size_t)left * 3, (size_t)(right - left) * 3);
    image_free(image);
    *image = out;
}

void image_pad_crop(Image *image, int top, int left, int size, int pad)
{
    image_crop(image, (ImageBox){left - pad, top - pad, size, size});
}

void image_cutout(Image *image, int y, int x, int length)
{
    int left = clip(x - length / 2, 0, image->width), right = clip(x + length / 2, 0, image->width);
    int top = clip(y - length / 2, 0, image->height);
    int bottom = clip(y + length / 2, 0, image->height);
    for (int row = top; row < bottom; row++)
        memset(image->pixels + ((size_t)row * (size_t)image->width + (size_t)left) * 3, 0,
               (size_t)(right - left) * 3);
}
