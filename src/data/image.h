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

/* Decodes a JPEG or PNG (by its first bytes, not its name); grey, CMYK, palette and alpha become RGB the
 * way Pillow's convert("RGB") makes it. `name` is for messages. STATUS_INPUT when malformed or no image,
 * STATUS_LIMIT when larger than the limits. *out is untouched on failure. */
Status image_decode(const char *name, const uint8_t *bytes, size_t size, Image *out);
/* Reads and decodes a file. */
Status image_read(const char *path, Image *out);
/* Uninitialised pixels of this size; aborts when memory is out. */
Image image_new(int width, int height);
void image_free(Image *image);

#endif
