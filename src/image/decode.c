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

/* Libraries that are used where the program was built with them. */
#ifndef PACO_WEBP
#define decode_webp NULL
#endif
#ifndef PACO_GIF
#define decode_gif NULL
#endif
#ifndef PACO_TIFF
#define decode_tiff NULL
#endif

/* The one list of formats, by their first bytes ('?' stands for any). */
typedef struct Format {
    const char *name, *library; /* library: that it needs, for messages */
    const char *magic;
    size_t length;
    Status (*decode)(DecodeJob *job); /* NULL: built without the library */
    Status (*look)(DecodeJob *job, bool all); /* at the header; NULL: the first bytes must do */
} Format;

static const Format formats[] = {
    {"JPEG", "libjpeg", "\xff\xd8\xff", 3, decode_jpeg, look_at_jpeg},
    {"PNG", "libpng", "\x89PNG\r\n\x1a\n", 8, decode_png, look_at_png},
    {"WebP", "libwebp", "RIFF????WEBP", 12, decode_webp, NULL},
    {"GIF", "giflib", "GIF87a", 6, decode_gif, NULL},
    {"GIF", "giflib", "GIF89a", 6, decode_gif, NULL},
    {"BMP", "nothing", "BM", 2, decode_bmp, NULL},
    {"TIFF", "libtiff", "II*\0", 4, decode_tiff, NULL},
    {"TIFF", "libtiff", "MM\0*", 4, decode_tiff, NULL},
};

static bool begins(const uint8_t *bytes, size_t size, const Format *format)
{
    bool same = size >= format->length;
    for (size_t i = 0; i < format->length && same; i++)
        same = format->magic[i] == '?' || bytes[i] == (uint8_t)format->magic[i];
    return same;
}

static Status find_format(const char *name, const uint8_t *bytes, size_t size, const Format **out)
{
    if (size == 0)
        return status_fail(STATUS_INPUT, "%s: empty file", name);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (begins(bytes, size, &formats[i])) {
            *out = &formats[i];
            return formats[i].decode
                       ? STATUS_OK
                       : status_fail(STATUS_INPUT, "%s: %s, which this program was built without "
                                     "(%s)", name, formats[i].name, formats[i].library);
        }
    /* Its first bytes say more of a wrong file than its name. */
    char seen[3 * 4 + 1] = "";
    for (size_t i = 0; i < 4 && i < size; i++)
        snprintf(seen + 3 * i, 4, " %02x", bytes[i]);
    return status_fail(STATUS_INPUT, "%s: no image in a known format (begins with%s)", name, seen);
}

static Status decode(DecodeJob *job)
{
    const Format *format;
    TRY(find_format(job->name, job->bytes, job->size, &format));
    return format->decode(job);
}

Status image_look(const char *name, const uint8_t *bytes, size_t size, bool all)
{
    const Format *format;
    DecodeJob job = {.name = name, .bytes = bytes, .size = size};
    TRY(find_format(name, bytes, size, &format));
    return format->look ? format->look(&job, all) : STATUS_OK;
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
