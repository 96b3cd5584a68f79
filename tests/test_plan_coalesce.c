/* Passes over parameters and their companions: each is one step over a slab, or as few as the slab has ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_plan.h"

#include <stdlib.h>
#include <string.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coalescing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
