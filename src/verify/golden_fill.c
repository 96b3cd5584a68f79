/* Filling: every number is a formula of its name (oracle_numbers.h), so that nothing but names has
 * to be exchanged with the oracle. Rounded to float32, as every device holds them. */
#include "base/arena.h"
#include "model/initial.h"
#include "verify/golden_parts.h"
#include "verify/oracle_numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double fill_scale(const Value *v)
{
    switch (v->kind) {
    case PARAM_CONV_WEIGHT: return sqrt(6.0 / (double)v->fan_in);
    case PARAM_LINEAR_WEIGHT:
    case PARAM_LINEAR_BIAS: return 1 / sqrt((double)v->fan_in);
    case PARAM_BN_WEIGHT:
    case PARAM_BN_WEIGHT_LAST:
    case PARAM_BN_BIAS: return 0.1;
    default: return 0;
    }
}

static double fill_offset(const Value *v)
{
    return v->kind == PARAM_BN_WEIGHT || v->kind == PARAM_RUNNING_VAR ? 1
           : v->kind == PARAM_BN_WEIGHT_LAST                          ? 0.2
                                                                      : 0;
}

/* Initial values of a parameter, its key copy (same name as the query's) or a running statistic. */
double *golden_initial(const Golden *g, const Value *v)
{
    int64_t n = dims_count(v->dims);
    double *x = mem_alloc((size_t)n * sizeof *x), scale = fill_scale(v), offset = fill_offset(v);
    oracle_uniform(v->of ? v->of->name : v->name, g->seed, n, x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(x[i] * scale + offset);
    return x;
}

Status golden_fill_parameters(Golden *g)
{
    Status status = STATUS_OK;
    for (int i = 0; i < g->run.model.graph->values_count && status == STATUS_OK; i++) {
        const Value *v = g->run.model.graph->values[i];
        bool filled = v->role == ROLE_PARAM || v->role == ROLE_EMA ||
                      (v->role == ROLE_STATE && v->kind != PARAM_NONE);
        if (!filled)
            continue;
        double *x = golden_initial(g, v);
        status = session_write(g->run.session, v, x, DTYPE_F64);
        free(x);
    }
    return status;
}

/* The images of a view of one rank, x[each] numbers. */
static void fill_image(const Golden *g, const char *view, int step, int rank, int64_t each,
                       double *x)
{
    char name[64];
    snprintf(name, sizeof name, "%s.step%d.rank%d", view, step, rank);
    oracle_uniform(name, g->seed, each, x);
    for (int64_t i = 0; i < each; i++)
        x[i] = (float)(x[i] * sqrt(3.0));
}

double *golden_images(const Golden *g, const Value *v, const char *view, int step, Ranks ranks)
{
    int64_t n = dims_count(v->dims), each = n / ranks.own;
    double *x = mem_alloc((size_t)n * sizeof *x);
    for (int r = 0; r < ranks.own; r++)
        fill_image(g, view, step, ranks.first + r, each, x + r * each);
    return x;
}

double *golden_keys(const Golden *g, const Value *v, int step, const int32_t *order)
{
    const Ranks ranks = g->run.config.ranks;
    int batch = g->run.config.batch;
    int64_t n = dims_count(v->dims), image = n / (batch * ranks.own);
    double *x = mem_alloc((size_t)n * sizeof *x);
    double *all = mem_alloc((size_t)(image * batch * ranks.all) * sizeof *all);
    for (int r = 0; r < ranks.all; r++)
        fill_image(g, "im_k", step, r, image * batch, all + r * image * batch);
    for (int i = 0; i < batch * ranks.own; i++)
        memcpy(x + i * image, all + order[ranks.first * batch + i] * image,
               (size_t)image * sizeof *x);
    free(all);
    return x;
}

Status golden_write_unit(Golden *g, const Value *v, const char *name)
{
    double *x = mem_alloc((size_t)dims_count(v->dims) * sizeof *x);
    oracle_unit_rows(name, g->seed, v->dims.d[0], v->dims.d[1], x);
    Status status = session_write(g->run.session, v, x, DTYPE_F64);
    free(x);
    return status;
}

Status golden_write_labels(Golden *g, const Value *v, const char *name, int classes)
{
    int32_t *y = mem_alloc((size_t)dims_count(v->dims) * sizeof *y);
    oracle_integers(name, g->seed, dims_count(v->dims), (uint32_t)classes, y);
    Status status = session_write(g->run.session, v, y, DTYPE_I32);
    free(y);
    return status;
}

/* Class c of C has max(1, floor(500 * 0.01^(c / (C - 1)))) training images. */
Status golden_write_prior(Golden *g)
{
    int C = g->config_of_model.classes;
    int64_t *counts = mem_alloc((size_t)C * sizeof *counts);
    for (int c = 0; c < C; c++)
        counts[c] = (int64_t)fmax(1, floor(500 * pow(0.01, (double)c / fmax(C - 1, 1))));
    Status status = initial_prior(g->run.session, &g->run.model, counts);
    free(counts);
    return status;
}
