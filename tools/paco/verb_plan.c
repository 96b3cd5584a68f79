/* paco plan: what a training step or an evaluation becomes on a device, before anything runs. */
#include "measure/bench.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

#define X(name, word, level) "|" word
static const char STAGES[] = PLAN_STAGE_LIST(X);
#undef X

/* The help begins with the stages. */
static const char USAGE[] =
    "usage: paco plan step|eval [--dump %s] [options]\n\n"
    "Lists the steps of the plan with shapes, places, bytes and flops, then the memory of every "
    "slab and where its\n"
    "peak is; --dump prints one stage of compilation instead. --device cuda:h100 plans for "
    "a GPU that is not there and\n"
    "predicts times of each kind of step (needs the CUDA module and cuDNN, no driver).";

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

/* Takes `--dump STAGE` out of the arguments: it is no option of a run. NULL: not there; "": without
 * its stage. */
static const char *take_dump(int *argc, char **argv)
{
    for (int i = 1; i < *argc; i++)
        if (strcmp(argv[i], "--dump") == 0) {
            int taken = i + 1 < *argc ? 2 : 1;
            const char *stage = taken == 2 ? argv[i + 1] : "";
            memmove(argv + i, argv + i + taken, (size_t)(*argc - i - taken) * sizeof *argv);
            *argc -= taken;
            return stage;
        }
    return NULL;
}

static Status run(int argc, char **argv, Options *options)
{
    const char *dump = take_dump(&argc, argv);
    PlanStage stage = dump ? find_stage(dump) : PLAN_STAGE_NONE;
    if (dump && stage == PLAN_STAGE_NONE)
        return status_fail(STATUS_USAGE, "plan: --dump: '%.60s' is no stage (%s)", dump,
                           STAGES + 1);
    bool evaluation = false;
    char usage[sizeof USAGE + sizeof STAGES];
    snprintf(usage, sizeof usage, USAGE, STAGES + 1);
    TRY(parse_step_or_eval(argc, argv, usage, options, &evaluation));
    return options->help ? STATUS_OK : bench_plan(options, evaluation, stage);
}

int verb_plan(int argc, char **argv)
{
    return run_with_options(run, argc, argv);
}
