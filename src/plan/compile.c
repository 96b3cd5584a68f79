/* Compile: the list of passes that turn a graph into a plan for one device (run_passes).
 *
 *     fuse       rows of fuse.def rewrite the graph
 *     copies     convolutions of 16 bits read copies of weights, where the device wants that
 *     recompute  the backward pass computes cheap activations again instead of keeping them, where
 *                memory needs it; what comes next is done anew with it where it turns out to be
 *                needed only when memory is taken
 *     lower      every node emits steps through lower.h; the backend chooses algorithms
 *     order      steps stand segment by segment
 *     advance    passes over gradients follow what they need, where gradients travel in parts
 *     types      layout and bytes of every value; then the bytes that every step moves
 *     liveness   between which steps a value must keep its contents
 *     memory     places in slabs
 *     check      what must hold for a plan, whatever made it
 *     coalesce   neighbouring steps over neighbouring ranges become one (SGD, EMA, gradient sums)
 *     fit, take, resolve   buffers of the device, and places in them for every operand
 *     prepare    the backend builds what it needs to run each step
 *     clear      state starts as zeros */
#include "base/check.h"
#include "base/log.h"
#include "graph/passes.h"
#include "plan/lower.h"
#include "plan/parts.h"
#include "plan/passes.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every node's steps, with the step state as one more value. */
static Status lower_nodes(Plan *plan, bool looks_on)
{
    Value *state = graph_value(plan->graph, "step_state", ROLE_STATE, DTYPE_I32,
                               DIMS1(sizeof(StepState) / 4));
    plan->state = state->id;
    Lowering l = {.plan = plan, .looks_on = looks_on};
    for (int i = 0; i < plan->graph->nodes_count; i++) {
        if (plan->status != STATUS_OK && !looks_on)
            break;
        l.node = plan->graph->nodes[i];
        l.segment = l.node->segment;
        check_context = l.node->name;
        op_get(l.node->op)->lower(&l, l.node);
        check_context = NULL;
    }
    return plan->status == STATUS_OK ? STATUS_OK : status_fail(plan->status, "%s", l.refused);
}

static bool reads_what_it_writes(const Step *step)
{
    return (step->kind == STEP_KERNEL && kernel_joins(step->kernel.id)) ||
           step_adds(step);
}

/* What every step moves, unless its lowering has said so: each operand once, or twice where it is
 * read and written. */
static void count_bytes(Plan *plan)
{
    for (int i = 0; i < plan->steps_count; i++) {
        Step *step = &plan->steps[i];
        int64_t moved = 0;
        for (int j = 0; j < step->refs_count; j++) {
            int value = plan->plan_steps[i].operands[j].value;
            int times = (step->writes >> j & 1) && reads_what_it_writes(step) ? 2 : 1;
            if (value >= 0 && value != plan->state)
                moved += times * (int64_t)plan->values[value].bytes;
        }
        if (plan->plan_steps[i].packed.value >= 0)
            moved += (int64_t)plan->values[plan->plan_steps[i].packed.value].bytes;
        if (step->bytes == 0)
            step->bytes = moved;
    }
}

/* Stable sort by segment: packed weights go to the prologue although their node stands later. */
static void order_steps(Plan *plan)
{
    int n = plan->steps_count, at = 0;
    Step *steps = mem_alloc((size_t)(n + 1) * sizeof *steps);
    PlanStep *places = mem_alloc((size_t)(n + 1) * sizeof *places);
    for (int s = 0; s < SEGMENT_COUNT; s++) {
        plan->begin[s] = at;
        for (int i = 0; i < n; i++)
            if ((int)plan->plan_steps[i].segment == s) {
                steps[at] = plan->steps[i];
                places[at++] = plan->plan_steps[i];
            }
    }
    plan->begin[SEGMENT_COUNT] = at;
    free(plan->steps);
    free(plan->plan_steps);
    plan->steps = steps;
    plan->plan_steps = places;
}

static Status build_steps(Plan *plan)
{
    for (int i = 0; i < plan->steps_count; i++) {
        if (plan->steps[i].kind == STEP_COMM)
            continue;
        Status status = plan->backend->prepare(plan->device, &plan->steps[i]);
        if (status != STATUS_OK)
            return status_prefix(status, "%s", plan->steps[i].name);
    }
    return STATUS_OK;
}

/* What was built once is kept by backend and driver: later starts take no time for it. */
static Status prepare_steps(Plan *plan)
{
    enum { LONG = 5 }; /* seconds that deserve a word where nobody could watch */
    log_busy("building kernels", "only at the first start");
    Status status = build_steps(plan);
    double seconds = log_busy_end();
    if (status == STATUS_OK && seconds > LONG)
        log_info("kernels were built in %.0f s, which the next start does not need", seconds);
    return status;
}

/* Prints what the plan is after a stage, where the options or PACO_DEBUG ask for it. */
static void show(const Plan *plan, const PlanOptions *options, PlanStage stage)
{
    static const int levels[] = {
        [PLAN_STAGE_NONE] = INT_MAX,
#define X(name, word, level) level,
        PLAN_STAGE_LIST(X)
#undef X
    };
    if (options->dump != stage && log_level() < levels[stage])
        return;
    if (stage == PLAN_STAGE_STEPS)
        plan_dump_steps(plan, stderr);
    else if (stage == PLAN_STAGE_MEMORY)
        plan_dump_memory(plan, stderr);
    else
        graph_dump(plan->graph, stderr);
}

/* Steps, and the places of all values. */
static Status lay_out(Plan *plan, const PlanOptions *options)
{
    TRY(lower_nodes(plan, options->plan_only));
    order_steps(plan);
    parts_advance(plan);
    plan_types(plan);
    count_bytes(plan);
    plan_liveness(plan);
    plan_memory(plan);
    plan_check(plan);
    plan_coalesce(plan);
    return STATUS_OK;
}

/* Gives back what lay_out and plan_take took. */
static void drop(Plan *plan)
{
    plan_release(plan);
    free(plan->overs);
    free(plan->values);
    free(plan->plan_steps);
    free(plan->steps);
}

/* Undoes them. Lowering has changed nothing of the graph but that it added values, which begin at
 * `known`. */
static void forget(Plan *plan, int known)
{
    drop(plan);
    plan->overs = NULL;
    plan->values = NULL;
    plan->plan_steps = NULL;
    plan->steps = NULL;
    plan->arrivals = NULL;
    plan->overs_count = plan->overs_room = plan->values_count = plan->steps_count = 0;
    plan->requested = plan->peak_bytes = plan->peak_derived = 0;
    plan->graph->values_count = known;
}

static Status take(Plan *plan, const PlanOptions *options)
{
    TRY(plan_fits(plan));
    Status status = options->plan_only ? STATUS_OK : plan_take(plan);
    if (status == STATUS_LIMIT)
        TRY(plan_fits(plan)); /* the device may know better by now */
    return status;
}

/* All of the plan, in memory of the device; where there is too little of it activations are
 * computed again, unless they are already. Who only looks at a plan asks plan_fits. */
static Status settle(Plan *plan, const PlanOptions *options)
{
    bool may = !options->no_fuse && !options->no_recompute, tight = may && plan_needs_room(plan);
    int known = plan->graph->values_count;
    if (tight)
        graph_recompute(plan->graph);
    show(plan, options, PLAN_STAGE_RECOMPUTE);
    TRY(lay_out(plan, options));
    Status status = take(plan, options);
    if (status == STATUS_LIMIT && may && !tight) {
        forget(plan, known);
        graph_recompute(plan->graph);
        show(plan, options, PLAN_STAGE_RECOMPUTE);
        TRY(lay_out(plan, options));
        status = take(plan, options);
    }
    return options->plan_only ? STATUS_OK : status;
}

static Status run_passes(Plan *plan, const PlanOptions *options)
{
    show(plan, options, PLAN_STAGE_GRAPH);
    if (!options->no_fuse)
        graph_fuse(plan->graph, plan->info->caps);
    show(plan, options, PLAN_STAGE_FUSE);
    plan_copies(plan);
    Status status = settle(plan, options);
    if (plan->status != STATUS_OK)
        return status; /* not all of it is lowered */
    show(plan, options, PLAN_STAGE_STEPS);
    show(plan, options, PLAN_STAGE_MEMORY);
    if (options->plan_only)
        return status;
    TRY(status);
    plan_resolve(plan);
    exchange_open(plan);
    if (!options->unbuilt)
        TRY(prepare_steps(plan));
    return plan_clear(plan);
}

Status plan_compile(Graph *graph, const Backend *backend, Device *device,
                    const PlanOptions *options, Plan **out)
{
    Plan *plan = mem_zero(1, sizeof *plan);
    plan->graph = graph;
    plan->backend = backend;
    plan->device = device;
    plan->info = backend->opened(device);
    plan->tuning = options->tuning;
    plan->apart = options->apart;
    plan->comm = options->comm;
    Status status = run_passes(plan, options);
    if (status != STATUS_OK) {
        plan_free(plan);
        return status;
    }
    *out = plan;
    return STATUS_OK;
}

void plan_free(Plan *plan)
{
    if (!plan)
        return;
    for (int i = 0; i < plan->steps_count; i++)
        if (plan->steps[i].prepared)
            plan->backend->discard(plan->device, &plan->steps[i]);
    drop(plan);
    exchange_close(plan->exchange);
    graph_free(plan->graph);
    free(plan);
}
