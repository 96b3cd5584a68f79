/* What a training step of ResNet-50, batch 32, moves through a device's memory: the steps of a plan for a device of paper
 * that reads images with channels last and weights as they lie (as cuDNN does), added up. A pass that reads or writes
 * more than it must shows here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"
#include "model/paco.h"
#include "plan/plan.h"

#include <stdio.h>

static DeviceInfo paper = {.name = "paper",
                                 .memory = (uint64_t)1 << 40,
                                 .max_alloc = (uint64_t)1 << 40,
                                 .units = 132,
                                 .max_group = 1024,
                                 .local_memory = 48 << 10,
                                 .alignment = 256,
                                 .channel_multiple = 8};

static const DeviceInfo *paper_opened(const Device *device)
{
    (void)device;
    return &paper;
}

static Status paper_choose(Device *device, Step *step)
{
    (void)device, (void)step;
    return STATUS_OK;
}

static const Backend backend = {.abi = BACKEND_ABI, .name = "paper", .opened = paper_opened, .choose = paper_choose};

/* Gigabytes that a step moves. */
static double traffic(DType storage, bool recompute)
{
    const ModelConfig config = {.arch = arch_find("resnet50"),
                                .method = METHOD_PACO,
                                .classes = 1000,
                                .size = 224,
                                .batch = 32,
                                .ranks = ranks_whole(1),
                                .dim = 128,
                                .queue = 8192,
                                .mlp = true,
                                .train = true,
                                .bytes = true,
                                .storage = storage,
                                .moco_m = 0.999,
                                .std = {1, 1, 1},
                                .loss = {0.05, 1, 1, 1, 0.2, 0.2}};
    Plan *plan;
    int64_t bytes = 0;
    paper.caps = recompute ? 0 : CAP_OWN_MEMORY;
    assert_int_equal(plan_compile(model_build(&config).graph, &backend, (Device *)&plan,
                                  &(PlanOptions){.plan_only = true, .no_recompute = !recompute}, &plan),
                     STATUS_OK);
    for (int i = 0; i < plan->steps_count; i++)
        bytes += plan->steps[i].bytes;
    plan_free(plan);
    printf("%s%s: %.2f GB\n", dtype_word(storage), recompute ? ", recomputed" : "", 1e-9 * (double)bytes);
    return 1e-9 * (double)bytes;
}

static void test_bf16(void **unused)
{
    (void)unused;
    double wide = traffic(DTYPE_F32, false), narrow = traffic(DTYPE_BF16, false);
    assert_true(narrow <= 16.6);
    assert_true(narrow <= 0.53 * wide); /* what is not images: weights and their updates */
    assert_true(traffic(DTYPE_BF16, true) <= 1.03 * narrow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bf16)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
