/* When the parts of a network's gradients are complete (src/plan/parts.c): a plan's steps are played word by word, and
 * what a step writes behind the place where its part travels shows here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"
#include "device/kernels.h"
#include "plan/parts.h"
#include "support_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Paper paper;

static Plan *plan_of(Ranks ranks, DType storage)
{
    ModelConfig config = model_small(arch_find("resnet20"), 16, 4, 1);
    config.ranks = ranks;
    config.storage = storage;
    paper = paper_plain();
    return compile(model_build(&config).graph, &paper, true);
}

static bool is_pass(const Step *step)
{
    return step->kind == STEP_KERNEL && kernel_joins(step->kernel.id);
}

/* The last step of QUERY that writes each word of a slab's first buffer, or with `readers` uses it; 0: none. */
static int *users(const Plan *plan, Slab slab, bool readers)
{
    int *last = calloc(plan->slabs[slab].sizes[0] / 4 + 1, sizeof *last);
    assert_int_equal(plan->slabs[slab].count, 1);
    for (int i = plan->begin[SEGMENT_QUERY]; i < plan->begin[SEGMENT_QUERY + 1]; i++)
        for (int j = 0; j < plan->steps[i].refs_count; j++) {
            const Step *step = &plan->steps[i];
            int id = plan->plan_steps[i].operands[j].value;
            if (id < 0 || plan->values[id].slab != slab || !(readers || step->writes >> j & 1))
                continue;
            RangeArgs args = {.n = (long)plan->values[id].bytes / 4};
            if (is_pass(step)) {
                memcpy(&args, step->kernel.args, sizeof args);
                args.n = args.n * dtype_bytes(plan->values[id].stored) / 4;
            }
            for (long k = 0; k < args.n; k++)
                last[plan->values[id].off / 4 + (uint64_t)k] = i;
        }
    return last;
}

/* Whether a part is complete, and nobody wants it any more, where parts_ready says so, and no sooner than it must wait for one that travels before. */
static void check_ready(const Plan *plan, const SumVector *v, const int *ready)
{
    Slab slab = plan->values[plan->plan_steps[v->first].operands[0].value].slab;
    int *last = users(plan, slab, true), complete = plan->begin[SEGMENT_QUERY], parts = sum_parts(v->begin[v->count]);
    for (int p = 0; p < parts; p++) {
        SumPart part = sum_part(v->begin[v->count], p);
        for (int g = 0; g < v->count; g++) {
            if (v->begin[g] >= part.at + part.count || v->begin[g] + v->elements[g] <= part.at)
                continue;
            for (int j = 0; j < plan->steps[v->first + g].refs_count; j++) {
                const PlanValue *to = &plan->values[plan->plan_steps[v->first + g].operands[j].value];
                for (uint64_t word = to->off / 4; word < (to->off + to->bytes) / 4; word++) {
                    assert_true(last[word] > 0);
                    complete = last[word] + 1 > complete ? last[word] + 1 : complete;
                }
            }
        }
        assert_int_equal(ready[p], complete);
    }
    free(last);
}

/* Whether passes read of a slab what no later step writes. */
static void check_passes(const Plan *plan, Slab slab)
{
    int *last = plan->slabs[slab].count ? users(plan, slab, false) : NULL;
    for (int i = plan->begin[SEGMENT_QUERY]; last && i < plan->begin[SEGMENT_QUERY + 1]; i++)
        for (int j = 0; is_pass(&plan->steps[i]) && j < plan->steps[i].refs_count; j++) {
            int id = plan->plan_steps[i].operands[j].value;
            if (id < 0 || plan->values[id].slab != slab || plan->steps[i].writes >> j & 1)
                continue;
            RangeArgs args;
            memcpy(&args, plan->steps[i].kernel.args, sizeof args);
            uint64_t from = plan->values[id].off, bytes = (uint64_t)(args.n * dtype_bytes(plan->values[id].stored));
            for (uint64_t word = from / 4; word < (from + bytes) / 4; word++)
                assert_true(last[word] < i);
        }
    free(last);
}

static int passes(const Plan *plan)
{
    int count = 0;
    for (int i = plan->begin[SEGMENT_QUERY]; i < plan->begin[SEGMENT_QUERY + 1]; i++)
        count += is_pass(&plan->steps[i]);
    return count;
}

static void check_case(Ranks ranks, DType storage)
{
    Plan *plan = plan_of(ranks, storage);
    SumVector v = parts_vector(plan);
    int parts = sum_parts(v.begin[v.count]), begin = plan->begin[SEGMENT_QUERY],
        steps = plan->begin[SEGMENT_QUERY + 1] - begin;
    int *ready = calloc((size_t)parts, sizeof *ready);
    assert_int_equal(parts, 5);
    parts_ready(plan, &v, ready);
    check_ready(plan, &v, ready);
    check_passes(plan, SLAB_GRAD);
    check_passes(plan, SLAB_COPY);
    /* The first is on its way while a third of the steps is still to come, and passes are few. */
    assert_true(ready[0] - begin < 2 * steps / 3);
    assert_true(ready[parts - 2] < ready[parts - 1]);
    printf("ranks %d of %d, %s: complete before steps", ranks.own, ranks.all, dtype_word(storage));
    for (int p = 0; p < parts; p++)
        printf(" %d", ready[p] - begin);
    printf(" of %d, %d of them passes over gradients\n", steps, passes(plan));
    /* Each kind of pass once for a part, twice where some parameters have copies and others not. */
    int kinds = (ranks.own > 1 ? storage == DTYPE_F32 ? 1 : 2 : 0) + (storage == DTYPE_F32 ? 0 : 1);
    assert_true(passes(plan) <= kinds * parts);
    free(ready);
    parts_free(&v);
    plan_free(plan);
}

static void parts_are_complete_where_they_travel(void **state)
{
    (void)state;
    check_case(ranks_share(4, 4, 1), DTYPE_F32);
    check_case(ranks_share(4, 2, 1), DTYPE_F32);
    check_case(ranks_share(6, 2, 0), DTYPE_F32); /* two partial sums of each gradient */
    check_case(ranks_share(4, 4, 0), DTYPE_BF16);
    check_case(ranks_share(4, 2, 0), DTYPE_BF16);
}

/* Where nothing travels, passes stay whole. */
static void one_process_keeps_its_passes(void **state)
{
    (void)state;
    Plan *plan = plan_of(ranks_whole(4), DTYPE_F32);
    SumVector v = parts_vector(plan);
    assert_int_equal(v.count, 0);
    assert_int_equal(passes(plan), 1);
    parts_free(&v);
    plan_free(plan);
}

static void parts_cover_a_vector_from_its_end(void **state)
{
    (void)state;
    for (int64_t count = 1; count < 200000000; count = count * 3 + 1) {
        int64_t end = count;
        for (int i = 0; i < sum_parts(count); i++) {
            SumPart part = sum_part(count, i);
            assert_true(part.count > 0 && part.at + part.count == end && part.at % SUM_UNIT == 0);
            end = part.at;
        }
        assert_int_equal(end, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_complete_where_they_travel),
        cmocka_unit_test(one_process_keeps_its_passes),
        cmocka_unit_test(parts_cover_a_vector_from_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
