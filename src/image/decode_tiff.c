/* TIFF through libtiff, which gives strips or tiles of samples; what they mean for Pillow's
 * convert("RGB") is done here: grey of 1 to 16 bits, palettes, RGB and CMYK of 8 bits, alpha
 * dropped. The first picture of a file is taken. */
#include "image/decode_job.h"

#include "base/arena.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

typedef struct Tiff {
    DecodeJob *job;
    TIFF *file;
    uint64_t at;
    uint32_t width, height;
    uint16_t bits, samples, photometric, planar, format;
    uint16_t *palette[3];
    uint8_t *raw;     /* a strip or tile */
    uint32_t across, down; /* pixels of one */
} Tiff;

/* ------------------------------------------------------------------------------------ memory */

static tmsize_t on_read(thandle_t handle, void *to, tmsize_t count)
{
    Tiff *t = handle;
    uint64_t left = t->at < t->job->size ? t->job->size - t->at : 0;
    uint64_t n = (uint64_t)count < left ? (uint64_t)count : left;
    memcpy(to, t->job->bytes + (n ? t->at : 0), (size_t)n);
    t->at += n;
    return (tmsize_t)n;
}

static tmsize_t on_write(thandle_t handle, void *from, tmsize_t count)
{
    (void)handle, (void)from, (void)count;
    return 0;
}

static toff_t on_seek(thandle_t handle, toff_t to, int from)
{
    Tiff *t = handle;
    t->at = from == SEEK_SET ? to : from == SEEK_CUR ? t->at + to : t->job->size + to;
    return t->at;
}

static int on_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t on_size(thandle_t handle)
{
    return ((Tiff *)handle)->job->size;
}

/* ------------------------------------------------------------------------------------ pixels */

static Status bad(const Tiff *t, const char *what)
{
    return status_fail(STATUS_INPUT, "%s: TIFF: %s", t->job->name, what);
}

/* Sample s of pixel x in a row of the raw data. */
static uint32_t sample(const Tiff *t, const uint8_t *row, uint32_t x, uint32_t s)
{
    uint64_t i = (uint64_t)x * (t->planar == PLANARCONFIG_CONTIG ? t->samples : 1) + s;
    if (t->bits == 16)
        return ((const uint16_t *)(const void *)row)[i];
    uint64_t bit = i * t->bits;
    return row[bit / 8] >> (8 - t->bits - bit % 8) & ((1u << t->bits) - 1);
}

static void grey(const Tiff *t, uint32_t v, uint8_t *to)
{
    uint32_t most = (1u << t->bits) - 1;
    if (t->photometric == PHOTOMETRIC_MINISWHITE)
        v = most - v;
    /* Pillow's I;16 saturates. */
    uint32_t level = t->bits == 16 ? (v > 255 ? 255 : v) : v * 255 / most;
    memset(to, (int)level, 3);
}

/* Pillow takes the ink as it is: 255 - c of white. */
static void cmyk(const uint8_t in[4], uint8_t *to)
{
    int white = 255 - in[3];
    for (int c = 0; c < 3; c++) {
        int product = in[c] * white + 128, value = white - ((product + (product >> 8)) >> 8);
        to[c] = (uint8_t)(value < 0 ? 0 : value);
    }
}

static void convert(const Tiff *t, const uint8_t *row, uint32_t x, uint8_t *to)
{
    uint8_t ink[4];
    uint32_t v = sample(t, row, x, 0);
    switch (t->photometric) {
    case PHOTOMETRIC_PALETTE:
        for (int c = 0; c < 3; c++)
            to[c] = (uint8_t)(t->palette[c][v] / 256);
        return;
    case PHOTOMETRIC_SEPARATED:
        for (uint32_t c = 0; c < 4; c++)
            ink[c] = (uint8_t)sample(t, row, x, c);
        cmyk(ink, to);
        return;
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_YCBCR:
        for (uint32_t c = 0; c < 3; c++)
            to[c] = (uint8_t)(t->bits == 16 ? sample(t, row, x, c) >> 8 : sample(t, row, x, c));
        return;
    default: grey(t, v, to);
    }
}

/* A strip or tile whose first pixel is left, top; of separate planes plane s alone. */
static void place(const Tiff *t, uint32_t left, uint32_t top, size_t stride, int plane)
{
    for (uint32_t y = 0; y < t->down && top + y < t->height; y++)
        for (uint32_t x = 0; x < t->across && left + x < t->width; x++) {
            uint8_t *to = t->job->image.pixels + ((size_t)(top + y) * t->width + left + x) * 3;
            const uint8_t *row = t->raw + y * stride;
            if (plane < 0)
                convert(t, row, x, to);
            else
                to[plane] = (uint8_t)(t->bits == 16 ? sample(t, row, x, 0) >> 8
                                                    : sample(t, row, x, 0));
        }
}

static Status read_all(Tiff *t, bool tiled)
{
    int planes = t->planar == PLANARCONFIG_SEPARATE && t->samples > 1 ? 3 : 1;
    size_t bytes = (size_t)(tiled ? TIFFTileSize(t->file) : TIFFStripSize(t->file));
    size_t stride = (size_t)(tiled ? TIFFTileRowSize(t->file) : TIFFScanlineSize(t->file));
    for (int p = 0; p < planes; p++)
        for (uint32_t top = 0; top < t->height; top += t->down)
            for (uint32_t left = 0; left < t->width; left += t->across) {
                uint32_t rows = t->height - top < t->down ? t->height - top : t->down;
                tmsize_t want = (tmsize_t)(tiled ? bytes : stride * rows), n;
                n = tiled ? TIFFReadEncodedTile(t->file,
                                                TIFFComputeTile(t->file, left, top, 0, (uint16_t)p),
                                                t->raw, (tmsize_t)bytes)
                          : TIFFReadEncodedStrip(
                                t->file, TIFFComputeStrip(t->file, top, (uint16_t)p), t->raw, want);
                if (n < want)
                    return bad(t, "damaged or truncated");
                place(t, left, top, stride, planes > 1 ? p : -1);
            }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ header */

static bool is_read(const Tiff *t)
{
    bool whole = t->bits == 8 || t->bits == 16;
    if (t->format != SAMPLEFORMAT_UINT)
        return false;
    switch (t->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
        return t->bits == 1 || t->bits == 2 || t->bits == 4 || t->bits == 8 ||
               (t->bits == 16 && t->photometric == PHOTOMETRIC_MINISBLACK && t->samples == 1);
    case PHOTOMETRIC_PALETTE: return t->bits <= 8 && t->samples == 1 && t->palette[0];
    case PHOTOMETRIC_RGB: return whole && t->samples >= 3;
    case PHOTOMETRIC_SEPARATED:
        return t->bits == 8 && t->samples == 4 && t->planar == PLANARCONFIG_CONTIG;
    case PHOTOMETRIC_YCBCR: /* libtiff makes RGB of JPEG's colours */
        return t->bits == 8 && t->samples == 3 && t->planar == PLANARCONFIG_CONTIG;
    default: return false;
    }
}

static Status read_header(Tiff *t)
{
    uint16_t compression = COMPRESSION_NONE;
    TIFFGetField(t->file, TIFFTAG_IMAGEWIDTH, &t->width);
    TIFFGetField(t->file, TIFFTAG_IMAGELENGTH, &t->height);
    TIFFGetFieldDefaulted(t->file, TIFFTAG_BITSPERSAMPLE, &t->bits);
    TIFFGetFieldDefaulted(t->file, TIFFTAG_SAMPLESPERPIXEL, &t->samples);
    TIFFGetFieldDefaulted(t->file, TIFFTAG_PLANARCONFIG, &t->planar);
    TIFFGetFieldDefaulted(t->file, TIFFTAG_SAMPLEFORMAT, &t->format);
    TIFFGetFieldDefaulted(t->file, TIFFTAG_COMPRESSION, &compression);
    TIFFGetField(t->file, TIFFTAG_PHOTOMETRIC, &t->photometric);
    if (t->photometric == PHOTOMETRIC_PALETTE)
        TIFFGetField(t->file, TIFFTAG_COLORMAP, &t->palette[0], &t->palette[1], &t->palette[2]);
    if (t->photometric == PHOTOMETRIC_YCBCR && compression == COMPRESSION_JPEG)
        TIFFSetField(t->file, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    bool jpeg = t->photometric != PHOTOMETRIC_YCBCR || compression == COMPRESSION_JPEG;
    if (!is_read(t) || !jpeg)
        return status_fail(STATUS_INPUT,
                           "%s: TIFF: photometric %u with %u samples of %u bits is not read",
                           t->job->name, t->photometric, t->samples, t->bits);
    return decode_header(t->job, t->width, t->height);
}

static Status decode(Tiff *t)
{
    DecodeJob *job = t->job;
    t->format = SAMPLEFORMAT_UINT;
    TRY(read_header(t));
    job->box = job->whole;
    bool tiled = TIFFIsTiled(t->file);
    t->across = t->width;
    if (tiled) {
        TIFFGetField(t->file, TIFFTAG_TILEWIDTH, &t->across);
        TIFFGetField(t->file, TIFFTAG_TILELENGTH, &t->down);
    } else {
        TIFFGetFieldDefaulted(t->file, TIFFTAG_ROWSPERSTRIP, &t->down);
        t->down = t->down > t->height ? t->height : t->down;
    }
    tmsize_t bytes = tiled ? TIFFTileSize(t->file) : TIFFStripSize(t->file);
    /* No strip or tile is larger than the picture needs, but for its filler. */
    if (t->across == 0 || t->down == 0 || bytes <= 0 ||
        (uint64_t)bytes > ((uint64_t)t->width + 4096) * ((uint64_t)t->height + 4096) * 16)
        return bad(t, "malformed strips or tiles");
    TRY(decode_memory(job, (size_t)bytes));
    t->raw = malloc((size_t)bytes + 16);
    if (!t->raw)
        return status_fail(STATUS_LIMIT, "%s: TIFF: no memory for a strip", job->name);
    return read_all(t, tiled);
}

/* libtiff writes to the terminal otherwise. */
static void be_quiet(void)
{
    TIFFSetErrorHandler(NULL);
    TIFFSetWarningHandler(NULL);
}

Status decode_tiff(DecodeJob *job)
{
    Tiff t = {.job = job};
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, be_quiet);
    t.file = TIFFClientOpen(job->name, "rm", &t, on_read, on_write, on_seek, on_close, on_size,
                            NULL, NULL);
    if (!t.file)
        return bad(&t, "damaged header");
    Status status = decode(&t);
    free(t.raw);
    TIFFClose(t.file);
    return status;
}
