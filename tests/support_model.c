/* Models under test: see support_model.h. */
#include "support_model.h"

#include "base/arena.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

static void must(Status status)
{
    if (status != STATUS_OK)
        fail_msg("%s", status_text());
}

ModelConfig model_small(const Arch *arch, int size, int batch, int ranks)
{
    return (ModelConfig){
        .arch = arch,
        .method = METHOD_PACO,
        .classes = 11,
        .size = size,
        .batch = batch,
        .ranks = ranks_whole(ranks),
        .dim = 20,
        .queue = 37,
        .mlp = true,
        .prior = true,
        .train = true,
        .moco_m = 0.99,
        .loss = {0.05, 1, 1, 1, 0.2, 0.2},
        .sgd = {0.9, 5e-4},
    };
}

static Rng stream(const Value *v, int step)
{
    return rng_stream(3, (uint32_t)step, rng_hash(v->of ? v->of->name : v->name), RNG_TEST);
}

static void write_scaled(Session *session, const Value *v, int step, double scale, double offset)
{
    int64_t n = dims_count(v->dims);
    float *x = mem_alloc((size_t)n * sizeof *x);
    Rng rng = stream(v, step);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(scale * rng_normal(&rng) + offset);
    must(session_write(session, v, x, DTYPE_F32));
    free(x);
}

static void write_unit(Session *session, const Value *v)
{
    int64_t rows = v->dims.d[0], width = v->dims.d[1];
    float *x = mem_alloc((size_t)(rows * width) * sizeof *x);
    Rng rng = stream(v, 0);
    for (int64_t r = 0; r < rows; r++) {
        double squares = 0;
        for (int64_t i = 0; i < width; i++) {
            x[r * width + i] = (float)rng_normal(&rng);
            squares += (double)x[r * width + i] * x[r * width + i];
        }
        for (int64_t i = 0; i < width; i++)
            x[r * width + i] = (float)(x[r * width + i] / sqrt(squares));
    }
    must(session_write(session, v, x, DTYPE_F32));
    free(x);
}

static void write_labels(Session *session, const Value *v, int step, int classes)
{
    int64_t n = dims_count(v->dims);
    int32_t *y = mem_alloc((size_t)n * sizeof *y);
    Rng rng = stream(v, step);
    for (int64_t i = 0; i < n; i++)
        y[i] = (int32_t)rng_below(&rng, (uint32_t)classes);
    must(session_write(session, v, y, DTYPE_I32));
    free(y);
}

static void write_order(Session *session, const Value *v, int step)
{
    int64_t n = dims_count(v->dims);
    uint32_t *order = mem_alloc((size_t)n * sizeof *order);
    Rng rng = stream(v, step);
    rng_permutation(&rng, order, (uint32_t)n);
    must(session_write(session, v, order, DTYPE_I32));
    free(order);
}

static void fill_parameter(Session *session, const Value *v)
{
    switch (v->kind) {
    case PARAM_CONV_WEIGHT: write_scaled(session, v, 0, sqrt(2.0 / (double)v->fan_in), 0); break;
    case PARAM_LINEAR_WEIGHT:
    case PARAM_LINEAR_BIAS: write_scaled(session, v, 0, 0.6 / sqrt((double)v->fan_in), 0); break;
    case PARAM_BN_WEIGHT: write_scaled(session, v, 0, 0.1, 1); break;
    case PARAM_BN_WEIGHT_LAST: write_scaled(session, v, 0, 0.1, 0.3); break;
    case PARAM_RUNNING_VAR: write_scaled(session, v, 0, 0.05, 1); break;
    default: write_scaled(session, v, 0, 0.1, 0);
    }
}

void model_fill(Session *session, const Model *model, const ModelConfig *config)
{
    for (int i = 0; i < model->graph->values_count; i++) {
        const Value *v = model->graph->values[i];
        if (v->role == ROLE_PARAM || v->role == ROLE_EMA ||
            (v->role == ROLE_STATE && v->kind != PARAM_NONE))
            fill_parameter(session, v);
    }
    if (model->prior)
        write_scaled(session, model->prior, 0, 0.5, -3);
    if (model->queue) {
        write_unit(session, model->queue);
        write_labels(session, model->queue_labels, 0, config->classes);
    }
}

/* Images of all ranks, of which the share gets its own. */
static void write_images(Session *session, const Value *v, int step, Ranks ranks)
{
    int64_t own = dims_count(v->dims), each = own / ranks.own, all = each * ranks.all;
    float *x = mem_alloc((size_t)all * sizeof *x);
    Rng rng = stream(v, step);
    for (int64_t i = 0; i < all; i++)
        x[i] = (float)rng_normal(&rng);
    must(session_write(session, v, x + each * ranks.first, DTYPE_F32));
    free(x);
}

void model_feed(Session *session, const Model *model, const ModelConfig *config, int step)
{
    write_images(session, model->images_q, step, config->ranks);
    write_labels(session, model->labels, step, config->classes);
    if (!model->images_k)
        return;
    write_images(session, model->images_k, step, config->ranks);
    write_order(session, model->order, step);
}
