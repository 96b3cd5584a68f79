/* The planner against an independent account of memory: plans of random graphs and of whole models,
 * made for a backend that computes nothing, are walked step by step, rank by rank, with a tag on
 * every word that says whose contents lie there. Besides: what plan_check must catch, coalescing,
 * several buffers, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_aborts.h"
#include "support_files.h"
#include "support_model.h"

#include "base/arena.h"
#include "base/rng.h"
#include "plan/passes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const NoAttrs none = {0};

/* -------------------------------------------------------------------------------- a backend of
 * paper */

typedef struct Paper {
    DeviceInfo info;
    int live;       /* buffers */
    int fail_after; /* allocations that succeed; -1: all */
    uint64_t room, held; /* bytes of buffers that there may be (0: any number), and that there are */
    int refused;    /* convolutions with this stride have no plan; 0: all have */
    const Step *ran[4]; /* where the latest runs began */
    int runs;
} Paper;

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

static const Backend paper_backend = {.abi = BACKEND_ABI,
                                      .name = "paper",
                                      .opened = paper_opened,
                                      .alloc = paper_alloc,
                                      .release = paper_release,
                                      .write = paper_write,
                                      .choose = paper_choose,
                                      .prepare = paper_prepare,
                                      .run = paper_run};

static Paper paper_new(uint64_t max_alloc)
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

static Plan *compile(Graph *graph, Paper *paper, bool fuse)
{
    Plan *plan;
    if (plan_compile(graph, &paper_backend, (Device *)paper, &(PlanOptions){.no_fuse = !fuse},
                     &plan) != STATUS_OK)
        fail_msg("%s", status_text());
    return plan;
}

/* ------------------------------------------------------------------------------------ the account
 */

/* Whose contents lie in each word of each buffer of the activation slab: value id + 1. */
typedef struct Account {
    const Plan *plan;
    int **tags;
    int *begins; /* by value id: the first step that writes it */
} Account;

static bool tagged(const PlanValue *v)
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

static void check_plan(const Plan *plan, const Paper *paper)
{
    check_places(plan, paper);
    walk_plan(plan);
}

/* ------------------------------------------------------------------------------------ random
 * graphs */

typedef struct Maker {
    Graph *g;
    Rng rng;
    Value *pool[256]; /* images to go on from */
    int count;
} Maker;

static Value *pick(Maker *m)
{
    /* Mostly recent ones, sometimes old ones from other segments. */
    int back = rng_below(&m->rng, 4) ? 6 : m->count;
    return m->pool[m->count - 1 -
                   (int)rng_below(&m->rng, (uint32_t)(back < m->count ? back : m->count))];
}

/* Another of the same shape as v: v itself where there is none. */
static Value *pick_like(Maker *m, Value *v)
{
    for (int tries = 0; tries < 8; tries++) {
        Value *w = pick(m);
        if (dims_equal(w->dims, v->dims))
            return w;
    }
    return v;
}

static void keep(Maker *m, Value *v)
{
    if (rng_below(&m->rng, 12) == 0)
        v->role = ROLE_OUTPUT;
    m->pool[m->count++] = v;
}

/* One for all convolutions of these sizes: packed copies are shared. */
static Value *weight(Maker *m, int K, int C)
{
    char name[32];
    snprintf(name, sizeof name, "w%d.%d", K, C);
    Value *w = graph_find(m->g, name);
    return w ? w : graph_value(m->g, name, ROLE_PARAM, DTYPE_F32, DIMS4(K, C, 3, 3));
}

static Value *vector(Maker *m, Role role, int64_t C)
{
    return graph_value(m->g, "vector", role, DTYPE_F32, DIMS1(C));
}

static void add_bn(Maker *m, Value *x)
{
    BnAttrs attrs = {1e-5, 0.1};
    int64_t C = x->dims.d[1];
    Value *gamma = vector(m, ROLE_PARAM, C);
    Node *n = NODE(m->g, bn, &attrs, x, gamma, vector(m, ROLE_PARAM, C), vector(m, ROLE_STATE, C),
                   vector(m, ROLE_STATE, C));
    keep(m, n->out[0]);
    if (rng_below(&m->rng, 2) == 0)
        return;
    Value *y = NODE(m->g, relu, &none, n->out[0])->out[0], *dy = pick_like(m, x);
    keep(m, y);
    dy = NODE(m->g, relu_grad, &none, dy, y)->out[0];
    if (rng_below(&m->rng, 2))
        keep(m, dy);
    keep(m, NODE(m->g, bn_grad, &attrs, dy, x, gamma, n->out[1], n->out[2])->out[0]);
}

static void add_conv(Maker *m, Value *x)
{
    static const int channels[] = {5, 16, 20};
    ConvAttrs attrs = {1, 1, 1, (int)x->dims.d[2], (int)x->dims.d[3]};
    int K = channels[rng_below(&m->rng, 3)], C = (int)x->dims.d[1];
    if (rng_below(&m->rng, 3)) {
        keep(m, NODE(m->g, conv, &attrs, x, weight(m, K, C))->out[0]);
        return;
    }
    /* x as a gradient; the result is added to an older one. */
    Value *dx = NODE(m->g, conv_grad_data, &attrs, x, weight(m, C, K), NULL)->out[0];
    Value *other = pick_like(m, dx);
    keep(m, NODE(m->g, add, &none, other, dx)->out[0]);
}

static void add_random(Maker *m)
{
    Value *x = pick(m);
    switch (rng_below(&m->rng, 6)) {
    case 0: keep(m, NODE(m->g, relu, &none, x)->out[0]); break;
    case 1: keep(m, NODE(m->g, add, &none, x, pick_like(m, x))->out[0]); break;
    case 2: keep(m, NODE(m->g, relu_grad, &none, x, pick_like(m, x))->out[0]); break;
    case 3: add_bn(m, x); break;
    default: add_conv(m, x);
    }
}

static Graph *random_graph(uint64_t seed, int ranks)
{
    static const Segment order[] = {SEGMENT_PROLOGUE, SEGMENT_KEY, SEGMENT_QUERY, SEGMENT_EPILOGUE,
                                    SEGMENT_EVAL};
    Maker m = {.g = graph_new(), .rng = rng_stream(9, 0, seed, RNG_TEST)};
    m.g->ranks = ranks_whole(ranks);
    m.pool[m.count++] = graph_value(m.g, "x", ROLE_STATE, DTYPE_F32, DIMS4(2, 5, 3, 4));
    m.pool[m.count++] = graph_value(m.g, "z", ROLE_STATE, DTYPE_F32, DIMS4(2, 20, 3, 4));
    for (size_t s = 0; s < sizeof order / sizeof *order; s++) {
        m.g->segment = order[s];
        for (int nodes = 2 + (int)rng_below(&m.rng, 14); nodes > 0; nodes--)
            add_random(&m);
    }
    graph_sort_segments(m.g);
    return m.g;
}

static void random_graphs(void **unused)
{
    (void)unused;
    int buffers = 0;
    uint64_t requested = 0, planned = 0;
    for (uint64_t seed = 0; seed < 150; seed++)
        for (int fuse = 0; fuse < 2; fuse++) {
            Paper paper = paper_new(seed % 3 == 0 ? 15000 : seed % 3 == 1 ? 40000 : 1 << 30);
            Plan *plan = compile(random_graph(seed, 1 + (int)(seed % 2)), &paper, fuse);
            check_plan(plan, &paper);
            buffers += plan->slabs[SLAB_ACTIVATION].count > 1;
            requested += plan->requested;
            planned += plan_slab_bytes(plan, SLAB_ACTIVATION);
            plan_free(plan);
            assert_int_equal(paper.live, 0);
        }
    printf("300 plans, %d in several buffers; activations planned in %.2f of their bytes\n",
           buffers, (double)planned / (double)requested);
    assert_true(buffers > 20);
    assert_true(planned < requested);
}

static Graph *model_graph(int ranks, ModelConfig *config)
{
    *config = model_small(arch_find("resnet20"), 16, 4, ranks);
    config->eval_batch = 3;
    return model_build(config).graph;
}

static void models(void **unused)
{
    (void)unused;
    for (int ranks = 1; ranks <= 3; ranks++)
        for (int fuse = 0; fuse < 2; fuse++)
            for (int small = 0; small < 2; small++) {
                ModelConfig config;
                Paper paper = paper_new(small ? 300000 : 1 << 30);
                Plan *plan = compile(model_graph(ranks, &config), &paper, fuse);
                check_plan(plan, &paper);
                plan_free(plan);
            }
}

/* -------------------------------------------------------------------------------- what plan_check
 * catches */

/* Runs `harm` on a plan, then plan_check. */
static void harmed_plan(void *context)
{
    void (*const *harm)(Plan *) = context;
    ModelConfig config;
    Paper paper = paper_new(1 << 30);
    Plan *plan = compile(model_graph(2, &config), &paper, true);
    (*harm)(plan);
    plan_check(plan);
}

/* That plan_check aborts, with this text, where a plan was harmed. */
static void catches(void (*harm)(Plan *), const char *what)
{
    assert_aborts(harmed_plan, &harm, "plan/check.c", what);
}

static void harm_nothing(Plan *plan)
{
    (void)plan;
}

/* The first activation that is alive together with another, apart from it, is put on top of it. */
static void harm_overlap(Plan *plan)
{
    for (int i = 0; i < plan->values_count; i++)
        for (int j = 0; j < i; j++) {
            PlanValue *a = &plan->values[i], *b = &plan->values[j];
            if (!tagged(a) || !tagged(b) || a->first < 0 || b->first < 0 || a->over >= 0 ||
                b->over >= 0 || a->first > b->last || b->first > a->last)
                continue;
            a->buffer = b->buffer;
            a->off = b->off + b->bytes - 4;
            return;
        }
}

/* The first step that reads an activation reads one that only a later step writes. */
static void harm_read_early(Plan *plan)
{
    int late = 0;
    for (int v = 0; v < plan->values_count; v++)
        if (tagged(&plan->values[v]) && plan->values[v].first > plan->values[late].first)
            late = v;
    for (int i = 0; i < plan->steps_count; i++)
        for (int j = 0; j < plan->steps[i].refs_count; j++) {
            PlanOperand *operand = &plan->plan_steps[i].operands[j];
            if (operand->value >= 0 && tagged(&plan->values[operand->value]) &&
                !(plan->steps[i].writes >> j & 1)) {
                operand->value = late;
                return;
            }
        }
}

/* A convolution whose weights are packed by no step: what packed them writes elsewhere. */
static void harm_unpacked(Plan *plan)
{
    for (int i = plan->begin[SEGMENT_PROLOGUE]; i < plan->begin[SEGMENT_PROLOGUE + 1]; i++)
        if (plan->steps[i].kind == STEP_CONV && plan->steps[i].conv.op == CONV_PACK) {
            for (int j = 0; j < plan->steps[i].refs_count; j++)
                if (plan->steps[i].writes >> j & 1)
                    plan->plan_steps[i].operands[j].value = -1;
            return;
        }
}

/* A convolution adds to what nothing wrote. */
static void harm_accumulate(Plan *plan)
{
    for (int i = 0; i < plan->steps_count; i++)
        if (plan->steps[i].kind == STEP_CONV && plan->steps[i].conv.op == CONV_FORWARD) {
            plan->steps[i].conv.accumulate = true;
            return;
        }
}

/* The activation behind all others moves by half a number: on top of none. */
static void harm_alignment(Plan *plan)
{
    PlanValue *last = &plan->values[0];
    for (int i = 0; i < plan->values_count; i++) {
        PlanValue *v = &plan->values[i];
        if (tagged(v) && (!tagged(last) || v->off + v->bytes > last->off + last->bytes))
            last = v;
    }
    last->off += 2;
}

/* What a convolution or product reads or writes begins one number further on. */
static void harm_pieces(Plan *plan, StepKind kind)
{
    for (int i = 0; i < plan->steps_count; i++)
        if (plan->steps[i].kind == kind) {
            plan->plan_steps[i].operands[1].off += 4;
            return;
        }
}

static void harm_conv_pieces(Plan *plan)
{
    harm_pieces(plan, STEP_CONV);
}

static void harm_gemm_pieces(Plan *plan)
{
    harm_pieces(plan, STEP_GEMM);
}

/* The same of what no graph names. */
static void harm_packed_pieces(Plan *plan)
{
    for (int i = 0; i < plan->steps_count; i++)
        if (plan->plan_steps[i].packed.value >= 0) {
            plan->plan_steps[i].packed.off += 4;
            return;
        }
}

static void harm_workspace_pieces(Plan *plan)
{
    for (int i = 0; i < plan->steps_count; i++)
        if (plan->plan_steps[i].workspace.value >= 0 && plan->steps[i].kind == STEP_CONV) {
            plan->plan_steps[i].workspace.off += 4;
            return;
        }
}

/* Something takes the place of a value that is read later on. */
static void harm_over(Plan *plan)
{
    for (int i = 0; i < plan->values_count; i++)
        for (int j = 0; j < plan->values_count; j++) {
            const PlanValue *in = &plan->values[i], *out = &plan->values[j];
            if (tagged(in) && tagged(out) && in->bytes == out->bytes && in->first >= 0 &&
                in->last > out->first && in->first < out->first && out->over < 0) {
                plan->overs[0] = (PlanOver){j, i};
                plan_liveness(plan);
                return;
            }
        }
}

static void violations(void **unused)
{
    (void)unused;
    catches(harm_nothing, NULL);
    catches(harm_overlap, " overlap");
    catches(harm_read_early, " reads ");
    catches(harm_unpacked, "weights not packed");
    catches(harm_accumulate, " adds to ");
    catches(harm_alignment, ".off % 4 == 0");
    catches(harm_conv_pieces, "an operand begins at no multiple of 16 bytes");
    catches(harm_gemm_pieces, "an operand begins at no multiple of 16 bytes");
    catches(harm_packed_pieces, "the packed weight begins at no multiple of 16 bytes");
    catches(harm_workspace_pieces, "the workspace begins at no multiple of 16 bytes");
    catches(harm_over, " overlap");
}

/* ------------------------------------------------------------------------------------ coalescing
 */

typedef struct Ranges {
    int steps;
    int64_t elements, bytes;
} Ranges;

static Ranges count_ranges(const Plan *plan, KernelId kernel)
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

/* Maximal runs of trained parameters, and their elements; `all`: as if every one were. */
static Ranges expected_ranges(const Plan *plan, bool all)
{
    Ranges r = {0};
    const Value *before = NULL;
    for (int i = 0; i < plan->values_count; i++) {
        const Value *v = plan->values[i].value;
        if (v->role != ROLE_PARAM)
            continue;
        bool in = all || v->trainable, follows = before && (all || before->trainable);
        bool same_buffer = before && plan->values[before->id].buffer == plan->values[i].buffer;
        r.steps += in && !(follows && same_buffer);
        r.elements += in ? dims_count(v->dims) : 0;
        before = v;
    }
    return r;
}

static void check_ranges(const Plan *plan)
{
    Ranges trained = expected_ranges(plan, false), all = expected_ranges(plan, true);
    Ranges sgd = count_ranges(plan, KERNEL_sgd), ema = count_ranges(plan, KERNEL_ema);
    Ranges sum = count_ranges(plan, KERNEL_grad_sum);
    assert_int_equal(sgd.steps, trained.steps);
    assert_int_equal(sgd.elements, trained.elements);
    assert_int_equal(sgd.bytes, 20 * sgd.elements); /* g read, w and v read and written */
    assert_int_equal(ema.bytes, 12 * ema.elements);
    assert_int_equal(sum.bytes, 12 * sum.elements);
    assert_int_equal(ema.steps, all.steps);
    assert_int_equal(ema.elements, all.elements);
    assert_int_equal(sum.elements, plan->graph->ranks.all > 1 ? trained.elements : 0);
    /* Frozen parameters have no gradients: those of their neighbours lie side by side. */
    assert_true(plan->graph->ranks.all == 1 ? sum.steps == 0
                                        : sum.steps >= 1 && sum.steps <= trained.steps);
}

/* With fp16 one look through all gradients stands before one pass of SGD, over the same ranges. */
static void check_scaled(int ranks)
{
    ModelConfig config;
    Paper paper = paper_new(1 << 30);
    graph_free(model_graph(ranks, &config));
    config.storage = DTYPE_F16;
    Plan *plan = compile(model_build(&config).graph, &paper, true);
    Ranges trained = expected_ranges(plan, false), checks = count_ranges(plan, KERNEL_grad_check);
    Ranges sgd = count_ranges(plan, KERNEL_sgd_scaled);
    int at[KERNEL_COUNT] = {0};
    assert_int_equal(checks.steps, 1);
    assert_int_equal(checks.elements, trained.elements);
    assert_int_equal(checks.bytes, 4 * trained.elements);
    assert_int_equal(sgd.steps, 1);
    assert_int_equal(sgd.elements, trained.elements);
    assert_int_equal(count_ranges(plan, KERNEL_sgd).steps, 0);
    for (int i = plan->begin[SEGMENT_EPILOGUE]; i < plan->begin[SEGMENT_EPILOGUE + 1]; i++)
        if (plan->steps[i].kind == STEP_KERNEL)
            at[plan->steps[i].kernel.id] = i;
    assert_true(at[KERNEL_grad_check] < at[KERNEL_sgd_scaled] && at[KERNEL_sgd_scaled] < at[KERNEL_scale_update]);
    assert_int_equal(at[KERNEL_scale_update], plan->begin[SEGMENT_EPILOGUE + 1] - 1);
    plan_free(plan);
}

static bool not_layer2(const char *name, const void *context)
{
    (void)context;
    return !strstr(name, ".layer2.");
}

static void coalescing(void **unused)
{
    (void)unused;
    for (int ranks = 1; ranks <= 2; ranks++) {
        ModelConfig config;
        Paper paper = paper_new(1 << 30);
        Plan *plan = compile(model_graph(ranks, &config), &paper, true);
        check_ranges(plan);
        assert_int_equal(count_ranges(plan, KERNEL_sgd).steps, 1);
        assert_int_equal(count_ranges(plan, KERNEL_ema).steps, 1);
        assert_int_equal(count_ranges(plan, KERNEL_grad_sum).steps, ranks > 1);
        plan_free(plan);
        paper = paper_new(300000); /* several buffers per slab */
        plan = compile(model_graph(ranks, &config), &paper, true);
        assert_true(plan->slabs[SLAB_PARAM].count > 2);
        check_ranges(plan);
        plan_free(plan);
        config.trainable = not_layer2;
        paper = paper_new(1 << 30);
        plan = compile(model_build(&config).graph, &paper, true);
        assert_int_equal(count_ranges(plan, KERNEL_sgd).steps, 2);
        check_ranges(plan);
        plan_free(plan);
        check_scaled(ranks);
    }
}

/* With several ranks weights are packed once per step, after the key encoder has followed; with one
 * rank right before their use; for evaluation when they are folded. */
static void packing(void **unused)
{
    (void)unused;
    for (int ranks = 1; ranks <= 2; ranks++) {
        ModelConfig config;
        Paper paper = paper_new(1 << 30);
        Plan *plan = compile(model_graph(ranks, &config), &paper, true);
        int packs[SEGMENT_COUNT] = {0}, ema = -1;
        for (int i = 0; i < plan->steps_count; i++) {
            const Step *s = &plan->steps[i];
            if (s->kind == STEP_KERNEL && s->kernel.id == KERNEL_ema)
                ema = i;
            if (s->kind != STEP_CONV || s->conv.op != CONV_PACK)
                continue;
            packs[plan->plan_steps[i].segment]++;
            assert_true(plan->plan_steps[i].segment == SEGMENT_FOLD || (ema >= 0 && i > ema));
        }
        /* 19 convolutions; the query's are packed forwards and, but for the first, for the
         * gradient. */
        assert_int_equal(packs[SEGMENT_PROLOGUE], ranks > 1 ? 19 + 19 + 18 : 0);
        assert_int_equal(packs[SEGMENT_KEY], ranks > 1 ? 0 : 19);
        assert_int_equal(packs[SEGMENT_QUERY], ranks > 1 ? 0 : 19 + 18);
        assert_int_equal(packs[SEGMENT_EVAL], 0);
        assert_int_equal(packs[SEGMENT_FOLD], 19);
        plan_free(plan);
    }
}

/* Two images on a GPU of many units: the sums of batch norm are split over pieces of the planes, as those of a
 * processor are not. */
static void few_images(void **unused)
{
    (void)unused;
    for (int gpu = 0; gpu < 2; gpu++) {
        ModelConfig config = model_small(arch_find("resnet20"), 32, 2, 1);
        Paper paper = paper_new(1 << 30);
        paper.info.units = gpu ? 132 : 2;
        paper.info.max_group = 1024;
        paper.info.caps = gpu ? 0 : CAP_CPU;
        Plan *plan = compile(model_build(&config).graph, &paper, true);
        int seen = 0;
        for (int i = 0; i < plan->steps_count; i++) {
            const Step *s = &plan->steps[i];
            BnArgs args;
            if (s->kind != STEP_KERNEL || (s->kernel.id != KERNEL_bn_stats && s->kernel.id != KERNEL_bn_grad_sums))
                continue;
            memcpy(&args, s->kernel.args, sizeof args);
            assert_int_equal(args.pieces, gpu && args.HW >= 128 ? args.HW / 128 : 1);
            assert_int_equal(s->kernel.global[1], gpu ? 2 * args.pieces : 2);
            seen += args.pieces > 1;
        }
        assert_true(gpu ? seen > 10 : seen == 0);
        plan_free(plan);
    }
}

/* ------------------------------------------------------------------------------------ limits */

typedef struct Sized {
    bool fits;
    uint64_t bytes, activations, largest; /* of the plan; of the largest activation */
} Sized;

/* A training step on a device of this size; refused, it takes no memory. */
static Sized compile_sized(int batch, int queue, uint64_t memory, uint64_t max_alloc)
{
    ModelConfig config = model_small(arch_find("resnet20"), 16, batch, 1);
    config.queue = queue;
    Paper paper = paper_new(max_alloc);
    paper.info.memory = memory;
    Plan *plan = NULL;
    Status status =
        plan_compile(model_build(&config).graph, &paper_backend, (Device *)&paper, &(PlanOptions){0}, &plan);
    assert_int_equal(status, plan ? STATUS_OK : STATUS_LIMIT);
    if (!plan) {
        assert_int_equal(paper.live, 0);
        return (Sized){0};
    }
    Sized s = {true, plan_bytes(plan), plan_slab_bytes(plan, SLAB_ACTIVATION), 0};
    for (int i = 0; i < plan->values_count; i++)
        if (tagged(&plan->values[i]) && plan->values[i].bytes > s.largest)
            s.largest = plan->values[i].bytes;
    plan_free(plan);
    return s;
}

static void refused(int batch, int queue, uint64_t memory, uint64_t max_alloc, const char *why)
{
    assert_false(compile_sized(batch, queue, memory, max_alloc).fits);
    if (!strstr(status_text(), why))
        fail_msg("'%s' is not in: %s", why, status_text());
}

/* A refusal names a batch that fits, and not a much smaller one than need be. */
static void refused_but(int batch, uint64_t memory, uint64_t max_alloc, const char *why)
{
    long long fits = 0;
    refused(batch, 37, memory, max_alloc, why);
    const char *hint = strstr(status_text(), "--batch ");
    assert_non_null(hint);
    assert_int_equal(sscanf(hint, "--batch %lld fits", &fits), 1);
    assert_in_range(fits, batch / 4, batch - 1);
    if (!compile_sized((int)fits, 37, memory, max_alloc).fits)
        fail_msg("a batch of %lld does not fit: %s", fits, status_text());
}

static void sizes(void **unused)
{
    (void)unused;
    const uint64_t much = (uint64_t)1 << 40;
    Sized whole = compile_sized(32, 37, much, much);
    refused_but(32, whole.bytes - whole.activations / 2, much, "the plan needs more than the device has");
    refused_but(32, much, whole.largest / 2, "is larger than a buffer of the device may be");
    refused(32, 37, 1 << 20, much, "No batch fits");
    refused(4, 37, whole.bytes - whole.activations + 10000, much, "Not even a batch of one image fits");
    refused(4, 100000, much, 1 << 22,
            "queue is larger than a buffer of the device may be (12 vs 4 MiB). No batch fits: ");
    refused(4, 100000, 1 << 23, much, " MiB do not depend on it, of them 12 MiB are queue");
}

/* Values that are small one by one: the slab is named, and a batch of several ranks as the option wants it. */
static void refusal_names(void **unused)
{
    (void)unused;
    ModelConfig config = model_small(arch_find("resnet20"), 16, 32, 2);
    Paper paper = paper_new((uint64_t)1 << 40);
    Plan *plan;
    PlanOptions look = {.plan_only = true};
    assert_int_equal(plan_compile(model_build(&config).graph, &paper_backend, (Device *)&paper, &look, &plan),
                     STATUS_OK);
    assert_int_equal(paper.live, 0);
    assert_int_equal(plan_fits(plan), STATUS_OK);
    paper.info.memory = plan_bytes(plan) - plan_slab_bytes(plan, SLAB_ACTIVATION) / 3;
    assert_int_equal(plan_fits(plan), STATUS_LIMIT);
    int all = 0, each = 0;
    const char *hint = strstr(status_text(), "--batch ");
    if (!hint)
        fail_msg("no batch: %s", status_text());
    assert_int_equal(sscanf(hint, "--batch %d (%d per rank) fits", &all, &each), 2);
    assert_int_equal(all, 2 * each);
    assert_in_range(each, 1, config.batch - 1);
    paper.info.memory = 1000;
    assert_int_equal(plan_fits(plan), STATUS_LIMIT);
    if (!strstr(status_text(), " MiB are parameters"))
        fail_msg("%s", status_text());
    plan_free(plan);
}

/* Compiles a plan of which the backend refuses convolutions; how many lines say so, the last of which is the status. */
static int refusals(ModelConfig config, PlanOptions options)
{
    Paper paper = paper_new((uint64_t)1 << 40);
    Plan *plan;
    int count = 1;
    paper.refused = 2;
    test_stderr_begin();
    Status status = plan_compile(model_build(&config).graph, &paper_backend, (Device *)&paper, &options, &plan);
    char *told = test_stderr_end();
    assert_int_equal(status, STATUS_DEVICE);
    assert_non_null(strstr(status_text(), ": paper: stride 2"));
    for (char *line = told; *line; count++) {
        char *end = line + strcspn(line, "\n");
        *end = '\0';
        if (!strstr(line, "error: ") || !strstr(line, ": paper: stride 2") || strstr(line, status_text()))
            fail_msg("line %d: %s, at the end: %s", count, line, status_text());
        line = end + 1;
    }
    free(told);
    assert_int_equal(paper.live, 0);
    return count;
}

/* Who only looks at a plan is told every convolution that has none; else the first ends it. */
static void all_refusals(void **unused)
{
    (void)unused;
    ModelConfig config = model_small(arch_find("resnet18"), 32, 4, 1);
    enum { STRIDES = 1 + 2 * 3, PASSES = 4 }; /* stem; 3x3 and shortcut; two encoders forward, two gradients */
    assert_int_equal(refusals(config, (PlanOptions){.plan_only = true}), STRIDES * PASSES - 1);
    assert_int_equal(refusals(config, (PlanOptions){0}), 1);
}

static void limits(void **unused)
{
    (void)unused;
    ModelConfig config;
    Plan *plan;
    Paper paper;
    /* Every allocation fails once; nothing stays behind. */
    for (int after = 0; after < SLAB_COUNT - 1; after++) {
        paper = paper_new(1 << 30);
        paper.fail_after = after;
        assert_int_equal(plan_compile(model_graph(2, &config), &paper_backend, (Device *)&paper,
                                      &(PlanOptions){0}, &plan),
                         STATUS_LIMIT);
        assert_int_equal(paper.live, 0);
    }
    /* A value larger than any buffer. */
    paper = paper_new(20000);
    assert_int_equal(plan_compile(model_graph(1, &config), &paper_backend, (Device *)&paper,
                                  &(PlanOptions){0}, &plan),
                     STATUS_LIMIT);
    assert_int_equal(paper.live, 0);
}

static int count_steps(const Plan *plan, KernelId kernel)
{
    int count = 0;
    for (int i = 0; i < plan->steps_count; i++)
        count += plan->steps[i].kind == STEP_KERNEL && plan->steps[i].kernel.id == (int)kernel;
    return count;
}

/* Kernels whose teams count each other, and which operand holds the counts. */
static const struct Counting {
    KernelId kernel;
    int counts;
} counting[] = {{KERNEL_bn_stats, 7},
                {KERNEL_bn_pair_stats, 12},
                {KERNEL_bn_grad_sums, 9},
                {KERNEL_bn_pair_grad_sums, 13}};

/* Each span's teams have a count of their own. */
static void check_counts(const Plan *plan, const struct Counting *counts)
{
    for (int i = 0; i < plan->steps_count; i++) {
        const Step *s = &plan->steps[i];
        if (s->kind != STEP_KERNEL || s->kernel.id != (int)counts->kernel)
            continue;
        assert_int_equal(plan->plan_steps[i].operands[counts->counts].value, plan->arrivals->id);
        assert_true(s->kernel.global[0] / s->kernel.local[0] * s->kernel.global[2] <= plan->arrivals->dims.d[0]);
    }
}

/* A device whose last team merges what all wrote has no kernel for it, and one launch where both operands of a sum are
 * normalised; its counts are enough for the widest of all. */
static void last_team(void **unused)
{
    (void)unused;
    enum { PROJECTIONS = 2 }; /* blocks of resnet20_b whose shortcut is a convolution, in each of two encoders */
    int stats[2], sums[2];
    for (int last = 0; last < 2; last++) {
        ModelConfig config = model_small(arch_find("resnet20_b"), 16, 4, 1);
        Paper paper = paper_new(1 << 30);
        paper.info.max_group = 1024;
        paper.info.caps = last ? CAP_LAST_TEAM : 0;
        Plan *plan = compile(model_build(&config).graph, &paper, true);
        assert_int_equal(count_steps(plan, KERNEL_bn_pair_stats), last ? 2 * PROJECTIONS : 0);
        assert_int_equal(count_steps(plan, KERNEL_bn_pair_grad_sums), last ? PROJECTIONS : 0);
        assert_int_equal(count_steps(plan, KERNEL_bn_pair_grad_apply), last ? PROJECTIONS : 0);
        stats[last] = count_steps(plan, KERNEL_bn_stats) + 2 * count_steps(plan, KERNEL_bn_pair_stats);
        sums[last] = count_steps(plan, KERNEL_bn_grad_sums) + 2 * count_steps(plan, KERNEL_bn_pair_grad_sums);
        assert_int_equal(count_steps(plan, KERNEL_bn_merge), last ? 0 : stats[last]);
        assert_int_equal(count_steps(plan, KERNEL_bn_grad_merge), last ? 0 : sums[last]);
        assert_true(last == (plan->arrivals != NULL));
        for (size_t i = 0; i < sizeof counting / sizeof *counting && last; i++)
            check_counts(plan, &counting[i]);
        check_plan(plan, &paper);
        plan_free(plan);
    }
    assert_true(stats[0] == stats[1] && sums[0] == sums[1] && stats[0] > 0 && sums[0] > 0);
}

/* ------------------------------------------------------------------------------------ recomputation */

static int count_again(const Plan *plan)
{
    int count = 0;
    for (int i = 0; i < plan->graph->nodes_count; i++)
        count += plan->graph->nodes[i]->op == OP_bn_relu_again;
    return count;
}

/* A GPU with memory of its own keeps activations where there is room for them, and room for what it does not know;
 * where there is none it computes them again, and the plan is smaller. Where memory is everybody's it does so always. */
static void room(void **unused)
{
    (void)unused;
    uint64_t kept = 0;
    for (int turn = 0; turn < 4; turn++) { /* plenty of memory; twice what is needed; as much; everybody's */
        ModelConfig config = model_small(arch_find("resnet20"), 32, 16, 1);
        Paper paper = paper_new(1 << 30);
        paper.info.max_group = 1024;
        paper.info.caps = turn == 3 ? 0 : CAP_OWN_MEMORY;
        if (turn == 1 || turn == 2)
            paper.info.memory = turn == 1 ? 2 * kept : kept;
        Plan *plan = compile(model_build(&config).graph, &paper, true);
        assert_true(turn < 2 ? count_again(plan) == 0 : count_again(plan) > 5);
        if (turn == 0)
            kept = plan_bytes(plan);
        assert_true(turn < 2 ? plan_bytes(plan) == kept : plan_bytes(plan) < kept);
        check_plan(plan, &paper);
        plan_free(plan);
    }
}

/* A device that takes weights of 16 bits as parameters lie, their channels in eights. */
static Paper paper_plain(void)
{
    Paper paper = paper_new(1 << 30);
    paper.info.caps = CAP_PLAIN_WEIGHTS;
    paper.info.max_group = 1024;
    paper.info.channel_block = 0;
    paper.info.channel_multiple = 8;
    return paper;
}

/* Compiles for a GPU with memory of its own, of which others have left `left` bytes (0: it does not say) and which
 * gives `room` (0: all it has); NULL: it does not fit. */
static Plan *compile_shared(Paper *paper, uint64_t left, uint64_t room, bool no_recompute)
{
    ModelConfig config = model_small(arch_find("resnet20"), 32, 16, 1);
    Plan *plan = NULL;
    *paper = paper_plain();
    paper->info.caps |= CAP_OWN_MEMORY;
    paper->info.free_memory = left;
    paper->room = room;
    config.storage = DTYPE_BF16;
    Status status = plan_compile(model_build(&config).graph, &paper_backend, (Device *)paper,
                                 &(PlanOptions){.no_recompute = no_recompute}, &plan);
    assert_int_equal(status, plan ? STATUS_OK : STATUS_LIMIT);
    assert_true(plan ? paper->held == plan_bytes(plan) : paper->live == 0 && paper->held == 0);
    return plan;
}

/* Both plans have the same steps at the same places. */
static void check_same_plans(const Plan *a, const Plan *b)
{
    assert_int_equal(a->steps_count, b->steps_count);
    assert_int_equal(plan_bytes(a), plan_bytes(b));
    assert_int_equal(a->requested, b->requested);
    for (int i = 0; i < a->steps_count; i++) {
        const Step *x = &a->steps[i], *y = &b->steps[i];
        assert_string_equal(x->name, y->name);
        assert_true(x->kind == y->kind && x->refs_count == y->refs_count);
        for (int j = 0; j < x->refs_count; j++) {
            assert_int_equal(a->plan_steps[i].operands[j].value, b->plan_steps[i].operands[j].value);
            assert_int_equal(x->refs[j].off, y->refs[j].off);
        }
    }
}

/* What others have of the memory counts; and where a device gives less than it seemed to have, a second plan that
 * computes activations again is the one that would have been made at once. */
static void room_beside_others(void **unused)
{
    (void)unused;
    Paper papers[3];
    Plan *kept = compile_shared(&papers[0], 0, 0, false), *again, *late;
    const uint64_t bytes = plan_bytes(kept);
    assert_int_equal(count_again(kept), 0);
    plan_free(kept);
    again = compile_shared(&papers[1], bytes, 0, false);
    assert_true(count_again(again) > 5 && plan_bytes(again) < bytes);
    late = compile_shared(&papers[2], 0, bytes - 1, false);
    check_same_plans(again, late);
    check_plan(late, &papers[2]);
    const uint64_t least = plan_bytes(again);
    plan_free(again);
    plan_free(late);
    assert_null(compile_shared(&papers[0], 0, least - 1, false));
    assert_null(compile_shared(&papers[0], 0, bytes - 1, true));
    assert_null(compile_shared(&papers[0], least - 1, 0, false));
    assert_non_null(strstr(status_text(), "the plan needs more than the device has left"));
}

/* ------------------------------------------------------------------------------------ copies */

/* Every convolution but the first of each encoder, whose images have three channels, reads the copy of what it read,
 * and leaves its gradient in one. */
static void check_copied_steps(const Plan *plan, int convolutions)
{
    int plain = 0, others = 0, packs = 0;
    for (int i = 0; i < plan->steps_count; i++) {
        const Step *s = &plan->steps[i];
        const PlanOperand *operands = plan->plan_steps[i].operands;
        if (s->kind != STEP_CONV || !segment_trains(plan->plan_steps[i].segment))
            continue;
        const ConvDesc *d = &s->conv;
        plain += d->plain;
        others += !d->plain && d->op != CONV_PACK;
        packs += d->op == CONV_PACK;
        if (!d->plain) {
            assert_true(d->C == 3 || d->op == CONV_PACK);
            continue;
        }
        const PlanValue *w = &plan->values[operands[d->op == CONV_GRAD_WEIGHT ? 2 : 1].value];
        assert_int_equal(w->value->role, d->op == CONV_GRAD_WEIGHT                           ? ROLE_GRAD_COPY
                                         : plan->plan_steps[i].segment == SEGMENT_KEY ? ROLE_EMA_COPY
                                                                                      : ROLE_COPY);
        assert_int_equal(w->stored, plan->graph->storage);
        assert_int_equal(w->off % 16, 0);
        assert_int_equal(w->bytes, 2 * dims_count(w->value->of->dims));
    }
    assert_int_equal(plain, 4 * (convolutions - 1)); /* of keys; of queries forwards and both gradients */
    assert_int_equal(others, 3);
    assert_int_equal(packs, 2);
}

/* Elements of copies of a role, gaps among them. */
static int64_t copied_elements(const Plan *plan, Role role)
{
    uint64_t begin = UINT64_MAX, end = 0;
    for (int i = 0; i < plan->values_count; i++) {
        const PlanValue *v = &plan->values[i];
        if (v->value->role != role)
            continue;
        begin = v->off < begin ? v->off : begin;
        end = v->off + v->bytes > end ? v->off + v->bytes : end;
    }
    return (int64_t)(end - begin) / 2;
}

/* The factor of element `at` of a pass that makes gradients float32. */
static float factor_of(const Step *widen, int64_t at)
{
    WidenArgs args;
    memcpy(&args, widen->kernel.args, sizeof args);
    float factor = args.a;
    for (int k = 0; k < WIDEN_MORE && at >= args.begins[k]; k++)
        factor = args.factors[k];
    return factor;
}

/* Every gradient of weights in 16 bits gets the factor that undoes what its convolution multiplied it by. Returns how
 * often it is another one than before. */
static int check_factors(const Plan *plan, int widen)
{
    const PlanValue *first = &plan->values[plan->plan_steps[widen].operands[0].value];
    float last = 0;
    int changes = 0;
    for (int i = 0; i < plan->values_count; i++) {
        const PlanValue *v = &plan->values[i];
        if (v->value->role != ROLE_GRAD_COPY)
            continue;
        const ConvDesc *d = NULL;
        for (int k = 0; k < plan->steps_count; k++)
            if (plan->steps[k].kind == STEP_CONV && plan->steps[k].conv.op == CONV_GRAD_WEIGHT &&
                plan->plan_steps[k].operands[2].value == i)
                d = &plan->steps[k].conv;
        const int64_t at = (int64_t)(v->off - first->off) / 2, count = dims_count(v->value->dims);
        float factor = 1 / device_grad_scale(d->type, (int64_t)d->N * d->P * d->Q);
        assert_true(factor_of(&plan->steps[widen], at) == factor);
        assert_true(factor_of(&plan->steps[widen], at + count - 1) == factor);
        changes += factor != last;
        last = factor;
    }
    return changes;
}

/* The passes over weights with a copy and over those without, each one step; copies are made anew by two, and gradients
 * become float32 in one, before anything reads them. */
static void check_passes(const Plan *plan, KernelId sgd_kernel, int ranks)
{
    Ranges sgd = count_ranges(plan, sgd_kernel), ema = count_ranges(plan, KERNEL_ema);
    Ranges narrow = count_ranges(plan, KERNEL_narrow), widen = count_ranges(plan, KERNEL_widen);
    int64_t copied = copied_elements(plan, ROLE_COPY);
    assert_int_equal(sgd.steps, 2);
    assert_int_equal(ema.steps, 2);
    assert_int_equal(ema.bytes, 12 * ema.elements + 2 * copied);
    assert_int_equal(sgd.bytes, 20 * sgd.elements + 2 * copied);
    assert_int_equal(narrow.steps, 2);
    assert_int_equal(narrow.elements, 2 * copied);
    assert_int_equal(widen.steps, 1);
    assert_int_equal(widen.elements, copied_elements(plan, ROLE_GRAD_COPY));
    assert_int_equal(plan->begin[SEGMENT_COPIES + 1] - plan->begin[SEGMENT_COPIES], 2);
    int at = plan->begin[SEGMENT_QUERY];
    while (plan->steps[at].kind != STEP_KERNEL || plan->steps[at].kernel.id != KERNEL_widen)
        at++;
    assert_true(plan->graph->storage == DTYPE_F16 ? check_factors(plan, at) > 2 : check_factors(plan, at) == 1);
    for (int i = plan->begin[SEGMENT_QUERY]; i < plan->begin[SEGMENT_QUERY + 1]; i++)
        if (plan->steps[i].kind == STEP_CONV && plan->steps[i].conv.op == CONV_GRAD_WEIGHT && plan->steps[i].conv.plain)
            assert_true(i < at);
        else if (plan->steps[i].kind == STEP_KERNEL && plan->steps[i].kernel.id == KERNEL_grad_sum)
            assert_true(i > at);
    assert_int_equal(count_ranges(plan, KERNEL_grad_sum).steps, ranks > 1);
}

/* Copies follow what the host writes into masters, once, before anything else runs. */
static void check_stale(Plan *plan, Paper *paper)
{
    const StepParams state = {.lr = 1};
    Value *w = NULL, *key = NULL;
    for (int i = 0; i < plan->values_count; i++)
        if (plan->values[i].value->role == ROLE_EMA_COPY)
            w = plan->values[i].value->of, key = graph_companion_of(plan->graph, w, ROLE_EMA);
    float *zeros = mem_zero((size_t)dims_count(w->dims), sizeof *zeros);
    const Step *copies = plan->steps + plan->begin[SEGMENT_COPIES], *keys = plan->steps + plan->begin[SEGMENT_KEY];
    for (int written = 0; written < 3; written++) { /* neither, the parameter, the key encoder's */
        paper->runs = 0;
        if (written)
            assert_int_equal(plan_write(plan, written == 1 ? w : key, zeros, DTYPE_F32), STATUS_OK);
        for (int i = 0; i < 2; i++)
            assert_int_equal(plan_run(plan, SEGMENT_KEY, &state), STATUS_OK);
        assert_int_equal(paper->runs, 2 + (written > 0));
        assert_ptr_equal(paper->ran[0], written ? copies : keys);
        assert_ptr_equal(paper->ran[1], keys);
    }
    free(zeros);
}

static void copies(void **unused)
{
    (void)unused;
    for (int ranks = 1; ranks <= 2; ranks++)
        for (DType storage = DTYPE_F16; storage <= DTYPE_BF16; storage++) {
            ModelConfig config;
            Paper paper = paper_plain();
            graph_free(model_graph(ranks, &config));
            config.eval_batch = 0;
            config.storage = storage;
            Plan *plan = compile(model_build(&config).graph, &paper, true);
            check_plan(plan, &paper);
            check_copied_steps(plan, 19);
            check_passes(plan, storage == DTYPE_F16 ? KERNEL_sgd_scaled : KERNEL_sgd, ranks);
            check_stale(plan, &paper);
            plan_free(plan);
            /* Frozen weights are read from copies, too, and have no gradient in one. */
            config.trainable = not_layer2;
            plan = compile(model_build(&config).graph, &paper, true);
            check_plan(plan, &paper);
            for (int i = 0; i < plan->values_count; i++)
                if (plan->values[i].value->role == ROLE_GRAD_COPY)
                    assert_true(plan->values[i].value->of->trainable);
            plan_free(plan);
            /* In float32, or where a device does not ask for them, there are none. */
            config.storage = storage == DTYPE_F16 ? DTYPE_F32 : DTYPE_BF16;
            paper.info.caps = storage == DTYPE_F16 ? CAP_PLAIN_WEIGHTS : 0;
            plan = compile(model_build(&config).graph, &paper, true);
            assert_int_equal(plan_slab_bytes(plan, SLAB_COPY), 0);
            assert_int_equal(count_ranges(plan, KERNEL_narrow).steps + count_ranges(plan, KERNEL_widen).steps, 0);
            plan_free(plan);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room), cmocka_unit_test(room_beside_others),
        cmocka_unit_test(last_team), cmocka_unit_test(copies),
        cmocka_unit_test(random_graphs), cmocka_unit_test(models), cmocka_unit_test(violations),
        cmocka_unit_test(coalescing), cmocka_unit_test(packing), cmocka_unit_test(limits),
        cmocka_unit_test(sizes), cmocka_unit_test(refusal_names), cmocka_unit_test(all_refusals), cmocka_unit_test(few_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
