/* Plans under test: see support_plan.h. */
#include "support_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ a backend of paper */

static Paper *paper_of(const Device *device)
{
    return (Paper *)(uintptr_t)device;
}

static const DeviceInfo *paper_opened(const Device *device)
{
    return &paper_of(device)->info;
}

static Status paper_alloc(Device *device, uint64_t bytes, Buffer **buffer)
{
    Paper *p = paper_of(device);
    if (bytes > p->info.max_alloc || p->fail_after == 0 || (p->room && p->held + bytes > p->room))
        return status_fail(STATUS_LIMIT, "paper: %llu bytes", (unsigned long long)bytes);
    p->fail_after -= p->fail_after > 0;
    p->live++;
    p->held += bytes;
    *buffer = mem_alloc(sizeof bytes);
    memcpy(*buffer, &bytes, sizeof bytes);
    return STATUS_OK;
}

static void paper_release(Device *device, Buffer *buffer)
{
    uint64_t bytes;
    memcpy(&bytes, buffer, sizeof bytes);
    paper_of(device)->live--;
    paper_of(device)->held -= bytes;
    free(buffer);
}

static Status paper_write(Device *device, Ref to, const void *from, uint64_t bytes)
{
    (void)device, (void)to, (void)from, (void)bytes;
    return STATUS_OK;
}

static Status paper_run(Device *device, const Step *steps, int count)
{
    Paper *p = paper_of(device);
    (void)count;
    p->ran[p->runs++ % 4] = steps;
    return STATUS_OK;
}

/* Forward and data gradients want packed weights but where they are plain, weight gradients and products scratch. */
static Status paper_choose(Device *device, Step *step)
{
    const ConvDesc *d = &step->conv;
    step->algorithm = "paper";
    if (step->kind == STEP_CONV && d->stride == paper_of(device)->refused)
        return status_fail(STATUS_DEVICE, "paper: stride %d", d->stride);
    if (step->kind == STEP_CONV && d->op == CONV_GRAD_WEIGHT)
        step->workspace_bytes = (uint64_t)d->K * (uint64_t)d->C * 36;
    else if (step->kind == STEP_CONV && d->op != CONV_PACK && !d->plain) {
        step->packed_bytes = (uint64_t)d->K * (uint64_t)d->C * (uint64_t)(d->R * d->S) * 4 + 128;
        step->packed_layout = (uint64_t)d->op;
    } else if (step->kind == STEP_GEMM)
        step->workspace_bytes = (uint64_t)step->gemm.M * (uint64_t)step->gemm.N * 4;
    return STATUS_OK;
}

static Status paper_prepare(Device *device, Step *step)
{
    (void)device, (void)step;
    return STATUS_OK;
}

const Backend paper_backend = {.abi = BACKEND_ABI,
                               .name = "paper",
                               .opened = paper_opened,
                               .alloc = paper_alloc,
                               .release = paper_release,
                               .write = paper_write,
                               .choose = paper_choose,
                               .prepare = paper_prepare,
                               .run = paper_run};

Paper paper_new(uint64_t max_alloc)
{
    return (Paper){.info = {.name = "paper",
                            .memory = (uint64_t)1 << 40,
                            .max_alloc = max_alloc,
                            .units = 2,
                            .alignment = 64,
                            .caps = CAP_CPU,
                            .channel_block = 16},
                   .fail_after = -1};
}

Paper paper_plain(void)
{
    Paper paper = paper_new(1 << 30);
    paper.info.caps = CAP_PLAIN_WEIGHTS;
    paper.info.max_group = 1024;
    paper.info.channel_block = 0;
    paper.info.channel_multiple = 8;
    return paper;
}

Plan *compile(Graph *graph, Paper *paper, bool fuse)
{
    Plan *plan;
    if (plan_compile(graph, &paper_backend, (Device *)paper, &(PlanOptions){.no_fuse = !fuse},
                     &plan) != STATUS_OK)
        fail_msg("%s", status_text());
    return plan;
}

/* ------------------------------------------------------------------------------------ the account */

/* Whose contents lie in each word of each buffer of the activation slab: value id + 1. */
typedef struct Account {
    const Plan *plan;
    int **tags;
    int *begins; /* by value id: the first step that writes it */
} Account;

bool tagged(const PlanValue *v)
{
    return v->value->role == ROLE_ACTIVATION || v->value->role == ROLE_DERIVED;
}

static void set_tags(Account *a, int id)
{
    const PlanValue *v = &a->plan->values[id];
    for (uint64_t i = v->off / 4; tagged(v) && i < (v->off + v->bytes + 3) / 4; i++)
        a->tags[v->buffer][i] = id + 1;
}

static void must_hold(const Account *a, int id, int owner, int step)
{
    const PlanValue *v = &a->plan->values[id];
    for (uint64_t i = v->off / 4; tagged(v) && i < (v->off + v->bytes + 3) / 4; i++)
        if (a->tags[v->buffer][i] != owner + 1) {
            int seen = a->tags[v->buffer][i] - 1;
            fail_msg("step %d (%s, %s): %s should lie at +%llu, but %s does", step,
                     a->plan->steps[step].name, plan_step_label(&a->plan->steps[step]),
                     a->plan->values[owner].value->name, (unsigned long long)i * 4,
                     seen < 0 ? "nothing" : a->plan->values[seen].value->name);
        }
}

/* What a value finds at its place when it is first written: the contents it stands over, which it
 * may go on from. */
static void check_written(const Account *a, int id, int step)
{
    if (step > a->begins[id])
        must_hold(a, id, id, step);
    for (int i = 0; i < a->plan->overs_count; i++)
        if (a->plan->overs[i].out == id && step == a->begins[id])
            must_hold(a, id, a->plan->overs[i].in, step);
}

static void find_begins(Account *a)
{
    for (int i = a->plan->steps_count - 1; i >= 0; i--)
        for (int j = 0; j < a->plan->steps[i].refs_count; j++)
            if (a->plan->plan_steps[i].operands[j].value >= 0 && a->plan->steps[i].writes >> j & 1)
                a->begins[a->plan->plan_steps[i].operands[j].value] = i;
}

static void walk_step(Account *a, int i)
{
    const Step *step = &a->plan->steps[i];
    const PlanStep *place = &a->plan->plan_steps[i];
    for (int j = 0; j < step->refs_count; j++) {
        int id = place->operands[j].value;
        if (id < 0)
            continue;
        if (step->writes >> j & 1)
            check_written(a, id, i);
        else
            must_hold(a, id, id, i);
    }
    if (place->packed.value >= 0)
        must_hold(a, place->packed.value, place->packed.value, i);
    if (place->workspace.value >= 0)
        set_tags(a, place->workspace.value);
    for (int j = 0; j < step->refs_count; j++)
        if (place->operands[j].value >= 0 && step->writes >> j & 1)
            set_tags(a, place->operands[j].value);
}

/* A whole step with its ranks, and two evaluations. */
static void walk_plan(const Plan *plan)
{
    Account a = {plan, mem_zero((size_t)plan->slabs[SLAB_ACTIVATION].count + 1, sizeof(int *)),
                 mem_zero((size_t)plan->values_count, sizeof(int))};
    find_begins(&a);
    for (int b = 0; b < plan->slabs[SLAB_ACTIVATION].count; b++)
        a.tags[b] = mem_zero((size_t)plan->slabs[SLAB_ACTIVATION].sizes[b] / 4 + 1, sizeof(int));
    for (int s = 0; s < SEGMENT_COUNT; s++) {
        int turns = s == SEGMENT_EVAL ? 2 : segment_turns((Segment)s, plan->graph->ranks);
        for (int turn = 0; turn < turns; turn++)
            for (int i = plan->begin[s]; i < plan->begin[s + 1]; i++)
                walk_step(&a, i);
    }
    for (int b = 0; b < plan->slabs[SLAB_ACTIVATION].count; b++)
        free(a.tags[b]);
    free(a.tags);
    free(a.begins);
}

/* Places of values that live always: inside their buffer, apart from each other, in the slab of
 * their role. */
static void check_places(const Plan *plan, const Paper *paper)
{
    static const Slab slabs[ROLE_COUNT] = {
        [ROLE_PARAM] = SLAB_PARAM,       [ROLE_GRAD] = SLAB_GRAD,
        [ROLE_GRAD_SUM] = SLAB_GRAD_SUM, [ROLE_GRAD_PARTIAL] = SLAB_GRAD_SUM,
        [ROLE_MOMENTUM] = SLAB_MOMENTUM,
        [ROLE_EMA] = SLAB_EMA,           [ROLE_STATE] = SLAB_STATE,
        [ROLE_COPY] = SLAB_COPY,         [ROLE_EMA_COPY] = SLAB_COPY,
        [ROLE_GRAD_COPY] = SLAB_COPY,
        [ROLE_CONSTANT] = SLAB_IO,       [ROLE_INPUT] = SLAB_IO,
        [ROLE_OUTPUT] = SLAB_IO,         [ROLE_ACTIVATION] = SLAB_ACTIVATION,
        [ROLE_DERIVED] = SLAB_ACTIVATION};
    for (int s = 0; s < SLAB_COUNT; s++)
        for (int b = 0; b < plan->slabs[s].count; b++)
            assert_true(plan->slabs[s].sizes[b] <= paper->info.max_alloc);
    for (int i = 0; i < plan->values_count; i++) {
        const PlanValue *v = &plan->values[i];
        if (tagged(v) && v->first < 0)
            continue;
        if (v->slab != slabs[v->value->role])
            fail_msg("%s lies in the wrong slab", v->value->name);
        assert_true(v->buffer < plan->slabs[v->slab].count);
        assert_true(v->off + v->bytes <= plan->slabs[v->slab].sizes[v->buffer]);
        for (int j = 0; j < i && !tagged(v); j++) {
            const PlanValue *w = &plan->values[j];
            if (w->slab == v->slab && w->buffer == v->buffer && v->off < w->off + w->bytes &&
                w->off < v->off + v->bytes && !tagged(w))
                fail_msg("%s and %s overlap", v->value->name, w->value->name);
        }
    }
    for (int i = 1; i < plan->steps_count; i++)
        assert_true(plan->plan_steps[i - 1].segment <= plan->plan_steps[i].segment);
}

void check_plan(const Plan *plan, const Paper *paper)
{
    check_places(plan, paper);
    walk_plan(plan);
}

/* ------------------------------------------------------------------------------------ models and steps */

Graph *model_graph(int ranks, ModelConfig *config)
{
    *config = model_small(arch_find("resnet20"), 16, 4, ranks);
    config->eval_batch = 3;
    return model_build(config).graph;
}

bool not_layer2(const char *name, const void *context)
{
    (void)context;
    return !strstr(name, ".layer2.");
}

int count_steps(const Plan *plan, KernelId kernel)
{
    int count = 0;
    for (int i = 0; i < plan->steps_count; i++)
        count += plan->steps[i].kind == STEP_KERNEL && plan->steps[i].kernel.id == (int)kernel;
    return count;
}

Ranges count_ranges(const Plan *plan, KernelId kernel)
{
    Ranges r = {0};
    for (int i = 0; i < plan->steps_count; i++)
        if (plan->steps[i].kind == STEP_KERNEL && plan->steps[i].kernel.id == (int)kernel) {
            RangeArgs args;
            memcpy(&args, plan->steps[i].kernel.args, sizeof args);
            r.steps++;
            r.elements += args.n;
            r.bytes += plan->steps[i].bytes;
            assert_true(args.chunk % 16 == 0);
            assert_true(args.chunk * plan->steps[i].kernel.global[0] >= args.n);
        }
    return r;
}
