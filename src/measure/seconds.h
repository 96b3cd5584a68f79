/* Times of repeats. */
#ifndef PACO_MEASURE_SECONDS_H
#define PACO_MEASURE_SECONDS_H

#include <stdlib.h>

static inline int seconds_by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Shortest first: the median is seconds[count / 2]. */
static inline void seconds_sort(double *seconds, int count)
{
    qsort(seconds, (size_t)count, sizeof *seconds, seconds_by_value);
}

#endif
