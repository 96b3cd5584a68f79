/* Benchmarks of whole steps. Inputs lie on the device before the clock starts; each repeat is
 * --inner runs and a wait for the device, so that a GPU's queue stays full as in training. Memory
 * is the process's peak beyond that of the idle program with its driver. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/rng.h"
#include "device/registry.h"
#include "measure/bench_parts.h"
#include "comm/sum.h"
#include "measure/predict.h"
#include "measure/spread.h"
#include "measure/seconds.h"

#include <stdlib.h>
#include <string.h>

static Status fill_bytes(Bench *b, const Value *v)
{
    int64_t n = dims_count(v->dims);
    uint8_t *x = mem_alloc((size_t)n);
    Rng rng = rng_stream(1, 0, rng_hash(v->name), RNG_TEST);
    for (int64_t i = 0; i < n; i++)
        x[i] = (uint8_t)rng_bits(&rng);
    Status status = session_write(b->run.session, v, x, DTYPE_U8);
    free(x);
    return status;
}

Status bench_fill_integers(Bench *b, const Value *v, bool permutation, int below)
{
    int32_t n = (int32_t)dims_count(v->dims), *x = mem_alloc((size_t)n * sizeof *x);
    Rng rng = rng_stream(1, 0, rng_hash(v->name), RNG_TEST);
    if (permutation)
        rng_permutation(&rng, (uint32_t *)x, (uint32_t)n);
    for (int32_t i = 0; !permutation && i < n; i++)
        x[i] = (int32_t)rng_below(&rng, (uint32_t)below);
    Status status = session_write(b->run.session, v, x, DTYPE_I32);
    free(x);
    return status;
}

static Status fill_inputs(Bench *b)
{
    const Model *m = &b->run.model;
    int classes = b->run.config.classes;
    if (b->evaluation)
        return fill_bytes(b, m->eval_images);
    TRY(fill_bytes(b, m->images_q));
    TRY(bench_fill_integers(b, m->labels, false, classes));
    if (b->run.config.method != METHOD_PACO)
        return STATUS_OK;
    TRY(fill_bytes(b, m->images_k));
    return bench_fill_integers(b, m->order, true, classes);
}

/* Weights as training begins with them, at a rate that stays, and class sizes that differ. */
static Status begin(Bench *b)
{
    int classes = b->run.config.classes;
    Schedule schedule = schedule_constant(b->options->lr);
    int64_t *counts = mem_alloc((size_t)classes * sizeof *counts);
    for (int c = 0; c < classes; c++)
        counts[c] = classes - c;
    Status status = run_begin(&b->run, &schedule, 0, counts);
    free(counts);
    return status;
}

/* What program and driver take before there is a model, as the PyTorch yardstick leaves out idle
 * Python and torch. */
Status bench_idle(Bench *b)
{
    const Backend *backend;
    Device *device;
    SessionOptions options = run_session(b->options);
    const char *name = options.device ? options.device : "auto";
    if (strncmp(name, "ref", 3) != 0) {
        TRY(device_open(name, &options.on, &backend, &device));
        backend->close(device);
    }
    b->idle = clock_peak_memory();
    return STATUS_OK;
}

ModelConfig bench_config(Options *o, bool evaluation)
{
    const Arch *arch = arch_at(o->arch);
    int usual = arch_family(arch)->small ? 32 : 224;
    return run_config(o, o->classes ? o->classes : 1000, o->size ? o->size : usual, !evaluation,
                      evaluation ? o->batch : 0);
}

static Status open_bench(Bench *b)
{
    TRY(bench_idle(b));
    double started = clock_seconds();
    ModelConfig config = bench_config(b->options, b->evaluation);
    SessionOptions session = run_session(b->options);
    TRY(run_open(&config, &session, &b->run));
    TRY(begin(b));
    TRY(fill_inputs(b));
    TRY(session_sync(b->run.session));
    b->open_seconds = clock_seconds() - started;
    return STATUS_OK;
}

static Status run_once(Bench *b)
{
    if (b->evaluation)
        return run_eval(&b->run);
    TRY(run_step(&b->run, &b->at));
    return b->run.ahead == RUN_AHEAD_MAX ? run_results(&b->run, &b->at) : STATUS_OK;
}

/* Floating-point operations of one repeat. */
static double plan_flops(const Bench *b)
{
    const Plan *plan = session_plan(b->run.session);
    double flops = 0;
    for (Segment s = 0; plan && s < SEGMENT_COUNT; s++)
        for (int i = plan->begin[s]; i < plan->begin[s + 1]; i++)
            if (segment_trains(s) != b->evaluation && !segment_prepares(s))
                flops += (double)plan->steps[i].flops * segment_turns(s, plan->graph->ranks);
    return flops;
}

/* The device's peak, on a device opened for it: what times operators has no profile. */
static Status measure_peak(const Options *options, Peak *peak)
{
    const Backend *backend;
    Device *device;
    SessionOptions session = run_session(options);
    session.on.profile = true;
    TRY(device_open(session.device ? session.device : "auto", &session.on, &backend, &device));
    Status status = peak_measure(backend, device, peak);
    backend->close(device);
    return status;
}

void bench_put_times(JsonWriter *w, const Bench *b, const double *seconds)
{
    int n = b->options->repeats;
    json_put_text(w, "device", session_device(b->run.session));
    json_put_fixed(w, "ms_median", 1e3 * seconds[n / 2], 3);
    json_put_fixed(w, "ms_min", 1e3 * seconds[0], 3);
    json_put_fixed(w, "ms_max", 1e3 * seconds[n - 1], 3);
}

void bench_put_memory(JsonWriter *w, const Bench *b)
{
    const Plan *plan = session_plan(b->run.session);
    json_put_fixed(w, "peak_mib", (double)b->memory / (1 << 20), 1);
    json_put_fixed(w, "device_mib", plan ? (double)plan_bytes(plan) / (1 << 20) : 0, 1);
}

static void print_json(const Bench *b, const double *seconds, FILE *out)
{
    double median = seconds[b->options->repeats / 2], images = (double)b->options->batch;
    JsonWriter w = {.file = out};
    json_begin_object(&w, NULL, JSON_LINE);
    json_put_text(&w, "what", b->evaluation ? "eval" : "step");
    json_put_text(&w, "arch", b->run.config.arch->name);
    json_put_text(&w, "method", method_name(b->run.config.method));
    json_put_integer(&w, "batch", b->options->batch);
    json_put_integer(&w, "ranks", b->run.config.ranks.all);
    json_put_integer(&w, "size", b->run.config.size);
    json_put_text(&w, "amp", dtype_word(b->run.config.storage));
    json_put_text(&w, "math", math_word(session_math(b->run.session)));
    json_put_integer(&w, "inner", b->options->inner);
    bench_put_times(&w, b, seconds);
    json_put_fixed(&w, "images_per_s", bench_per(images, median), 2);
    json_put_fixed(&w, "gflops", 1e-9 * bench_per(plan_flops(b), median), 1);
    json_put_fixed(&w, "percent_of_peak",
                   100 * bench_per(bench_per(plan_flops(b), median), b->peak.flops), 1);
    bench_put_memory(&w, b);
    json_put_fixed(&w, "open_s", b->open_seconds, 2);
    json_end(&w);
    fputc('\n', out);
}

/* Untimed repeats, then timed ones; seconds, those of one run, come sorted. A profile is that of
 * the last run of a repeat. */
static Status time_runs(Bench *b, Status (*once)(Bench *), double *seconds, double *times)
{
    for (int i = -b->options->untimed; i < b->options->repeats; i++) {
        double started = clock_seconds();
        for (int k = 0; k < b->options->inner; k++)
            TRY(once(b));
        TRY(session_sync(b->run.session));
        if (i < 0)
            continue;
        seconds[i] = (clock_seconds() - started) / b->options->inner;
        if (times)
            TRY(profile_note(b, times, i));
    }
    seconds_sort(seconds, b->options->repeats);
    return STATUS_OK;
}

Status bench_time(Bench *b, Status (*once)(Bench *),
                  void (*print)(const Bench *, const double *, FILE *), FILE *out)
{
    bool device = session_plan(b->run.session) != NULL;
    if (b->options->profile && !device)
        return status_fail(STATUS_USAGE, "--profile: the reference has no steps to time");
    double *times = profile_new(b);
    double *seconds = mem_zero((size_t)b->options->repeats, sizeof *seconds);
    Status status = time_runs(b, once, seconds, times);
    b->memory = clock_peak_memory() - b->idle; /* before the device's peak is measured */
    if (status == STATUS_OK && device)
        status = measure_peak(b->options, &b->peak);
    if (status == STATUS_OK)
        print(b, seconds, out);
    if (status == STATUS_OK && times)
        profile_print(b, times);
    free(times);
    free(seconds);
    return status;
}

Status bench_model(Options *options, bool evaluation, FILE *out)
{
    Bench b = {.options = options, .evaluation = evaluation};
    Status status = open_bench(&b);
    if (status == STATUS_OK && evaluation)
        status = run_fold(&b.run);
    if (status == STATUS_OK)
        status = bench_time(&b, run_once, print_json, out);
    run_close(&b.run);
    return status;
}

Status bench_step_seconds(Options *options, double *median)
{
    Bench b = {.options = options};
    double *seconds = mem_zero((size_t)options->repeats, sizeof *seconds);
    Status status = open_bench(&b);
    if (status == STATUS_OK)
        status = time_runs(&b, run_once, seconds, NULL);
    *median = seconds[options->repeats / 2];
    run_close(&b.run);
    free(seconds);
    return status;
}

/* What it is, what it needs, and how long it takes as far as that can be said beforehand. */
static void print_plan(const Run *run, const Options *options, bool evaluation, FILE *out)
{
    const Plan *plan = session_plan(run->session);
    fprintf(out, "%s, batch %d%s%s, for %s\n", run->config.arch->name, options->batch,
            storage_phrase(run->config.storage), math_phrase(session_math(run->session)),
            session_device(run->session));
    plan_print_summary(plan, out);
    if (plan->info->ceilings.bytes > 0)
        predict_print(plan, evaluation, options->batch, out);
    else
        fprintf(out, "time: not predicted, as the ceilings of devices on paper alone are known; "
                     "`paco bench %s` measures it\n",
                evaluation ? "eval" : "step");
}

Status bench_plan(Options *options, bool evaluation, PlanStage dump, FILE *out)
{
    Run run;
    ModelConfig config = bench_config(options, evaluation);
    SessionOptions session = run_session(options);
    session.plan.dump = dump;
    session.plan.plan_only = session.on.plan_only = true;
    Status status = run_open(&config, &session, &run);
    const Plan *plan = status == STATUS_OK ? session_plan(run.session) : NULL;
    if (status == STATUS_OK && !plan)
        status = status_fail(STATUS_USAGE,
                             "plan: --device %s computes node by node, without a plan. Name a "
                             "device (`paco devices`)",
                             options->device);
    if (plan && !dump)
        print_plan(&run, options, evaluation, out);
    if (plan)
        status = plan_fits(plan);
    run_close(&run);
    return status;
}

/* ------------------------------------------------------------------------------------ processes */

static Status check_request(const Options *o, const SpreadRequest *r)
{
    TRY(options_check_share(o, r->processes));
    if (r->processes % r->nodes != 0)
        return status_fail(STATUS_USAGE, "plan: --nodes %d: %d processes cannot be spread evenly",
                           r->nodes, r->processes);
    return STATUS_OK;
}

/* Opens one process's share: how its gradients travel depends on nothing else. */
static Status open_share(Options *options, int own, Run *run)
{
    ModelConfig config = bench_config(options, false);
    SessionOptions session = run_session(options);
    config.ranks = ranks_share(2 * own, 2, 0);
    session.plan.plan_only = session.on.plan_only = true;
    return run_open(&config, &session, run);
}

/* Of a rank's step: measured by the user, or predicted. */
static Status rank_seconds(const Plan *plan, double rank_ms, int own, double *seconds)
{
    *seconds = 1e-3 * rank_ms;
    if (*seconds <= 0 && plan && plan->info->ceilings.bytes > 0)
        *seconds = predict_seconds(plan, false) / own;
    return *seconds > 0
               ? STATUS_OK
               : status_fail(STATUS_USAGE,
                             "plan: --rank-ms: missing; `paco bench step --ranks 1` measures "
                             "it, devices on paper predict it");
}

Status bench_spread(Options *options, const SpreadRequest *r, FILE *out)
{
    Run run;
    int own = options->ranks / r->processes;
    TRY(check_request(options, r));
    Spread spread = {.ranks = options->ranks,
                     .processes = r->processes,
                     .nodes = r->nodes,
                     .bandwidth = 1e9 / 8 * r->bandwidth,
                     .latency = 1e-6 * r->latency,
                     .rank_images = options->batch / options->ranks,
                     .row = 4 * (int64_t)options->dim + 8};
    Status status = open_share(options, own, &run);
    const Plan *plan = status == STATUS_OK ? session_plan(run.session) : NULL;
    if (status == STATUS_OK)
        status = rank_seconds(plan, r->rank_ms, own, &spread.rank_seconds);
    if (status == STATUS_OK) {
        double *ready = predict_ready(plan, &spread.gradients);
        spread.ready = ready;
        status = spread_print(&spread, out, r->svg);
        free(ready);
    }
    run_close(&run);
    return status;
}
