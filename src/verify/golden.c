/* Golden files. A category's figure is that of paco_oracle.distances: max(|d norm|, |d dot|) of a
 * tensor over max(its norm, 1e-3 of the norm of all tensors of its category); the first values of a
 * tensor count the same way. Counts of correct images and the queue's head must be equal. */
#include "verify/golden.h"

#include "base/check.h"
#include "base/json.h"
#include "model/paco.h"
#include "verify/oracle_numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CATEGORIES = 16 };
static const double REF_BOUND = 1e-9;

typedef struct Category {
    const char *name;
    double worst, bound;
    char tensor[128]; /* where the worst figure was */
} Category;

typedef struct Golden {
    const char *path;
    const Json *config, *expected, *tolerance;
    const GoldenOptions *options;
    FILE *out;
    ModelConfig model_config;
    Model model;
    Session *session;
    uint64_t seed;
    double *counts; /* class frequencies, NULL: balanced */
    int queue_head;
    Category categories[MAX_CATEGORIES];
    int categories_count;
    char wrong[256]; /* a number that must be equal and is not */
} Golden;

/* ------------------------------------------------------------------------------------ figures */

static Category *category(Golden *g, const char *name, double bound)
{
    for (int i = 0; i < g->categories_count; i++)
        if (strcmp(g->categories[i].name, name) == 0)
            return &g->categories[i];
    CHECK(g->categories_count < MAX_CATEGORIES);
    Category *c = &g->categories[g->categories_count++];
    *c = (Category){.name = name, .bound = bound};
    return c;
}

static bool exact_device(const Golden *g)
{
    return g->options->session.device && strcmp(g->options->session.device, "ref") == 0;
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

static void note(Golden *g, const char *name, int step, const char *tensor, double figure)
{
    double bound = bound_of(g, name, step);
    Category *c = category(g, name, bound);
    if (!(figure / bound <= c->worst / c->bound)) { /* also when it is not a number */
        c->worst = figure;
        c->bound = bound;
        snprintf(c->tensor, sizeof c->tensor, "%s", tensor);
    }
}

static void must_equal(Golden *g, const char *what, double expected, double got)
{
    if (expected != got && !g->wrong[0])
        snprintf(g->wrong, sizeof g->wrong, "%s %g vs %g expected", what, got, expected);
}

/* Compares a tensor with its probe in the file. */
static void compare(Golden *g, const char *cat, const char *probe_name, const Json *probe,
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
    note(g, cat, 0, probe_name, worst / scale);
}

static double whole_norm(const Json *tensors)
{
    double squares = 0;
    for (const Json *t = tensors ? tensors->child : NULL; t; t = t->next)
        squares += pow(json_number(t, "norm", 0), 2);
    return sqrt(squares);
}

static bool same_shape(const Json *probe, Dims dims)
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

/* ------------------------------------------------------------------------------------ filling */

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
static double *initial(const Golden *g, const Value *v)
{
    int64_t n = dims_count(v->dims);
    double *x = mem_alloc((size_t)n * sizeof *x), scale = fill_scale(v), offset = fill_offset(v);
    oracle_uniform(v->of ? v->of->name : v->name, g->seed, n, x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(x[i] * scale + offset);
    return x;
}

static Status fill_parameters(Golden *g)
{
    Status status = STATUS_OK;
    for (int i = 0; i < g->model.graph->values_count && status == STATUS_OK; i++) {
        const Value *v = g->model.graph->values[i];
        bool filled = v->role == ROLE_PARAM || v->role == ROLE_EMA ||
                      (v->role == ROLE_STATE && v->kind != PARAM_NONE);
        if (!filled)
            continue;
        double *x = initial(g, v);
        status = session_write(g->session, v, x, DTYPE_F64);
        free(x);
    }
    return status;
}

static Status write_images(Golden *g, const Value *v, const char *view, int step, int ranks)
{
    int64_t n = dims_count(v->dims), each = n / ranks;
    double *x = mem_alloc((size_t)n * sizeof *x);
    for (int r = 0; r < ranks; r++) {
        char name[64];
        snprintf(name, sizeof name, "%s.step%d.rank%d", view, step, r);
        oracle_uniform(name, g->seed, each, x + r * each);
    }
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(x[i] * sqrt(3.0));
    Status status = session_write(g->session, v, x, DTYPE_F64);
    free(x);
    return status;
}

static Status write_unit(Golden *g, const Value *v, const char *name)
{
    double *x = mem_alloc((size_t)dims_count(v->dims) * sizeof *x);
    oracle_unit_rows(name, g->seed, v->dims.d[0], v->dims.d[1], x);
    Status status = session_write(g->session, v, x, DTYPE_F64);
    free(x);
    return status;
}

static Status write_labels(Golden *g, const Value *v, const char *name, int classes)
{
    int32_t *y = mem_alloc((size_t)dims_count(v->dims) * sizeof *y);
    oracle_integers(name, g->seed, dims_count(v->dims), (uint32_t)classes, y);
    Status status = session_write(g->session, v, y, DTYPE_I32);
    free(y);
    return status;
}

/* log(n_c / n + 1e-9) with n_c = max(1, floor(500 * 0.01^(c / (C - 1)))) */
static Status write_prior(Golden *g, const Value *v)
{
    int64_t C = v->dims.d[0];
    double *p = mem_alloc((size_t)C * sizeof *p), total = 0;
    for (int64_t c = 0; c < C; c++) {
        p[c] = fmax(1, floor(500 * pow(0.01, (double)c / (double)(C > 1 ? C - 1 : 1))));
        total += p[c];
    }
    for (int64_t c = 0; c < C; c++)
        p[c] = log(p[c] / total + 1e-9);
    Status status = session_write(g->session, v, p, DTYPE_F64);
    free(p);
    return status;
}

/* ------------------------------------------------------------------------------------ step files
 */

static Status write_step_inputs(Golden *g, int step)
{
    const ModelConfig *c = &g->model_config;
    int32_t *order = mem_alloc((size_t)(c->batch * c->ranks) * sizeof *order);
    int32_t *labels = mem_alloc((size_t)(c->batch * c->ranks) * sizeof *labels);
    char name[64];
    Status status;
    for (int r = 0; r < c->ranks; r++) {
        snprintf(name, sizeof name, "labels.step%d.rank%d", step, r);
        oracle_integers(name, g->seed, c->batch, (uint32_t)c->classes, labels + r * c->batch);
    }
    snprintf(name, sizeof name, "shuffle.step%d", step);
    const Json *plain = json_get(g->config, "no_shuffle");
    oracle_permutation(name, g->seed, c->batch * c->ranks, order);
    for (int i = 0; plain && plain->integer && i < c->batch * c->ranks; i++)
        order[i] = i;
    TRY_OR(end, status, session_write(g->session, g->model.labels, labels, DTYPE_I32));
    TRY_OR(end, status, write_images(g, g->model.images_q, "im_q", step, c->ranks));
    if (c->method != METHOD_PACO)
        goto end;
    TRY_OR(end, status, write_images(g, g->model.images_k, "im_k", step, c->ranks));
    TRY_OR(end, status, session_write(g->session, g->model.order, order, DTYPE_I32));
end:
    free(labels);
    free(order);
    return status;
}

static Status compare_value(Golden *g, const char *cat, const char *probe_name, const Json *probe,
                            const Value *v, double whole, const double *minus)
{
    int64_t n = dims_count(v->dims);
    double *x = mem_alloc((size_t)n * sizeof *x);
    Status status = session_read(g->session, v, x, DTYPE_F64);
    for (int64_t i = 0; minus && i < n; i++)
        x[i] -= minus[i];
    if (status == STATUS_OK && !same_shape(probe, v->dims))
        note(g, cat, 0, probe_name, INFINITY);
    else if (status == STATUS_OK)
        compare(g, cat, probe_name, probe, x, n, whole);
    free(x);
    return status;
}

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
    const Value *v = graph_find(g->model.graph, name);
    if (!v || !same_shape(probe, v->dims)) {
        note(g, cat, 0, probe->key, INFINITY);
        return STATUS_OK;
    }
    double *x = initial(g, v);
    compare(g, cat, probe->key, probe, x, dims_count(v->dims), whole);
    free(x);
    return STATUS_OK;
}

static Status compare_named(Golden *g, const char *cat)
{
    const Json *tensors = json_get(g->expected, cat);
    double whole = whole_norm(tensors);
    for (const Json *t = tensors ? tensors->child : NULL; t; t = t->next) {
        const Value *v = graph_find(g->model.graph, t->key);
        TRY(v ? compare_value(g, cat, t->key, t, v, whole, NULL)
              : compare_untouched(g, cat, t, whole));
    }
    return STATUS_OK;
}

static Status compare_updates(Golden *g)
{
    const Json *tensors = json_get(g->expected, "updates");
    double whole = whole_norm(tensors);
    for (const Json *t = tensors ? tensors->child : NULL; t; t = t->next) {
        char name[300];
        snprintf(name, sizeof name, "update.%s", t->key);
        const Value *v = graph_find(g->model.graph, t->key);
        if (!v) {
            note(g, "updates", 0, t->key, INFINITY);
            continue;
        }
        double *before = initial(g, v);
        Status status = compare_value(g, "updates", name, t, v, whole, before);
        free(before);
        TRY(status);
    }
    return STATUS_OK;
}

static Status compare_gradients(Golden *g, const Json *tensors)
{
    double whole = whole_norm(tensors);
    for (const Json *t = tensors ? tensors->child : NULL; t; t = t->next) {
        char name[300];
        snprintf(name, sizeof name, "grad.%s", t->key);
        Value *w = graph_find(g->model.graph, t->key);
        Role role = g->model_config.ranks > 1 ? ROLE_GRAD_SUM : ROLE_GRAD;
        Value *v = w ? graph_companion_of(g->model.graph, w, role) : NULL;
        if (!v)
            note(g, "grads", 0, t->key, INFINITY);
        else
            TRY(compare_value(g, "grads", name, t, v, whole, NULL));
    }
    return STATUS_OK;
}

static Status evaluate(Golden *g, const char *cat)
{
    const Json *probe = json_get(g->expected, cat);
    StepParams params = {0};
    TRY(write_images(g, g->model.eval_images, "im_eval", 0, 1));
    TRY(session_run(g->session, SEGMENT_FOLD, &params));
    TRY(session_run(g->session, SEGMENT_EVAL, &params));
    return compare_value(g, cat, cat, probe, g->model.eval_logits, json_number(probe, "norm", 0),
                         NULL);
}

static Status compare_step(Golden *g, const Json *step, int number)
{
    const ModelConfig *c = &g->model_config;
    double loss[64];
    int32_t correct[128], total = 0;
    TRY(session_read(g->session, g->model.loss, loss, DTYPE_F64));
    TRY(session_read(g->session, g->model.correct, correct, DTYPE_I32));
    int r = 0;
    double worst = 0;
    const Json *losses = json_get(step, "loss");
    for (const Json *x = losses ? losses->child : NULL; x && r < c->ranks; x = x->next, r++)
        worst =
            isfinite(loss[r]) ? fmax(worst, fabs(loss[r] - x->number) / fabs(x->number)) : INFINITY;
    note(g, "loss", number, "loss", r == c->ranks ? worst : INFINITY);
    for (r = 0; r < c->ranks; r++)
        total += correct[2 * r];
    must_equal(g, "correct images", json_number(step, "correct", -1), total);
    return json_get(step, "grads") ? compare_gradients(g, json_get(step, "grads")) : STATUS_OK;
}

static Status run_steps(Golden *g)
{
    const ModelConfig *c = &g->model_config;
    int number = 0;
    const Json *steps = json_get(g->expected, "steps");
    StepParams params = {.lr = json_number(g->config, "lr", 0), .grad_scale = 1.0 / c->ranks};
    for (const Json *s = steps ? steps->child : NULL; s; s = s->next, number++) {
        if (g->options->steps && number >= g->options->steps)
            return STATUS_OK;
        params.step = number;
        params.queue_head = g->queue_head;
        TRY(write_step_inputs(g, number));
        TRY(session_step(g->session, params));
        TRY(compare_step(g, s, number));
        if (c->method == METHOD_PACO)
            g->queue_head = (g->queue_head + c->batch * c->ranks) % c->queue;
    }
    static const char *const named[] = {"params", "encoder_k", "running"};
    TRY(compare_updates(g));
    for (int i = 0; i < 3; i++)
        TRY(compare_named(g, named[i]));
    must_equal(g, "queue_ptr", json_number(g->expected, "queue_ptr", -1), g->queue_head);
    return STATUS_OK;
}

static Status compare_queue(Golden *g)
{
    const Json *probe = json_get(g->expected, "queue");
    int64_t n = (int64_t)g->model_config.queue * g->model_config.dim;
    if (g->model.queue)
        return compare_value(g, "queue", "queue", probe, g->model.queue,
                             json_number(probe, "norm", 0), NULL);
    double *x = mem_alloc((size_t)n * sizeof *x);
    oracle_unit_rows("queue", g->seed, g->model_config.queue, g->model_config.dim, x);
    compare(g, "queue", "queue", probe, x, n, json_number(probe, "norm", 0));
    free(x);
    return STATUS_OK;
}

static Status verify_step(Golden *g)
{
    const ModelConfig *c = &g->model_config;
    TRY(model_check(c));
    g->model = model_build(c);
    TRY(session_open(g->model.graph, &g->options->session, &g->session));
    TRY(fill_parameters(g));
    if (g->model.prior)
        TRY(write_prior(g, g->model.prior));
    if (g->model.queue) {
        TRY(write_unit(g, g->model.queue, "queue"));
        TRY(write_labels(g, g->model.queue_labels, "queue_l", c->classes));
    }
    TRY(evaluate(g, "eval_before"));
    TRY(run_steps(g));
    if (g->options->steps)
        return STATUS_OK;
    TRY(compare_queue(g));
    return evaluate(g, "eval_after");
}

/* ------------------------------------------------------------------------------------ loss files
 */

static Status verify_loss(Golden *g)
{
    const ModelConfig *c = &g->model_config;
    int B = c->batch;
    Graph *graph = graph_new();
    g->model.graph = graph;
    graph->segment = SEGMENT_QUERY;
    Value *q = graph_value(graph, "q", ROLE_STATE, DTYPE_F32, DIMS2(B, c->dim));
    Value *k = graph_value(graph, "k", ROLE_STATE, DTYPE_F32, DIMS2(B, c->dim));
    Value *queue = graph_value(graph, "queue", ROLE_STATE, DTYPE_F32, DIMS2(c->queue, c->dim));
    Value *logits = graph_value(graph, "logits", ROLE_STATE, DTYPE_F32, DIMS2(B, c->classes));
    Value *labels = graph_value(graph, "labels", ROLE_INPUT, DTYPE_I32, DIMS1(B));
    Value *queue_labels = graph_value(graph, "queue_l", ROLE_STATE, DTYPE_I32, DIMS1(c->queue));
    Value *loss = graph_value(graph, "loss", ROLE_OUTPUT, DTYPE_F32, DIMS1(1));
    Value *prior =
        c->prior ? graph_value(graph, "prior", ROLE_CONSTANT, DTYPE_F32, DIMS1(c->classes)) : NULL;
    Node *n =
        NODE(graph, paco_loss, &c->loss, q, k, queue, labels, queue_labels, logits, prior, loss);
    n->out[0]->role = n->out[1]->role = ROLE_OUTPUT;
    TRY(session_open(graph, &g->options->session, &g->session));
    TRY(write_unit(g, q, "q"));
    TRY(write_unit(g, k, "k"));
    TRY(write_unit(g, queue, "queue"));
    TRY(write_labels(g, labels, "labels", c->classes));
    TRY(write_labels(g, queue_labels, "queue_l", c->classes));
    TRY(prior ? write_prior(g, prior) : STATUS_OK);
    int64_t count = dims_count(logits->dims);
    double *x = mem_alloc((size_t)count * sizeof *x), got;
    oracle_uniform("logits", g->seed, count, x);
    for (int64_t i = 0; i < count; i++)
        x[i] = (float)(x[i] * json_number(g->config, "logit_scale", 3));
    Status status = session_write(g->session, logits, x, DTYPE_F64);
    free(x);
    TRY(status);
    StepParams params = {.grad_scale = 1};
    TRY(session_run(g->session, SEGMENT_QUERY, &params));
    TRY(session_read(g->session, loss, &got, DTYPE_F64));
    double want = json_number(g->expected, "loss", NAN);
    note(g, "loss", 0, "loss", isfinite(got) ? fabs(got - want) / fabs(want) : INFINITY);
    const Value *const outs[] = {n->out[0], n->out[1]};
    static const char *const names[] = {"dq", "dlogits"};
    for (int i = 0; i < 2; i++) {
        const Json *probe = json_get(g->expected, names[i]);
        TRY(compare_value(g, names[i], names[i], probe, outs[i], json_number(probe, "norm", 0),
                          NULL));
    }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ files */

static bool flag(const Json *config, const char *key, bool otherwise)
{
    const Json *m = json_get(config, key);
    return m && m->kind == JSON_BOOL ? m->integer != 0 : otherwise;
}

static Status read_config(Golden *g)
{
    const Json *c = g->config;
    ModelConfig *m = &g->model_config;
    const char *arch = json_text(c, "arch", ""), *method = json_text(c, "method", "paco");
    bool loss_only = strcmp(json_text(c, "what", ""), "loss") == 0;
    if (!arch_find(arch) || method_find(method) < 0)
        return status_fail(STATUS_INPUT, "%s: config: unknown architecture '%s' or method '%s'",
                           g->path, arch, method);
    *m = (ModelConfig){
        .arch = arch_find(arch), .method = (Method)method_find(method),
        .classes = (int)json_number(c, "classes", 0), .size = (int)json_number(c, "size", 0),
        .batch = (int)json_number(c, "batch", 0), .ranks = (int)json_number(c, "ranks", 0),
        .dim = (int)json_number(c, "dim", 0), .queue = (int)json_number(c, "queue", 0),
        .mlp = flag(c, "mlp", true), .train = true, .moco_m = json_number(c, "moco_m", 0.999),
        .sgd = {json_number(c, "momentum", 0.9), json_number(c, "wd", 0)},
    };
    double T = json_number(c, "moco_t", 0.2);
    m->loss = (PacoAttrs){json_number(c, "alpha", 0.05),
                          json_number(c, "beta", 1),
                          json_number(c, "gamma", 1),
                          json_number(c, "supt", 1),
                          T,
                          json_number(c, "base_t", T)};
    m->eval_batch = m->batch;
    m->prior = flag(c, "long_tailed", true) && m->method != METHOD_CROSS_ENTROPY;
    g->seed = (uint64_t)json_number(c, "seed", 0);
    if (m->batch < 1 || m->ranks < 1 || m->ranks > 64 || m->classes < 1 || m->dim < 1 ||
        m->queue < 1 || (!loss_only && m->size < 1))
        return status_fail(STATUS_INPUT, "%s: config: a size is missing or out of range", g->path);
    return STATUS_OK;
}

static bool report(Golden *g)
{
    bool passed = !g->wrong[0] && g->categories_count > 0;
    for (int i = 0; i < g->categories_count; i++)
        passed &= g->categories[i].worst <= g->categories[i].bound;
    fprintf(g->out, "%s %s on %s:", passed ? "PASS" : "FAIL", g->path, session_device(g->session));
    for (int i = 0; i < g->categories_count; i++) {
        const Category *c = &g->categories[i];
        fprintf(g->out, " %s %.1e/%.1e", c->name, c->worst, c->bound);
        if (g->options->verbose || !(c->worst <= c->bound))
            fprintf(g->out, " (%s)", c->tensor);
    }
    fprintf(g->out, "%s%s\n", g->wrong[0] ? "; " : "", g->wrong);
    return passed;
}

Status golden_verify(const char *path, const GoldenOptions *options, FILE *out, bool *passed)
{
    Arena arena = {0};
    Json *root;
    Golden g = {.path = path, .options = options, .out = out};
    Status status;
    TRY_OR(end, status, json_read(&arena, path, &root));
    g.config = json_get(root, "config");
    g.expected = json_get(root, "float64");
    g.tolerance = json_get(root, "tolerance");
    if (!g.config || !g.expected || !g.tolerance) {
        status = status_fail(STATUS_INPUT,
                             "%s: not a golden file: config, float64 or tolerance is missing. "
                             "paco_oracle.py writes them",
                             path);
        goto end;
    }
    TRY_OR(end, status, read_config(&g));
    bool loss = strcmp(json_text(g.config, "what", ""), "loss") == 0;
    TRY_OR(end, status, loss ? verify_loss(&g) : verify_step(&g));
    *passed = report(&g);
end:
    session_close(g.session);
    arena_free(&arena);
    return status;
}
