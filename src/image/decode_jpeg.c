/* JPEG through libjpeg-turbo: accurate DCT, fancy upsampling, the colours of Pillow's
 * convert("RGB").
 *
 * A part is decoded by skipping rows and cropping columns. Chroma upsampling looks one sample to
 * each side, so a margin around the wanted box is decoded too and dropped; the wanted pixels then
 * equal those of a whole decode. Rows not wanted are still entropy-decoded, so damage anywhere is
 * found.
 *
 * Damaged data is read as Pillow reads it (without LOAD_TRUNCATED_IMAGES): libjpeg warns and goes
 * on with grey; where data ends before the image does, Pillow raises, and so it is a failure here.
 */
#include "image/decode_job.h"

#include "base/arena.h"
#include "image/budget.h"
#include "image/jpeg_cost.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* Huffman codes take two bits a block of 64 pixels at least, so data for too many pixels runs
 * out. An arithmetic decoder goes on with zeros: the pixels it may make of one byte are limited
 * here. */
enum { ARITHMETIC_PIXELS_PER_BYTE = 4096 };
enum { MARGIN = 32 }; /* two of the largest coding units: more than upsampling looks aside */

typedef struct Jpeg {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
    Status status;
    DecodeJob *job;
    bool damaged;  /* libjpeg has warned */
    bool all_rows; /* are read */
    uint8_t *line; /* one row of what libjpeg gives, where it is not written in place */
    int top;       /* first row decoded */
    JDIMENSION left, columns;
} Jpeg;

static void fail_exit(j_common_ptr common)
{
    Jpeg *jpeg = (Jpeg *)common->client_data;
    if (jpeg->status == STATUS_OK) {
        char text[JMSG_LENGTH_MAX];
        common->err->format_message(common, text);
        const struct jpeg_source_mgr *source = jpeg->info.src;
        size_t left = source ? source->bytes_in_buffer : jpeg->job->size;
        size_t at = left <= jpeg->job->size ? jpeg->job->size - left : jpeg->job->size;
        Status code = common->err->msg_code == JERR_OUT_OF_MEMORY ? STATUS_LIMIT : STATUS_INPUT;
        jpeg->status = status_fail(code, "%s: JPEG, byte %zu: %s", jpeg->job->name, at, text);
    }
    longjmp(jpeg->escape, 1);
}

/* Level -1 is a warning: the data is not what was encoded, but for the end of it libjpeg goes on.
 */
static void on_message(j_common_ptr common, int level)
{
    Jpeg *jpeg = (Jpeg *)common->client_data;
    if (level < 0 && common->err->msg_code == JWRN_JPEG_EOF && !jpeg->all_rows)
        fail_exit(common);
    jpeg->damaged = jpeg->damaged || level < 0;
}

static void on_output(j_common_ptr common)
{
    (void)common;
}

/* Pillow takes four components for inverted ones, as Adobe writes them. */
static void cmyk_to_rgb(const uint8_t *in, uint8_t *out, int pixels)
{
    for (int i = 0; i < pixels; i++, in += 4, out += 3) {
        int white = in[3];
        for (int c = 0; c < 3; c++) {
            int product = (255 - in[c]) * white + 128;
            int value = white - ((product + (product >> 8)) >> 8);
            out[c] = (uint8_t)(value < 0 ? 0 : value);
        }
    }
}

static Status check_coding(Jpeg *jpeg)
{
    struct jpeg_decompress_struct *info = &jpeg->info;
    int n = info->num_components;
    if (n != 1 && n != 3 && n != 4)
        return status_fail(STATUS_INPUT,
                           "%s: JPEG: unsupported number of components (%d vs 1, 3 or 4)",
                           jpeg->job->name, n);
    uint64_t most = (uint64_t)jpeg->job->size * ARITHMETIC_PIXELS_PER_BYTE;
    if (info->arith_code && (uint64_t)info->image_width * info->image_height > most)
        return status_fail(STATUS_LIMIT, "%s: JPEG: %u x %u arithmetic-coded pixels from %zu bytes",
                           jpeg->job->name, info->image_width, info->image_height, jpeg->job->size);
    info->out_color_space = n == 4 ? JCS_CMYK : JCS_RGB;
    info->dct_method = JDCT_ISLOW;
    info->do_fancy_upsampling = TRUE;
    return STATUS_OK;
}

/* False where a progressive file lacks scans: libjpeg then smooths across blocks, and a part
 * would look different near its edges. */
static bool is_complete(const struct jpeg_decompress_struct *info)
{
    if (!info->progressive_mode || !info->coef_bits)
        return true;
    for (int c = 0; c < info->num_components; c++)
        for (int i = 0; i < DCTSIZE2; i++)
            if (info->coef_bits[c][i] != 0)
                return false;
    return true;
}

/* Narrows decoding to the job's box and its margin. */
static void crop(Jpeg *jpeg)
{
    const ImageBox *box = &jpeg->job->box, *whole = &jpeg->job->whole;
    if (!is_complete(&jpeg->info))
        box = whole; /* decoded whole, and cut */
    JDIMENSION left = box->left > MARGIN ? (JDIMENSION)(box->left - MARGIN) : 0;
    JDIMENSION right = (JDIMENSION)(box->left + box->width + MARGIN);
    if (right > (JDIMENSION)whole->width)
        right = (JDIMENSION)whole->width;
    jpeg->left = 0;
    jpeg->columns = (JDIMENSION)whole->width;
    if (left > 0 || right < (JDIMENSION)whole->width) {
        jpeg->left = left;
        jpeg->columns = right - left;
        jpeg_crop_scanline(&jpeg->info, &jpeg->left, &jpeg->columns);
    }
    jpeg->top = box->top > MARGIN ? box->top - MARGIN : 0;
    if (jpeg->top > 0)
        jpeg_skip_scanlines(&jpeg->info, (JDIMENSION)jpeg->top);
}

static void read_rows(Jpeg *jpeg)
{
    struct jpeg_decompress_struct *info = &jpeg->info;
    const ImageBox *box = &jpeg->job->box;
    int bottom = box->top + box->height;
    bool direct = info->output_components == 3 && jpeg->columns == (JDIMENSION)box->width;
    size_t lead = ((size_t)box->left - jpeg->left) * (size_t)info->output_components;
    while (info->output_scanline < (JDIMENSION)bottom) {
        int y = (int)info->output_scanline - box->top;
        uint8_t *to = y < 0 ? NULL : jpeg->job->image.pixels + (size_t)y * (size_t)box->width * 3;
        JSAMPROW row = to && direct ? to : jpeg->line;
        jpeg_read_scanlines(info, &row, 1);
        if (!to || direct)
            continue;
        if (info->output_components == 3)
            memcpy(to, jpeg->line + lead, (size_t)box->width * 3);
        else
            cmyk_to_rgb(jpeg->line + lead, to, box->width);
    }
    /* A skip to the very end would not look at the data: the last row is read. */
    if (info->output_scanline + 1 < info->output_height)
        jpeg_skip_scanlines(info, info->output_height - info->output_scanline - 1);
    while (info->output_scanline < info->output_height)
        jpeg_read_scanlines(info, &jpeg->line, 1);
    jpeg->all_rows = true; /* Pillow, too, has enough then */
    jpeg_finish_decompress(info);
}

/* Everything that may jump away. */
static void decode(Jpeg *jpeg)
{
    struct jpeg_decompress_struct *info = &jpeg->info;
    DecodeJob *job = jpeg->job;
    if (setjmp(jpeg->escape))
        return;
    jpeg_create_decompress(info);
    info->client_data = jpeg;
    jpeg_mem_src(info, job->bytes, (unsigned long)job->size);
    jpeg_read_header(info, TRUE);
    jpeg->status = decode_header(job, info->image_width, info->image_height);
    if (jpeg->status == STATUS_OK)
        jpeg->status = check_coding(jpeg);
    if (jpeg->status != STATUS_OK)
        return;
    size_t beside;
    jpeg->status = jpeg_cost(info, job, &beside);
    if (jpeg->status == STATUS_OK)
        jpeg->status = decode_memory(job, beside);
    if (jpeg->status != STATUS_OK)
        return;
    jpeg_start_decompress(info);
    jpeg->line = mem_alloc((size_t)info->output_width * (size_t)info->output_components);
    crop(jpeg);
    read_rows(jpeg);
}

/* A part of a damaged image is cut from the whole: rows that are skipped need not go wrong as rows
 * that are read do. */
static ImageBox want_whole(int width, int height, void *context)
{
    (void)context;
    return (ImageBox){0, 0, width, height};
}

static Status decode_as_asked(DecodeJob *job, bool *damaged)
{
    Jpeg jpeg = {.job = job};
    jpeg.info.err = jpeg_std_error(&jpeg.errors);
    jpeg.errors.error_exit = fail_exit;
    jpeg.errors.emit_message = on_message;
    jpeg.errors.output_message = on_output;
    jpeg.info.client_data = &jpeg;
    decode(&jpeg);
    free(jpeg.line);
    jpeg_destroy_decompress(&jpeg.info);
    *damaged = jpeg.damaged;
    return jpeg.status;
}

/* Everything of it that may jump away. */
static void read_header(Jpeg *jpeg)
{
    struct jpeg_decompress_struct *info = &jpeg->info;
    if (setjmp(jpeg->escape))
        return;
    jpeg_create_decompress(info);
    info->client_data = jpeg;
    jpeg_mem_src(info, jpeg->job->bytes, (unsigned long)jpeg->job->size);
    jpeg_read_header(info, TRUE);
    jpeg->all_rows = true;
    jpeg->status = decode_header(jpeg->job, info->image_width, info->image_height);
}

Status look_at_jpeg(DecodeJob *job, bool all)
{
    Jpeg jpeg = {.job = job};
    jpeg.info.err = jpeg_std_error(&jpeg.errors);
    jpeg.errors.error_exit = fail_exit;
    jpeg.errors.emit_message = on_message;
    jpeg.errors.output_message = on_output;
    jpeg.info.client_data = &jpeg;
    read_header(&jpeg);
    bool ended = jpeg.errors.msg_code == JWRN_JPEG_EOF;
    jpeg_destroy_decompress(&jpeg.info);
    return ended && !all ? STATUS_OK : jpeg.status;
}

Status decode_jpeg(DecodeJob *job)
{
    bool damaged = false;
    Status status = decode_as_asked(job, &damaged);
    if (!damaged || status != STATUS_OK || !job->want || job->box.width * job->box.height ==
                                                             job->whole.width * job->whole.height)
        return status;
    image_free(&job->image);
    budget_give(job->charge);
    job->want = want_whole;
    return decode_as_asked(job, &damaged);
}
