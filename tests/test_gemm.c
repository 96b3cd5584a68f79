/* Matrix product steps of a backend against plain loops with double sums: transposes, odd sizes and
 * row strides, bias, beta, small and long sums, guard bytes, two runs. PACO_BENCH=1 prints speeds
 * instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_device.h"
#include "support_files.h"

#include "base/arena.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static TestDevice device;
static int candidate = -1; /* not negative: steps run this one of the backend's algorithms, if there are so many */
static int candidates_run, cases_run;

static void check_one(GemmDesc d, bool with_bias, Rng *rng)
{
    Step asked = {.kind = STEP_GEMM, .name = "test", .gemm = d};
    const char *wanted = candidate < 0 ? NULL : device.backend->candidate(device.device, &asked, candidate);
    if (candidate >= 0 && !wanted)
        return;
    candidates_run++;
    cases_run++;
    size_t a_count = (size_t)(d.trans_a ? d.K : d.M) * d.lda,
           b_count = (size_t)(d.trans_b ? d.N : d.K) * d.ldb;
    size_t c_count = (size_t)d.M * d.ldc;
    float *a = random_floats(rng, a_count), *b = random_floats(rng, b_count),
          *c = random_floats(rng, c_count);
    float *bias = random_floats(rng, (size_t)d.N), *seen = mem_alloc(c_count * 4);
    float *picked = mem_alloc((size_t)d.M * d.N * 4);
    double *expected = mem_zero((size_t)d.M * d.N, sizeof *expected);
    for (int i = 0; i < d.M; i++)
        for (int k = 0; k < d.K; k++) {
            double x =
                (double)d.alpha * a[d.trans_a ? (size_t)k * d.lda + i : (size_t)i * d.lda + k];
            for (int j = 0; j < d.N; j++)
                expected[(size_t)i * d.N + j] +=
                    x * b[d.trans_b ? (size_t)j * d.ldb + k : (size_t)k * d.ldb + j];
        }
    Operand oa = operand_new(&device, a, a_count, false),
            ob = operand_new(&device, b, b_count, false);
    Operand oc = operand_new(&device, c, c_count, false), obias = {0};
    if (with_bias)
        obias = operand_new(&device, bias, (size_t)d.N, false);
    Step step = {.kind = STEP_GEMM,
                 .refs_count = 4,
                 .refs = {oa.ref, ob.ref, oc.ref, obias.ref},
                 .writes = 4,
                 .name = "test",
                 .algorithm = wanted,
                 .gemm = d};
    step_check_twice(&device, &step, &oc, c, seen);
    if (wanted)
        assert_string_equal(step.algorithm, wanted);
    for (int i = 0; i < d.M; i++)
        for (int j = 0; j < d.ldc; j++) {
            size_t at = (size_t)i * d.ldc + j, e = (size_t)i * d.N + j;
            if (j >= d.N) {
                assert_memory_equal(&seen[at], &c[at], 4);
                continue;
            }
            expected[e] += (with_bias ? bias[j] : 0) + (d.beta != 0 ? c[at] : 0);
            picked[e] = seen[at];
        }
    char text[160];
    snprintf(text, sizeof text, "gemm [%s] M%d N%d K%d%s%s alpha %g beta %g%s", step.algorithm, d.M,
             d.N, d.K, d.trans_a ? " A'" : "", d.trans_b ? " B'" : "", d.alpha, d.beta,
             with_bias ? " bias" : "");
    compare_sums(text, picked, expected, (size_t)d.M * d.N, d.K + 2.0);
    Operand *all[] = {&oa, &ob, &oc, with_bias ? &obias : NULL};
    for (int i = 0; i < 4; i++)
        if (all[i])
            operand_free(&device, all[i]);
    free(a), free(b), free(c), free(bias), free(seen), free(picked), free(expected);
}

/* A size through all transposes; epilogues take turns. Row strides exceed the rows. */
static void check_size(int M, int N, int K)
{
    Rng rng = rng_stream(5, 0, (uint64_t)M * 1000000 + (uint64_t)N * 1000 + (uint64_t)K, RNG_TEST);
    for (int t = 0; t < 4; t++) {
        GemmDesc d = {.M = M,
                      .N = N,
                      .K = K,
                      .trans_a = t & 1,
                      .trans_b = t >> 1,
                      .alpha = t == 2 ? 0.5f : 1,
                      .beta = (float)(t == 1 || t == 2)};
        d.lda = (d.trans_a ? M : K) + 3;
        d.ldb = (d.trans_b ? K : N) + 1;
        d.ldc = N + 5;
        check_one(d, t >= 2, &rng);
    }
}

static void small_sizes(void **state)
{
    (void)state;
    static const int sizes[][3] = {{1, 1, 1},     {3, 5, 7},    {8, 32, 16},  {9, 33, 17},
                                   {16, 16, 300}, {31, 7, 258}, {64, 64, 64}, {65, 130, 31},
                                   {7, 100, 2},   {1, 200, 50}, {130, 1, 40}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_size(sizes[i][0], sizes[i][1], sizes[i][2]);
}

static void network_sizes(void **state)
{
    (void)state;
    check_size(8, 1000, 2048);
    check_size(128, 100, 64);
    check_size(1000, 64, 8);
    check_size(12, 1100, 128);
    check_size(300, 260, 515);
}

static void long_sums(void **state)
{
    (void)state;
    check_size(8, 128, 9000);
    check_size(5, 19, 20011);
}

/* beta 0 must not read C: it holds not-a-number before. n x n x n, a product of ones. */
static void check_untouched(int n)
{
    size_t count = (size_t)n * n;
    float *ones = mem_alloc(count * 4), *seen = mem_alloc(count * 4);
    for (size_t i = 0; i < count; i++)
        ones[i] = 1;
    Operand a = operand_new(&device, ones, count, true), b = operand_new(&device, ones, count, true);
    Operand c = operand_new(&device, NULL, count, true);
    Step step = {.kind = STEP_GEMM,
                 .refs_count = 4,
                 .refs = {a.ref, b.ref, c.ref},
                 .writes = 4,
                 .name = "test",
                 .gemm = {.M = n, .N = n, .K = n, .lda = n, .ldb = n, .ldc = n, .alpha = 1}};
    step_check_twice(&device, &step, &c, NULL, seen);
    for (size_t i = 0; i < count; i++)
        assert_true(seen[i] == n);
    free(ones), free(seen);
    operand_free(&device, &a);
    operand_free(&device, &b);
    operand_free(&device, &c);
}

static void untouched_result(void **state)
{
    (void)state;
    check_untouched(8);
}

/* Every tile of the kernels for GPUs. */
static void gpu_candidates(void **state)
{
    (void)state;
    test_needs_opencl();
    TestDevice usual = device;
    device = test_device_open("gpu", false);
    int count = 0;
    do {
        candidate++;
        candidates_run = 0;
        check_size(70, 130, 40);
        check_size(129, 67, 19);
        check_size(66, 65, 530);
        count += candidates_run > 0;
    } while (candidates_run);
    candidate = -1;
    bool large = device.backend->opened(device.device)->max_group >= 256;
    test_device_close(&device);
    device = usual;
    assert_true(count >= (large ? 6 : 4));
}

/* One small product through every algorithm; for the simulator too. */
static void tiny_candidates(void **state)
{
    (void)state;
    do {
        candidate++;
        candidates_run = 0;
        check_size(66, 65, 3);
    } while (candidates_run);
    candidate = -1;
}

/* Opens the device with CLBlast; skips the test where there is none. */
static TestDevice open_library(bool profile)
{
    TestDevice t = test_device_open("gemm=clblast", profile);
    Step step = {.kind = STEP_GEMM,
                 .name = "test",
                 .gemm = {.M = 4, .N = 50, .K = 9, .lda = 9, .ldb = 50, .ldc = 50, .alpha = 1}};
    assert_int_equal(t.backend->choose(t.device, &step), STATUS_OK);
    if (strcmp(step.algorithm, "clblast") != 0) {
        test_device_close(&t);
        test_skip("CLBlast is not installed, or not used on this device");
    }
    return t;
}

/* The library's small and large products, the latter through copies of its own. A second device, opened after
 * the first is closed, may have its context at the same address. */
static void library_products(void **state)
{
    (void)state;
    test_needs_opencl();
    TestDevice usual = device;
    for (int round = 0; round < 2; round++) {
        device = open_library(false);
        check_size(1, 1, 1);
        check_size(13, 37, 21);
        check_size(40, 70, 1030);
        check_untouched(8);
        test_device_close(&device);
    }
    device = open_library(false);
    check_untouched(520);
    check_size(530, 525, 512);
    test_device_close(&device);
    device = usual;
}

/* FILL, product with beta 1 and bias, COPY of its result in one run: their order, and that each has a time. */
static void library_order_and_times(void **state)
{
    (void)state;
    test_needs_opencl();
    enum { n = 600, count = n * n };
    TestDevice usual = device;
    device = open_library(true);
    float *ones = mem_alloc(count * 4), *seen = mem_alloc(count * 4);
    for (int i = 0; i < count; i++)
        ones[i] = 1;
    Operand a = operand_new(&device, ones, count, true), bias = operand_new(&device, ones, n, false);
    Operand c = operand_new(&device, NULL, count, true), copy = operand_new(&device, NULL, count, true);
    Step steps[] = {
        {.kind = STEP_FILL, .refs_count = 1, .refs = {c.ref}, .bytes = count * 4, .name = "fill", .fill = {0x40000000}},
        {.kind = STEP_GEMM,
         .refs_count = 4,
         .refs = {a.ref, a.ref, c.ref, bias.ref},
         .name = "product",
         .gemm = {.M = n, .N = n, .K = n, .lda = n, .ldb = n, .ldc = n, .alpha = 1, .beta = 1}},
        {.kind = STEP_COPY, .refs_count = 2, .refs = {c.ref, copy.ref}, .bytes = count * 4, .name = "copy"},
    };
    double seconds[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(device.backend->choose(device.device, &steps[i]), STATUS_OK);
        assert_int_equal(device.backend->prepare(device.device, &steps[i]), STATUS_OK);
    }
    for (int run = 0; run < 2; run++) {
        assert_int_equal(device.backend->run(device.device, steps, 3), STATUS_OK);
        assert_int_equal(device.backend->sync(device.device), STATUS_OK);
        operand_read(&device, &copy, seen);
        for (int i = 0; i < count; i++)
            assert_true(seen[i] == n + 3);
        for (int i = 0; i < 3; i++) {
            seconds[i] = NAN;
            assert_int_equal(device.backend->elapsed(device.device, &steps[i], &seconds[i]), STATUS_OK);
            assert_true(isfinite(seconds[i]) && seconds[i] >= 0);
        }
    }
    for (int i = 0; i < 3; i++)
        device.backend->discard(device.device, &steps[i]);
    Operand *all[] = {&a, &bias, &c, &copy};
    for (int i = 0; i < 4; i++)
        operand_free(&device, all[i]);
    free(ones), free(seen);
    test_device_close(&device);
    device = usual;
}

static void forced(void **state)
{
    (void)state;
    test_needs_opencl();
    static const char *const names[] = {"cpu-gemm", "cpu-gemm-swapped", "gpu-gemm", "gpu-gemm-16x64"};
    TestDevice usual = device;
    /* Kernels for processors, the first two, are no matter of other devices. */
    for (int i = usual.backend->opened(usual.device)->caps & CAP_CPU ? 0 : 2; i < 4; i++) {
        char option[64];
        snprintf(option, sizeof option, "gemm=%s", names[i]);
        device = test_device_open(option, false);
        Step step = {.kind = STEP_GEMM,
                     .name = "test",
                     .gemm = {.M = 9, .N = 50, .K = 9, .lda = 9, .ldb = 50, .ldc = 50, .alpha = 1}};
        assert_int_equal(device.backend->choose(device.device, &step), STATUS_OK);
        assert_string_equal(step.algorithm, i == 2 ? "gpu-gemm-64x64" : names[i]);
        check_size(13, 37, 21);
        check_size(40, 70, 1030);
        test_device_close(&device);
    }
    device = usual;
}

/* A device of small work-groups or little local memory gets the first tile that fits it, or a refusal. */
static void small_devices(void **state)
{
    (void)state;
    test_needs_opencl();
    static const struct {
        uint32_t group, local;
        const char *name; /* NULL: none fits */
    } cases[] = {{4096, 1 << 16, "gpu-gemm-64x64"}, {64, 1 << 16, "gpu-gemm-16x64"}, {4096, 6000, "gpu-gemm-16x64"},
                 {4096, 5000, "gpu-gemm-32x32"},    {32, 1 << 16, NULL},             {4096, 4000, NULL}};
    TestDevice usual = device;
    device = test_device_open("gpu", false);
    DeviceInfo *info = (DeviceInfo *)(uintptr_t)device.backend->opened(device.device);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Step step = {.kind = STEP_GEMM,
                     .name = "test",
                     .gemm = {.M = 90, .N = 90, .K = 9, .lda = 9, .ldb = 90, .ldc = 90, .alpha = 1}};
        info->max_group = cases[i].group;
        info->local_memory = cases[i].local;
        Status status = device.backend->choose(device.device, &step);
        assert_int_equal(status, cases[i].name ? STATUS_OK : STATUS_DEVICE);
        if (!cases[i].name)
            continue;
        assert_string_equal(step.algorithm, cases[i].name);
        assert_string_equal(device.backend->candidate(device.device, &step, 0), cases[i].name);
        check_size(70, 66, 21);
    }
    test_device_close(&device);
    device = usual;
}

static int bench(void)
{
    static const struct {
        int M, N, K;
        bool trans_a, trans_b;
        const char *what;
    } sizes[] = {
        {1024, 1024, 1024, false, false, "square"},
        {1024, 1024, 1024, false, true, "square B'"},
        {1024, 1024, 1024, true, false, "square A'"},
        {8, 1000, 2048, false, true, "fc, batch 8"},
        {32, 2048, 2048, false, true, "head, batch 32"},
        {128, 1000, 2048, false, true, "fc, batch 128"},
        {32, 2048, 1000, false, false, "fc, gradient of data"},
        {1000, 2048, 32, true, false, "fc, gradient of weight"},
        {2048, 2048, 32, true, false, "head, gradient of weight"},
        {32, 8192, 128, false, true, "paco logits M 8192"},
        {32, 65536, 128, false, true, "paco logits M 65536"},
        {32, 128, 8192, false, false, "paco dq M 8192"},
        {32, 128, 65536, false, false, "paco dq M 65536"},
        {128, 1280, 32, false, true, "cifar logits"},
        {128, 32, 1280, false, false, "cifar dq"},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int M = sizes[i].M, N = sizes[i].N, K = sizes[i].K;
        bool ta = sizes[i].trans_a, tb = sizes[i].trans_b;
        size_t counts[3] = {(size_t)M * K, (size_t)K * N, (size_t)M * N};
        Operand o[3];
        for (int j = 0; j < 3; j++) {
            float *zeros = mem_zero(counts[j], 4);
            o[j] = operand_new(&device, zeros, counts[j], true);
            free(zeros);
        }
        Step step = {.kind = STEP_GEMM,
                     .refs_count = 4,
                     .refs = {o[0].ref, o[1].ref, o[2].ref},
                     .name = "bench",
                     .gemm = {M, N, K, ta ? M : K, tb ? K : N, N, ta, tb, 1, 0, DTYPE_F32, MATH_STRICT}};
        double seconds = step_time(&device, &step, 11), flops = 2.0 * M * N * K;
        printf("%-26s %5d x %5d x %5d  %7.1f GFLOP/s %8.3f ms  %s\n", sizes[i].what, M, N, K,
               flops / seconds * 1e-9, seconds * 1e3, step.algorithm);
        for (int j = 0; j < 3; j++)
            operand_free(&device, &o[j]);
    }
    return 0;
}

/* Small sizes, for runs under a simulator that is thousands of times slower: PACO_TEST_TINY=1. */
static void tiny(void **state)
{
    (void)state;
    static const int sizes[][3] = {{1, 1, 1},  {3, 5, 7},   {9, 33, 17}, {2, 70, 3}, {66, 3, 18}, {5, 6, 530}, {1, 17, 2},
                                   {17, 1, 3}, {2, 2, 1},   {4, 16, 5},  {5, 15, 4}, {3, 31, 6},  {31, 4, 3},  {8, 34, 1},
                                   {1, 3, 65}, {1, 129, 1}, {65, 2, 2},  {7, 48, 9}, {13, 11, 8}, {2, 5, 130}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_size(sizes[i][0], sizes[i][1], sizes[i][2]);
}

int main(void)
{
    device = test_device_open(NULL, false);
    if (getenv("PACO_BENCH"))
        return bench();
    const struct CMUnitTest small[] = {cmocka_unit_test(tiny), cmocka_unit_test(tiny_candidates)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_sizes), cmocka_unit_test(network_sizes),
        cmocka_unit_test(long_sums),   cmocka_unit_test(untouched_result),
        cmocka_unit_test(forced),      cmocka_unit_test(gpu_candidates),
        cmocka_unit_test(small_devices),
        cmocka_unit_test(library_products), cmocka_unit_test(library_order_and_times),
    };
    int failed = getenv("PACO_TEST_TINY") ? cmocka_run_group_tests(small, NULL, NULL)
                                          : cmocka_run_group_tests(tests, NULL, NULL);
    printf("gemm                 %3d cases, each run twice\n", cases_run);
    test_device_close(&device);
    return failed;
}
