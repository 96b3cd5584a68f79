/* DecodeJob: what a decoder of one format is given and gives back, and those decoders. They stand
 * behind decode.c alone. */
#ifndef PACO_IMAGE_DECODE_JOB_H
#define PACO_IMAGE_DECODE_JOB_H

#include "base/status.h"
#include "image/image.h"

#include <stdbool.h>

typedef struct DecodeJob {
    const char *name; /* for messages */
    const uint8_t *bytes;
    size_t size;
    ImageWant *want; /* NULL: everything */
    void *context;
    Image image;       /* result: the pixels of `box` */
    ImageBox box;      /* result: what was decoded */
    ImageBox whole;    /* result: the whole image, at 0, 0 */
    size_t charge;     /* bytes of the budget that it holds */
} DecodeJob;

/* All leave job->image for the caller to free, on failure too. */
Status decode_jpeg(DecodeJob *job);
Status decode_png(DecodeJob *job);
Status decode_webp(DecodeJob *job);
Status decode_gif(DecodeJob *job);
Status decode_bmp(DecodeJob *job);
Status decode_tiff(DecodeJob *job);

/* Reads the header of a file of which the job has only the beginning, or `all`: what is not there
 * yet is no failure. */
Status look_at_jpeg(DecodeJob *job, bool all);
Status look_at_png(DecodeJob *job, bool all);

/* Checks a header's size, sets job->whole and asks for the wanted box. */
Status decode_header(DecodeJob *job, uint32_t width, uint32_t height);
/* Makes job->image for job->box, within the budget of all threads together with `beside`, the bytes
 * that decoding takes besides, all of which must be had; STATUS_LIMIT where memory is out. */
Status decode_memory(DecodeJob *job, size_t beside);

#endif
