/* Operations on each pixel's colour, some after a look at the whole image. Blends are float32
 * and truncate, as Pillow's do; everything else is a table of 256 values. */
#include "image/image_ops.h"

#include "base/check.h"
#include "image/kernels.h"

#include <math.h>
#include <string.h>

static size_t pixel_count(const Image *image)
{
    return (size_t)image->width * (size_t)image->height;
}

void image_brightness(Image *image, double factor)
{
    kernels()->blend_constant(image->pixels, 3 * pixel_count(image), 0, (float)factor);
}

void image_contrast(Image *image, double factor)
{
    size_t n = pixel_count(image);
    /* Pillow rounds the mean to an integer before it blends. */
    int mean = (int)((double)kernels()->luma_sum(image->pixels, n) / (double)n + 0.5);
    kernels()->blend_constant(image->pixels, 3 * n, mean, (float)factor);
}

void image_color(Image *image, double factor)
{
    kernels()->blend_luma(image->pixels, pixel_count(image), (float)factor);
}

void image_grayscale(Image *image)
{
    kernels()->grayscale(image->pixels, pixel_count(image));
}

void image_hue(Image *image, double factor)
{
    CHECK(fabs(factor) <= 0.5);
    /* Hues are bytes that wrap around: a shift to the left is one of 256 less to the right. */
    kernels()->hue(image->pixels, pixel_count(image), (int)(factor * 255) & 255);
}

/* Maps every byte; the channels have tables of their own. */
static void map_channels(Image *image, uint8_t table[3][256])
{
    uint8_t *p = image->pixels;
    for (size_t n = pixel_count(image); n > 0; n--, p += 3) {
        p[0] = table[0][p[0]];
        p[1] = table[1][p[1]];
        p[2] = table[2][p[2]];
    }
}

static void map_all(Image *image, const uint8_t table[256])
{
    uint8_t *p = image->pixels;
    size_t n = 3 * pixel_count(image);
    for (size_t i = 0; i < n; i++)
        p[i] = table[p[i]];
}

static void histogram(const Image *image, uint32_t counts[3][256])
{
    memset(counts, 0, 3 * sizeof counts[0]);
    const uint8_t *p = image->pixels;
    for (size_t n = pixel_count(image); n > 0; n--, p += 3) {
        counts[0][p[0]]++;
        counts[1][p[1]]++;
        counts[2][p[2]]++;
    }
}

/* Maps each channel by the table that `make` makes of its histogram. */
static void map_by_histogram(Image *image,
                             void (*make)(const uint32_t counts[256], uint8_t table[256]))
{
    uint32_t counts[3][256];
    uint8_t table[3][256];
    histogram(image, counts);
    for (int c = 0; c < 3; c++)
        make(counts[c], table[c]);
    map_channels(image, table);
}

static void identity(uint8_t table[256])
{
    for (int i = 0; i < 256; i++)
        table[i] = (uint8_t)i;
}

static uint8_t clip8(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Autocontrast: the darkest value becomes 0, the brightest 255. */
static void stretch(const uint32_t counts[256], uint8_t table[256])
{
    int low = 0, high = 255;
    while (low < 255 && !counts[low])
        low++;
    while (high > 0 && !counts[high])
        high--;
    identity(table);
    /* One value, or none: nothing to stretch. */
    if (high <= low)
        return;
    /* In double and truncated, as Pillow does. */
    double scale = 255.0 / (high - low), offset = -low * scale;
    for (int i = 0; i < 256; i++)
        table[i] = clip8((int)(i * scale + offset));
}

void image_autocontrast(Image *image)
{
    map_by_histogram(image, stretch);
}

/* Equalisation: as many pixels in every range of values. */
static void flatten(const uint32_t counts[256], uint8_t table[256])
{
    uint64_t total = 0;
    uint32_t last = 0; /* count of the brightest value that occurs */
    for (int i = 0; i < 256; i++) {
        total += counts[i];
        if (counts[i])
            last = counts[i];
    }
    identity(table);
    /* Pixels per value that comes out, counted as Pillow counts them: without the brightest. */
    uint64_t step = (total - last) / 255;
    if (step == 0)
        return;
    uint64_t sum = step / 2;
    for (int i = 0; i < 256; i++) {
        table[i] = clip8((int)(sum / step));
        sum += counts[i];
    }
}

void image_equalize(Image *image)
{
    map_by_histogram(image, flatten);
}

void image_invert(Image *image)
{
    uint8_t *p = image->pixels;
    size_t n = 3 * pixel_count(image);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)~p[i];
}

void image_solarize(Image *image, double threshold)
{
    uint8_t table[256];
    for (int i = 0; i < 256; i++)
        table[i] = (uint8_t)(i < threshold ? i : 255 - i);
    map_all(image, table);
}

void image_solarize_add(Image *image, int add, int threshold)
{
    uint8_t table[256];
    for (int i = 0; i < 256; i++)
        table[i] = i < threshold ? clip8(i + add) : (uint8_t)i;
    map_all(image, table);
}

void image_posterize(Image *image, int bits)
{
    CHECK(bits >= 0 && bits <= 8);
    uint8_t mask = (uint8_t)(0xff00u >> bits), *p = image->pixels;
    size_t n = 3 * pixel_count(image);
    for (size_t i = 0; i < n; i++)
        p[i] &= mask;
}
