/* Benchmarks of one operator: a graph of its nodes on made-up zeros. */
#include "measure/bench_parts.h"

#include <stdlib.h>
#include <string.h>

/* OPBENCH(name, numbers, help) */
#define OPBENCH_LIST(X)                                                                            \
    X(conv, 7,                                                                                     \
      "N C H W K R STRIDE [GROUPS]: forward, gradient of the data, gradient of the weights")       \
    X(bn, 4, "N C H W: batch norm with ReLU, forward and backward")                                \
    X(linear, 3, "N C K: fully connected, forward and backward")                                   \
    X(pool, 6, "N C H W WINDOW STRIDE: max pooling, forward and backward")                         \
    X(paco, 4, "B D L M: PaCo loss of B images, L classes, queue of M")                            \
    X(sgd, 2, "ROWS COLUMNS: SGD with momentum over a parameter")                                  \
    X(ema, 2, "ROWS COLUMNS: moving average of a parameter")

static Value *state(Graph *g, const char *name, Dims dims)
{
    return graph_value(g, name, ROLE_STATE, DTYPE_F32, dims);
}

static void build_conv(Graph *g, const int *n)
{
    ConvAttrs attrs = {n[6], n[5] / 2, n[7] ? n[7] : 1, n[2], n[3]};
    Value *x = state(g, "x", DIMS4(n[0], n[1], n[2], n[3]));
    Value *w =
        graph_value(g, "w", ROLE_PARAM, DTYPE_F32, DIMS4(n[4], n[1] / attrs.groups, n[5], n[5]));
    Value *y = NODE(g, conv, &attrs, x, w)->out[0];
    Value *dy = state(g, "dy", y->dims);
    NODE(g, conv_grad_data, &attrs, dy, w, NULL);
    NODE(g, conv_grad_weight, &attrs, x, dy, w);
}

static void build_bn(Graph *g, const int *n)
{
    BnAttrs attrs = {1e-5, 0.1};
    Dims c = DIMS1(n[1]);
    Value *x = state(g, "x", DIMS4(n[0], n[1], n[2], n[3])), *gamma = state(g, "gamma", c),
          *beta = state(g, "beta", c);
    Node *bn = NODE(g, bn_relu, &attrs, x, gamma, beta, state(g, "mean", c), state(g, "var", c));
    NODE(g, bn_relu_grad, &attrs, state(g, "dy", x->dims), x, gamma, bn->out[1], bn->out[2],
         bn->out[0]);
}

static void build_linear(Graph *g, const int *n)
{
    Value *x = state(g, "x", DIMS2(n[0], n[1])), *dy = state(g, "dy", DIMS2(n[0], n[2]));
    Value *w = graph_value(g, "w", ROLE_PARAM, DTYPE_F32, DIMS2(n[2], n[1]));
    Value *b = graph_value(g, "b", ROLE_PARAM, DTYPE_F32, DIMS1(n[2]));
    NODE(g, linear, &(NoAttrs){0}, x, w, b);
    NODE(g, linear_grad_data, &(NoAttrs){0}, dy, w, NULL);
    NODE(g, linear_grad_weight, &(NoAttrs){0}, x, dy);
}

static void build_paco(Graph *g, const int *n)
{
    PacoAttrs attrs = {0.05, 1, 1, 1, 0.2, 0.2};
    Value *q = state(g, "q", DIMS2(n[0], n[1])), *k = state(g, "k", q->dims);
    Value *queue = state(g, "queue", DIMS2(n[3], n[1])),
          *logits = state(g, "logits", DIMS2(n[0], n[2]));
    Value *labels = graph_value(g, "labels", ROLE_INPUT, DTYPE_I32, DIMS1(n[0]));
    Value *queue_labels = graph_value(g, "queue_l", ROLE_STATE, DTYPE_I32, DIMS1(n[3]));
    NODE(g, paco_loss, &attrs, q, k, queue, labels, queue_labels, logits,
         state(g, "prior", DIMS1(n[2])), graph_value(g, "loss", ROLE_OUTPUT, DTYPE_F32, DIMS1(1)));
}

static void build_pool(Graph *g, const int *n)
{
    PoolAttrs attrs = {n[4], n[5], n[4] / 2, n[2], n[3]};
    Node *pool = NODE(g, max_pool, &attrs, state(g, "x", DIMS4(n[0], n[1], n[2], n[3])));
    NODE(g, max_pool_grad, &attrs, state(g, "dy", pool->out[0]->dims), pool->out[1]);
}

static void build_sgd(Graph *g, const int *n)
{
    SgdAttrs attrs = {0.9, 1e-4};
    Dims dims = DIMS2(n[0], n[1]);
    NODE(g, sgd, &attrs, graph_value(g, "w", ROLE_PARAM, DTYPE_F32, dims),
         graph_value(g, "g", ROLE_PARAM, DTYPE_F32, dims),
         graph_value(g, "v", ROLE_PARAM, DTYPE_F32, dims));
}

static void build_ema(Graph *g, const int *n)
{
    EmaAttrs attrs = {0.999};
    Dims dims = DIMS2(n[0], n[1]);
    NODE(g, ema, &attrs, graph_value(g, "k", ROLE_PARAM, DTYPE_F32, dims),
         graph_value(g, "q", ROLE_PARAM, DTYPE_F32, dims));
}

static Status read_shape(const char *op, int needed, int count, char **words, int *n)
{
    if (count < needed || count > needed + 1)
        return status_fail(
            STATUS_USAGE,
            "bench op %s: needs %d numbers (got %d). `paco bench op` lists the operators", op,
            needed, count);
    for (int i = 0; i < count; i++)
        if ((n[i] = atoi(words[i])) < 1 || n[i] > 1 << 20)
            return status_fail(STATUS_USAGE, "bench op %s: '%s' is no size", op, words[i]);
    return STATUS_OK;
}

/* Sizes that no operator can have. */
static Status check_shape(const char *op, const int *n)
{
    int groups = n[7] ? n[7] : 1;
    if (strcmp(op, "conv") == 0 && (n[1] % groups || n[4] % groups))
        return status_fail(
            STATUS_USAGE, "bench op conv: channels are no multiple of the groups (%d and %d vs %d)",
            n[1], n[4], groups);
    if (strcmp(op, "pool") == 0 && n[4] > 16)
        return status_fail(STATUS_USAGE, "bench op pool: window too large (%d vs 16 at most)",
                           n[4]);
    return STATUS_OK;
}

/* Labels are drawn below `classes`. Floats stay the zeros that a session begins with: no kernel's
 * time depends on them, and the program's peak memory is that of the operator. */
static Status fill_labels(Bench *b, const Graph *g, int classes)
{
    for (int i = 0; i < g->values_count; i++) {
        const Value *v = g->values[i];
        if (v->dtype == DTYPE_I32 && (v->role == ROLE_INPUT || v->role == ROLE_STATE))
            TRY(bench_fill_integers(b, v, false, classes));
    }
    return STATUS_OK;
}

static Status run_op_once(Bench *b)
{
    StepParams params = {.grad_scale = 1};
    return session_run(b->run.session, SEGMENT_QUERY, &params);
}

static void print_op(const Bench *b, const double *seconds, FILE *out)
{
    const Plan *plan = session_plan(b->run.session);
    double flops = 0, bytes = 0, median = seconds[b->options->repeats / 2];
    for (int i = 0; plan && i < plan->steps_count; i++) {
        flops += (double)plan->steps[i].flops;
        bytes += (double)plan->steps[i].bytes;
    }
    JsonWriter w = {.file = out};
    json_begin_object(&w, NULL, JSON_LINE);
    json_put_text(&w, "what", "op");
    json_put_text(&w, "amp", dtype_word((DType)b->options->amp));
    json_put_text(&w, "math", math_word(session_math(b->run.session)));
    json_put_integer(&w, "inner", b->options->inner);
    bench_put_times(&w, b, seconds);
    json_put_fixed(&w, "gflops", 1e-9 * bench_per(flops, median), 1);
    json_put_fixed(&w, "gb_per_s", 1e-9 * bench_per(bytes, median), 1);
    json_put_fixed(&w, "percent_of_peak", bench_share_of_peak(flops, bytes, median, &b->peak), 1);
    bench_put_memory(&w, b);
    json_end(&w);
    fputc('\n', out);
}

static Status run_op(Graph *g, int classes, Options *options, FILE *out)
{
    Bench b = {.options = options};
    SessionOptions session = run_session(options);
    session.on.profile = options->profile;
    Status status = bench_idle(&b);
    if (status != STATUS_OK) {
        graph_free(g);
        return status;
    }
    TRY(session_open(g, &session, &b.run.session));
    status = fill_labels(&b, g, classes);
    if (status == STATUS_OK)
        status = bench_time(&b, run_op_once, print_op, out);
    session_close(b.run.session);
    return status;
}

Status bench_op(Options *options, int count, char **words, FILE *out)
{
    static const struct {
        const char *name;
        int numbers;
        void (*build)(Graph *, const int *);
        const char *help;
    } ops[] = {
#define X(name, numbers, help) {#name, numbers, build_##name, help},
        OPBENCH_LIST(X)
#undef X
    };
    int n[8] = {0};
    for (size_t i = 0; count > 0 && i < sizeof ops / sizeof *ops; i++) {
        if (strcmp(words[0], ops[i].name) != 0)
            continue;
        TRY(read_shape(ops[i].name, ops[i].numbers, count - 1, words + 1, n));
        TRY(check_shape(ops[i].name, n));
        Graph *g = graph_new();
        g->segment = SEGMENT_QUERY;
        g->storage = (DType)options->amp;
        ops[i].build(g, n);
        return run_op(g, n[2] ? n[2] : 1, options, out);
    }
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        fprintf(stderr, "paco bench op %s %s\n", ops[i].name, ops[i].help);
    return status_fail(STATUS_USAGE, "bench op: '%s' is no operator of this list",
                       count > 0 ? words[0] : "");
}
