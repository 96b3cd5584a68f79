/* Tuning. Each candidate runs alone on places of the plan itself, with weights and scratch of its
 * own, several times; the fastest run counts. */
#include "measure/tune.h"

#include "base/arena.h"
#include "base/log.h"
#include "measure/bench_parts.h"
#include "model/initial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 5 };

typedef struct Tuner {
    const Backend *backend;
    Device *device;
    Tuning *tuning;
    FILE *out;
    double before, after; /* seconds of all steps: as chosen without tuning, and tuned */
} Tuner;

/* A buffer full of zeros; an absent ref for no bytes. */
static Status take(Tuner *t, uint64_t bytes, Ref *ref)
{
    *ref = (Ref){0};
    if (bytes == 0)
        return STATUS_OK;
    TRY(t->backend->alloc(t->device, bytes, &ref->buf));
    uint8_t *zeros = mem_zero(1, bytes);
    Status status = t->backend->write(t->device, *ref, zeros, bytes);
    free(zeros);
    return status;
}

static Status run_fastest(Tuner *t, Step *step, double *seconds)
{
    *seconds = INFINITY;
    TRY(t->backend->prepare(t->device, step));
    Status status = STATUS_OK;
    for (int i = 0; i < RUNS && status == STATUS_OK; i++) {
        double s = 0;
        status = t->backend->run(t->device, step, 1);
        if (status == STATUS_OK)
            status = t->backend->elapsed(t->device, step, &s);
        *seconds = fmin(*seconds, s);
    }
    t->backend->discard(t->device, step);
    return status;
}

/* One candidate; NULL: what the backend chooses by itself. *name is what ran. */
static Status time_candidate(Tuner *t, const Step *planned, const char *candidate,
                             const char **name, double *seconds)
{
    Step step = *planned;
    step.prepared = NULL;
    step.algorithm = candidate;
    TRY(t->backend->choose(t->device, &step));
    *name = step.algorithm;
    Status status = take(t, step.packed_bytes, &step.packed);
    if (status == STATUS_OK)
        status = take(t, step.workspace_bytes, &step.workspace);
    if (status == STATUS_OK)
        status = run_fastest(t, &step, seconds);
    if (step.packed.buf)
        t->backend->release(t->device, step.packed.buf);
    if (step.workspace.buf)
        t->backend->release(t->device, step.workspace.buf);
    return status;
}

/* Whether the backend takes another algorithm than it is asked for, since one is forced by name. */
static bool is_forced(Tuner *t, const Step *planned)
{
    const char *candidate;
    for (int i = 0; (candidate = t->backend->candidate(t->device, planned, i)); i++) {
        Step step = *planned;
        step.algorithm = candidate;
        if (t->backend->choose(t->device, &step) == STATUS_OK &&
            strcmp(step.algorithm, candidate) != 0)
            return true;
    }
    return false;
}

/* The fastest so far; NULL: none ran. */
typedef struct Best {
    const char *name;
    double seconds;
} Best;

/* Times a candidate; *name is what ran, or was refused: a driver may do so with a large tile, also
 * the default. */
static double try_candidate(Tuner *t, const Step *step, const char *candidate, const char **name,
                            Best *best)
{
    double seconds;
    *name = candidate;
    if (time_candidate(t, step, candidate, name, &seconds) != STATUS_OK) {
        log_warn("%s is left out: %s", *name ? *name : "the default", status_text());
        return INFINITY;
    }
    if (seconds < best->seconds)
        *best = (Best){*name, seconds};
    return seconds;
}

static Status tune_step(Tuner *t, const Step *step)
{
    char key[192];
    const char *own_name, *name, *candidate;
    Best best = {NULL, INFINITY};
    if (is_forced(t, step)) {
        fprintf(t->out, "%-72s %-20s forced by --kernels, not tuned\n", tuning_key(step, key),
                step->algorithm);
        return STATUS_OK;
    }
    double own = try_candidate(t, step, NULL, &own_name, &best);
    for (int i = 0; (candidate = t->backend->candidate(t->device, step, i)); i++)
        if (!own_name || strcmp(candidate, own_name) != 0)
            try_candidate(t, step, candidate, &name, &best);
    if (!best.name)
        return status_fail(STATUS_DEVICE,
                           "tune: %s: the device runs none of its kernels. The last: %s",
                           tuning_key(step, key), status_text());
    tuning_set(t->tuning, step, best.name, best.seconds);
    t->before += isfinite(own) ? own : best.seconds;
    t->after += best.seconds;
    fprintf(t->out, "%-72s %-20s %8.3f ms  %7.1f GFLOP/s%s\n", tuning_key(step, key), best.name,
            1e3 * best.seconds, best.seconds > 0 ? 1e-9 * (double)step->flops / best.seconds : 0,
            best.seconds < own ? "  (changed)" : "");
    return STATUS_OK;
}

static bool tunable(const Step *step)
{
    return step->kind == STEP_GEMM || (step->kind == STEP_CONV && step->conv.op != CONV_PACK);
}

/* Whether an earlier step of the plan computes the same. */
static bool seen_before(const Plan *plan, int number)
{
    char key[192], other[192];
    tuning_key(&plan->steps[number], key);
    for (int i = 0; i < number; i++)
        if (tunable(&plan->steps[i]) && strcmp(tuning_key(&plan->steps[i], other), key) == 0)
            return true;
    return false;
}

static Status tune_plan(const Plan *plan, Tuning *tuning, FILE *out)
{
    Tuner t = {.backend = plan->backend, .device = plan->device, .tuning = tuning, .out = out};
    for (int i = 0; i < plan->steps_count; i++)
        if (tunable(&plan->steps[i]) && !seen_before(plan, i))
            TRY(tune_step(&t, &plan->steps[i]));
    TRY(tuning_save(tuning));
    fprintf(out, "each step once: %.2f ms untuned, %.2f ms tuned; kept in %s\n", 1e3 * t.before,
            1e3 * t.after, tuning_path(tuning));
    return STATUS_OK;
}

Status tune_model(Options *o, bool evaluation, FILE *out)
{
    Run run;
    ModelConfig config = bench_config(o, evaluation);
    SessionOptions options = run_session(o);
    options.on.profile = true;
    options.plan.unbuilt = true;
    Status status = run_open(&config, &options, &run);
    const Plan *plan = status == STATUS_OK ? session_plan(run.session) : NULL;
    if (status == STATUS_OK && !plan)
        status = status_fail(STATUS_USAGE, "tune: the reference has nothing to tune");
    Tuning *tuning = plan ? tuning_load(plan->info, NULL) : NULL;
    if (status == STATUS_OK)
        status = initial_write(run.session, &run.model, &run.config, 0);
    if (status == STATUS_OK)
        status = tune_plan(plan, tuning, out);
    tuning_free(tuning);
    run_close(&run);
    return status;
}
