/* Heat: classes ranked, counted into cells, and coloured. */
#include "image/heat.h"

#include "base/arena.h"
#include "image/class_order.h"

#include <math.h>
#include <stdlib.h>

Heat heat_new(int classes, const int64_t *sizes)
{
    Heat h = {.classes = classes, .bins = classes < HEAT_BINS ? classes : HEAT_BINS};
    h.order = class_order(classes, sizes);
    h.rank = mem_alloc((size_t)classes * sizeof *h.rank);
    h.part = mem_zero((size_t)h.bins * (size_t)h.bins, sizeof *h.part);
    for (int i = 0; i < classes; i++)
        h.rank[h.order[i]] = i;
    return h;
}

void heat_free(Heat *h)
{
    free(h->order);
    free(h->rank);
    free(h->part);
}

static int bin_of(const Heat *h, int number)
{
    return (int)((int64_t)h->rank[number] * h->bins / h->classes);
}

void heat_add(Heat *h, int label, int predicted, double images)
{
    h->part[bin_of(h, label) * h->bins + bin_of(h, predicted)] += images;
}

void heat_settle(Heat *h)
{
    for (int row = 0; row < h->bins; row++) {
        double *cells = h->part + row * h->bins, sum = 0;
        for (int k = 0; k < h->bins; k++)
            sum += cells[k];
        for (int k = 0; k < h->bins; k++)
            cells[k] = sum > 0 ? cells[k] / sum : NAN;
    }
}

/* Colours from dark to light, each lighter than the one before to every eye; a quarter of the
 * images is half of the way, as what is confused are small parts. */
static void colour(double part, uint8_t rgb[3])
{
    static const double stops[5][3] = {
        {68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}};
    double at = 4 * sqrt(part < 0 || isnan(part) ? 0 : part > 1 ? 1 : part);
    int i = at >= 4 ? 3 : (int)at;
    for (int k = 0; k < 3; k++)
        rgb[k] =
            isnan(part) ? 128 : (uint8_t)(stops[i][k] + (at - i) * (stops[i + 1][k] - stops[i][k]));
}

Image heat_image(const Heat *h, int zoom)
{
    int side = h->bins * zoom;
    Image image = image_new(side, side);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            colour(h->part[y / zoom * h->bins + x / zoom],
                   image.pixels + 3 * ((size_t)y * (size_t)side + (size_t)x));
    return image;
}
