/* PNG through libpng's simple interface; the file appears whole or not at all. */
#include "image/encode_png.h"

#include "base/file.h"

#include <errno.h>
#include <string.h>

#include <png.h>

Status image_write_png(const char *path, const Image *image)
{
    png_image png = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGB};
    png.width = (png_uint_32)image->width;
    png.height = (png_uint_32)image->height;
    FileOutput out;
    TRY(file_output_open(&out, path));
    errno = 0;
    if (png_image_write_to_stdio(&png, out.file, 0, image->pixels, 0, NULL))
        return file_output_close(&out);
    const char *reason = errno ? strerror(errno) : png.message;
    file_output_abandon(&out);
    return status_fail(STATUS_IO, "%s: cannot write the PNG: %s", path, reason);
}
