/* Antialiased bilinear resampling, equal to Pillow's: weights of a triangle filter widened by
 * the scale, rounded to 22 bits; rows first, rounded to 8 bits, then columns. Pixels outside the
 * box take no part: a crop is resized as if it were the whole image. Only the rows and outputs
 * that are needed are made. */
#include "image/image_ops.h"

#include "base/arena.h"
#include "base/check.h"
#include "image/kernels.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One axis: `in` pixels become `out`, of which [begin, begin + count) are wanted. Input i lies
 * at place i + shift of the part of the image at hand. */
typedef struct Axis {
    int in, out, begin, count, shift;
} Axis;

/* The filter's place over the input for output i: inputs [*low, *high) lie under it. */
static double axis_centre(const Axis *axis, int i, double *support, int *low, int *high)
{
    /* By way of float32: Pillow's boxes are. */
    double scale = (double)(float)axis->in / axis->out;
    *support = scale < 1.0 ? 1.0 : scale;
    double centre = (i + 0.5) * scale;
    *low = (int)(centre - *support + 0.5);
    *high = (int)(centre + *support + 0.5);
    if (*low < 0)
        *low = 0;
    if (*high > axis->in)
        *high = axis->in;
    return centre;
}

/* Inputs [*low, *high) that the wanted outputs read. */
static void axis_span(const Axis *axis, int *low, int *high)
{
    double support;
    int unused;
    axis_centre(axis, axis->begin, &support, low, &unused);
    axis_centre(axis, axis->begin + axis->count - 1, &support, &unused, high);
}

static void weigh(const Axis *axis, ResampleWeights *w, int i, double *weight)
{
    double support, total = 0;
    int low, high;
    double centre = axis_centre(axis, axis->begin + i, &support, &low, &high);
    double narrow = 1.0 / support;
    int taps = high - low;
    for (int t = 0; t < taps; t++) {
        double x = fabs((t + low - centre + 0.5) * narrow);
        weight[t] = x < 1.0 ? 1.0 - x : 0.0;
        total += weight[t];
    }
    w->first[i] = low + axis->shift;
    w->taps[i] = taps;
    for (int t = 0; t < taps; t++) {
        double share = total != 0.0 ? weight[t] / total : weight[t];
        /* Weights are not negative: half up is to nearest. */
        int32_t fixed = (int32_t)(0.5 + share * (1 << RESAMPLE_BITS));
        size_t at = (size_t)i * (size_t)w->stride + (size_t)t;
        w->weight[at] = fixed;
        w->high[at] = (int16_t)(fixed >> RESAMPLE_SPLIT);
        w->low[at] = (int16_t)(fixed & ((1 << RESAMPLE_SPLIT) - 1));
    }
}

static ResampleWeights weights_new(const Axis *axis)
{
    /* Room for the widest output; multiples of four, which vectors take at once. */
    double support = fmax(1.0, (double)axis->in / axis->out);
    int most = (int)ceil(support) * 2 + 1;
    ResampleWeights w = {.count = axis->count, .stride = (most + 3) / 4 * 4};
    size_t count = (size_t)axis->count, all = count * (size_t)w.stride;
    w.first = mem_alloc(count * sizeof *w.first);
    w.taps = mem_alloc(count * sizeof *w.taps);
    w.weight = mem_zero(all, sizeof *w.weight);
    w.high = mem_zero(all, sizeof *w.high);
    w.low = mem_zero(all, sizeof *w.low);
    double *scratch = mem_alloc((size_t)most * sizeof *scratch);
    for (int i = 0; i < axis->count; i++)
        weigh(axis, &w, i, scratch);
    free(scratch);
    return w;
}

static void weights_free(ResampleWeights *w)
{
    free(w->first);
    free(w->taps);
    free(w->weight);
    free(w->high);
    free(w->low);
}

/* out[y->count][x->count] from the part of an image that holds what the axes need. */
static void resample(const Image *part, const Axis *x, const Axis *y, uint8_t *out,
                     size_t out_stride)
{
    const Kernels *k = kernels();
    int low, high;
    axis_span(y, &low, &high);
    low += y->shift;
    high += y->shift;
    /* Room beyond each row for what kernels write there. */
    size_t in_stride = (size_t)part->width * 3, stride = (size_t)x->count * 3 + 16;
    size_t rows = (size_t)(high - low);
    uint8_t *middle = mem_alloc(stride * rows);
    const uint8_t *in = part->pixels + (size_t)low * in_stride;
    /* Pillow passes over an axis whose size stays: copied, not weighed with one. */
    if (x->in == x->out) {
        for (size_t r = 0; r < rows; r++)
            memcpy(middle + r * stride, in + r * in_stride + (size_t)(x->begin + x->shift) * 3,
                   (size_t)x->count * 3);
    } else {
        ResampleWeights w = weights_new(x);
        k->resample_rows(&w, in, in_stride, part->pixels + in_stride * (size_t)part->height, middle,
                         stride, (int)rows);
        weights_free(&w);
    }
    ResampleWeights w = weights_new(y);
    for (int i = 0; i < y->count; i++) {
        size_t at = (size_t)i * (size_t)w.stride;
        k->resample_column(middle + (size_t)(w.first[i] - low) * stride, stride, w.taps[i],
                           w.weight + at, w.high + at, w.low + at, out + (size_t)i * out_stride,
                           (size_t)x->count * 3);
    }
    weights_free(&w);
    free(middle);
}

Image image_resized_crop(const Image *part, ImageBox at, ImageBox box, int width, int height)
{
    CHECK(box.left >= at.left && box.left + box.width <= at.left + at.width);
    CHECK(box.top >= at.top && box.top + box.height <= at.top + at.height);
    CHECK(part->width == at.width && part->height == at.height);
    Image out = image_new(width, height);
    Axis x = {box.width, width, 0, width, box.left - at.left};
    Axis y = {box.height, height, 0, height, box.top - at.top};
    resample(part, &x, &y, out.pixels, (size_t)width * 3);
    return out;
}

void image_resize(Image *image, int width, int height)
{
    ImageBox all = {0, 0, image->width, image->height};
    Image out = image_resized_crop(image, all, all, width, height);
    image_free(image);
    *image = out;
}

/* Sides after torchvision's Resize: its integers divide as doubles. */
static void short_side(int width, int height, int size, int *out_width, int *out_height)
{
    bool tall = width <= height;
    int shorter = tall ? width : height, longer = tall ? height : width;
    int scaled = (int)((double)((int64_t)size * longer) / shorter);
    *out_width = tall ? size : scaled;
    *out_height = tall ? scaled : size;
}

Status image_resize_short_side(const char *name, Image *image, int size)
{
    int width, height;
    short_side(image->width, image->height, size, &width, &height);
    if ((int64_t)width * height > IMAGE_MAX_PIXELS)
        return status_fail(STATUS_LIMIT,
                           "%s: too long to be resized whole (%d x %d becomes %d x %d)", name,
                           image->width, image->height, width, height);
    image_resize(image, width, height);
    return STATUS_OK;
}

/* Where a crop of `size` around the centre of `length` begins: Python's round, halves to even. */
static int centre_begin(int length, int size)
{
    return (int)nearbyint((length - size) / 2.0);
}

/* The wanted outputs of one axis: those of a centre crop, cut to what exists. */
static Axis centre_axis(int in, int out, int crop, int shift)
{
    int begin = centre_begin(out, crop), end = begin + crop;
    if (begin < 0)
        begin = 0;
    if (end > out)
        end = out;
    return (Axis){in, out, begin, end - begin, shift};
}

ImageBox image_resize_center_box(int width, int height, int resize, int crop)
{
    int out_width, out_height, left, right, top, bottom;
    short_side(width, height, resize, &out_width, &out_height);
    Axis x = centre_axis(width, out_width, crop, 0), y = centre_axis(height, out_height, crop, 0);
    axis_span(&x, &left, &right);
    axis_span(&y, &top, &bottom);
    return (ImageBox){left, top, right - left, bottom - top};
}

Image image_resize_center(const Image *part, ImageBox at, ImageBox whole, int resize, int crop)
{
    int width, height;
    short_side(whole.width, whole.height, resize, &width, &height);
    Axis x = centre_axis(whole.width, width, crop, -at.left);
    Axis y = centre_axis(whole.height, height, crop, -at.top);
    Image out = image_new(crop, crop);
    size_t out_stride = (size_t)crop * 3;
    int left = x.begin - centre_begin(width, crop), top = y.begin - centre_begin(height, crop);
    /* Zeros where the crop is larger than the image. */
    if (x.count < crop || y.count < crop)
        memset(out.pixels, 0, out_stride * (size_t)crop);
    uint8_t *to = out.pixels + (size_t)top * out_stride + (size_t)left * 3;
    resample(part, &x, &y, to, out_stride);
    return out;
}
