/* What every decoder does once it knows an image's size, before it takes memory for the pixels. */
#include "image/decode_job.h"

#include "base/check.h"
#include "image/budget.h"

#include <stdbool.h>
#include <stdlib.h>

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

/* Whether so many bytes could be had: libraries that are refused memory say so in ways of their
 * own, or end the program. */
static bool can_have(size_t bytes)
{
    void *try = malloc(bytes + 1);
    free(try);
    return try != NULL;
}

Status decode_memory(DecodeJob *job, size_t beside)
{
    const ImageBox *box = &job->box;
    job->charge = (size_t)box->width * (size_t)box->height * 3 + beside;
    budget_take(job->charge);
    job->image = image_try_new(box->width, box->height);
    if (job->image.pixels && can_have(beside))
        return STATUS_OK;
    return status_fail(STATUS_LIMIT, "%s: no memory for %d x %d pixels (%zu MiB)", job->name,
                       box->width, box->height, job->charge >> 20);
}
