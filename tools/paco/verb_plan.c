/* paco plan: what a training step or an evaluation becomes on a device, before anything runs. */
#include "measure/bench.h"
#include "verbs.h"

#include <string.h>

static const char USAGE[] =
    "usage: paco plan step|eval [--dump graph|fuse|recompute|steps|memory] [options]\n\n"
    "Lists the steps of the plan with shapes, places, bytes and flops, then the memory of every "
    "slab and where its\n"
    "peak is; --dump prints one stage of compilation instead.";

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
    static const char *const stages[] = {"graph", "fuse", "recompute", "steps", "memory"};
    const char *dump = take_dump(&argc, argv);
    bool known = !dump;
    for (size_t i = 0; i < sizeof stages / sizeof *stages && dump; i++)
        known |= strcmp(dump, stages[i]) == 0;
    if (!known)
        return status_fail(STATUS_USAGE,
                           "plan: --dump: '%s' is no stage (graph, fuse, recompute, steps, memory)",
                           dump);
    bool evaluation = false;
    TRY(parse_step_or_eval(argc, argv, USAGE, options, &evaluation));
    return options->help ? STATUS_OK : bench_plan(options, evaluation, dump);
}

int verb_plan(int argc, char **argv)
{
    return run_with_options(run, argc, argv);
}
