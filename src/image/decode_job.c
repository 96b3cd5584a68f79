/* What every decoder does once it knows an image's size, before it takes memory for the pixels. */
#include "image/decode_job.h"

#include "base/check.h"

Status decode_header(DecodeJob *job, uint32_t width, uint32_t height)
{
    if (width == 0 || height == 0)
        return status_fail(STATUS_INPUT, "%s: header: empty image (%u x %u pixels)", job->name,
                           width, height);
    if (width > IMAGE_MAX_SIDE || height > IMAGE_MAX_SIDE ||
        (uint64_t)width * height > IMAGE_MAX_PIXELS)
        return status_fail(STATUS_LIMIT,
                           "%s: header: image too large (%u x %u vs at most %d pixels, "
                           "%d to a side)",
                           job->name, width, height, IMAGE_MAX_PIXELS, IMAGE_MAX_SIDE);
    job->whole = (ImageBox){0, 0, (int)width, (int)height};
    job->box = job->want ? job->want((int)width, (int)height, job->context) : job->whole;
    const ImageBox *box = &job->box;
    CHECK(box->width > 0 && box->height > 0 && box->left >= 0 && box->top >= 0);
    CHECK(box->width <= (int)width - box->left && box->height <= (int)height - box->top);
    return STATUS_OK;
}
