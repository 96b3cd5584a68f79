/* Benchmarks of whole steps. Inputs lie on the device before the clock starts; each repeat ends with a wait for the
 * device. Memory is the process's peak beyond what it held before the device was opened. */
#include "train/bench.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
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
    int64_t idle;  /* peak memory before */
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

static Status open_bench(Bench *b)
{
    Options *o = b->options;
    int classes = o->classes ? o->classes : 1000, size = o->size ? o->size : 0;
    const Arch *arch = arch_find(options_word(o, OPTION_ID_arch));
    if (size == 0)
        size = arch->family == FAMILY_CIFAR ? 32 : 224;
    double started = clock_seconds();
    b->idle = clock_peak_memory();
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

static void print_json(const Bench *b, const double *seconds, FILE *out)
{
    int n = b->options->repeats;
    double median = seconds[n / 2], images = (double)b->options->batch;
    const Plan *plan = session_plan(b->session);
    fprintf(out, "{\"what\": \"%s\", \"arch\": \"%s\", \"method\": \"%s\", \"batch\": %d, \"ranks\": %d, \"size\": %d, "
            "\"device\": \"%s\", \"ms_median\": %.3f, \"ms_min\": %.3f, \"ms_max\": %.3f, \"images_per_s\": %.2f, "
            "\"gflops\": %.1f, \"peak_mib\": %.1f, \"device_mib\": %.1f, \"open_s\": %.2f}\n",
            b->evaluation ? "eval" : "step", b->config.arch->name, method_name(b->config.method), b->options->batch,
            b->config.ranks, b->config.size, session_device(b->session), 1e3 * median, 1e3 * seconds[0],
            1e3 * seconds[n - 1], images / median, 1e-9 * plan_flops(b) / median,
            (double)(clock_peak_memory() - b->idle) / (1 << 20), plan ? (double)plan_bytes(plan) / (1 << 20) : 0,
            b->open_seconds);
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

static void print_groups(const Line *lines, int count, double total)
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
    fprintf(stderr, "%-18s %6s %10s %7s %9s %8s\n", "kind of step", "steps", "ms", "share", "GFLOP/s", "GB/s");
    for (int g = 0; g < used; g++)
        fprintf(stderr, "%-18s %6d %10.2f %6.1f%% %9.1f %8.1f\n", groups[g].label, groups[g].count,
                1e3 * groups[g].seconds, 100 * groups[g].seconds / total, 1e-9 * groups[g].flops / groups[g].seconds,
                1e-9 * groups[g].bytes / groups[g].seconds);
}

static Status print_profile(Bench *b)
{
    const Plan *plan = session_plan(b->session);
    if (!plan)
        return status_fail(STATUS_USAGE, "--profile: the reference has no steps to time");
    Line *lines = mem_zero((size_t)plan->steps_count, sizeof *lines);
    double total = 0;
    int count = 0;
    Status status = STATUS_OK;
    for (int i = 0; i < plan->steps_count && status == STATUS_OK; i++) {
        if ((plan->plan_steps[i].segment >= SEGMENT_FOLD) != b->evaluation)
            continue;
        lines[count].step = &plan->steps[i];
        status = plan->backend->elapsed(plan->device, lines[count].step, &lines[count].seconds);
        total += lines[count++].seconds;
    }
    qsort(lines, (size_t)count, sizeof *lines, slower_first);
    if (status == STATUS_OK)
        print_groups(lines, count, total);
    fprintf(stderr, "\n%10s %7s %9s %8s  step\n", "ms", "share", "GFLOP/s", "GB/s");
    for (int i = 0; i < count && i < 60 && status == STATUS_OK; i++) {
        const Step *s = lines[i].step;
        fprintf(stderr, "%10.3f %6.2f%% %9.1f %8.1f  %-16s %-34s %s\n", 1e3 * lines[i].seconds,
                100 * lines[i].seconds / total, 1e-9 * (double)s->flops / lines[i].seconds,
                1e-9 * (double)s->bytes / lines[i].seconds, plan_step_label(s), s->name,
                s->algorithm ? s->algorithm : "");
    }
    free(lines);
    return status;
}

static Status run_bench(Bench *b, FILE *out)
{
    StepParams params = {0};
    int n = b->options->repeats;
    double *seconds = mem_zero((size_t)n, sizeof *seconds);
    Status status = b->evaluation ? session_run(b->session, SEGMENT_FOLD, &params) : STATUS_OK;
    for (int i = 0; i < b->options->untimed + n && status == STATUS_OK; i++) {
        double started = clock_seconds();
        status = run_once(b);
        if (i >= b->options->untimed)
            seconds[i - b->options->untimed] = clock_seconds() - started;
    }
    qsort(seconds, (size_t)n, sizeof *seconds, by_value);
    if (status == STATUS_OK)
        print_json(b, seconds, out);
    free(seconds);
    return status == STATUS_OK && b->options->profile ? print_profile(b) : status;
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
    Status status = session_open(b.model.graph, &session, &b.session);
    const Plan *plan = status == STATUS_OK ? session_plan(b.session) : NULL;
    if (plan && !dump) {
        plan_dump_steps(plan, stdout);
        plan_dump_memory(plan, stdout);
    }
    session_close(b.session);
    return status;
}
