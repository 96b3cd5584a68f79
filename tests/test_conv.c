/* Convolution steps of a backend: every operation x kernel size x stride x groups x odd sizes, forced algorithms, edges,
 * other devices (support_conv.h).
 *
 * PACO_TEST_ONLY=PATTERN runs the tests that match it; PACO_BENCH=1 prints speeds of ResNet layers instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_conv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void points(void **state)
{
    (void)state;
    check_shape(2, 32, 7, 7, 64, 1, 1, 1, 0, 1);
    check_shape(3, 17, 5, 9, 35, 1, 1, 1, 0, 1);
    check_shape(1, 64, 28, 28, 32, 1, 1, 1, 0, 1);
    check_shape(2, 5, 6, 7, 7, 1, 1, 1, 0, 1);
    check_shape(2, 48, 14, 14, 48, 1, 1, 2, 0, 1);
    check_shape(2, 33, 9, 7, 20, 1, 1, 2, 0, 1);
    check_shape(1, 16, 10, 11, 16, 1, 1, 3, 1, 1);
}

static void squares(void **state)
{
    (void)state;
    check_shape(2, 16, 8, 8, 16, 3, 3, 1, 1, 1);
    check_shape(3, 3, 9, 11, 16, 3, 3, 1, 1, 1);
    check_shape(2, 64, 7, 7, 64, 3, 3, 1, 1, 1);
    check_shape(1, 35, 14, 13, 19, 3, 3, 1, 1, 1);
    check_shape(2, 32, 16, 16, 32, 3, 3, 2, 1, 1);
    check_shape(2, 21, 9, 15, 37, 3, 3, 2, 1, 1);
    check_shape(1, 18, 12, 10, 50, 3, 3, 1, 0, 1);
    check_shape(1, 4, 13, 12, 4, 3, 3, 3, 2, 1);
}

static void sevens(void **state)
{
    (void)state;
    check_shape(1, 3, 32, 28, 64, 7, 7, 2, 3, 1);
    check_shape(2, 3, 15, 17, 20, 7, 7, 2, 3, 1);
    check_shape(1, 19, 11, 9, 16, 7, 7, 1, 3, 1);
    check_shape(1, 17, 12, 9, 33, 5, 3, 2, 1, 1);
    check_shape(1, 8, 9, 12, 24, 2, 4, 1, 1, 1);
    check_shape(1, 8, 9, 12, 24, 2, 2, 3, 0, 1);
}

static void groups(void **state)
{
    (void)state;
    check_shape(1, 128, 8, 8, 128, 3, 3, 1, 1, 32);
    check_shape(2, 64, 7, 9, 64, 3, 3, 2, 1, 8);
    check_shape(1, 64, 7, 7, 64, 3, 3, 1, 1, 2);
    check_shape(1, 32, 6, 5, 64, 1, 1, 1, 0, 4);
    check_shape(2, 20, 7, 6, 30, 3, 3, 1, 1, 5);
    check_shape(1, 24, 7, 6, 24, 3, 3, 2, 1, 24);
    check_shape(1, 96, 5, 5, 48, 1, 1, 2, 0, 3);
    check_shape(1, 36, 5, 6, 72, 3, 3, 1, 1, 3);
    check_shape(2, 36, 9, 17, 36, 3, 3, 1, 1, 9);
    check_shape(1, 64, 11, 15, 64, 3, 3, 2, 1, 16);
    check_shape(2, 40, 9, 13, 40, 3, 3, 1, 1, 5);
    check_shape(1, 72, 12, 7, 72, 5, 3, 2, 2, 9);
}

static void many_channels(void **state)
{
    (void)state;
    check_shape(1, 520, 7, 7, 40, 3, 3, 1, 1, 1);
    check_shape(1, 1030, 4, 30, 24, 3, 3, 1, 1, 1);
    check_shape(1, 24, 7, 7, 520, 1, 1, 1, 0, 1);
}

/* Rows of more pixels than a local memory of 1 MiB holds, and of no whole number of pieces. */
static void wide(void **state)
{
    (void)state;
    check_shape(1, 3, 8, 2050, 17, 7, 7, 2, 3, 1);
    check_shape(1, 16, 3, 5601, 4, 3, 3, 1, 1, 1);
    check_shape(1, 4, 3, 5601, 16, 3, 3, 2, 1, 1);
    check_shape(2, 4, 3, 9001, 4, 3, 3, 3, 1, 2);
}

/* Forced algorithms run, and give the same sums; the device's own choice for these shapes is
 * another. */
static void forced(void **state)
{
    (void)state;
    test_needs_opencl();
    static const char *const choices[] = {
        "conv.forward=cpu-band,conv.grad-data=cpu-band,conv.grad-weight=cpu-weight-band",
        "gpu,conv.forward=cpu-point,conv.grad-data=cpu-band,conv.grad-weight=cpu-weight-point",
        "conv.forward=gpu-tile,conv.grad-data=gpu-tile,conv.grad-weight=gpu-weight-tile"};
    static const char *const names[][3] = {{"cpu-band", "cpu-band", "cpu-weight-band"},
                                           {"cpu-point", "cpu-band", "cpu-weight-point"},
                                           {"gpu-tile", "gpu-tile", "gpu-weight-tile"}};
    TestDevice usual = conv.device;
    /* Kernels for processors, the first two, are no matter of other devices. */
    for (int i = usual.backend->opened(usual.device)->caps & CAP_CPU ? 0 : 2; i < 3; i++) {
        conv.device = test_device_open(choices[i], false);
        Step step = {.kind = STEP_CONV,
                     .refs_count = 3,
                     .name = "test",
                     .conv = {.N = 2,
                              .C = 20,
                              .H = 7,
                              .W = 7,
                              .K = 33,
                              .R = 1,
                              .S = 1,
                              .P = 7,
                              .Q = 7,
                              .stride = 1,
                              .groups = 1}};
        for (int op = 0; op < 3; op++) {
            step.conv.op = (ConvOp)op;
            step.algorithm = NULL;
            assert_int_equal(conv.device.backend->choose(conv.device.device, &step), STATUS_OK);
            assert_int_equal(strncmp(step.algorithm, names[i][op], strlen(names[i][op])), 0);
        }
        check_shape(2, 20, 7, 7, 33, 1, 1, 1, 0, 1);
        check_shape(1, 20, 6, 5, 18, 3, 3, 2, 1, 1);
        test_device_close(&conv.device);
    }
    conv.device = usual;
}

/* Every candidate can be forced by the name that it is listed with, whatever tuning asks for. */
static void forced_by_name(void **state)
{
    (void)state;
    static const char *const ops[] = {"conv.forward", "conv.grad-data", "conv.grad-weight"};
    const Backend *backend = conv.device.backend;
    int forced_count = 0;
    for (int kernel = 1; kernel <= 3; kernel += 2)
        for (int op = 0; op < 3; op++) {
            Step step = {.kind = STEP_CONV, .name = "test",
                         .conv = {.op = (ConvOp)op, .N = 2, .C = 40, .H = 14, .W = 14, .K = 40,
                                  .R = kernel, .S = kernel, .P = 14, .Q = 14, .stride = 1,
                                  .pad = kernel / 2, .groups = kernel == 3 && op ? 10 : 1}};
            const char *name, *first = backend->candidate(conv.device.device, &step, 0);
            for (int i = 0; (name = backend->candidate(conv.device.device, &step, i)); i++) {
                char option[96];
                snprintf(option, sizeof option, "%s=%s", ops[op], name);
                TestDevice other = test_device_open(option, false);
                step.algorithm = first;
                assert_int_equal(other.backend->choose(other.device, &step), STATUS_OK);
                assert_string_equal(step.algorithm, name);
                test_device_close(&other);
                forced_count++;
            }
        }
    assert_true(forced_count > 6);
}

static void gpu_shapes(void)
{
    check_shape(1, 68, 12, 13, 72, 1, 1, 1, 0, 1);
    check_shape(1, 66, 9, 8, 68, 3, 3, 2, 1, 2);
    check_shape(2, 5, 7, 6, 17, 3, 3, 1, 1, 1);
}

/* Every tile of the kernels for GPUs. */
static void gpu_candidates(void **state)
{
    (void)state;
    TestDevice usual = conv.device;
    conv.device = test_device_open("gpu", false);
    int count = each_candidate(gpu_shapes);
    bool large = conv.device.backend->opened(conv.device.device)->max_group >= 256;
    test_device_close(&conv.device);
    conv.device = usual;
    assert_true(count >= (large ? 8 : 3));
}

static void cpu_shapes(void)
{
    check_shape(1, 68, 12, 14, 72, 1, 1, 1, 0, 1);
    check_shape(2, 35, 9, 14, 36, 3, 3, 1, 1, 1);
    check_shape(1, 66, 9, 8, 68, 3, 3, 2, 1, 2);
    check_shape(2, 40, 9, 15, 40, 3, 3, 1, 1, 10);
}

/* Every tile of the kernels for processors, Winograd's form among them. */
static void cpu_candidates(void **state)
{
    (void)state;
    if (!(conv.device.backend->opened(conv.device.device)->caps & CAP_CPU))
        return; /* kernels for GPUs were asked for, or it is one */
    int count = each_candidate(cpu_shapes);
    assert_true(count >= (conv.device.backend->opened(conv.device.device)->local_memory >= 1 << 19 ? 14 : 7));
}

static void edge_shapes(void)
{
    check_shape(1, 16, 1, 1, 16, 3, 3, 1, 1, 1);
    check_shape(3, 17, 1, 5, 33, 3, 3, 1, 1, 1);
    check_shape(1, 49, 2, 1, 18, 3, 3, 1, 1, 1);
    check_shape(2, 31, 5, 2, 83, 3, 3, 1, 1, 1);
    check_shape(19, 33, 3, 3, 34, 3, 3, 1, 1, 1);
    check_shape(9, 24, 2, 1, 24, 3, 3, 1, 1, 3);
    check_shape(17, 20, 3, 3, 20, 3, 3, 2, 1, 5);
    check_shape(1, 12, 1, 1, 12, 1, 1, 1, 0, 3);
    check_shape(23, 40, 2, 2, 40, 1, 1, 1, 0, 5);
}

/* Images of one or two pixels in a row or column, and of many together, through every algorithm. */
static void edges(void **state)
{
    (void)state;
    each_candidate(edge_shapes);
}

/* A device of small work-groups or little local memory gets the first tile that fits it, or a refusal. */
static void small_devices(void **state)
{
    (void)state;
    test_needs_opencl();
    static const struct {
        uint32_t group, local;
        const char *name; /* NULL: none fits */
    } cases[] = {{4096, 1 << 16, "gpu-tile-64x64"}, {64, 1 << 16, "gpu-tile-64x32"}, {4096, 6000, "gpu-tile-64x16"},
                 {4096, 5000, "gpu-tile-32x32"},    {32, 1 << 16, NULL},             {4096, 4000, NULL}};
    TestDevice usual = conv.device;
    conv.device = test_device_open("gpu", false);
    DeviceInfo *info = (DeviceInfo *)(uintptr_t)conv.device.backend->opened(conv.device.device);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Step step = {.kind = STEP_CONV,
                     .name = "test",
                     .conv = {.N = 1, .C = 16, .H = 7, .W = 7, .K = 64, .R = 3, .S = 3, .P = 7, .Q = 7,
                              .stride = 1, .pad = 1, .groups = 1}};
        info->max_group = cases[i].group;
        info->local_memory = cases[i].local;
        Status status = conv.device.backend->choose(conv.device.device, &step);
        assert_int_equal(status, cases[i].name ? STATUS_OK : STATUS_DEVICE);
        if (!cases[i].name)
            continue;
        assert_string_equal(step.algorithm, cases[i].name);
        check_shape(1, 20, 9, 7, 66, 3, 3, 1, 1, 1);
    }
    test_device_close(&conv.device);
    conv.device = usual;
}

/* One image on a device of many units: the weight gradient's sum is split within the image. */
static void many_units(void **state)
{
    (void)state;
    test_needs_opencl();
    TestDevice usual = conv.device;
    conv.device = test_device_open("gpu", false);
    DeviceInfo *info = (DeviceInfo *)(uintptr_t)conv.device.backend->opened(conv.device.device);
    for (info->units = 16; info->units <= 4096; info->units *= 16) {
        Step step = {.kind = STEP_CONV,
                     .name = "test",
                     .conv = {.op = CONV_GRAD_WEIGHT, .N = 1, .C = 64, .H = 56, .W = 56, .K = 64, .R = 1, .S = 1,
                              .P = 56, .Q = 56, .stride = 1, .groups = 1}};
        assert_int_equal(conv.device.backend->choose(conv.device.device, &step), STATUS_OK);
        assert_true(step.workspace_bytes >= 16 * 64 * 64 * 4);
        check_shape(1, 20, 33, 31, 18, 1, 1, 1, 0, 1);
        check_shape(3, 3, 23, 17, 35, 7, 7, 2, 3, 1);
        check_shape(2, 36, 13, 11, 36, 3, 3, 1, 1, 3);
    }
    test_device_close(&conv.device);
    conv.device = usual;
}

static void tiny_shapes(void)
{
    check_shape(1, 66, 3, 3, 68, 1, 1, 1, 0, 2);
    check_shape(1, 3, 4, 3, 66, 3, 3, 2, 1, 1);
    check_shape(1, 18, 3, 4, 17, 3, 3, 1, 1, 1);
    check_shape(1, 16, 3, 2, 16, 3, 3, 1, 1, 4);
}

/* One small shape through every algorithm; for the simulator too. */
static void tiny_candidates(void **state)
{
    (void)state;
    each_candidate(tiny_shapes);
}

/* Small shapes, for runs under a simulator that is thousands of times slower: PACO_TEST_TINY=1. */
static void tiny(void **state)
{
    (void)state;
    check_shape(1, 5, 3, 4, 7, 1, 1, 1, 0, 1);
    check_shape(2, 17, 2, 3, 3, 1, 1, 1, 0, 1);
    check_shape(1, 3, 5, 4, 18, 1, 1, 2, 0, 1);
    check_shape(1, 4, 3, 4, 4, 1, 1, 3, 1, 1);
    check_shape(1, 3, 5, 6, 5, 3, 3, 1, 1, 1);
    check_shape(2, 18, 4, 3, 6, 3, 3, 1, 1, 1);
    check_shape(1, 6, 5, 4, 33, 3, 3, 2, 1, 1);
    check_shape(1, 4, 6, 5, 4, 3, 3, 1, 0, 1);
    check_shape(1, 3, 7, 6, 5, 3, 3, 3, 2, 1);
    check_shape(1, 3, 8, 7, 4, 7, 7, 2, 3, 1);
    check_shape(1, 2, 5, 5, 3, 7, 7, 1, 3, 1);
    check_shape(1, 3, 5, 6, 4, 5, 3, 2, 1, 1);
    check_shape(1, 3, 5, 6, 4, 2, 4, 1, 1, 1);
    check_shape(1, 3, 5, 6, 4, 2, 2, 3, 0, 1);
    check_shape(1, 8, 4, 5, 8, 3, 3, 1, 1, 2);
    check_shape(1, 40, 3, 3, 40, 3, 3, 2, 1, 5);
    check_shape(1, 6, 4, 4, 6, 3, 3, 1, 1, 6);
    check_shape(1, 34, 3, 3, 68, 1, 1, 1, 0, 2);
    check_shape(3, 3, 1, 1, 20, 1, 1, 1, 0, 1);
    check_shape(1, 20, 9, 9, 3, 1, 1, 1, 0, 1);
    check_shape(1, 17, 2, 180, 3, 3, 3, 1, 1, 1); /* rows in pieces where local memory is 32 KiB, as the simulator's */
}

int bench_conv(TestDevice *t);

int main(void)
{
    conv.device = test_device_open(NULL, false);
    if (getenv("PACO_BENCH"))
        return bench_conv(&conv.device);
    const struct CMUnitTest small[] = {cmocka_unit_test(tiny), cmocka_unit_test(tiny_candidates)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points), cmocka_unit_test(squares),       cmocka_unit_test(sevens),
        cmocka_unit_test(groups), cmocka_unit_test(many_channels), cmocka_unit_test(forced), cmocka_unit_test(forced_by_name),
        cmocka_unit_test(wide),   cmocka_unit_test(edges), cmocka_unit_test(cpu_candidates), cmocka_unit_test(gpu_candidates),
        cmocka_unit_test(small_devices), cmocka_unit_test(many_units),
    };
    if (getenv("PACO_TEST_ONLY"))
        cmocka_set_test_filter(getenv("PACO_TEST_ONLY"));
    int failed = getenv("PACO_TEST_TINY") ? cmocka_run_group_tests(small, NULL, NULL)
                                          : cmocka_run_group_tests(tests, NULL, NULL);
    printf("conv                 %3d cases, each run twice\n", conv.cases_run);
    test_device_close(&conv.device);
    return failed;
}
