/* The planner against an independent account of memory (support_plan.h): plans of random graphs and of whole models, made
 * for a backend that computes nothing. Besides: what plan_check must catch, and which steps a plan has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_aborts.h"
#include "support_plan.h"

#include "base/arena.h"
#include "base/rng.h"

#include <stdio.h>
#include <string.h>

static const NoAttrs none = {0};

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

/* ------------------------------------------------------------------------------------ steps */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_graphs),
        cmocka_unit_test(models),
        cmocka_unit_test(violations),
        cmocka_unit_test(packing),
        cmocka_unit_test(few_images),
        cmocka_unit_test(last_team),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
