/* Initial values: every number is a function of the seed and of its tensor's name, so that they do
 * not depend on the order of tensors, on threads or on the device. */
#include "model/initial.h"

#include "base/arena.h"
#include "base/rng.h"
#include "base/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Standard deviation of a normal draw, 0 for a uniform one. */
static double normal_scale(const ModelConfig *c, const Value *v)
{
    bool cifar = arch_family(c->arch)->small;
    if (v->kind == PARAM_CONV_WEIGHT) {
        double fan_out = (double)(v->dims.d[0] * v->dims.d[2] * v->dims.d[3]);
        return sqrt(2 / (cifar ? (double)v->fan_in : fan_out));
    }
    const char *fc = c->mlp ? "encoder_q.fc.3.weight" : "encoder_q.fc.weight";
    return cifar && strcmp(v->name, fc) == 0 ? sqrt(2 / (double)v->fan_in) : 0;
}

/* One value to draw, and where. */
typedef struct Draw {
    const ModelConfig *config;
    const Value *value;
    uint64_t seed;
    float *x;
} Draw;

static void draw(int64_t number, void *context)
{
    const Draw *d = (const Draw *)context + number;
    const Value *v = d->value;
    int64_t n = dims_count(v->dims);
    Rng rng = rng_stream(d->seed, 0, rng_hash(v->name), RNG_INIT);
    double normal = normal_scale(d->config, v),
           uniform = v->fan_in ? 1 / sqrt((double)v->fan_in) : 0;
    bool one = v->kind == PARAM_BN_WEIGHT || v->kind == PARAM_BN_WEIGHT_LAST ||
               v->kind == PARAM_RUNNING_VAR;
    for (int64_t i = 0; i < n; i++)
        d->x[i] = (float)(normal > 0 ? normal * rng_normal(&rng)
                          : uniform > 0 ? uniform * (2 * rng_uniform(&rng) - 1) : one);
}

static Status write_queue(Session *session, const Model *model, const ModelConfig *c, uint64_t seed)
{
    Rng rng = rng_stream(seed, 0, 0, RNG_QUEUE);
    float *rows = mem_alloc((size_t)c->queue * (size_t)c->dim * sizeof *rows);
    int32_t *labels = mem_alloc((size_t)c->queue * sizeof *labels);
    for (int64_t i = 0; i < c->queue; i++) {
        float *row = rows + i * c->dim;
        double squares = 0;
        for (int d = 0; d < c->dim; d++) {
            row[d] = (float)rng_normal(&rng);
            squares += (double)row[d] * row[d];
        }
        for (int d = 0; d < c->dim; d++)
            row[d] = (float)(row[d] / sqrt(squares));
        labels[i] = (int32_t)rng_below(&rng, (uint32_t)c->classes);
    }
    Status status = session_write(session, model->queue, rows, DTYPE_F32);
    if (status == STATUS_OK)
        status = session_write(session, model->queue_labels, labels, DTYPE_I32);
    free(labels);
    free(rows);
    return status;
}

/* Draws some values at once, one thread each, and writes them; a parameter also to its copy on the
 * key side. */
static Status write_drawn(Session *session, const Graph *g, Draw *draws, int count)
{
    Status status = STATUS_OK;
    threads_for(count, draw, draws);
    for (int i = 0; i < count; i++) {
        const Value *v = draws[i].value;
        const Value *key = v->role == ROLE_PARAM ? graph_companion_of(g, v, ROLE_EMA) : NULL;
        if (status == STATUS_OK)
            status = session_write(session, v, draws[i].x, DTYPE_F32);
        if (status == STATUS_OK && key)
            status = session_write(session, key, draws[i].x, DTYPE_F32);
        free(draws[i].x);
    }
    return status;
}

Status initial_write(Session *session, const Model *model, const ModelConfig *c, uint64_t seed)
{
    enum { AT_ONCE = 64 };
    const int64_t floats_at_once = 4 << 20; /* host memory for drawing stays small */
    const Graph *g = model->graph;
    Draw draws[AT_ONCE];
    int count = 0;
    int64_t floats = 0;
    for (int i = 0; i < g->values_count; i++) {
        const Value *v = g->values[i];
        if (v->role != ROLE_PARAM && !(v->role == ROLE_STATE && v->kind != PARAM_NONE))
            continue;
        int64_t n = dims_count(v->dims);
        draws[count++] = (Draw){c, v, seed, mem_alloc((size_t)n * sizeof(float))};
        floats += n;
        if (count < AT_ONCE && floats < floats_at_once)
            continue;
        TRY(write_drawn(session, g, draws, count));
        count = 0;
        floats = 0;
    }
    TRY(write_drawn(session, g, draws, count));
    TRY(initial_scaler(session, model));
    return model->queue ? write_queue(session, model, c, seed) : STATUS_OK;
}

Status initial_scaler(Session *session, const Model *model)
{
    const float scaler[SCALER_FLOATS] = {[SCALER_SCALE] = SCALER_FIRST};
    return model->scaler ? session_write(session, model->scaler, scaler, DTYPE_F32) : STATUS_OK;
}

Status initial_prior(Session *session, const Model *model, const int64_t *counts)
{
    if (!model->prior)
        return STATUS_OK;
    int64_t C = model->prior->dims.d[0];
    double *prior = mem_alloc((size_t)C * sizeof *prior), total = 0;
    for (int64_t c = 0; c < C; c++)
        total += (double)counts[c];
    for (int64_t c = 0; c < C; c++)
        prior[c] = log((double)counts[c] / total + 1e-9);
    Status status = session_write(session, model->prior, prior, DTYPE_F64);
    free(prior);
    return status;
}
