/* Writes images as PNG (8-bit RGB): for people to look at, and for tests. */
#ifndef PACO_IMAGE_ENCODE_PNG_H
#define PACO_IMAGE_ENCODE_PNG_H

#include "base/status.h"
#include "image/image.h"

/* STATUS_IO when it cannot be written. */
Status image_write_png(const char *path, const Image *image);
/* The same bytes in memory (malloc'd). STATUS_LIMIT when it cannot be made. */
Status image_encode_png(const Image *image, uint8_t **bytes, size_t *size);

#endif
