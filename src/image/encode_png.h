/* Writes images as PNG (8-bit RGB): for people to look at, and for tests. */
#ifndef PACO_IMAGE_ENCODE_PNG_H
#define PACO_IMAGE_ENCODE_PNG_H

#include "base/status.h"
#include "image/image.h"

/* STATUS_IO when it cannot be written. */
Status image_write_png(const char *path, const Image *image);

#endif
