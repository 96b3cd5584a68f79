/* Image files made at test time. */
#ifndef PACO_TESTS_SUPPORT_IMAGE_H
#define PACO_TESTS_SUPPORT_IMAGE_H

#include "image/image.h"

#include <stdbool.h>

/* What kind of JPEG to write. */
typedef struct JpegKind {
    int components;    /* 1 grey, 3 YCbCr, 4 CMYK */
    int h, v;          /* chroma sampling of 3 components: luma's factors, 1 or 2 */
    bool progressive, arithmetic;
    int restart;       /* coding units between restart markers, 0: none */
    bool ycck;         /* 4 components as YCCK with Adobe's marker */
    int quality;       /* 0: 90 */
} JpegKind;

/* Smooth colours with some noise, the same for the same size and seed. */
Image image_pattern(int width, int height, uint64_t seed);
/* A JPEG of the pattern (4 components: C, M, Y are its channels, K its mean). malloc'd. */
uint8_t *jpeg_write(const Image *image, const JpegKind *kind, size_t *size);
/* A PNG with the given libpng colour type, depth and rows; palette_size entries of a fixed
 * palette where the type is a palette: colour i is (3 i, 255 - i, i ^ 85). malloc'd. */
uint8_t *png_write(int width, int height, int type, int depth, bool interlaced, int palette_size,
                   uint8_t **rows, size_t *size);

#endif
