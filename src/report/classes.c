/* Orders of classes. */
#include "report/classes.h"

#include <math.h>
#include <stdlib.h>

/* A class and what it is sorted by. */
typedef struct Place {
    double first, second;
    int number;
} Place;

static int by_place(const void *a, const void *b)
{
    const Place *p = a, *q = b;
    if (p->first != q->first)
        return p->first < q->first ? -1 : 1;
    if (p->second != q->second)
        return p->second < q->second ? -1 : 1;
    return (p->number > q->number) - (p->number < q->number);
}

/* Sorts and frees the places; the order is malloc'd. */
static int *order_of(Place *places, int count)
{
    int *order = mem_alloc(((size_t)count + 1) * sizeof *order);
    qsort(places, (size_t)count, sizeof *places, by_place);
    for (int i = 0; i < count; i++)
        order[i] = places[i].number;
    free(places);
    return order;
}

static Place *new_places(const RunRecord *run)
{
    return mem_zero((size_t)run->class_count + 1, sizeof(Place));
}

int *classes_by_size(const RunRecord *run)
{
    Place *places = new_places(run);
    for (int c = 0; c < run->class_count; c++)
        places[c] = (Place){.first = -(double)run->classes[c].train, .number = c};
    return order_of(places, run->class_count);
}

bool classes_have_sizes(const RunRecord *run)
{
    for (int c = 0; c < run->class_count; c++)
        if (run->classes[c].train < 0)
            return false;
    return run->class_count > 0;
}

double class_accuracy(const ClassRecord *c)
{
    return c->test ? (double)c->correct / (double)c->test : NAN;
}

int *classes_by_accuracy(const RunRecord *run, int *count)
{
    Place *places = new_places(run);
    *count = 0;
    for (int c = 0; c < run->class_count; c++)
        if (run->classes[c].test)
            places[(*count)++] = (Place){.first = class_accuracy(&run->classes[c]),
                                         .second = -(double)run->classes[c].train,
                                         .number = c};
    return order_of(places, *count);
}
