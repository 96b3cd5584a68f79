/* Copies of weights in 16 bits, for a device that takes weights as parameters lie: what reads and writes them, that passes
 * over them are few, and that they follow what the host writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_plan.h"

#include "base/arena.h"

#include <stdlib.h>

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
        cmocka_unit_test(copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
