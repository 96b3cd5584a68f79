/* Benchmarks of whole steps. Inputs lie on the device before the clock starts; each repeat ends
 * with a wait for the device. Memory is the process's peak beyond that of the idle program with its
 * driver. */
#include "measure/bench.h"

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/rng.h"
#include "device/registry.h"
#include "measure/peak.h"
#include "train/setup.h"

#include <stdlib.h>
#include <string.h>

typedef struct Bench {
    Options *options;
    bool evaluation;
    ModelConfig config;
    Model model;
    Session *session;
    double open_seconds;
    int64_t idle;   /* peak memory before */
    int64_t memory; /* peak memory of what ran, beyond that */
    Peak peak;      /* the device's; zeros of the reference, of which nothing is known */
} Bench;

static Status fill_bytes(Bench *b, const Value *v)
{
    int64_t n = dims_count(v->dims);
    uint8_t *x = mem_alloc((size_t)n);
    Rng rng = rng_stream(1, 0, rng_hash(v->name), RNG_TEST);
    for (int64_t i = 0; i < n; i++)
        x[i] = (uint8_t)rng_bits(&rng);
    Status status = session_write(b->session, v, x, DTYPE_U8);
    free(x);
    return status;
}

static Status fill_integers(Bench *b, const Value *v, bool permutation)
{
    int32_t n = (int32_t)dims_count(v->dims), *x = mem_alloc((size_t)n * sizeof *x);
    Rng rng = rng_stream(1, 0, rng_hash(v->name), RNG_TEST);
    if (permutation)
        rng_permutation(&rng, (uint32_t *)x, (uint32_t)n);
    for (int32_t i = 0; !permutation && i < n; i++)
        x[i] = (int32_t)rng_below(&rng, (uint32_t)b->config.classes);
    Status status = session_write(b->session, v, x, DTYPE_I32);
    free(x);
    return status;
}

static Status fill_inputs(Bench *b)
{
    const Model *m = &b->model;
    int64_t *counts = mem_alloc((size_t)b->config.classes * sizeof *counts);
    for (int c = 0; c < b->config.classes; c++)
        counts[c] = b->config.classes - c;
    Status status = setup_initial(b->session, m, &b->config, 0);
    if (status == STATUS_OK)
        status = setup_prior(b->session, m, counts);
    free(counts);
    TRY(status);
    if (b->evaluation)
        return fill_bytes(b, m->eval_images);
    TRY(fill_bytes(b, m->images_q));
    TRY(fill_integers(b, m->labels, false));
    if (b->config.method != METHOD_PACO)
        return STATUS_OK;
    TRY(fill_bytes(b, m->images_k));
    return fill_integers(b, m->order, true);
}

/* What program and driver take before there is a model, as the PyTorch yardstick leaves out idle
 * Python and torch. */
static Status measure_idle(Bench *b)
{
    const Backend *backend;
    Device *device;
    SessionOptions options = setup_session(b->options);
    const char *name = options.device ? options.device : "auto";
    if (strncmp(name, "ref", 3) != 0) {
        TRY(device_open(name, &options.on, &backend, &device));
        backend->close(device);
    }
    b->idle = clock_peak_memory();
    return STATUS_OK;
}

static Status open_bench(Bench *b)
{
    Options *o = b->options;
    int classes = o->classes ? o->classes : 1000, size = o->size ? o->size : 0;
    const Arch *arch = arch_find(options_word(o, OPTION_ID_arch));
    if (size == 0)
        size = arch->family == FAMILY_CIFAR ? 32 : 224;
    TRY(measure_idle(b));
    double started = clock_seconds();
    b->config = setup_model(o, classes, size, !b->evaluation, b->evaluation ? o->batch : 0);
    TRY(model_check(&b->config));
    b->model = model_build(&b->config);
    SessionOptions session = setup_session(o);
    TRY(session_open(b->model.graph, &session, &b->session));
    TRY(fill_inputs(b));
    TRY(session_sync(b->session));
    b->open_seconds = clock_seconds() - started;
    return STATUS_OK;
}

static Status run_once(Bench *b)
{
    StepParams params = {.lr = b->options->lr, .grad_scale = 1.0 / b->config.ranks};
    if (b->evaluation)
        TRY(session_run(b->session, SEGMENT_EVAL, &params));
    else
        TRY(session_step(b->session, params));
    return session_sync(b->session);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Floating-point operations of one repeat: KEY and QUERY run once for every virtual rank. */
static double plan_flops(const Bench *b)
{
    const Plan *plan = session_plan(b->session);
    double flops = 0;
    for (int s = 0; plan && s < SEGMENT_COUNT; s++) {
        bool training = s <= SEGMENT_EPILOGUE, looped = s == SEGMENT_KEY || s == SEGMENT_QUERY;
        for (int i = plan->begin[s]; i < plan->begin[s + 1]; i++)
            if (training != b->evaluation && s != SEGMENT_FOLD)
                flops += (double)plan->steps[i].flops * (looped ? b->config.ranks : 1);
    }
    return flops;
}

/* a / b; 0 where the device's clock is too coarse for b. */
static double per(double a, double b)
{
    return b > 0 ? a / b : 0;
}

/* The device's peak, on a device opened for it: what times operators has no profile. */
static Status measure_peak(const Options *options, Peak *peak)
{
    const Backend *backend;
    Device *device;
    SessionOptions session = setup_session(options);
    session.on.profile = true;
    TRY(device_open(session.device ? session.device : "auto", &session.on, &backend, &device));
    Status status = peak_measure(backend, device, peak);
    backend->close(device);
    return status;
}

/* The device and its times, sorted; the memory: what every line of JSON holds. */
static void put_times(JsonWriter *w, const Bench *b, const double *seconds)
{
    int n = b->options->repeats;
    json_put_text(w, "device", session_device(b->session));
    json_put_fixed(w, "ms_median", 1e3 * seconds[n / 2], 3);
    json_put_fixed(w, "ms_min", 1e3 * seconds[0], 3);
    json_put_fixed(w, "ms_max", 1e3 * seconds[n - 1], 3);
}

static void put_memory(JsonWriter *w, const Bench *b)
{
    const Plan *plan = session_plan(b->session);
    json_put_fixed(w, "peak_mib", (double)b->memory / (1 << 20), 1);
    json_put_fixed(w, "device_mib", plan ? (double)plan_bytes(plan) / (1 << 20) : 0, 1);
}

static void print_json(const Bench *b, const double *seconds, FILE *out)
{
    double median = seconds[b->options->repeats / 2], images = (double)b->options->batch;
    JsonWriter w = {.file = out};
    json_begin_object(&w, NULL, JSON_LINE);
    json_put_text(&w, "what", b->evaluation ? "eval" : "step");
    json_put_text(&w, "arch", b->config.arch->name);
    json_put_text(&w, "method", method_name(b->config.method));
    json_put_integer(&w, "batch", b->options->batch);
    json_put_integer(&w, "ranks", b->config.ranks);
    json_put_integer(&w, "size", b->config.size);
    put_times(&w, b, seconds);
    json_put_fixed(&w, "images_per_s", per(images, median), 2);
    json_put_fixed(&w, "gflops", 1e-9 * per(plan_flops(b), median), 1);
    json_put_fixed(&w, "percent_of_peak", 100 * per(per(plan_flops(b), median), b->peak.flops), 1);
    put_memory(&w, b);
    json_put_fixed(&w, "open_s", b->open_seconds, 2);
    json_end(&w);
    fputc('\n', out);
}

/* ------------------------------------------------------------------------------------ profile */

typedef struct Line {
    const Step *step;
    double seconds;
} Line;

typedef struct Group {
    const char *label;
    double seconds, flops, bytes;
    int count;
} Group;

static int slower_first(const void *a, const void *b)
{
    double x = ((const Line *)a)->seconds, y = ((const Line *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* How much of what the device can do a step reaches: of its multiply-adds or of its memory,
 * whichever is more. */
static double share_of_peak(double flops, double bytes, double seconds, const Peak *peak)
{
    double f = per(per(flops, seconds), peak->flops), b = per(per(bytes, seconds), peak->bandwidth);
    return 100 * (f > b ? f : b);
}

static void print_groups(const Line *lines, int count, double total, const Peak *peak)
{
    Group groups[64];
    int used = 0;
    for (int i = 0; i < count; i++) {
        const char *label = plan_step_label(lines[i].step);
        int g = 0;
        while (g < used && strcmp(groups[g].label, label) != 0)
            g++;
        if (g == used && used < 64)
            groups[used++] = (Group){.label = label};
        groups[g].seconds += lines[i].seconds;
        groups[g].flops += (double)lines[i].step->flops;
        groups[g].bytes += (double)lines[i].step->bytes;
        groups[g].count++;
    }
    fprintf(stderr,
            "peak measured: %.1f GFLOP/s, %.1f GB/s; a step's share of it is that of what limits "
            "it. Operations "
            "are those of the textbook: Winograd's form does fewer, and caches move more than "
            "memory: shares may pass "
            "100 %%\n",
            1e-9 * peak->flops, 1e-9 * peak->bandwidth);
    fprintf(stderr, "%-18s %6s %10s %7s %9s %8s %8s\n", "kind of step", "steps", "ms", "share",
            "GFLOP/s", "GB/s", "of peak");
    for (int g = 0; g < used; g++)
        fprintf(stderr, "%-18s %6d %10.2f %6.1f%% %9.1f %8.1f %7.1f%%\n", groups[g].label,
                groups[g].count, 1e3 * groups[g].seconds, 100 * per(groups[g].seconds, total),
                1e-9 * per(groups[g].flops, groups[g].seconds),
                1e-9 * per(groups[g].bytes, groups[g].seconds),
                share_of_peak(groups[g].flops, groups[g].bytes, groups[g].seconds, peak));
}

static void print_lines(const Line *lines, int count, double total, const Peak *peak)
{
    fprintf(stderr, "\n%10s %7s %9s %8s %8s  step\n", "ms", "share", "GFLOP/s", "GB/s", "of peak");
    for (int i = 0; i < count; i++) {
        const Step *s = lines[i].step;
        double flops = (double)s->flops, bytes = (double)s->bytes, seconds = lines[i].seconds;
        fprintf(stderr, "%10.3f %6.2f%% %9.1f %8.1f %7.1f%%  %-16s %-34s %s\n", 1e3 * seconds,
                100 * per(seconds, total), 1e-9 * per(flops, seconds), 1e-9 * per(bytes, seconds),
                share_of_peak(flops, bytes, seconds, peak), plan_step_label(s), s->name,
                s->algorithm ? s->algorithm : "");
    }
}

/* Notes what every step took in the last run: times[step][repeats]. */
static Status note_times(const Bench *b, double *times, int repeat)
{
    const Plan *plan = session_plan(b->session);
    for (int i = 0; i < plan->steps_count; i++)
        if ((plan->plan_steps[i].segment >= SEGMENT_FOLD) == b->evaluation)
            TRY(plan->backend->elapsed(plan->device, &plan->steps[i],
                                       &times[i * b->options->repeats + repeat]));
    return STATUS_OK;
}

/* The steps' medians, slowest first, with a summary by kind. */
static void print_profile(const Bench *b, double *times)
{
    const Plan *plan = session_plan(b->session);
    int repeats = b->options->repeats;
    Line *lines = mem_zero((size_t)plan->steps_count, sizeof *lines);
    double total = 0;
    int count = 0;
    for (int i = 0; i < plan->steps_count; i++) {
        if ((plan->plan_steps[i].segment >= SEGMENT_FOLD) != b->evaluation)
            continue;
        double *own = times + i * repeats;
        qsort(own, (size_t)repeats, sizeof *own, by_value);
        lines[count++] = (Line){&plan->steps[i], own[repeats / 2]};
        total += own[repeats / 2];
    }
    qsort(lines, (size_t)count, sizeof *lines, slower_first);
    print_groups(lines, count, total, &b->peak);
    print_lines(lines, count, total, &b->peak);
    free(lines);
}

/* Seconds of every repeat, and of every step in each with a profile, else *times is NULL. */
static double *times_new(const Bench *b, double **times)
{
    const Plan *plan = session_plan(b->session);
    size_t n = (size_t)b->options->repeats;
    *times = plan && b->options->profile ? mem_zero((size_t)plan->steps_count * n, sizeof **times)
                                         : NULL;
    return mem_zero(n, sizeof **times);
}

/* Untimed runs, then timed ones; seconds come sorted. */
static Status time_runs(Bench *b, Status (*once)(Bench *), double *seconds, double *times)
{
    for (int i = -b->options->untimed; i < b->options->repeats; i++) {
        double started = clock_seconds();
        TRY(once(b));
        if (i < 0)
            continue;
        seconds[i] = clock_seconds() - started;
        if (times)
            TRY(note_times(b, times, i));
    }
    qsort(seconds, (size_t)b->options->repeats, sizeof *seconds, by_value);
    return STATUS_OK;
}

/* Times the runs, then measures the device, and prints a line and, where asked for, the profile. */
static Status time_and_print(Bench *b, Status (*once)(Bench *),
                             void (*print)(const Bench *, const double *, FILE *), FILE *out)
{
    if (b->options->profile && !session_plan(b->session))
        return status_fail(STATUS_USAGE, "--profile: the reference has no steps to time");
    double *times, *seconds = times_new(b, &times);
    Status status = time_runs(b, once, seconds, times);
    b->memory = clock_peak_memory() - b->idle; /* before the device's peak is measured */
    if (status == STATUS_OK && session_plan(b->session))
        status = measure_peak(b->options, &b->peak);
    if (status == STATUS_OK)
        print(b, seconds, out);
    if (status == STATUS_OK && times)
        print_profile(b, times);
    free(times);
    free(seconds);
    return status;
}

static Status run_bench(Bench *b, FILE *out)
{
    StepParams params = {0};
    if (b->evaluation)
        TRY(session_run(b->session, SEGMENT_FOLD, &params));
    return time_and_print(b, run_once, print_json, out);
}

Status bench_model(Options *options, bool evaluation, FILE *out)
{
    Bench b = {.options = options, .evaluation = evaluation};
    Status status = open_bench(&b);
    if (status == STATUS_OK)
        status = run_bench(&b, out);
    session_close(b.session);
    return status;
}

Status bench_plan(Options *options, bool evaluation, const char *dump)
{
    Bench b = {.options = options, .evaluation = evaluation};
    int classes = options->classes ? options->classes : 1000;
    const Arch *arch = arch_find(options_word(options, OPTION_ID_arch));
    int size = options->size ? options->size : arch->family == FAMILY_CIFAR ? 32 : 224;
    b.config = setup_model(options, classes, size, !evaluation, evaluation ? options->batch : 0);
    TRY(model_check(&b.config));
    b.model = model_build(&b.config);
    SessionOptions session = setup_session(options);
    session.plan.dump = dump;
    session.plan.plan_only = true;
    Status status = session_open(b.model.graph, &session, &b.session);
    const Plan *plan = status == STATUS_OK ? session_plan(b.session) : NULL;
    if (plan && !dump) {
        plan_dump_steps(plan, stdout);
        plan_dump_memory(plan, stdout);
    }
    if (plan)
        status = plan_fits(plan);
    session_close(b.session);
    return status;
}

/* ------------------------------------------------------------------------------------ one operator
 */

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
static Status fill_labels(Bench *b, const Graph *g)
{
    for (int i = 0; i < g->values_count; i++) {
        const Value *v = g->values[i];
        if (v->dtype == DTYPE_I32 && (v->role == ROLE_INPUT || v->role == ROLE_STATE))
            TRY(fill_integers(b, v, false));
    }
    return STATUS_OK;
}

static Status run_op_once(Bench *b)
{
    StepParams params = {.grad_scale = 1};
    TRY(session_run(b->session, SEGMENT_QUERY, &params));
    return session_sync(b->session);
}

static void print_op(const Bench *b, const double *seconds, FILE *out)
{
    const Plan *plan = session_plan(b->session);
    double flops = 0, bytes = 0, median = seconds[b->options->repeats / 2];
    for (int i = 0; plan && i < plan->steps_count; i++) {
        flops += (double)plan->steps[i].flops;
        bytes += (double)plan->steps[i].bytes;
    }
    JsonWriter w = {.file = out};
    json_begin_object(&w, NULL, JSON_LINE);
    json_put_text(&w, "what", "op");
    put_times(&w, b, seconds);
    json_put_fixed(&w, "gflops", 1e-9 * per(flops, median), 1);
    json_put_fixed(&w, "gb_per_s", 1e-9 * per(bytes, median), 1);
    json_put_fixed(&w, "percent_of_peak", share_of_peak(flops, bytes, median, &b->peak), 1);
    put_memory(&w, b);
    json_end(&w);
    fputc('\n', out);
}

static Status run_op(Graph *g, int classes, Options *options, FILE *out)
{
    Bench b = {.options = options, .config.classes = classes};
    SessionOptions session = setup_session(options);
    session.on.profile = options->profile;
    TRY(measure_idle(&b));
    TRY(session_open(g, &session, &b.session));
    Status status = fill_labels(&b, g);
    if (status == STATUS_OK)
        status = time_and_print(&b, run_op_once, print_op, out);
    session_close(b.session);
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
        ops[i].build(g, n);
        return run_op(g, n[2] ? n[2] : 1, options, out);
    }
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        fprintf(stderr, "paco bench op %s %s\n", ops[i].name, ops[i].help);
    return status_fail(STATUS_USAGE, "bench op: '%s' is no operator of this list",
                       count > 0 ? words[0] : "");
}
