/* Figures: that of a category is that of paco_oracle.distances: max(|d norm|, |d dot|) of a tensor
 * over max(its norm, 1e-3 of the norm of all tensors of its category); the first values of a tensor
 * count the same way. Files of 16-bit steps bound the middle tensor of a category, too. */
#include "base/arena.h"
#include "base/check.h"
#include "verify/golden_parts.h"
#include "verify/oracle_numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double REF_BOUND = 1e-9;

static Category *category(Golden *g, const char *name, double bound)
{
    for (int i = 0; i < g->categories_count; i++)
        if (strcmp(g->categories[i].name, name) == 0)
            return &g->categories[i];
    CHECK(g->categories_count < GOLDEN_CATEGORIES);
    Category *c = &g->categories[g->categories_count++];
    *c = (Category){.name = name, .bound = bound};
    return c;
}

static bool exact_device(const Golden *g)
{
    return session_wide(g->run.session) &&
           (!g->run.comm || comm_wide(g->run.comm)); /* beside devices, keys and sums are float32 */
}

/* The bound of a category; losses have one per step. */
static double bound_of(const Golden *g, const char *name, int step)
{
    if (exact_device(g))
        return REF_BOUND;
    const Json *t = json_get(g->tolerance, name);
    if (t && t->kind == JSON_ARRAY) {
        t = t->child;
        for (int i = 0; i < step && t->next; i++)
            t = t->next;
    }
    return t && t->kind == JSON_NUMBER ? t->number : 0;
}

void golden_note(Golden *g, const char *name, int step, const char *tensor, double figure)
{
    double bound = bound_of(g, name, step);
    Category *c = category(g, name, bound);
    c->figures = mem_grow(c->figures, (size_t)(c->count + 1) * sizeof *c->figures);
    c->figures[c->count++] = figure;
    if (!(figure / bound <= c->worst / c->bound)) { /* also when it is not a number */
        c->worst = figure;
        c->bound = bound;
        snprintf(c->tensor, sizeof c->tensor, "%s", tensor);
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void golden_middles(Golden *g)
{
    static const char ending[] = "_middle";
    for (const Json *t = g->tolerance->child; t; t = t->next) {
        size_t n = strlen(t->key), of = n > strlen(ending) ? n - strlen(ending) : 0;
        for (int i = 0; i < g->categories_count && strcmp(t->key + of, ending) == 0; i++) {
            Category *c = &g->categories[i];
            if (strlen(c->name) != of || strncmp(c->name, t->key, of) != 0)
                continue;
            qsort(c->figures, (size_t)c->count, sizeof *c->figures, by_size);
            golden_note(g, t->key, 0, "the middle tensor", c->figures[c->count / 2]);
            break;
        }
    }
}

void golden_must_equal(Golden *g, const char *what, double expected, double got)
{
    if (expected != got && !g->wrong[0])
        snprintf(g->wrong, sizeof g->wrong, "%s %g vs %g expected", what, got, expected);
}

/* Compares a tensor with its probe in the file. */
void golden_compare(Golden *g, const char *cat, const char *probe_name, const Json *probe,
                    const double *v, int64_t n, double whole)
{
    char stream[300];
    snprintf(stream, sizeof stream, "probe.%s", probe_name);
    double *u = mem_alloc((size_t)n * sizeof *u), squares = 0, dot = 0;
    oracle_uniform(stream, 0, n, u);
    for (int64_t i = 0; i < n; i++) {
        squares += v[i] * v[i];
        dot += v[i] * u[i];
    }
    free(u);
    double norm = json_number(probe, "norm", NAN);
    double scale = fmax(fmax(norm, 1e-3 * whole), 1e-300);
    double worst = fmax(fabs(sqrt(squares) - norm), fabs(dot - json_number(probe, "dot", NAN)));
    const Json *first = json_get(probe, "first");
    int64_t i = 0;
    for (const Json *x = first ? first->child : NULL; x && i < n; x = x->next, i++)
        worst = fmax(worst, fabs(v[i] - x->number));
    if (isnan(squares) || isnan(norm))
        worst = INFINITY;
    golden_note(g, cat, 0, probe_name, worst / scale);
}

double golden_whole(const Json *tensors)
{
    double squares = 0;
    for (const Json *t = tensors ? tensors->child : NULL; t; t = t->next)
        squares += pow(json_number(t, "norm", 0), 2);
    return sqrt(squares);
}

bool golden_same_shape(const Json *probe, Dims dims)
{
    const Json *shape = json_get(probe, "shape");
    if (!shape || shape->count != dims.rank)
        return false;
    int i = 0;
    for (const Json *d = shape->child; d; d = d->next)
        if ((int64_t)d->number != dims.d[i++])
            return false;
    return true;
}

Status golden_compare_value(Golden *g, const char *cat, const char *probe_name, const Json *probe,
                            const Value *v, double whole, double scale,
                            const double *minus)
{
    int64_t n = dims_count(v->dims);
    double *x = mem_alloc((size_t)n * sizeof *x);
    Status status = session_read(g->run.session, v, x, DTYPE_F64);
    for (int64_t i = 0; i < n; i++)
        x[i] = x[i] / scale - (minus ? minus[i] : 0);
    if (status == STATUS_OK && !golden_same_shape(probe, v->dims))
        golden_note(g, cat, 0, probe_name, INFINITY);
    else if (status == STATUS_OK)
        golden_compare(g, cat, probe_name, probe, x, n, whole);
    free(x);
    return status;
}
