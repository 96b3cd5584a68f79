/* What training starts from and steps by: initial values against the published distributions, and a short run of the
 * trainer itself against steps made by hand: the learning rate of each epoch, the class prior, the loss. */
#include "base/arena.h"
#include "base/file.h"
#include "data/loader.h"
#include "data/sampler.h"
#include "device/registry.h"
#include "support_device.h"
#include "support_files.h"
#include "train/run.h"
#include "train/trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(Status status)
{
    if (status != STATUS_OK)
        fail_msg("%s", status_text());
}

/* ------------------------------------------------------------------------------------ initial values */

typedef struct Moments {
    double mean, deviation, least, most;
    int64_t count;
} Moments;

static double *read_doubles(Session *session, const Value *v)
{
    double *x = mem_alloc((size_t)dims_count(v->dims) * sizeof *x);
    must(session_read(session, v, x, DTYPE_F64));
    return x;
}

static Moments moments(const double *x, int64_t n)
{
    Moments m = {.least = INFINITY, .most = -INFINITY, .count = n};
    double squares = 0;
    for (int64_t i = 0; i < n; i++) {
        m.mean += x[i] / (double)n;
        squares += x[i] * x[i] / (double)n;
        m.least = fmin(m.least, x[i]);
        m.most = fmax(m.most, x[i]);
    }
    m.deviation = sqrt(fmax(squares - m.mean * m.mean, 0));
    return m;
}

/* Mean zero and this deviation, to five standard errors; a deviation of n draws has one of d / sqrt(2 n) (a uniform's
 * is smaller). */
static void check_spread(const char *name, Moments m, double deviation)
{
    double n = (double)m.count;
    if (fabs(m.mean) > 5 * deviation / sqrt(n) || fabs(m.deviation - deviation) > 5 * deviation / sqrt(2 * n) + 0.5 / n)
        fail_msg("%s: mean %g, deviation %g of %lld draws (expected 0, %g)", name, m.mean, m.deviation,
                 (long long)m.count, deviation);
}

static void check_uniform(const char *name, Moments m, double bound)
{
    if (m.most > bound || m.least < -bound)
        fail_msg("%s: from %g to %g (expected within %g)", name, m.least, m.most, bound);
    if (m.count > 30)
        check_spread(name, m, bound / sqrt(3));
}

static bool ends(const char *name, const char *end)
{
    size_t a = strlen(name), b = strlen(end);
    return a >= b && strcmp(name + a - b, end) == 0;
}

/* Batch norms are called bn1, downsample.1, fc.1. */
static bool is_norm(const char *name)
{
    return strstr(name, ".bn") || strstr(name, "downsample.1.") || strstr(name, "encoder_q.fc.1.") ||
           strstr(name, "encoder_k.fc.1.");
}

/* Weights K C R S of a convolution: kaiming normal, of fan out for ImageNet, of fan in for CIFAR networks, whose
 * backbone's fc is drawn likewise; PyTorch's own draw for what else is linear. */
static void check_parameter(const Value *v, const double *x, bool cifar, double inputs)
{
    Moments m = moments(x, dims_count(v->dims));
    const double *one = x;
    if (v->dims.rank == 4) {
        double area = (double)(v->dims.d[2] * v->dims.d[3]);
        double fan = area * (double)(cifar ? v->dims.d[1] : v->dims.d[0]);
        check_spread(v->name, m, sqrt(2 / fan));
    } else if (is_norm(v->name)) {
        double value = ends(v->name, ".weight") || ends(v->name, ".running_var");
        for (int64_t i = 0; i < m.count; i++)
            assert_true(one[i] == value);
    } else if (cifar && ends(v->name, "encoder_q.fc.3.weight")) {
        check_spread(v->name, m, sqrt(2 / inputs));
    } else {
        check_uniform(v->name, m, 1 / sqrt(inputs));
    }
}

static double inputs_of(const Graph *g, const Value *v)
{
    char name[256];
    if (v->dims.rank == 2)
        return (double)v->dims.d[1];
    snprintf(name, sizeof name, "%.*sweight", (int)(strlen(v->name) - strlen("bias")), v->name);
    const Value *weight = ends(v->name, ".bias") ? graph_find(g, name) : NULL;
    return weight && weight->dims.rank == 2 ? (double)weight->dims.d[1] : 0;
}

static void check_queue(Session *session, const Model *m, int classes)
{
    int64_t rows = m->queue->dims.d[0], D = m->queue->dims.d[1];
    double *x = read_doubles(session, m->queue), *labels = read_doubles(session, m->queue_labels);
    int *seen = mem_zero((size_t)classes, sizeof *seen);
    for (int64_t i = 0; i < rows; i++) {
        double squares = 0;
        for (int64_t d = 0; d < D; d++)
            squares += x[i * D + d] * x[i * D + d];
        assert_true(fabs(squares - 1) < 1e-5);
        assert_in_range((int)labels[i], 0, classes - 1);
        seen[(int)labels[i]]++;
    }
    Moments all = moments(x, rows * D);
    check_spread("queue", all, 1 / sqrt((double)D));
    for (int c = 0; c < classes; c++) /* 5 standard errors of a count */
        assert_true(fabs(seen[c] - (double)rows / classes) < 5 * sqrt((double)rows / classes));
    free(seen);
    free(labels);
    free(x);
}

static void check_initial(const char *arch, int size, bool cifar)
{
    Options o;
    options_init(&o);
    must(options_set(&o, "arch", arch));
    must(options_set(&o, "queue", "2000"));
    must(options_set(&o, "batch", "4"));
    int64_t counts[11] = {90, 60, 40, 30, 20, 12, 8, 5, 3, 2, 1};
    ModelConfig config = run_config(&o, 11, size, true, 0);
    Schedule schedule = schedule_constant(0.1);
    Run run;
    must(run_open(&config, &(SessionOptions){.device = "ref32"}, &run));
    must(run_begin(&run, &schedule, 7, counts));
    const Graph *g = run.model.graph;
    for (int i = 0; i < g->values_count; i++) {
        const Value *v = g->values[i];
        if (v->role != ROLE_PARAM && !(v->role == ROLE_STATE && v->kind != PARAM_NONE))
            continue;
        double *x = read_doubles(run.session, v);
        check_parameter(v, x, cifar, inputs_of(g, v));
        const Value *key = v->role == ROLE_PARAM ? graph_companion_of(g, v, ROLE_EMA) : NULL;
        double *copy = key ? read_doubles(run.session, key) : NULL;
        assert_true(!key || memcmp(x, copy, (size_t)dims_count(v->dims) * sizeof *x) == 0);
        assert_true(key || v->role != ROLE_PARAM);
        free(copy);
        free(x);
    }
    check_queue(run.session, &run.model, 11);
    run_close(&run);
    options_free(&o);
}

static void initial_values(void **state)
{
    (void)state;
    check_initial("resnet20", 32, true);
    check_initial("resnet18", 64, false);
    check_initial("resnext50_32x4d", 64, false);
}

/* ------------------------------------------------------------------------------------ the trainer */

enum { EPOCHS = 5, WARMUP = 2, SIDE = 8, BATCH = 700, RANKS = 2 };
static const double RATE = 0.08;

static bool device_there(void)
{
    const Backend *backend;
    Device *device;
    if (device_open(test_device_name(), NULL, &backend, &device) != STATUS_OK) {
        print_message("skipped: %s\n", status_text());
        return false;
    }
    backend->close(device);
    return true;
}

static void parse(Options *o, const char *out)
{
    const char *args[] = {"--dataset", "synthetic", "--arch", "resnet20", "--size", "8", "--batch", "700", "--ranks",
                          "2", "--epochs", "5", "--warmup", "2", "--lr", "0.08", "--queue", "1000", "--dim", "16",
                          "--recipe", "cifar", "--eval-every", "0", "--seed", "3", "--device", test_device_name(),
                          "--out", out};
    must(options_parse(o, OPTION_TRAIN, 0, sizeof args / sizeof *args, (char **)args));
}

/* The published course: lr (e + 1) / W, then half a cosine over the epochs that are left. */
static double published_rate(int epoch)
{
    if (epoch < WARMUP)
        return RATE * (epoch + 1) / WARMUP;
    return RATE / 2 * (1 + cos(acos(-1.0) * (epoch - WARMUP + 1) / (EPOCHS - WARMUP + 1)));
}

/* The prior by its formula, not through the code of the trainer. */
static void write_prior(Session *session, const Model *m, const Dataset *data)
{
    double prior[16];
    for (int c = 0; c < data->classes; c++)
        prior[c] = log((double)data->counts[c] / (double)data->count + 1e-9);
    must(session_write(session, m->prior, prior, DTYPE_F64));
}

/* One step by hand: inputs as the loader brings them, the shuffle drawn here. */
static double step_by_hand(Run *run, const Batch *batch, StepParams state)
{
    uint32_t order[BATCH];
    float loss[RANKS];
    Rng rng = rng_stream(3, batch->epoch, (uint64_t)batch->step, RNG_SHUFFLE);
    rng_permutation(&rng, order, BATCH);
    assert_memory_equal(order, batch->order, sizeof order);
    must(session_write(run->session, run->model.images_q, batch->query, DTYPE_U8));
    must(session_write(run->session, run->model.images_k, batch->key, DTYPE_U8));
    must(session_write(run->session, run->model.labels, batch->labels, DTYPE_I32));
    must(session_write(run->session, run->model.order, order, DTYPE_I32));
    must(session_step(run->session, state));
    must(session_read(run->session, run->model.loss, loss, DTYPE_F32));
    return ((double)loss[0] + loss[1]) / RANKS;
}

/* losses[epoch] of the same run, with rates, queue head and prior as published. */
static void train_by_hand(const char *out, double *losses)
{
    Options o;
    parse(&o, out);
    DatasetSpec spec = options_dataset(&o, true);
    Dataset *data;
    Loader *loader;
    RecipeOptions views;
    const Recipe *recipe = options_recipe(&o, &views);
    must(dataset_open(&spec, &data));
    LoaderSpec load = {.data = data, .views = LOADER_PAIR, .recipe = recipe, .options = views, .seed = 3,
                       .ranks = ranks_whole(RANKS), .batch = BATCH / RANKS, .epochs = EPOCHS};
    must(loader_open(&load, &loader));
    ModelConfig config = run_config(&o, data->classes, SIDE, true, 0);
    SessionOptions session = run_session(&o);
    Schedule unused = schedule_constant(1);
    Run run;
    must(run_open(&config, &session, &run));
    must(run_begin(&run, &unused, 3, data->counts));
    write_prior(run.session, &run.model, data);
    int head = 0, done = 0;
    const Batch *batch;
    for (must(loader_next(loader, &batch)); batch; must(loader_next(loader, &batch))) {
        int64_t steps = sampler_steps_of(data->count, RANKS, BATCH / RANKS);
        StepParams state = {.lr = published_rate((int)batch->epoch), .grad_scale = 1.0 / RANKS, .queue_head = head,
                            .step = done++};
        losses[batch->epoch] += step_by_hand(&run, batch, state) / (double)steps;
        head = (head + BATCH) % 1000;
    }
    loader_close(loader);
    run_close(&run);
    dataset_close(data);
    options_free(&o);
}

/* Number `column` of the row of an epoch in metrics.csv. */
static double metric(const char *text, int epoch, const char *column)
{
    int at = 0;
    char head[512];
    snprintf(head, sizeof head, "%.*s", (int)strcspn(text, "\n"), text);
    for (char *word = strtok(head, ","); word && strcmp(word, column) != 0; word = strtok(NULL, ","))
        at++;
    for (int line = 0; line <= epoch; line++)
        text = strchr(text, '\n') + 1;
    while (at-- > 0)
        text = strchr(text, ',') + 1;
    return strtod(text, NULL);
}

static void trainer_as_by_hand(void **state)
{
    (void)state;
    if (!device_there())
        skip();
    const char *out = test_path("run");
    double losses[EPOCHS] = {0};
    Options o;
    TrainResult result;
    parse(&o, out);
    must(train(&o, NULL, NULL, &result));
    options_free(&o);
    char *path = file_join(out, "metrics.csv"), *text = test_read_text(path);
    train_by_hand(test_path("by_hand"), losses);
    for (int e = 0; e < EPOCHS; e++) {
        double rate = metric(text, e, "lr"), loss = metric(text, e, "loss");
        if (fabs(rate - published_rate(e)) > 1e-8 || fabs(loss - losses[e]) > 1e-7 * losses[e])
            fail_msg("epoch %d: lr %.9g, loss %.9g (by hand %.9g, %.9g)", e, rate, loss, published_rate(e), losses[e]);
    }
    free(text);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(initial_values), cmocka_unit_test(trainer_as_by_hand)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
