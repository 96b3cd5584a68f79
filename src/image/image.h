/* Image: 8-bit RGB pixels in memory, and decoding of JPEG and PNG into it. */
#ifndef PACO_DATA_IMAGE_H
#define PACO_DATA_IMAGE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct Image {
    int width, height;
    uint8_t *pixels; /* [height][width][3], RGB, rows without gaps; malloc'd; NULL when empty */
} Image;

/* Decodes a JPEG or PNG (by its first bytes, not its name); grey, CMYK, palette and alpha become
 * RGB the way Pillow's convert("RGB") makes it. `name` is for messages. STATUS_INPUT when
 * malformed or no image, STATUS_LIMIT when larger than the limits. *out is untouched on failure. */
Status image_decode(const char *name, const uint8_t *bytes, size_t size, Image *out);
/* Reads and decodes a file. */
Status image_read(const char *path, Image *out);
/* Uninitialised pixels of this size; aborts when memory is out. */
Image image_new(int width, int height);
void image_free(Image *image);

/* Larger images are refused before anything is allocated for them (Pillow's decompression bomb
 * error). */
enum { IMAGE_MAX_PIXELS = 178956970, IMAGE_MAX_SIDE = 65535 };
/* Larger files are refused. */
enum { IMAGE_MAX_BYTES = 1 << 30 };
/* Progressive JPEGs of more scans are refused: each costs a pass over the whole image. */
enum { IMAGE_MAX_SCANS = 1000 };

/* A rectangle of pixels. */
typedef struct ImageBox {
    int left, top, width, height;
} ImageBox;

/* Says which part of a width x height image is wanted; the answer lies within the image, not
 * empty. */
typedef ImageBox ImageWant(int width, int height, void *context);

/* As image_decode, but only a part: out holds the pixels of *box, which contains what `want`
 * asked for. They equal those of a whole decode, and the whole file is still read and checked.
 * *whole: the image itself. */
Status image_decode_part(const char *name, const uint8_t *bytes, size_t size, ImageWant *want,
                         void *context, Image *out, ImageBox *box, ImageBox *whole);
/* Writes a PNG (8-bit RGB). STATUS_IO when it cannot. */
Status image_write_png(const char *path, const Image *image);
Image image_copy(const Image *image);

#endif
