#include "image/class_order.h"

#include "base/arena.h"

#include <stdlib.h>

/* A class and its size. */
typedef struct Place {
    int64_t size;
    int number;
} Place;

static int by_size(const void *a, const void *b)
{
    const Place *p = a, *q = b;
    if (p->size != q->size)
        return p->size > q->size ? -1 : 1;
    return (p->number > q->number) - (p->number < q->number);
}

int *class_order(int classes, const int64_t *sizes)
{
    Place *places = mem_zero((size_t)classes + 1, sizeof *places);
    int *order = mem_zero((size_t)classes + 1, sizeof *order);
    for (int c = 0; c < classes; c++)
        places[c] = (Place){sizes ? sizes[c] : 0, c};
    qsort(places, (size_t)classes, sizeof *places, by_size);
    for (int i = 0; i < classes; i++)
        order[i] = places[i].number;
    free(places);
    return order;
}
