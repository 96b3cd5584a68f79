/* fp16's loss scale, step by step: overflow, skip and growth with one rank and with four, on the reference and on the
 * device; what is scaled and what is not; what keeps float32 beside 16-bit images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_device.h"
#include "support_model.h"

#include "base/arena.h"
#include "device/registry.h"
#include "graph/op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const NoAttrs none = {0};
static const float LR = 0.05f;

static void must(Status status)
{
    if (status != STATUS_OK)
        fail_msg("%s", status_text());
}

/* ------------------------------------------------------------------------------------ subjects */

/* Something that trains with a scaler. */
typedef struct Subject {
    Graph *graph;
    Session *session;
    Value *scaler, *loss;
    Value *x, *labels; /* of the linear layer */
    Model model;       /* of the network */
    ModelConfig config;
} Subject;

enum { B = 3, C = 7, L = 5 };

/* One linear layer under softmax: no image is stored, so that nothing is rounded to 16 bits. */
static Subject build_linear(int ranks, bool scaled)
{
    Graph *g = graph_new();
    Subject s = {.graph = g};
    g->ranks = ranks_whole(ranks);
    g->segment = SEGMENT_QUERY;
    s.x = graph_value(g, "x", ROLE_STATE, DTYPE_F32, DIMS2(B * ranks, C));
    s.labels = graph_value(g, "labels", ROLE_INPUT, DTYPE_I32, DIMS1(B * ranks));
    s.loss = graph_value(g, "loss", ROLE_OUTPUT, DTYPE_F32, DIMS1(ranks));
    s.scaler = scaled ? graph_value(g, "scaler", ROLE_STATE, DTYPE_F32, DIMS1(SCALER_FLOATS)) : NULL;
    Value *w[] = {graph_value(g, "w", ROLE_PARAM, DTYPE_F32, DIMS2(L, C)),
                  graph_value(g, "b", ROLE_PARAM, DTYPE_F32, DIMS1(L))};
    w[0]->trainable = w[1]->trainable = true;
    Value *x = NODE(g, take_rank, &none, s.x)->out[0], *y = NODE(g, take_rank, &none, s.labels)->out[0];
    Value *logits = NODE(g, linear, &none, x, w[0], w[1])->out[0];
    Node *loss = NODE(g, softmax_loss, &none, logits, y, NULL, s.loss, s.scaler);
    graph_gradients(g, (GradRoot[]){{logits, loss->out[0]}}, 1);
    Value *sum[2], *velocity[2];
    for (int i = 0; i < 2; i++) {
        Value *in[1 + GRAD_SUMS_MAX] = {graph_companion_of(g, w[i], ROLE_GRAD)};
        sum[i] = graph_companion(g, w[i], ROLE_GRAD_SUM, i ? "sum.b" : "sum.w");
        velocity[i] = graph_companion(g, w[i], ROLE_MOMENTUM, i ? "momentum.b" : "momentum.w");
        in[1] = sum[i];
        for (int k = 1; k < ranks_sums_held(g->ranks); k++) {
            in[1 + k] = graph_value(g, "partial", ROLE_GRAD_PARTIAL, DTYPE_F32, w[i]->dims);
            in[1 + k]->of = w[i];
        }
        graph_node(g, OP_grad_sum, &none, sizeof none, 1 + ranks_sums_held(g->ranks), in);
    }
    g->segment = SEGMENT_EPILOGUE;
    for (int i = 0; i < 2 && scaled; i++)
        NODE(g, grad_check, &none, sum[i], s.scaler);
    for (int i = 0; i < 2; i++)
        NODE(g, sgd, &((SgdAttrs){0.9, 5e-4}), w[i], sum[i], velocity[i], s.scaler);
    if (scaled)
        NODE(g, scale_update, &SCALER_RULE, s.scaler);
    graph_sort_segments(g);
    return s;
}

static const Arch small = {"cifar basic", FAMILY_CIFAR, BLOCK_BASIC, {1, 1, 0, 0}, 1, 16};

static Subject build_network(int ranks, DType storage)
{
    Subject s = {.config = model_small(&small, 7, B, ranks)};
    s.config.storage = storage;
    s.model = model_build(&s.config);
    s.graph = s.model.graph;
    s.scaler = s.model.scaler;
    s.loss = s.model.loss;
    return s;
}

static void write_normal(const Subject *s, const Value *v, int step, double scale)
{
    int64_t n = dims_count(v->dims);
    float *x = mem_alloc((size_t)n * sizeof *x);
    Rng rng = rng_stream(11, (uint32_t)step, rng_hash(v->name), RNG_TEST);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(scale * rng_normal(&rng));
    must(session_write(s->session, v, x, DTYPE_F32));
    free(x);
}

static void feed(Subject *s, int step)
{
    int32_t y[4 * B];
    if (!s->x) {
        model_feed(s->session, &s->model, &s->config, step);
        return;
    }
    write_normal(s, s->x, step, 16);
    for (int i = 0; i < B * s->graph->ranks.all; i++)
        y[i] = (i + step) % L;
    must(session_write(s->session, s->labels, y, DTYPE_I32));
}

/* A rank that is neither first nor last, where there are several. */
static int broken_rank(const Subject *s)
{
    return s->graph->ranks.all / 2;
}

/* The images of one rank are too large for 16 bits, its features infinite. */
static void feed_broken(Subject *s, int step)
{
    const Value *v = s->x ? s->x : s->model.images_q;
    int64_t n = dims_count(v->dims), each = n / s->graph->ranks.all;
    float *x = mem_alloc((size_t)n * sizeof *x);
    feed(s, step);
    must(session_read(s->session, v, x, DTYPE_F32));
    for (int64_t i = broken_rank(s) * each; i < (broken_rank(s) + 1) * each; i++)
        x[i] = s->x ? INFINITY : x[i] * 1e6f;
    must(session_write(s->session, v, x, DTYPE_F32));
    free(x);
}

static void set_scaler(const Subject *s, double scale, int growth)
{
    const float x[SCALER_FLOATS] = {(float)scale, (float)growth};
    must(session_write(s->session, s->scaler, x, DTYPE_F32));
}

static void expect_scaler(const Subject *s, double scale, int growth, int skips)
{
    float x[SCALER_FLOATS];
    must(session_read(s->session, s->scaler, x, DTYPE_F32));
    if (x[0] != (float)scale || x[1] != (float)growth || x[2] != (float)skips || x[3] != 0)
        fail_msg("scaler %g, growth %g, skips %g, found %g (expected %g, %d, %d, 0)", x[0], x[1], x[2], x[3], scale,
                 growth, skips);
}

static void step(Subject *s)
{
    must(session_step(s->session, (StepParams){.lr = (double)LR, .grad_scale = 1.0 / s->graph->ranks.all}));
    must(session_sync(s->session));
}

static void begin(Subject *s, const char *device, const char *kernels)
{
    must(session_open(s->graph, &(SessionOptions){.device = device, .on = {.kernels = kernels}}, &s->session));
    if (!s->x)
        model_fill(s->session, &s->model, &s->config);
    for (int i = 0; s->x && i < s->graph->values_count; i++)
        if (s->graph->values[i]->role == ROLE_PARAM)
            write_normal(s, s->graph->values[i], 0, 0.5);
    if (s->scaler)
        set_scaler(s, 1024, 0);
}

/* ------------------------------------------------------------------------------------ what a step leaves */

/* All floats of a role, or with ROLE_STATE of what is no scaler. */
typedef struct Floats {
    float *x;
    int64_t count;
} Floats;

static Floats floats_of(const Subject *s, Role role)
{
    Floats f = {0};
    for (int i = 0; i < s->graph->values_count; i++) {
        const Value *v = s->graph->values[i];
        int64_t n = dims_count(v->dims);
        if (v->role != role || v->dtype != DTYPE_F32 || v == s->scaler || v == s->x)
            continue;
        f.x = mem_grow(f.x, (size_t)(f.count + n) * sizeof *f.x);
        must(session_read(s->session, v, f.x + f.count, DTYPE_F32));
        f.count += n;
    }
    assert_true(f.count > 0);
    return f;
}

static bool unchanged(const Subject *s, Role role, Floats *before)
{
    Floats now = floats_of(s, role);
    assert_int_equal(now.count, before->count);
    bool same = memcmp(now.x, before->x, (size_t)now.count * sizeof *now.x) == 0;
    free(before->x);
    *before = now;
    return same;
}

/* Relative L2 distance. */
static double distance(Floats a, Floats b, double scale)
{
    double errors = 0, squares = 0;
    assert_int_equal(a.count, b.count);
    for (int64_t i = 0; i < a.count; i++) {
        errors += pow(a.x[i] / scale - b.x[i], 2);
        squares += pow(b.x[i], 2);
    }
    return sqrt(errors / squares);
}

/* ------------------------------------------------------------------------------------ skips and growth */

/* Weights and momentum keep their bits in a step that overflows, everything else goes on; the next step trains. */
static void check_skips(Subject *s)
{
    static const Role update[] = {ROLE_PARAM, ROLE_MOMENTUM}, goes_on[] = {ROLE_EMA, ROLE_STATE};
    Floats trained[2], others[2] = {{0}};
    feed(s, 0);
    step(s);
    expect_scaler(s, 1024, 1, 0);
    for (int i = 0; i < 2; i++)
        trained[i] = floats_of(s, update[i]);
    for (int i = 0; i < 2 && !s->x; i++)
        others[i] = floats_of(s, goes_on[i]);
    for (int broken = 0; broken < 2; broken++) { /* by its scale; by one rank's numbers */
        if (broken)
            feed_broken(s, 1);
        else
            feed(s, 1);
        set_scaler(s, broken ? 1024 : ldexp(1, 127), 3);
        step(s);
        expect_scaler(s, broken ? 512 : ldexp(1, 126), 0, 1);
        for (int i = 0; i < 2; i++)
            assert_true(unchanged(s, update[i], &trained[i]));
        for (int i = 0; i < 2 && !s->x; i++)
            assert_false(unchanged(s, goes_on[i], &others[i]));
        float loss[4];
        must(session_read(s->session, s->loss, loss, DTYPE_F32));
        for (int r = 0; r < s->graph->ranks.all; r++)
            assert_true(!isfinite(loss[r]) == (broken && r == broken_rank(s)));
        if (!broken) { /* a step after it trains */
            set_scaler(s, 1024, 0);
            feed(s, 2);
            step(s);
            expect_scaler(s, 1024, 1, 0);
            for (int i = 0; i < 2; i++)
                assert_false(unchanged(s, update[i], &trained[i]));
            for (int i = 0; i < 2 && !s->x; i++) /* the key encoder follows the weights that stayed, too */
                assert_false(unchanged(s, goes_on[i], &others[i]));
        }
    }
    for (int i = 0; i < 2; i++) {
        free(trained[i].x);
        free(others[i].x);
    }
}

static void check_growth(Subject *s)
{
    set_scaler(s, 512, 1998);
    feed(s, 0);
    step(s);
    expect_scaler(s, 512, 1999, 0);
    step(s);
    expect_scaler(s, 1024, 0, 0);
    step(s);
    expect_scaler(s, 1024, 1, 0);
}

/* ------------------------------------------------------------------------------------ where */

typedef struct Place {
    const char *device, *kernels;
} Place;

static Place places[4] = {{"ref", NULL}, {"ref32", NULL}};
static int places_count = 2;

static void find_places(void)
{
    const Backend *backend;
    Device *device;
    if (device_open(test_device_name(), NULL, &backend, &device) != STATUS_OK) {
        print_message("skipped: %s\n", status_text());
        return;
    }
    backend->close(device);
    places[places_count++] = (Place){test_device_name(), getenv("PACO_TEST_KERNELS")};
    places[places_count++] = (Place){test_device_name(), "gpu"};
}

/* Every subject everywhere, with one rank and with four. */
static void everywhere(void (*check)(Subject *))
{
    for (int network = 0; network < 2; network++)
        for (int i = 0; i < places_count; i++)
            for (int ranks = 1; ranks <= 4; ranks += 3) {
                Subject s = network ? build_network(ranks, DTYPE_F16) : build_linear(ranks, true);
                begin(&s, places[i].device, places[i].kernels);
                check(&s);
                session_close(s.session);
            }
}

static void overflow_skips_the_update(void **state)
{
    (void)state;
    everywhere(check_skips);
}

static void scale_grows(void **state)
{
    (void)state;
    everywhere(check_growth);
}

/* ------------------------------------------------------------------------------------ what is scaled */

/* Three steps at one scale, or without (0). */
static Subject trained(Subject s, Place place, double scale)
{
    begin(&s, place.device, place.kernels);
    if (scale > 0)
        set_scaler(&s, scale, 0);
    for (int i = 0; i < 3; i++) {
        feed(&s, i);
        step(&s);
    }
    return s;
}

/* A scale that is a power of two changes no bit where nothing is rounded to 16: neither of the loss nor of weights. */
static void linear_is_the_same_at_every_scale(void **state)
{
    (void)state;
    static const Role same[] = {ROLE_PARAM, ROLE_MOMENTUM, ROLE_OUTPUT};
    for (int i = 0; i < places_count; i++)
        for (int ranks = 1; ranks <= 4; ranks += 3) {
            Subject a = trained(build_linear(ranks, true), places[i], 1);
            Subject b = trained(build_linear(ranks, true), places[i], 65536);
            Subject without = trained(build_linear(ranks, false), places[i], 0);
            for (int r = 0; r < 3; r++) {
                Floats x = floats_of(&a, same[r]), y = floats_of(&b, same[r]), z = floats_of(&without, same[r]);
                assert_memory_equal(x.x, y.x, (size_t)x.count * sizeof *x.x);
                assert_true(distance(x, z, 1) < 1e-6);
                free(x.x);
                free(y.x);
                free(z.x);
            }
            Floats x = floats_of(&a, ROLE_GRAD_SUM), y = floats_of(&b, ROLE_GRAD_SUM);
            assert_true(distance(y, x, 65536) < 1e-6);
            free(x.x);
            free(y.x);
            session_close(a.session);
            session_close(b.session);
            session_close(without.session);
        }
}

/* A network in 16 bits makes the steps of float32, as far as its roundings let it: a factor of the scale anywhere would
 * be off by 65536. The bounds, for sums of gradients, momentum, weights and losses, are twice the most that the
 * reference's own roundings make of three steps: of so small a network much. */
static void networks_train_as_in_float32(void **state)
{
    static const double of_fp16[] = {0.09, 0.05, 2e-3, 7e-4}, of_bf16[] = {0.9, 0.8, 0.05, 0.04};
    (void)state;
    for (int i = 0; i < places_count; i++)
        for (int ranks = 1; ranks <= 4; ranks += 3)
            for (DType storage = DTYPE_F16; storage <= DTYPE_BF16; storage++) {
                double scale = storage == DTYPE_F16 ? 65536 : 0;
                Role sums = ranks > 1 ? ROLE_GRAD_SUM : ROLE_GRAD;
                Subject half = trained(build_network(ranks, storage), places[i], scale);
                Subject full = trained(build_network(ranks, DTYPE_F32), places[i], 0);
                const Role roles[] = {sums, ROLE_MOMENTUM, ROLE_PARAM, ROLE_OUTPUT};
                const double *bounds = storage == DTYPE_F16 ? of_fp16 : of_bf16;
                assert_true(!half.scaler == (storage != DTYPE_F16));
                printf("%s, %d ranks, %s:", places[i].device, ranks, dtype_word(storage));
                for (int r = 0; r < 4; r++) {
                    Floats x = floats_of(&half, roles[r]), y = floats_of(&full, roles[r]);
                    double d = distance(x, y, r == 0 && scale > 0 ? scale : 1);
                    printf(" %.2e", d);
                    if (!(d < bounds[r] && d > 0))
                        fail_msg("role %d: %g from float32 (at most %g, and not the same)", (int)roles[r], d, bounds[r]);
                    free(x.x);
                    free(y.x);
                }
                printf("\n");
                session_close(half.session);
                session_close(full.session);
            }
}

/* ------------------------------------------------------------------------------------ what keeps float32 */

/* Most numbers are such that 16 bits cannot hold them. (The gradient of a bias before a batch norm is what rounding
 * leaves of zero.) */
static void expect_float32(const Subject *s, Role role)
{
    int judged = 0;
    for (int i = 0; i < s->graph->values_count; i++) {
        const Value *v = s->graph->values[i];
        if (v->role != role || v->dtype != DTYPE_F32 || v == s->scaler ||
            (role == ROLE_GRAD && v->of->kind == PARAM_LINEAR_BIAS))
            continue;
        int64_t n = dims_count(v->dims), beyond = 0, zeros = 0;
        float *x = mem_alloc((size_t)n * sizeof *x);
        must(session_read(s->session, v, x, DTYPE_F32));
        for (int64_t k = 0; k < n; k++) {
            beyond += dtype_round(s->graph->storage, x[k]) != x[k];
            zeros += x[k] == 0;
        }
        judged += n - zeros >= 5;
        if (n - zeros >= 5 && beyond < (n - zeros) / 2)
            fail_msg("%s: %lld of %lld numbers need more than 16 bits", v->name, (long long)beyond, (long long)n);
        free(x);
    }
    assert_true(judged > 0);
}

/* A value that lives within a step: its name is looked at where the device keeps it. */
static void expect_stored_float32(const Subject *s)
{
    const Plan *plan = session_plan(s->session);
    for (int i = 0; i < s->graph->values_count; i++) {
        const Value *v = s->graph->values[i];
        bool image = v->role == ROLE_ACTIVATION && v->dims.rank == 4 && v->dtype == DTYPE_F32;
        DType stored = plan ? plan->values[i].stored : graph_stored(s->graph, v);
        assert_int_equal(stored, image || value_is_copy(v) ? s->graph->storage : v->dtype);
    }
}

static void masters_and_statistics_keep_float32(void **state)
{
    (void)state;
    static const Role roles[] = {ROLE_PARAM, ROLE_MOMENTUM, ROLE_EMA, ROLE_STATE, ROLE_GRAD};
    for (int i = 0; i < places_count; i++)
        for (DType storage = DTYPE_F16; storage <= DTYPE_BF16; storage++) {
            Subject s = trained(build_network(1, storage), places[i], storage == DTYPE_F16 ? 1024 : 0);
            for (size_t r = 0; r < sizeof roles / sizeof *roles; r++)
                expect_float32(&s, roles[r]);
            expect_stored_float32(&s);
            session_close(s.session);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overflow_skips_the_update),
        cmocka_unit_test(scale_grows),
        cmocka_unit_test(linear_is_the_same_at_every_scale),
        cmocka_unit_test(networks_train_as_in_float32),
        cmocka_unit_test(masters_and_statistics_keep_float32),
    };
    find_places();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
