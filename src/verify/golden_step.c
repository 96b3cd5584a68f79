/* Step files: whole training steps, run by the trainer's own step (train/run.h), and evaluations
 * before and after. */
#include "base/arena.h"
#include "train/replicas.h"
#include "verify/golden_parts.h"
#include "verify/oracle_numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ inputs */

static void step_labels(const Golden *g, int step, int32_t *labels)
{
    const ModelConfig *c = &g->run.config;
    for (int r = 0; r < c->ranks.all; r++) {
        char name[64];
        snprintf(name, sizeof name, "labels.step%d.rank%d", step, r);
        oracle_integers(name, g->seed, c->batch, (uint32_t)c->classes, labels + r * c->batch);
    }
}

static void step_order(const Golden *g, int step, int32_t *order)
{
    char name[64];
    int all = g->run.config.batch * g->run.config.ranks.all;
    const Json *plain = json_get(g->config, "no_shuffle");
    snprintf(name, sizeof name, "shuffle.step%d", step);
    oracle_permutation(name, g->seed, all, order);
    for (int i = 0; plain && plain->integer && i < all; i++)
        order[i] = i;
}

static Status feed(Golden *g, int step)
{
    const ModelConfig *c = &g->run.config;
    const Model *m = &g->run.model;
    bool keys = c->method == METHOD_PACO;
    size_t all = (size_t)(c->batch * c->ranks.all), first = (size_t)(c->batch * c->ranks.first);
    int32_t *labels = mem_alloc(all * sizeof *labels), *order = mem_alloc(all * sizeof *order);
    uint32_t *samples = mem_alloc(2 * all * sizeof *samples), *key_samples = samples + all;
    double *query = golden_images(g, m->images_q, "im_q", step, c->ranks);
    step_labels(g, step, labels);
    step_order(g, step, order);
    double *key = keys ? golden_keys(g, m->images_k, step, order) : NULL;
    for (size_t i = 0; i < all; i++) {
        samples[i] = (uint32_t)i;
        key_samples[i] = (uint32_t)order[i];
    }
    RunFeed views = {query, key, DTYPE_F64, labels + first, samples + first, key_samples + first,
                     order};
    Status status = run_feed(&g->run, &views);
    free(samples);
    free(key);
    free(query);
    free(order);
    free(labels);
    return status;
}

/* ------------------------------------------------------------------------------------ results */

/* A value that this method does not have keeps its initial contents: the key encoder of a baseline.
 */
static Status compare_untouched(Golden *g, const char *cat, const Json *probe, double whole)
{
    char name[256];
    snprintf(name, sizeof name, "%s", probe->key);
    bool linear = strncmp(name, "linear_k.", 9) == 0;
    if (linear)
        memmove(name + 6, name + 8, strlen(name + 8) + 1); /* linear_k.weight -> linear.weight */
    else if (strncmp(name, "encoder_k.", 10) == 0)
        name[8] = 'q';
    const Value *v = graph_find(g->run.model.graph, name);
    if (!v || !golden_same_shape(probe, v->dims)) {
        golden_note(g, cat, 0, probe->key, INFINITY);
        return STATUS_OK;
    }
    double *x = golden_initial(g, v);
    golden_compare(g, cat, probe->key, probe, x, dims_count(v->dims), whole);
    free(x);
    return STATUS_OK;
}

/* Tensors of the file that have the names of values. */
static Status compare_named(Golden *g, const char *cat, const Json *tensors)
{
    double whole = golden_whole(tensors);
    for (const Json *t = tensors ? tensors->child : NULL; t; t = t->next) {
        const Value *v = graph_find(g->run.model.graph, t->key);
        TRY(v ? golden_compare_value(g, cat, t->key, t, v, whole, 1, NULL)
              : compare_untouched(g, cat, t, whole));
    }
    return STATUS_OK;
}

static Status compare_updates(Golden *g)
{
    const Json *tensors = json_get(g->expected, "updates");
    double whole = golden_whole(tensors);
    for (const Json *t = tensors ? tensors->child : NULL; t; t = t->next) {
        char name[300];
        snprintf(name, sizeof name, "update.%s", t->key);
        const Value *v = graph_find(g->run.model.graph, t->key);
        if (!v) {
            golden_note(g, "updates", 0, t->key, INFINITY);
            continue;
        }
        double *before = golden_initial(g, v);
        Status status = golden_compare_value(g, "updates", name, t, v, whole, 1, before);
        free(before);
        TRY(status);
    }
    return STATUS_OK;
}

/* Without the scale that they were made with. */
static Status compare_gradients(Golden *g, const Json *tensors)
{
    double whole = golden_whole(tensors);
    for (const Json *t = tensors ? tensors->child : NULL; t; t = t->next) {
        char name[300];
        snprintf(name, sizeof name, "grad.%s", t->key);
        Value *w = graph_find(g->run.model.graph, t->key);
        Role role = g->run.config.ranks.own > 1 ? ROLE_GRAD_SUM : ROLE_GRAD;
        Value *v = w ? graph_companion_of(g->run.model.graph, w, role) : NULL;
        if (!v)
            golden_note(g, "grads", 0, t->key, INFINITY);
        else
            TRY(golden_compare_value(g, "grads", name, t, v, whole, g->scale, NULL));
    }
    return STATUS_OK;
}

static Status compare_queue(Golden *g)
{
    const Json *probe = json_get(g->expected, "queue");
    int64_t n = (int64_t)g->run.config.queue * g->run.config.dim;
    if (g->run.model.queue)
        return golden_compare_value(g, "queue", "queue", probe, g->run.model.queue,
                             json_number(probe, "norm", 0), 1, NULL);
    double *x = mem_alloc((size_t)n * sizeof *x);
    oracle_unit_rows("queue", g->seed, g->run.config.queue, g->run.config.dim, x);
    golden_compare(g, "queue", "queue", probe, x, n, json_number(probe, "norm", 0));
    free(x);
    return STATUS_OK;
}

static Status compare_step(Golden *g, const Json *step, int number)
{
    int ranks = g->run.config.ranks.all, total = 0, r = 0;
    double worst = 0;
    TRY(run_results(&g->run, &g->at));
    const Json *losses = json_get(step, "loss");
    for (const Json *x = losses ? losses->child : NULL; x && r < ranks; x = x->next, r++) {
        double got = g->run.loss[r];
        worst = isfinite(got) ? fmax(worst, fabs(got - x->number) / fabs(x->number)) : INFINITY;
    }
    golden_note(g, "loss", number, "loss", r == ranks ? worst : INFINITY);
    for (r = 0; r < ranks; r++)
        total += g->run.correct[2 * r];
    golden_must_equal(g, "correct images", json_number(step, "correct", -1), total);
    if (json_get(step, "grads"))
        TRY(compare_gradients(g, json_get(step, "grads")));
    if (json_get(step, "stem")) {
        TRY(replicas_share_statistics(&g->run));
        TRY(compare_named(g, "stem", json_get(step, "stem")));
    }
    if (!g->run.model.scaler)
        return STATUS_OK;
    golden_must_equal(g, "loss scale", json_number(step, "loss_scale", g->run.scale), g->run.scale);
    g->scale = g->run.scale; /* of the next step */
    return STATUS_OK;
}

static Status evaluate(Golden *g, const char *category)
{
    const Json *probe = json_get(g->expected, category);
    const Model *m = &g->run.model;
    TRY(replicas_share_statistics(&g->run));
    double *images = golden_images(g, m->eval_images, "im_eval", 0, ranks_whole(1));
    Status status = run_feed_eval(&g->run, images, DTYPE_F64);
    free(images);
    TRY(status);
    TRY(run_fold(&g->run));
    TRY(run_eval(&g->run));
    return golden_compare_value(g, category, category, probe, m->eval_logits,
                                json_number(probe, "norm", 0), 1, NULL);
}

/* ------------------------------------------------------------------------------------ steps */

/* Where the file follows a schedule, every step is an epoch of its own. */
static Status run_steps(Golden *g)
{
    int number = 0;
    bool scheduled = json_get(g->config, "schedule") != NULL;
    const Json *steps = json_get(g->expected, "steps");
    for (const Json *s = steps ? steps->child : NULL; s; s = s->next, number++) {
        if (g->options->steps && number >= g->options->steps)
            return STATUS_OK;
        g->at.epoch = scheduled ? number : 0;
        TRY(feed(g, number));
        TRY(run_step(&g->run, &g->at));
        TRY(compare_step(g, s, number));
    }
    static const char *const named[] = {"params", "encoder_k", "running"};
    TRY(replicas_share_statistics(&g->run));
    TRY(compare_updates(g));
    for (int i = 0; i < 3; i++)
        TRY(compare_named(g, named[i], json_get(g->expected, named[i])));
    golden_must_equal(g, "queue_ptr", json_number(g->expected, "queue_ptr", -1), g->at.queue_head);
    return STATUS_OK;
}

static Status write_scaler(Golden *g)
{
    float scaler[SCALER_FLOATS] = {[SCALER_SCALE] =
                                       (float)json_number(g->config, "loss_scale", SCALER_FIRST)};
    g->scale = 1;
    if (!g->run.model.scaler)
        return STATUS_OK;
    g->scale = scaler[SCALER_SCALE];
    return session_write(g->run.session, g->run.model.scaler, scaler, DTYPE_F32);
}

Status golden_step(Golden *g)
{
    const ModelConfig *c = &g->config_of_model;
    TRY(comm_status(g->options->session.plan.comm, run_open(c, &g->options->session, &g->run)));
    replicas_join(&g->run);
    g->run.schedule = g->schedule;
    TRY(golden_fill_parameters(g));
    TRY(golden_write_prior(g));
    TRY(write_scaler(g));
    if (g->run.model.queue) {
        TRY(golden_write_unit(g, g->run.model.queue, "queue"));
        TRY(golden_write_labels(g, g->run.model.queue_labels, "queue_l", c->classes));
    }
    TRY(evaluate(g, "eval_before"));
    TRY(run_steps(g));
    if (g->options->steps)
        return STATUS_OK;
    TRY(compare_queue(g));
    return evaluate(g, "eval_after");
}
