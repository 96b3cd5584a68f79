/* paco plan: what a training step or an evaluation becomes on a device, before anything runs. */
#include "measure/bench.h"
#include "verbs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define X(name, word, level) "|" word
static const char STAGES[] = PLAN_STAGE_LIST(X);
#undef X

const char usage_plan[] =
    "usage: paco plan step|eval [--dump STAGE] [options]\n"
    "       paco plan step --processes P [--nodes N] [options]\n\n"
    "Sums up the plan: memory of each kind, the steps of each segment and how often they run. --dump "
    "steps lists every\n"
    "step instead with its shapes, places, bytes and flops, --dump memory the slabs and where "
    "memory peaks, another\n"
    "word a stage of compilation, all on stderr. --device cuda:h100 plans for a GPU that is not "
    "there and predicts\n"
    "times of each kind of step (needs the CUDA module and cuDNN, no driver). --processes predicts "
    "how long a step of\n"
    "ranks over processes takes.";

/* The stage of this word; PLAN_STAGE_NONE for any other. */
static PlanStage find_stage(const char *text)
{
#define X(name, word, level)     \
    if (strcmp(text, word) == 0) \
        return PLAN_STAGE_##name;
    PLAN_STAGE_LIST(X)
#undef X
    return PLAN_STAGE_NONE;
}

/* An option of processes with a number. */
typedef struct NumberOption {
    const char *name;
    double low;
    bool whole;
    double *to;
} NumberOption;

static Status take_number(int *argc, char **argv, const NumberOption *o, bool *given)
{
    const char *text = verb_take(argc, argv, o->name);
    *given = text != NULL;
    if (!text)
        return STATUS_OK;
    char *end;
    *o->to = strtod(text, &end);
    if (*text && !*end && isfinite(*o->to) && *o->to >= o->low &&
        (!o->whole || *o->to == floor(*o->to)))
        return STATUS_OK;
    return status_fail(STATUS_USAGE, "plan: %s: not %s of at least %g ('%.60s')", o->name,
                       o->whole ? "a whole number" : "a number", o->low, text);
}

/* *spread: --processes is there, for which the others are. */
static Status take_request(int *argc, char **argv, SpreadRequest *r, bool *spread)
{
    double processes = 1, nodes = 1;
    const NumberOption numbers[] = {
        {"--processes", 1, true, &processes},        {"--nodes", 1, true, &nodes},
        {"--bandwidth", 1e-6, false, &r->bandwidth}, {"--latency", 0, false, &r->latency},
        {"--rank-ms", 1e-6, false, &r->rank_ms},
    };
    bool others = false;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        bool given;
        TRY(take_number(argc, argv, &numbers[i], &given));
        if (i == 0)
            *spread = given;
        else
            others |= given;
    }
    r->processes = (int)fmin(processes, 1e6);
    r->nodes = (int)fmin(nodes, 1e6);
    r->svg = verb_take(argc, argv, "--svg");
    if ((others || r->svg) && !*spread)
        return status_fail(STATUS_USAGE, "plan: --nodes, --bandwidth, --latency, --rank-ms and "
                                         "--svg are for --processes");
    return r->svg && !*r->svg ? status_fail(STATUS_USAGE, "plan: --svg: value missing (FILE)")
                              : STATUS_OK;
}

static Status run(int argc, char **argv, Options *options)
{
    const char *dump = verb_take(&argc, argv, "--dump");
    PlanStage stage = dump ? find_stage(dump) : PLAN_STAGE_NONE;
    if (dump && stage == PLAN_STAGE_NONE)
        return status_fail(STATUS_USAGE, "plan: --dump: '%.60s' is no stage (%s)", dump,
                           STAGES + 1);
    bool evaluation = false, spread = false;
    SpreadRequest request = {.bandwidth = 10, .latency = 20};
    TRY(take_request(&argc, argv, &request, &spread));
    TRY(parse_step_or_eval(argc, argv, options, &evaluation));
    if (spread && evaluation)
        return status_fail(STATUS_USAGE, "plan: --processes: only of a step");
    return spread ? bench_spread(options, &request, stdout) : bench_plan(options, evaluation, stage, stdout);
}

int verb_plan(int argc, char **argv)
{
    return run_with_options(run, argc, argv);
}
