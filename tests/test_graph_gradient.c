/* Gradients of the graph against central differences of the float64 reference, along random
 * directions: every differentiable operator (a row of ops.def without its graph here does not
 * compile), the losses, and whole small networks. Inputs are random, so that no ReLU or maximum has
 * a kink within the step of the difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_model.h"

#include "base/arena.h"
#include "base/rng.h"
#include "graph/op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const NoAttrs none = {0};

static void must(Status status)
{
    if (status != STATUS_OK)
        fail_msg("%s", status_text());
}

/* ------------------------------------------------------------------------------------ differences
 */

/* J is the sum of the losses, or the inner product of y with its seed. */
typedef struct Function {
    Graph *graph;
    Session *session;
    Value *y, *seed, *loss;
    double step;  /* of the difference, for directions of normal numbers */
    double worst; /* difference of the slopes, over the gradient's norm */
    Rng rng;
} Function;

static double *read_value(const Function *f, const Value *v)
{
    double *x = mem_alloc((size_t)dims_count(v->dims) * sizeof *x);
    must(session_read(f->session, v, x, DTYPE_F64));
    return x;
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double evaluate(const Function *f)
{
    must(session_run(f->session, SEGMENT_QUERY, &(StepParams){.grad_scale = 1}));
    const Value *v = f->loss ? f->loss : f->y;
    double *x = read_value(f, v), *seed = f->loss ? NULL : read_value(f, f->seed), result = 0;
    for (int64_t i = 0; i < dims_count(v->dims); i++)
        result += x[i] * (seed ? seed[i] : 1);
    free(x);
    free(seed);
    return result;
}

static void move_parameter(const Function *f, const Value *v, const double *x, const double *d,
                           double by)
{
    int64_t n = dims_count(v->dims);
    double *moved = mem_alloc((size_t)n * sizeof *moved);
    for (int64_t i = 0; i < n; i++)
        moved[i] = x[i] + by * d[i];
    must(session_write(f->session, v, moved, DTYPE_F64));
    free(moved);
}

/* One parameter along one random direction. */
static void check_parameter(Function *f, const Value *v)
{
    int64_t n = dims_count(v->dims);
    const Value *gradient = graph_companion_of(f->graph, v, ROLE_GRAD);
    if (!gradient)
        fail_msg("%s has no gradient", v->name);
    evaluate(f);
    double *x = read_value(f, v), *g = read_value(f, gradient),
           *d = mem_alloc((size_t)n * sizeof *d);
    for (int64_t i = 0; i < n; i++)
        d[i] = rng_normal(&f->rng);
    double at[2];
    for (int side = 0; side < 2; side++) {
        move_parameter(f, v, x, d, side ? f->step : -f->step);
        at[side] = evaluate(f);
    }
    move_parameter(f, v, x, d, 0);
    double slope = (at[1] - at[0]) / (2 * f->step), expected = dot(g, d, n),
           norm = sqrt(dot(g, g, n));
    /* The sum that the difference is taken of has been rounded, too. */
    double noise = 1e-14 * (fabs(at[0]) + 1) / f->step, error = fabs(slope - expected);
    if (!(error <= 1e-6 * norm + noise))
        fail_msg("%s: slope %.12g, gradient %.12g (norm %.3g)", v->name, slope, expected, norm);
    if (norm > 1e-3)
        f->worst = fmax(f->worst, error / norm);
    free(x);
    free(g);
    free(d);
}

static void check_function(Function *f, const char *name)
{
    int count = 0;
    for (int i = 0; i < f->graph->values_count; i++)
        if (f->graph->values[i]->role == ROLE_PARAM && f->graph->values[i]->trainable) {
            check_parameter(f, f->graph->values[i]);
            count++;
        }
    assert_true(count > 0);
    printf("%-14s %3d parameters, worst %.1e of a gradient's norm\n", name, count, f->worst);
    session_close(f->session);
}

/* ------------------------------------------------------------------------------------ operators */

static Value *param(Graph *g, const char *name, Dims dims)
{
    Value *v = graph_value(g, name, ROLE_PARAM, DTYPE_F32, dims);
    v->trainable = true;
    return v;
}

static Value *state(Graph *g, const char *name, int64_t count)
{
    return graph_value(g, name, ROLE_STATE, DTYPE_F32, DIMS1(count));
}

/* The network of one operator whose output is returned; all its inputs are parameters. */
typedef Value *BuildOutput(Graph *g);

static Value *build_conv(Graph *g)
{
    ConvAttrs attrs = {2, 1, 2, 5, 7};
    return NODE(g, conv, &attrs, param(g, "x", DIMS4(2, 4, 5, 7)), param(g, "w", DIMS4(6, 2, 3, 3)))
        ->out[0];
}

static Value *build_bn(Graph *g)
{
    return NODE(g, bn, &((BnAttrs){1e-5, 0.1}), param(g, "x", DIMS4(3, 5, 2, 3)),
                param(g, "gamma", DIMS1(5)), param(g, "beta", DIMS1(5)), state(g, "mean", 5),
                state(g, "var", 5))
        ->out[0];
}

static Value *build_relu(Graph *g)
{
    return NODE(g, relu, &none, param(g, "x", DIMS4(2, 3, 4, 5)))->out[0];
}

/* x is used three times: contributions to its gradient are summed. */
static Value *build_add(Graph *g)
{
    Value *x = param(g, "w", DIMS2(4, 6)), *y = NODE(g, relu, &none, x)->out[0];
    Value *z = NODE(g, add, &none, y, y)->out[0];
    return NODE(g, add, &none, NODE(g, add, &none, z, y)->out[0], param(g, "b", DIMS2(4, 6)))
        ->out[0];
}

static Value *build_max_pool(Graph *g)
{
    PoolAttrs attrs = {3, 2, 1, 6, 7};
    return NODE(g, max_pool, &attrs, param(g, "x", DIMS4(2, 3, 6, 7)))->out[0];
}

static Value *build_avg_pool(Graph *g)
{
    return NODE(g, avg_pool, &none, param(g, "x", DIMS4(2, 3, 4, 5)))->out[0];
}

static Value *build_shortcut_a(Graph *g)
{
    ShortcutAttrs attrs = {7, 5, 4};
    return NODE(g, shortcut_a, &attrs, param(g, "x", DIMS4(2, 3, 5, 4)))->out[0];
}

static Value *build_linear(Graph *g)
{
    return NODE(g, linear, &none, param(g, "x", DIMS2(3, 7)), param(g, "w", DIMS2(5, 7)),
                param(g, "b", DIMS1(5)))->out[0];
}

static Value *build_l2norm(Graph *g)
{
    return NODE(g, l2norm, &none, param(g, "x", DIMS2(4, 9)))->out[0];
}

static void fill(Function *f)
{
    for (int i = 0; i < f->graph->values_count; i++) {
        const Value *v = f->graph->values[i];
        if (v->producer || v->role == ROLE_GRAD)
            continue;
        int64_t n = dims_count(v->dims);
        double *x = mem_alloc((size_t)n * sizeof *x);
        for (int64_t j = 0; j < n; j++)
            x[j] = v->dtype == DTYPE_I32 ? rng_below(&f->rng, 5) : rng_normal(&f->rng);
        must(session_write(f->session, v, x, DTYPE_F64));
        free(x);
    }
}

static Function open_function(Graph *g)
{
    Function f = {
        .graph = g, .step = 1e-5, .rng = rng_stream(5, 0, (uint64_t)g->values_count, RNG_TEST)};
    must(session_open(g, &(SessionOptions){.device = "ref"}, &f.session));
    return f;
}

static Graph *new_graph(void)
{
    Graph *g = graph_new();
    g->segment = SEGMENT_QUERY;
    return g;
}

static void check_operator(const char *name, BuildOutput *build)
{
    Graph *g = new_graph();
    Value *y = build(g), *seed = graph_value(g, "seed", ROLE_INPUT, DTYPE_F32, y->dims);
    y->role = ROLE_OUTPUT;
    graph_gradients(g, (GradRoot[]){{y, seed}}, 1);
    Function f = open_function(g);
    f.y = y;
    f.seed = seed;
    fill(&f);
    check_function(&f, name);
}

static void operators(void **unused)
{
    (void)unused;
#define DIFFERENTIABLE_YES(name) check_operator(#name, build_##name);
#define DIFFERENTIABLE_NO(name)
#define OP(name, attrs, grad, remake, mutates, casts, trait) DIFFERENTIABLE_##grad(name)
#include "graph/ops.def"
#undef OP
}

/* ------------------------------------------------------------------------------------ losses */

/* PaCo through q (as anchor and as contrast) and the logits. */
static void check_paco(bool prior, PacoAttrs attrs)
{
    enum { B = 5, D = 7, M = 9, L = 5 };
    Graph *g = new_graph();
    Value *q = NODE(g, l2norm, &none, param(g, "q", DIMS2(B, D)))->out[0];
    Value *k =
        NODE(g, l2norm, &none, graph_value(g, "k", ROLE_STATE, DTYPE_F32, DIMS2(B, D)))->out[0];
    Value *queue =
        NODE(g, l2norm, &none, graph_value(g, "queue", ROLE_STATE, DTYPE_F32, DIMS2(M, D)))->out[0];
    Value *logits = NODE(g, add, &none, param(g, "logits", DIMS2(B, L)),
                         graph_value(g, "more", ROLE_STATE, DTYPE_F32, DIMS2(B, L)))->out[0];
    Value *labels = graph_value(g, "labels", ROLE_INPUT, DTYPE_I32, DIMS1(B));
    Value *queue_labels = graph_value(g, "queue_labels", ROLE_STATE, DTYPE_I32, DIMS1(M));
    Value *log_prior = prior ? graph_value(g, "prior", ROLE_CONSTANT, DTYPE_F32, DIMS1(L)) : NULL;
    Value *loss = graph_value(g, "loss", ROLE_OUTPUT, DTYPE_F32, DIMS1(1));
    Node *n =
        NODE(g, paco_loss, &attrs, q, k, queue, labels, queue_labels, logits, log_prior, loss);
    graph_gradients(g, (GradRoot[]){{q, n->out[0]}, {logits, n->out[1]}}, 2);
    Function f = open_function(g);
    f.loss = loss;
    fill(&f);
    check_function(&f, "paco_loss");
}

static void check_softmax(bool prior)
{
    Graph *g = new_graph();
    Value *logits = NODE(g, relu, &none, param(g, "logits", DIMS2(6, 5)))->out[0];
    Value *labels = graph_value(g, "labels", ROLE_INPUT, DTYPE_I32, DIMS1(6));
    Value *log_prior = prior ? graph_value(g, "prior", ROLE_CONSTANT, DTYPE_F32, DIMS1(5)) : NULL;
    Value *loss = graph_value(g, "loss", ROLE_OUTPUT, DTYPE_F32, DIMS1(1));
    Node *n = NODE(g, softmax_loss, &none, logits, labels, log_prior, loss);
    graph_gradients(g, (GradRoot[]){{logits, n->out[0]}}, 1);
    Function f = open_function(g);
    f.loss = loss;
    fill(&f);
    check_function(&f, "softmax_loss");
}

static void losses(void **unused)
{
    (void)unused;
    check_paco(true, (PacoAttrs){0.05, 1, 1, 1, 0.2, 0.2});
    check_paco(false, (PacoAttrs){0.3, 0.7, 1.5, 2, 0.1, 0.07});
    check_softmax(true);
    check_softmax(false);
}

/* ------------------------------------------------------------------------------------ networks */

static void check_network(const Arch *arch, int size, int batch, bool mlp, Method method)
{
    ModelConfig c = model_small(arch, size, batch, 1);
    c.mlp = mlp;
    c.method = method;
    Model m = model_build(&c);
    Function f = open_function(m.graph);
    f.loss = m.loss;
    f.step = 1e-7; /* thousands of ReLUs: a kink within the step is unlikely */
    model_fill(f.session, &m, &c);
    model_feed(f.session, &m, &c, 0);
    if (method == METHOD_PACO)
        must(session_run(f.session, SEGMENT_KEY, &(StepParams){.grad_scale = 1}));
    /* The unused head of a baseline has no gradient. */
    for (int i = 0; i < m.graph->values_count; i++)
        if (!graph_companion_of(m.graph, m.graph->values[i], ROLE_GRAD))
            m.graph->values[i]->trainable = false;
    check_function(&f, arch->name);
}

static void networks(void **unused)
{
    (void)unused;
    static const Arch basic = {"cifar basic", FAMILY_CIFAR, BLOCK_BASIC, {1, 1, 0, 0}, 1, 16};
    static const Arch groups = {"grouped", FAMILY_IMAGENET, BLOCK_BOTTLENECK, {1, 0, 0, 0}, 8, 4};
    static const Arch torch_basic = {"basic", FAMILY_IMAGENET, BLOCK_BASIC, {1, 0, 0, 0}, 1, 64};
    check_network(&basic, 7, 3, true, METHOD_PACO);
    check_network(&basic, 6, 2, false, METHOD_BALANCED_SOFTMAX);
    check_network(&groups, 13, 2, true, METHOD_PACO);
    check_network(&torch_basic, 10, 2, false, METHOD_CROSS_ENTROPY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators),
        cmocka_unit_test(losses),
        cmocka_unit_test(networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
