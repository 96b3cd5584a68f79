/* What does not fit: what a refusal says, which batch fits, that nothing stays behind, and where activations are computed
 * again so that a plan fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_plan.h"

#include "support_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(refusal_names),
        cmocka_unit_test(all_refusals),
        cmocka_unit_test(limits),
        cmocka_unit_test(room),
        cmocka_unit_test(room_beside_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
