/* Image: 8-bit RGB pixels in memory. Decoding into one is decode.h's, operations on one are
 * image_ops.h's, writing one encode_png.h's. */
#ifndef PACO_IMAGE_IMAGE_H
#define PACO_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

typedef struct Image {
    int width, height;
    uint8_t *pixels; /* [height][width][3], RGB, rows without gaps; malloc'd; NULL when empty */
    size_t charge;   /* bytes of the budget (budget.h) that image_free gives back */
} Image;

/* A rectangle of pixels. */
typedef struct ImageBox {
    int left, top, width, height;
} ImageBox;

/* Says which part of a width x height image is wanted; the answer lies within the image, not
 * empty. */
typedef ImageBox ImageWant(int width, int height, void *context);

/* Larger images are refused before anything is allocated for them (Pillow's decompression bomb
 * error). */
enum { IMAGE_MAX_PIXELS = 178956970, IMAGE_MAX_SIDE = 65535 };

/* Uninitialised pixels of this size; aborts when memory is out. */
Image image_new(int width, int height);
/* The same, where a file says the size: no pixels when memory is out. */
Image image_try_new(int width, int height);
Image image_copy(const Image *image);
void image_free(Image *image);

#endif
