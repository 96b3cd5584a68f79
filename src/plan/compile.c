/* Compile: the list of passes that turn a graph into a plan for one device.
 *
 *     fuse       rows of fuse.c rewrite the graph
 *     recompute  the backward pass computes cheap activations again instead of keeping them
 *     lower      every node emits steps through lower.h; the backend chooses algorithms
 *     order      steps stand segment by segment
 *     coalesce   neighbouring steps over neighbouring ranges become one (SGD, EMA, gradient sums)
 *     liveness, memory, check
 *     prepare    buffers are taken, refs resolved, the backend builds what it needs to run each
 * step */
#include "base/check.h"
#include "base/log.h"
#include "graph/passes.h"
#include "plan/lower.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Features have padded lanes like images; what the host or the optimizer sees whole is plain. */
static bool is_blocked(const Value *v)
{
    bool features = v->role == ROLE_ACTIVATION || v->role == ROLE_OUTPUT || v->role == ROLE_STATE;
    return features && (v->dims.rank == 4 || v->dims.rank == 2) && v->dtype != DTYPE_I32;
}

static void describe_values(Plan *plan)
{
    plan->values_count = plan->graph->values_count;
    plan->values = mem_zero((size_t)plan->values_count, sizeof *plan->values);
    for (int i = 0; i < plan->values_count; i++) {
        Value *v = plan->graph->values[i];
        int64_t count = dims_count(v->dims);
        bool blocked = is_blocked(v);
        if (blocked)
            count = count / v->dims.d[1] * padded(v->dims.d[1]);
        plan->values[i] = (PlanValue){.value = v, .blocked = blocked, .over = -1,
                                      .bytes = (uint64_t)(count * dtype_bytes(v->dtype))};
    }
}

static void lower_nodes(Plan *plan)
{
    Lowering l = {.plan = plan};
    for (int i = 0; i < plan->graph->nodes_count && plan->status == STATUS_OK; i++) {
        l.node = plan->graph->nodes[i];
        l.segment = l.node->segment;
        check_context = l.node->name;
        op_get(l.node->op)->lower(&l, l.node);
        check_context = NULL;
    }
}

static bool reads_what_it_writes(const Step *step)
{
    return (step->kind == STEP_KERNEL && kernel_joins(step->kernel.id)) ||
           (step->kind == STEP_GEMM && step->gemm.beta != 0) ||
           (step->kind == STEP_CONV && step->conv.accumulate);
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

/* Whether step b goes on where step a ends, in every operand but the step state. */
static bool continues(const Plan *plan, int a, int b)
{
    const Step *x = &plan->steps[a], *y = &plan->steps[b];
    if (x->kind != STEP_KERNEL || y->kind != STEP_KERNEL || x->kernel.id != y->kernel.id ||
        !kernel_joins(x->kernel.id) ||
        plan->plan_steps[a].segment != plan->plan_steps[b].segment)
        return false;
    RangeArgs p, q;
    memcpy(&p, x->kernel.args, sizeof p);
    memcpy(&q, y->kernel.args, sizeof q);
    if (p.a != q.a || p.b != q.b)
        return false;
    for (int i = 0; i < x->refs_count; i++) {
        int of_a = plan->plan_steps[a].operands[i].value,
            of_b = plan->plan_steps[b].operands[i].value;
        if (of_a == of_b && (of_a < 0 || of_a == plan->state))
            continue;
        if (of_a < 0 || of_b < 0)
            return false;
        const PlanValue *u = &plan->values[of_a], *v = &plan->values[of_b];
        if (u->slab != v->slab || u->buffer != v->buffer || u->off + (uint64_t)p.n * 4 != v->off)
            return false;
    }
    return true;
}

/* Merges runs of range kernels; needs places, so it runs after the memory plan. Liveness is not
 * touched: parameters and their companions live always. */
static void coalesce(Plan *plan)
{
    Lowering l = {.plan = plan};
    int to = 0, begin[SEGMENT_COUNT + 1], segment = 0;
    for (int i = 0; i < plan->steps_count; i++) {
        for (; segment <= SEGMENT_COUNT && i >= plan->begin[segment]; segment++)
            begin[segment] = to;
        if (to > begin[segment - 1] && continues(plan, to - 1, i)) {
            Step *step = &plan->steps[to - 1];
            RangeArgs p, q;
            memcpy(&p, step->kernel.args, sizeof p);
            memcpy(&q, plan->steps[i].kernel.args, sizeof q);
            p.n += q.n;
            memcpy(step->kernel.args, &p, sizeof p);
            step->bytes += plan->steps[i].bytes;
            plan->plan_steps[to - 1].joined++;
            continue;
        }
        plan->steps[to] = plan->steps[i];
        plan->plan_steps[to++] = plan->plan_steps[i];
    }
    for (; segment <= SEGMENT_COUNT; segment++)
        begin[segment] = to;
    plan->steps_count = to;
    memcpy(plan->begin, begin, sizeof begin);
    for (int i = 0; i < to; i++) {
        Step *step = &plan->steps[i];
        if (step->kind != STEP_KERNEL || !kernel_joins(step->kernel.id))
            continue;
        RangeArgs args;
        memcpy(&args, step->kernel.args, sizeof args);
        step->kernel.global[0] = lower_range(&l, args.n, &args.chunk).items[0];
        memcpy(step->kernel.args, &args, sizeof args);
        if (plan->plan_steps[i].joined)
            step->name = arena_printf(&plan->graph->arena, "%s and %d more", step->name,
                                      plan->plan_steps[i].joined);
    }
}

/* Images of one pass, as the first node of the graph takes them in: of training, else of
 * evaluation. */
static int64_t batch_of(const Graph *graph, bool *training)
{
    int64_t batch = 0, of_evaluation = 0;
    for (int i = 0; i < graph->nodes_count; i++) {
        const Node *n = graph->nodes[i];
        if (op_get(n->op)->trait != TRAIT_SOURCE)
            continue;
        int64_t *largest = n->segment == SEGMENT_EVAL ? &of_evaluation : &batch;
        if (n->out[0]->dims.d[0] > *largest)
            *largest = n->out[0]->dims.d[0];
    }
    *training = batch > 0;
    return *training ? batch : of_evaluation;
}

/* The largest value of those that grow with the batch, or of the others. */
static const PlanValue *largest_value(const Plan *plan, bool growing)
{
    const PlanValue *most = &plan->values[plan->state];
    for (int i = 0; i < plan->values_count; i++) {
        const PlanValue *v = &plan->values[i];
        Role role = v->value->role;
        bool shared = slab_of(role) == SLAB_ACTIVATION; /* and nowhere, where no step names it */
        if ((shared || role == ROLE_INPUT) == growing && (!shared || v->first >= 0) &&
            v->bytes > most->bytes)
            most = v;
    }
    return most;
}

static const char *const slab_titles[SLAB_COUNT] = {
#define X(name, word, title) title,
    SLAB_LIST(X)
#undef X
};

/* The name of the largest slab of those that do not grow with the batch, or of the value that makes
 * up most of it. */
static const char *largest_fixed(const Plan *plan, uint64_t *bytes)
{
    int slab = SLAB_PARAM;
    const PlanValue *most = largest_value(plan, false);
    for (int s = SLAB_PARAM; s < SLAB_IO; s++)
        if (plan_slab_bytes(plan, (Slab)s) > plan_slab_bytes(plan, (Slab)slab))
            slab = s;
    *bytes = plan_slab_bytes(plan, (Slab)slab);
    if (most->bytes <= *bytes / 2)
        return slab_titles[slab];
    *bytes = most->bytes;
    return most->value->name;
}

/* Bytes that grow with the batch: inputs, and activations without the packed weights and scratch
 * among them. */
static uint64_t growing_bytes(const Plan *plan)
{
    uint64_t bytes = plan_slab_bytes(plan, SLAB_ACTIVATION) - plan->peak_derived;
    for (int i = 0; i < plan->values_count; i++)
        bytes += plan->values[i].value->role == ROLE_INPUT ? plan->values[i].bytes : 0;
    return bytes;
}

/* Whether what does not grow with the batch, `fixed` bytes, fits the device by itself, as does each
 * of its values. */
static bool fixed_part_fits(const Plan *plan, uint64_t fixed)
{
    return fixed < plan->info->memory && largest_value(plan, false)->bytes <= plan->info->max_alloc;
}

/* Images of one rank for which what grows with them fits beside the rest, `fixed` bytes; 0: not
 * even one. The places of fewer images are not planned: they may have larger gaps. */
static int64_t batch_that_fits(const Plan *plan, uint64_t fixed)
{
    const double gaps = 1.0 / 32;
    double room = (double)(plan->info->memory - fixed) / (double)growing_bytes(plan) * (1 - gaps);
    double largest = (double)plan->info->max_alloc / (double)largest_value(plan, true)->bytes;
    double share = room < largest ? room : largest;
    bool training;
    return (int64_t)((share < 1 ? share : 1) * (double)batch_of(plan->graph, &training));
}

/* In the words of the option: the batch of all ranks together. */
static void batch_hint(const Plan *plan, int64_t fits, char *hint, size_t size)
{
    bool training;
    int64_t all = batch_of(plan->graph, &training);
    int ranks = training ? plan->graph->ranks.all : 1;
    if (fits < 1 || all < 1)
        snprintf(hint, size, "Not even a batch of one image%s fits", ranks > 1 ? " per rank" : "");
    else if (ranks > 1)
        snprintf(hint, size, "--batch %lld (%lld per rank) fits", (long long)fits * ranks,
                 (long long)fits);
    else
        snprintf(hint, size, "--batch %lld fits", (long long)fits);
}

/* Ends a refusal: which batch would fit, or why none does. */
static Status refuse(const Plan *plan, uint64_t need, const char *what)
{
    uint64_t fixed = need - growing_bytes(plan);
    if (!fixed_part_fits(plan, fixed)) {
        uint64_t bytes;
        const char *most = largest_fixed(plan, &bytes);
        return status_fail(
            STATUS_LIMIT,
            "%s: memory: %s. No batch fits: %llu MiB do not depend on it, of them %llu MiB are %s",
            plan->info->name, what, (unsigned long long)(fixed >> 20),
            (unsigned long long)(bytes >> 20), most);
    }
    char hint[96];
    batch_hint(plan, batch_that_fits(plan, fixed), hint, sizeof hint);
    return status_fail(STATUS_LIMIT, "%s: memory: %s. %s", plan->info->name, what, hint);
}

Status plan_fits(const Plan *plan)
{
    char what[192];
    bool training;
    uint64_t need = plan_bytes(plan), memory = plan->info->memory, limit = plan->info->max_alloc;
    const PlanValue *most = largest_value(plan, false);
    if (most->bytes <= limit)
        most = largest_value(plan, true);
    if (most->bytes > limit) {
        snprintf(what, sizeof what,
                 "%.64s is larger than a buffer of the device may be (%llu vs %llu MiB)",
                 most->value->name, (unsigned long long)(most->bytes >> 20),
                 (unsigned long long)(limit >> 20));
        return refuse(plan, need, what);
    }
    if (need <= memory)
        return STATUS_OK;
    snprintf(
        what, sizeof what,
        "the plan needs more than the device has (%llu vs %llu MiB; of it %llu MiB activations "
        "of %lld images)",
        (unsigned long long)(need >> 20), (unsigned long long)(memory >> 20),
        (unsigned long long)(plan_slab_bytes(plan, SLAB_ACTIVATION) >> 20),
        (long long)batch_of(plan->graph, &training));
    return refuse(plan, need, what);
}

static Status take_memory(Plan *plan)
{
    uint64_t need = plan_bytes(plan);
    TRY(plan_fits(plan));
    for (int s = 0; s < SLAB_COUNT; s++) {
        PlanSlab *slab = &plan->slabs[s];
        slab->buffers = mem_zero((size_t)slab->count, sizeof *slab->buffers);
        for (int i = 0; i < slab->count; i++) {
            Status status = plan->backend->alloc(plan->device, slab->sizes[i], &slab->buffers[i]);
            if (status != STATUS_OK)
                return status_prefix(status, "%s: memory for %s (%llu MiB of %llu MiB in all)",
                                     plan->info->name, slab_titles[s],
                                     (unsigned long long)(slab->sizes[i] >> 20),
                                     (unsigned long long)(need >> 20));
        }
    }
    return STATUS_OK;
}

static Ref resolve(const Plan *plan, PlanOperand operand)
{
    if (operand.value < 0)
        return (Ref){0};
    const PlanValue *v = &plan->values[operand.value];
    return (Ref){plan->slabs[v->slab].buffers[v->buffer], v->off + operand.off};
}

Ref plan_ref(const Plan *plan, const Value *value)
{
    return resolve(plan, (PlanOperand){value->id, 0});
}

static void resolve_refs(Plan *plan)
{
    for (int i = 0; i < plan->steps_count; i++) {
        Step *step = &plan->steps[i];
        const PlanStep *place = &plan->plan_steps[i];
        for (int j = 0; j < step->refs_count; j++)
            step->refs[j] = resolve(plan, place->operands[j]);
        step->packed = resolve(plan, place->packed);
        step->workspace = resolve(plan, place->workspace);
    }
}

static Status prepare_steps(Plan *plan)
{
    for (int i = 0; i < plan->steps_count; i++) {
        Status status = plan->backend->prepare(plan->device, &plan->steps[i]);
        if (status != STATUS_OK)
            return status_prefix(status, "%s", plan->steps[i].name);
    }
    return STATUS_OK;
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

static Status run_passes(Plan *plan, const PlanOptions *options)
{
    show(plan, options, PLAN_STAGE_GRAPH);
    if (!options->no_fuse)
        graph_fuse(plan->graph);
    show(plan, options, PLAN_STAGE_FUSE);
    if (!options->no_fuse && !options->no_recompute)
        graph_recompute(plan->graph);
    show(plan, options, PLAN_STAGE_RECOMPUTE);
    Value *state = graph_value(plan->graph, "step_state", ROLE_STATE, DTYPE_I32,
                               DIMS1(sizeof(StepState) / 4));
    plan->state = state->id;
    lower_nodes(plan);
    TRY(plan->status);
    order_steps(plan);
    describe_values(plan);
    count_bytes(plan);
    plan_liveness(plan);
    plan_memory(plan);
    plan_check(plan);
    coalesce(plan);
    show(plan, options, PLAN_STAGE_STEPS);
    show(plan, options, PLAN_STAGE_MEMORY);
    if (options->plan_only)
        return STATUS_OK;
    TRY(take_memory(plan));
    resolve_refs(plan);
    return options->unbuilt ? STATUS_OK : prepare_steps(plan);
}

/* State and constants start as zeros; padded lanes stay so. */
static Status clear_slabs(Plan *plan)
{
    enum { PIECE = 1 << 20 };
    uint8_t *zeros = mem_zero(1, PIECE);
    Status status = STATUS_OK;
    for (int s = 0; s < SLAB_ACTIVATION; s++) {
        const PlanSlab *slab = &plan->slabs[s];
        for (int i = 0; i < slab->count; i++)
            for (uint64_t at = 0; at < slab->sizes[i] && status == STATUS_OK; at += PIECE) {
                uint64_t left = slab->sizes[i] - at;
                status = plan->backend->write(plan->device, (Ref){slab->buffers[i], at}, zeros,
                                              left < PIECE ? left : PIECE);
            }
    }
    free(zeros);
    return status;
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
    Status status = run_passes(plan, options);
    if (status == STATUS_OK && !options->plan_only)
        status = clear_slabs(plan);
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
    for (int s = 0; s < SLAB_COUNT; s++) {
        PlanSlab *slab = &plan->slabs[s];
        for (int i = 0; slab->buffers && i < slab->count; i++)
            if (slab->buffers[i])
                plan->backend->release(plan->device, slab->buffers[i]);
        free(slab->buffers);
        free(slab->sizes);
    }
    free(plan->overs);
    free(plan->values);
    free(plan->plan_steps);
    free(plan->steps);
    graph_free(plan->graph);
    free(plan);
}
