/* PNG through libpng's simple interface; the file appears whole or not at all. */
#include "image/encode_png.h"

#include "base/file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

static png_image begin(const Image *image)
{
    png_image png = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGB};
    png.width = (png_uint_32)image->width;
    png.height = (png_uint_32)image->height;
    return png;
}

Status image_encode_png(const Image *image, uint8_t **bytes, size_t *size)
{
    png_image png = begin(image);
    char *text = NULL;
    FILE *file = open_memstream(&text, size);
    bool good = file && png_image_write_to_stdio(&png, file, 0, image->pixels, 0, NULL);
    if (file && fclose(file) != 0)
        good = false;
    if (!good) {
        free(text);
        return status_fail(STATUS_LIMIT, "cannot make a PNG of %d x %d pixels: %s", image->width,
                           image->height, *png.message ? png.message : "no memory");
    }
    *bytes = (uint8_t *)text;
    return STATUS_OK;
}

Status image_write_png(const char *path, const Image *image)
{
    png_image png = begin(image);
    FileOutput out;
    TRY(file_output_open(&out, path));
    errno = 0;
    if (png_image_write_to_stdio(&png, out.file, 0, image->pixels, 0, NULL))
        return file_output_close(&out);
    const char *reason = errno ? strerror(errno) : png.message;
    file_output_abandon(&out);
    return status_fail(STATUS_IO, "%s: cannot write the PNG: %s", path, reason);
}
