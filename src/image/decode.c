/* The choice of a decoder by a file's first bytes. Orientation tags (EXIF) are ignored, as Pillow's
 * open and convert ignore them. */
#include "image/decode.h"

#include "base/file.h"
#include "image/budget.h"
#include "image/decode_job.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The one list of formats, by their first bytes. */
typedef struct Format {
    const char *magic;
    size_t length;
    Status (*decode)(DecodeJob *job);
} Format;

static const Format formats[] = {
    {"\xff\xd8\xff", 3, decode_jpeg},
    {"\x89PNG\r\n\x1a\n", 8, decode_png},
};

static Status find_format(const char *name, const uint8_t *bytes, size_t size, const Format **out)
{
    if (size == 0)
        return status_fail(STATUS_INPUT, "%s: empty file", name);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (size >= formats[i].length && memcmp(bytes, formats[i].magic, formats[i].length) == 0) {
            *out = &formats[i];
            return STATUS_OK;
        }
    /* Its first bytes say more of a wrong file than its name. */
    char seen[3 * 4 + 1] = "";
    for (size_t i = 0; i < 4 && i < size; i++)
        snprintf(seen + 3 * i, 4, " %02x", bytes[i]);
    return status_fail(STATUS_INPUT, "%s: neither JPEG nor PNG (begins with%s)", name, seen);
}

static Status decode(DecodeJob *job)
{
    const Format *format;
    TRY(find_format(job->name, job->bytes, job->size, &format));
    return format->decode(job);
}

Status image_look(const char *name, const uint8_t *bytes, size_t size)
{
    const Format *format;
    return find_format(name, bytes, size, &format);
}

/* The budget goes on with the image, without what only decoding took. */
static void settle(DecodeJob *job, bool done)
{
    budget_give(job->charge);
    job->charge = 0;
    if (!done)
        return;
    job->image.charge = (size_t)job->image.width * (size_t)job->image.height * 3;
    budget_take(job->image.charge);
}

Status image_decode_part(const char *name, const uint8_t *bytes, size_t size, ImageWant *want,
                         void *context, Image *out, ImageBox *box, ImageBox *whole)
{
    DecodeJob job = {.name = name, .bytes = bytes, .size = size, .want = want, .context = context};
    Status status = decode(&job);
    settle(&job, status == STATUS_OK);
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
