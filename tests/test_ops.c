/* Every operator on every device: the reference in float64 against OpenCL with the kernels of
 * processors and of GPUs, over odd shapes, with guard bytes and padded lanes checked (support_graph.h).
 * Every row of ops.def has its test; a row without cases does not link, and a test whose cases never
 * run its operator fails. PACO_TEST_ONLY=PATTERN runs the tests that match it (test_bn*). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_ops.h"

#include <stdio.h>
#include <stdlib.h>

static Rig rig;

static void report(const char *name)
{
    rig_judge_pool(&rig);
    printf("%-20s %3d cases, %4d tensors; shares of the bounds: mean square %.3f, element %.3f, "
           "cancelling %.3f, rounded otherwise %.3f\n",
           name, rig.cases, rig.compared, rig.worst_sum, rig.worst_element, rig.worst_cancel, rig.worst_share);
    rig_clear(&rig);
}

#define OP(name, attrs, grad, remake, mutates, casts, trait) \
    static void test_##name(void **unused)     \
    {                                          \
        (void)unused;                          \
        rig.seen[OP_##name] = false;           \
        cases_##name(&rig);                    \
        assert_true(rig.seen[OP_##name]);      \
        assert_true(rig.compared > 0);         \
        report(#name);                         \
    }
#include "graph/ops.def"
#undef OP

static void test_fusion(void **unused)
{
    (void)unused;
    cases_fusion(&rig);
    report("fused chains");
}

static void test_nan(void **unused)
{
    (void)unused;
    cases_nan(&rig);
    report("not-a-numbers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define OP(name, attrs, grad, remake, mutates, casts, trait) cmocka_unit_test(test_##name),
#include "graph/ops.def"
#undef OP
        cmocka_unit_test(test_fusion),
        cmocka_unit_test(test_nan),
    };
    rig_open(&rig);
    if (getenv("PACO_TEST_ONLY"))
        cmocka_set_test_filter(getenv("PACO_TEST_ONLY"));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rig_close(&rig);
    return failed;
}
