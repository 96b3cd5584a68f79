/* A whole training step, backend against backend: gradients of every parameter, all elements, of
 * the float64 reference (or PACO_TEST_REFERENCE, another device) and a device; fused against
 * un-fused; and the same bits from two runs and from two sessions. PACO_TEST_ONLY=PATTERN runs the
 * tests that match it.
 *
 * A tensor's figures are its relative L2 error and the largest |a - b| / (|b| + rms(b)). A gradient
 * that is zero but for rounding (a bias before batch norm) is measured against a thousandth of all
 * gradients together. A ReLU whose input is within rounding of zero moves a few elements by more
 * than rounding: hence the size of the bounds.
 *
 * In 16 bits a number that rounds the other way makes others do so, and behind many layers two correct
 * programs are as far apart as 16 bits and float32. So these networks have one block, each tensor is
 * bounded by how far it moves where batch norm's gammas do by as much as float32's sums are off, and
 * most tensors of the reference without rounding must be outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_files.h"
#include "support_graph.h"
#include "support_model.h"

#include "base/arena.h"
#include "base/rng.h"
#include "device/registry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double RELATIVE_BOUND = 1e-3, ELEMENT_BOUND = 1e-2;
static const double STORED_FLOOR = 1e-5, STORED_MARGIN = 3; /* in 16 bits */

static void must(Status status)
{
    if (status != STATUS_OK)
        fail_msg("%s", status_text());
}

/* One session with its model, filled. */
typedef struct Run {
    ModelConfig config;
    Model model;
    Session *session;
} Run;

static const char *device_name(void)
{
    const char *name = getenv("PACO_TEST_DEVICE");
    return name && *name ? name : "opencl";
}

static const char *reference_name(void)
{
    const char *name = getenv("PACO_TEST_REFERENCE");
    return name && *name ? name : "ref";
}

static Run run_open_with(const ModelConfig *config, SessionOptions options)
{
    Run r = {.config = *config};
    r.model = model_build(config);
    must(session_open(r.model.graph, &options, &r.session));
    model_fill(r.session, &r.model, config);
    return r;
}

static Run run_open(const ModelConfig *config, const char *device, bool no_fuse)
{
    return run_open_with(config, (SessionOptions){.device = device, .plan = {.no_fuse = no_fuse}});
}

/* `steps` steps from step 0 on. */
static void run_steps(Run *r, int steps)
{
    StepParams params = {.lr = 0.05, .grad_scale = 1.0 / r->config.ranks.all};
    for (params.step = 0; params.step < steps; params.step++) {
        model_feed(r->session, &r->model, &r->config, params.step);
        must(session_step(r->session, params));
        params.queue_head =
            (params.queue_head + r->config.batch * r->config.ranks.all) % r->config.queue;
    }
}

static double *read_value(const Run *r, const Value *v)
{
    double *x = mem_alloc((size_t)dims_count(v->dims) * sizeof *x);
    must(session_read(r->session, v, x, DTYPE_F64));
    return x;
}

/* The gradient that SGD uses, or NULL. */
static const Value *gradient(const Run *r, const Value *param)
{
    Role role = r->config.ranks.all > 1 ? ROLE_GRAD_SUM : ROLE_GRAD;
    return param->role == ROLE_PARAM ? graph_companion_of(r->model.graph, param, role) : NULL;
}

/* ------------------------------------------------------------------------------------ gradients */

static double all_gradients_norm(const Run *r)
{
    double squares = 0;
    for (int i = 0; i < r->model.graph->values_count; i++) {
        const Value *g = gradient(r, r->model.graph->values[i]);
        double *x = g ? read_value(r, g) : NULL;
        for (int64_t j = 0; g && j < dims_count(g->dims); j++)
            squares += x[j] * x[j];
        free(x);
    }
    return sqrt(squares);
}

/* Both figures of one tensor; `least` is what its norm counts as at least. */
static Distance gradient_distance(const double *a, const double *b, int64_t n, double least)
{
    double squares = 0, errors = 0;
    for (int64_t i = 0; i < n; i++) {
        squares += b[i] * b[i];
        errors += (a[i] - b[i]) * (a[i] - b[i]);
    }
    double norm = fmax(sqrt(squares), least), rms = norm / sqrt((double)n);
    Distance d = {.relative = sqrt(errors) / norm};
    for (int64_t i = 0; i < n; i++) {
        double share = fabs(a[i] - b[i]) / (fabs(b[i]) + rms);
        if (!(share <= d.element))
            d.element = share, d.where = i;
    }
    return d;
}

static void compare_gradients(const char *what, const Run *a, const Run *b)
{
    double least = 1e-3 * all_gradients_norm(b);
    Distance worst = {0};
    const char *relative_at = "", *element_at = "";
    int tensors = 0;
    for (int i = 0; i < b->model.graph->values_count; i++) {
        const Value *g = gradient(b, b->model.graph->values[i]);
        if (!g)
            continue;
        double *x = read_value(a, graph_find(a->model.graph, g->name)), *y = read_value(b, g);
        Distance d = gradient_distance(x, y, dims_count(g->dims), least);
        if (!(d.relative <= worst.relative))
            worst.relative = d.relative, relative_at = g->name;
        if (!(d.element <= worst.element))
            worst.element = d.element, worst.where = d.where, element_at = g->name;
        tensors++;
        free(x);
        free(y);
    }
    printf("%-34s %3d tensors: L2 %.1e of %.0e (%s), element %.1e of %.0e (%s[%lld])\n", what,
           tensors, worst.relative, RELATIVE_BOUND, relative_at, worst.element, ELEMENT_BOUND,
           element_at, (long long)worst.where);
    assert_true(tensors > 0);
    if (!(worst.relative <= RELATIVE_BOUND && worst.element <= ELEMENT_BOUND))
        fail_msg("%s: gradients differ", what);
}

static ModelConfig config_of(const Arch *arch, int size, int batch, int ranks)
{
    ModelConfig c = model_small(arch, size, batch, ranks);
    c.mlp = arch->family == FAMILY_CIFAR; /* elsewhere 2048 x 2048: slow, and nothing new */
    return c;
}

static void check_parity(const Arch *arch, int size, int batch, int ranks)
{
    char what[128];
    ModelConfig c = config_of(arch, size, batch, ranks);
    Run ref = run_open(&c, reference_name(), false), fused = run_open(&c, device_name(), false);
    Run plain = run_open(&c, device_name(), true);
    run_steps(&ref, 1);
    run_steps(&fused, 1);
    run_steps(&plain, 1);
    snprintf(what, sizeof what, "%s, %d ranks: %s and device", arch->name, ranks, reference_name());
    compare_gradients(what, &fused, &ref);
    snprintf(what, sizeof what, "%s, %d ranks: fused and not", arch->name, ranks);
    compare_gradients(what, &fused, &plain);
    session_close(ref.session);
    session_close(fused.session);
    session_close(plain.session);
}

static void resnet20_one_rank(void **unused)
{
    (void)unused;
    check_parity(arch_find("resnet20"), 17, 6, 1);
}

static void resnet20_two_ranks(void **unused)
{
    (void)unused;
    check_parity(arch_find("resnet20"), 16, 4, 2);
}

/* One block per stage. */
static const Arch short_resnext50 = {
    "short resnext50", FAMILY_IMAGENET, BLOCK_BOTTLENECK, {1, 1, 1, 1}, 32, 4};

static void bottlenecks(void **unused)
{
    (void)unused;
    static const Arch resnet50 = {
        "short resnet50", FAMILY_IMAGENET, BLOCK_BOTTLENECK, {1, 1, 1, 1}, 1, 64};
    static const Arch resnet18 = {
        "short resnet18", FAMILY_IMAGENET, BLOCK_BASIC, {1, 1, 1, 0}, 1, 64};
    check_parity(&resnet50, 37, 3, 1);
    check_parity(&short_resnext50, 34, 3, 1);
    check_parity(&resnet18, 33, 3, 2);
}

/* ------------------------------------------------------------------------------------ 16 bits */

static const double LOSS_SCALE = 1024;
enum { NUDGES = 3 };

/* Moves every gamma of batch norm, up or down, by what float32 is off by in the sums before it: of n
 * terms about sqrt(n) roundings (Higham and Mary, 2019). How many a device has in truth depends on
 * the order of its sums. */
static void nudge(const Run *r, uint32_t number)
{
    double off = 0;
    Rng rng = rng_stream(3, number, rng_hash("nudge"), RNG_TEST);
    for (int i = 0; i < r->model.graph->values_count; i++) {
        const Value *v = r->model.graph->values[i];
        if (v->role == ROLE_PARAM && v->dims.rank > 1) /* weights stand before their batch norm */
            off = ldexp(sqrt((double)(dims_count(v->dims) / v->dims.d[0])), -24);
        if (v->kind != PARAM_BN_WEIGHT && v->kind != PARAM_BN_WEIGHT_LAST)
            continue;
        double *x = read_value(r, v);
        for (int64_t j = 0; j < dims_count(v->dims); j++)
            x[j] *= rng_below(&rng, 2) ? 1 + off : 1 - off;
        must(session_write(r->session, v, x, DTYPE_F64));
        free(x);
    }
}

/* A step of which every gradient is read; nudged: 0 is not at all. */
static Run run_stored(ModelConfig config, DType storage, SessionOptions options, uint32_t nudged)
{
    config.storage = storage;
    Run r = run_open_with(&config, options);
    float scaler[SCALER_FLOATS] = {[SCALER_SCALE] = (float)LOSS_SCALE};
    if (r.model.scaler)
        must(session_write(r.session, r.model.scaler, scaler, DTYPE_F32));
    if (nudged)
        nudge(&r, nudged);
    run_steps(&r, 1);
    return r;
}

/* As of a loss that is not scaled. */
static double *read_unscaled(const Run *r, const char *name)
{
    const Value *v = graph_find(r->model.graph, name);
    double *x = read_value(r, v);
    for (int64_t i = 0; r->model.scaler && i < dims_count(v->dims); i++)
        x[i] /= LOSS_SCALE;
    return x;
}

/* What the norm of a gradient counts as at least. */
static double least_norm(const Run *r)
{
    return 1e-3 * all_gradients_norm(r) / (r->model.scaler ? LOSS_SCALE : 1);
}

static double stored_distance(const Run *a, const Run *b, const Value *gradient, double least)
{
    double *x = read_unscaled(a, gradient->name), *y = read_unscaled(b, gradient->name);
    double distance = gradient_distance(x, y, dims_count(gradient->dims), least).relative;
    free(x);
    free(y);
    return distance;
}

/* A gradient that is zero but for rounding is float32's alone: 1e-5 of all gradients together. */
static double stored_floor(const Run *exact, const Value *gradient, double least)
{
    double *x = read_unscaled(exact, gradient->name), squares = 0;
    for (int64_t i = 0; i < dims_count(gradient->dims); i++)
        squares += x[i] * x[i];
    free(x);
    return sqrt(squares) < least ? 1e3 * STORED_FLOOR : STORED_FLOOR;
}

typedef struct Share {
    double worst; /* the largest share of its bound that a tensor has */
    const char *where;
    int tensors, outside;
} Share;

static Share stored_share(const Run *r, const Run *exact, const Run nudged[NUDGES])
{
    Share share = {.where = ""};
    const double least = least_norm(exact);
    for (int i = 0; i < exact->model.graph->values_count; i++) {
        const Value *g = gradient(exact, exact->model.graph->values[i]);
        if (!g)
            continue;
        double bound = stored_floor(exact, g, least);
        for (int k = 0; k < NUDGES; k++)
            bound = fmax(bound, STORED_MARGIN * stored_distance(&nudged[k], exact, g, least));
        double own = stored_distance(r, exact, g, least) / bound;
        if (getenv("PACO_TEST_VERBOSE"))
            printf("    %-40s %.1e of %.1e\n", g->name, own * bound, bound);
        if (!(own <= share.worst))
            share.worst = own, share.where = g->name;
        share.tensors++;
        share.outside += !(own <= 1);
    }
    return share;
}

static void check_stored(ModelConfig config, DType storage)
{
    static const char *const sets[] = {NULL, "gpu"};
    const SessionOptions reference = {.device = "ref"};
    Run exact = run_stored(config, storage, reference, 0), nudged[NUDGES];
    for (uint32_t k = 0; k < NUDGES; k++)
        nudged[k] = run_stored(config, storage, reference, k + 1);
    Run wide = run_stored(config, DTYPE_F32, reference, 0);
    Share other = stored_share(&wide, &exact, nudged);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        Run device = run_stored(config, storage, (SessionOptions){.device = device_name(), .on.kernels = sets[i]}, 0);
        Share own = stored_share(&device, &exact, nudged);
        printf("%s, %d ranks, %s, %s kernels: %.2f of its bound (%s); without rounding %.1f (%s), %d of %d tensors "
               "outside\n", config.arch->name, config.ranks.all, dtype_word(storage), sets[i] ? sets[i] : "own",
               own.worst, own.where, other.worst, other.where, other.outside, other.tensors);
        assert_true(own.tensors > 0);
        if (own.outside)
            fail_msg("%s: gradients differ", dtype_word(storage));
        session_close(device.session);
    }
    assert_true(2 * other.outside > other.tensors);
    session_close(exact.session);
    session_close(wide.session);
    for (int k = 0; k < NUDGES; k++)
        session_close(nudged[k].session);
}

/* Whether the device rounds where the reference does. */
static bool rounds_alike(void)
{
    const Backend *backend;
    Device *device;
    must(device_open(device_name(), &(DeviceOptions){0}, &backend, &device));
    bool alike = !(backend->opened(device)->caps & CAP_ROUNDED_SUMS);
    backend->close(device);
    return alike;
}

static void stored(void **unused)
{
    (void)unused;
    if (!rounds_alike()) {
        printf("skipped: gradients in 16 bits: the device rounds sums before what is added to them\n");
        return;
    }
    static const Arch basic = {"one block of resnet20", FAMILY_CIFAR, BLOCK_BASIC, {1}, 1, 64};
    static const Arch bottleneck = {"one block of resnext50", FAMILY_IMAGENET, BLOCK_BOTTLENECK, {1}, 32, 4};
    static const DType formats[] = {DTYPE_F16, DTYPE_BF16};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        check_stored(config_of(&basic, 17, 6, 1), formats[i]);
        check_stored(config_of(&basic, 16, 4, 2), formats[i]);
        check_stored(config_of(&bottleneck, 34, 3, 1), formats[i]);
    }
}

/* ------------------------------------------------------------------------------------ the same
 * bits */

/* Everything that lives from step to step and what the host reads. */
static bool is_kept(const Value *v)
{
    return v->role != ROLE_ACTIVATION && v->role != ROLE_DERIVED && v->role != ROLE_INPUT &&
           v->role != ROLE_CONSTANT;
}

static void check_same(const Run *a, const Run *b, double *const *earlier, const char *what)
{
    const Graph *g = a->model.graph;
    for (int i = 0; i < g->values_count; i++) {
        const Value *v = g->values[i];
        if (!is_kept(v) || !strcmp(v->name, "step_state"))
            continue;
        double *x = read_value(a, v), *y = b ? read_value(b, b->model.graph->values[i]) : NULL;
        if (memcmp(x, y ? y : earlier[i], (size_t)dims_count(v->dims) * sizeof *x))
            fail_msg("%s: the bits of %s differ", what, v->name);
        free(x);
        free(y);
    }
}

/* Momentum begins as zeros; model_fill writes the rest. */
static void clear_momentum(const Run *r)
{
    for (int i = 0; i < r->model.graph->values_count; i++) {
        const Value *v = r->model.graph->values[i];
        if (v->role != ROLE_MOMENTUM)
            continue;
        double *zeros = mem_zero((size_t)dims_count(v->dims), sizeof *zeros);
        must(session_write(r->session, v, zeros, DTYPE_F64));
        free(zeros);
    }
}

/* `kernels`: forced ones, NULL: the device's own. */
static void check_two_runs(const char *kernels, ModelConfig c)
{
    char what[128];
    SessionOptions options = {.device = device_name(), .on.kernels = kernels};
    Run a = run_open_with(&c, options), b = run_open_with(&c, options);
    run_steps(&a, 2);
    run_steps(&b, 2);
    snprintf(what, sizeof what, "%s: %s kernels, two sessions", c.arch->name, kernels ? kernels : "own");
    check_same(&a, &b, NULL, what);
    int count = a.model.graph->values_count;
    double **first = mem_zero((size_t)count, sizeof *first);
    for (int i = 0; i < count; i++)
        if (is_kept(a.model.graph->values[i]) &&
            strcmp(a.model.graph->values[i]->name, "step_state"))
            first[i] = read_value(&a, a.model.graph->values[i]);
    model_fill(a.session, &a.model, &c);
    clear_momentum(&a);
    run_steps(&a, 2);
    snprintf(what, sizeof what, "%s: %s kernels, the same session again", c.arch->name,
             kernels ? kernels : "own");
    check_same(&a, NULL, first, what);
    for (int i = 0; i < count; i++)
        free(first[i]);
    free(first);
    session_close(a.session);
    session_close(b.session);
}

static void two_runs(void **unused)
{
    (void)unused;
    static const char *const sets[] = {NULL, "gpu"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        check_two_runs(sets[i], config_of(arch_find("resnet20"), 12, 5, 2));
        check_two_runs(sets[i], config_of(&short_resnext50, 35, 3, 1));
    }
}

/* Teams that join through sub-groups and through local memory alone. */
static void teams(void **unused)
{
    (void)unused;
    const DeviceOptions subgroups = {.kernels = "gpu,teams=subgroups"}, local = {.kernels = "gpu,teams=local"};
    const Backend *backend;
    Device *device;
    if (device_open(device_name(), &subgroups, &backend, &device) != STATUS_OK)
        test_skip(status_text());
    backend->close(device);
    ModelConfig c = model_small(arch_find("resnet20"), 12, 5, 2);
    Run a = run_open_with(&c, (SessionOptions){.device = device_name(), .on = subgroups});
    Run b = run_open_with(&c, (SessionOptions){.device = device_name(), .on = local});
    run_steps(&a, 2);
    run_steps(&b, 2);
    check_same(&a, &b, NULL, "sub-groups and local memory");
    session_close(a.session);
    session_close(b.session);
}

int main(void)
{
    const Backend *backend;
    Device *device;
    if (device_open(device_name(), &(DeviceOptions){0}, &backend, &device) != STATUS_OK) {
        fprintf(stderr, "skipped: %s\n", status_text());
        return 77;
    }
    backend->close(device);
    const struct CMUnitTest few[] = {cmocka_unit_test(resnet20_two_ranks), cmocka_unit_test(stored)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resnet20_one_rank),
        cmocka_unit_test(resnet20_two_ranks),
        cmocka_unit_test(bottlenecks),
        cmocka_unit_test(stored),
        cmocka_unit_test(two_runs),
        cmocka_unit_test(teams),
    };
    if (getenv("PACO_TEST_ONLY"))
        cmocka_set_test_filter(getenv("PACO_TEST_ONLY"));
    return getenv("PACO_SHORT") ? cmocka_run_group_tests(few, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
}
