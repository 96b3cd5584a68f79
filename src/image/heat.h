/* Heat: which class was taken for which, as a picture of at most HEAT_BINS x HEAT_BINS cells, the
 * largest class first. */
#ifndef PACO_IMAGE_HEAT_H
#define PACO_IMAGE_HEAT_H

#include "image/image.h"

enum { HEAT_BINS = 100 };

typedef struct Heat {
    int classes, bins;
    int *order, *rank; /* [classes] class of a rank, rank of a class */
    double *part;      /* [bins][bins] what was added; settled: its share of the row, NaN in a row
                          without anything */
} Heat;

/* sizes[classes]: classes rank by them, equal ones by number; NULL: by number alone. */
Heat heat_new(int classes, const int64_t *sizes);
void heat_free(Heat *heat);
/* Images of class `label` that were taken for class `predicted`. */
void heat_add(Heat *heat, int label, int predicted, double images);
void heat_settle(Heat *heat);
/* Of a settled heat: a cell is `zoom` x `zoom` pixels, rows are labels; image_free it. */
Image heat_image(const Heat *heat, int zoom);

#endif
