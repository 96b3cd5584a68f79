/* The choice of a decoder by a file's first bytes. Orientation tags (EXIF) are ignored, as Pillow's
 * open and convert ignore them. */
#include "image/decode.h"

#include "base/file.h"
#include "image/decode_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Status decode(DecodeJob *job)
{
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    if (job->size == 0)
        return status_fail(STATUS_INPUT, "%s: empty file", job->name);
    if (job->size >= 3 && job->bytes[0] == 0xff && job->bytes[1] == 0xd8 && job->bytes[2] == 0xff)
        return decode_jpeg(job);
    if (job->size >= sizeof png && memcmp(job->bytes, png, sizeof png) == 0)
        return decode_png(job);
    /* Its first bytes say more of a wrong file than its name. */
    char seen[3 * 4 + 1] = "";
    for (size_t i = 0; i < 4 && i < job->size; i++)
        snprintf(seen + 3 * i, 4, " %02x", job->bytes[i]);
    return status_fail(STATUS_INPUT, "%s: neither JPEG nor PNG (begins with%s)", job->name, seen);
}

Status image_decode_part(const char *name, const uint8_t *bytes, size_t size, ImageWant *want,
                         void *context, Image *out, ImageBox *box, ImageBox *whole)
{
    DecodeJob job = {.name = name, .bytes = bytes, .size = size, .want = want, .context = context};
    Status status = decode(&job);
    if (status != STATUS_OK) {
        image_free(&job.image);
        return status;
    }
    *out = job.image;
    *box = job.box;
    *whole = job.whole;
    return STATUS_OK;
}

Status image_decode(const char *name, const uint8_t *bytes, size_t size, Image *out)
{
    ImageBox box, whole;
    return image_decode_part(name, bytes, size, NULL, NULL, out, &box, &whole);
}

Status image_read(const char *path, Image *out)
{
    uint8_t *bytes;
    size_t size;
    TRY(file_read(path, IMAGE_MAX_BYTES, &bytes, &size));
    Status status = image_decode(path, bytes, size, out);
    free(bytes);
    return status;
}
