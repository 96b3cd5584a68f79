/* WebP through libwebp's decoder of animations, whose first frame is taken, as Pillow does it;
 * alpha is dropped. */
#include "image/decode_job.h"

#include <webp/decode.h>
#include <webp/demux.h>

static Status first_frame(DecodeJob *job, WebPAnimDecoder *decoder)
{
    uint8_t *canvas;
    int time;
    if (!WebPAnimDecoderGetNext(decoder, &canvas, &time))
        return status_fail(STATUS_INPUT, "%s: WebP: damaged, or no frame", job->name);
    size_t n = (size_t)job->whole.width * (size_t)job->whole.height;
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            job->image.pixels[3 * i + (size_t)c] = canvas[4 * i + (size_t)c];
    return STATUS_OK;
}

Status decode_webp(DecodeJob *job)
{
    WebPBitstreamFeatures features;
    WebPData data = {job->bytes, job->size};
    WebPAnimDecoderOptions options;
    if (WebPGetFeatures(job->bytes, job->size, &features) != VP8_STATUS_OK)
        return status_fail(STATUS_INPUT, "%s: WebP: damaged header", job->name);
    TRY(decode_header(job, (uint32_t)features.width, (uint32_t)features.height));
    job->box = job->whole;
    /* Two canvases of four bytes a pixel, and what a frame is decoded from. */
    TRY(decode_memory(job, (size_t)job->whole.width * (size_t)job->whole.height * 12));
    WebPAnimDecoderOptionsInit(&options);
    options.color_mode = MODE_RGBA;
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, &options);
    WebPAnimInfo info;
    if (!decoder || !WebPAnimDecoderGetInfo(decoder, &info) ||
        (int)info.canvas_width != job->whole.width ||
        (int)info.canvas_height != job->whole.height) {
        WebPAnimDecoderDelete(decoder);
        return status_fail(STATUS_INPUT, "%s: WebP: damaged", job->name);
    }
    Status status = first_frame(job, decoder);
    WebPAnimDecoderDelete(decoder);
    return status;
}
