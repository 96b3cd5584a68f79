/* Decoding of JPEG and PNG, whole or in part, the way Pillow's convert("RGB") makes pixels: grey,
 * CMYK, palette and alpha become RGB. Damage anywhere in a file is found, also outside the part
 * that is wanted. */
#ifndef PACO_IMAGE_DECODE_H
#define PACO_IMAGE_DECODE_H

#include "base/status.h"
#include "image/image.h"

#include <stdbool.h>

/* Larger files are refused; so many bytes of one are looked at. */
enum { IMAGE_MAX_BYTES = 1 << 30, IMAGE_HEAD_BYTES = 4096 };

/* Whether a file that begins so (its first IMAGE_HEAD_BYTES, or all of it) is in a known format and,
 * of JPEG and PNG, has a header that can be read, as far as it is seen; fails as image_decode. */
Status image_look(const char *name, const uint8_t *bytes, size_t size, bool all);

/* Decodes a JPEG or PNG (by its first bytes, not its name). `name` is for messages.
 * STATUS_INPUT when malformed or no image, STATUS_LIMIT when larger than the limits. *out is
 * untouched on failure. */
Status image_decode(const char *name, const uint8_t *bytes, size_t size, Image *out);
/* Reads and decodes a file. */
Status image_read(const char *path, Image *out);

/* As image_decode, but only a part: out holds the pixels of *box, which contains what `want`
 * asked for. They equal those of a whole decode, and the whole file is still read and checked.
 * *whole: the image itself. */
Status image_decode_part(const char *name, const uint8_t *bytes, size_t size, ImageWant *want,
                         void *context, Image *out, ImageBox *box, ImageBox *whole);

#endif
