/* Convolutions of images that are stored in 16 bits (support_conv.h): every algorithm, sums in parts, and how numbers are
 * rounded. PACO_TEST_ONLY=PATTERN runs the tests that match it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_conv.h"

#include "base/arena.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs `test` in both formats on a device with such kernels; NULL: its own. */
static void in_16_bits(const char *kernels, void (*test)(void))
{
    static const DType types[] = {DTYPE_F16, DTYPE_BF16};
    conv.device = test_device_open(kernels, false);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        conv.stored = types[i];
        test();
    }
    test_device_close(&conv.device);
}

/* One shape for each form. */
static void few_shapes(void)
{
    check_shape(1, 36, 7, 14, 40, 1, 1, 1, 0, 1);
    check_shape(2, 35, 5, 14, 36, 3, 3, 1, 1, 1);
    check_shape(1, 34, 9, 8, 36, 3, 3, 2, 1, 2);
    check_shape(1, 24, 9, 7, 24, 3, 3, 1, 1, 6);
}

/* Tiles of a method are one text, of which test_conv runs all in float32. */
static void every_algorithm(void)
{
    conv.tiles = getenv("PACO_FULL") ? 0 : 2;
    each_candidate(few_shapes);
    conv.tiles = 0;
}

/* What few_shapes has not: three channels, points of every tile, phases without taps, half a pair in and out. */
static void pair_shapes(void)
{
    check_shape(1, 3, 15, 17, 20, 7, 7, 2, 3, 1);
    check_shape(2, 17, 4, 8, 33, 1, 1, 1, 0, 1);
    check_shape(1, 33, 9, 10, 18, 1, 1, 2, 0, 1);
    check_shape(1, 50, 6, 9, 49, 3, 3, 2, 1, 1);
    check_shape(1, 2, 5, 19, 5, 3, 3, 1, 1, 1);
}

/* The algorithms of processors that multiply pairs of bf16. */
static void pairs(void **state)
{
    (void)state;
    test_needs_opencl();
    conv.device = test_device_open(NULL, false);
    conv.stored = DTYPE_BF16;
    conv.only = "cpu-dot-";
    const int before = conv.cases_run;
    each_candidate(pair_shapes);
    conv.only = NULL;
    test_device_close(&conv.device);
    if (conv.cases_run == before)
        printf("skipped: pairs of bf16: the device has no AVX512_BF16\n");
}

static void algorithms(void **state)
{
    (void)state;
    in_16_bits(NULL, every_algorithm);
    in_16_bits("gpu", every_algorithm);
}

static void stem(void)
{
    check_shape(1, 3, 15, 17, 20, 7, 7, 2, 3, 1);
}

static void few_channels(void **state)
{
    (void)state;
    in_16_bits(NULL, stem);
}

/* More in-channels than the local memory of a processor's kernels holds: sums in parts, rounded once. */
static void long_sums(void)
{
    if (!(conv.device.backend->opened(conv.device.device)->caps & CAP_CPU))
        return;
    check_shape(1, 1030, 1, 140, 24, 3, 3, 1, 1, 1);
    check_shape(1, 24, 1, 140, 1030, 3, 3, 1, 1, 1);
}

static void many_channels(void **state)
{
    (void)state;
    test_needs_opencl();
    in_16_bits("conv.forward=cpu-band,conv.grad-data=cpu-band", long_sums);
    in_16_bits("conv.forward=cpu-dot-band,conv.grad-data=cpu-dot-band", long_sums);
}

/* ---- pairs of images */

/* Whether the device runs weight gradients of bf16 with the algorithm that it was opened with. */
static bool weights_by(const char *name)
{
    Step step = {.kind = STEP_CONV, .name = "test",
                 .conv = {.op = CONV_GRAD_WEIGHT, .N = 2, .C = 16, .H = 4, .W = 4, .K = 16, .R = 1, .S = 1, .P = 4,
                          .Q = 4, .stride = 1, .groups = 1, .type = DTYPE_BF16}};
    assert_int_equal(conv.device.backend->choose(conv.device.device, &step), STATUS_OK);
    return strcmp(step.algorithm, name) == 0;
}

/* Weight gradients whose pairs are two images: an odd image among few and many, strides beyond the kernel, rows in
 * pieces. */
static void image_pairs(void)
{
    check_shape(2, 33, 9, 7, 20, 1, 1, 2, 0, 1);
    check_shape(3, 17, 5, 9, 35, 1, 1, 1, 0, 1);
    check_shape(8, 48, 14, 14, 64, 1, 1, 1, 0, 1);
    check_shape(5, 35, 7, 7, 40, 3, 3, 1, 1, 1);
    check_shape(2, 64, 14, 14, 32, 3, 3, 1, 1, 1);
    check_shape(3, 21, 9, 15, 37, 3, 3, 2, 1, 1);
    check_shape(3, 3, 15, 17, 20, 7, 7, 2, 3, 1);
    check_shape(2, 17, 12, 9, 33, 5, 3, 2, 1, 1);
    check_shape(2, 8, 9, 12, 24, 2, 2, 3, 0, 1);
    check_shape(1, 18, 12, 10, 50, 3, 3, 1, 0, 1);
    check_shape(19, 33, 3, 3, 34, 3, 3, 1, 1, 1);
    check_shape(23, 40, 2, 2, 40, 1, 1, 1, 0, 1);
    check_shape(67, 5, 1, 1, 19, 3, 3, 1, 1, 1);
    check_shape(3, 4, 3, 601, 16, 3, 3, 1, 1, 1);
}

static void weight_pairs(void **state)
{
    (void)state;
    test_needs_opencl();
    const char *name = "cpu-weight-dot";
    conv.device = test_device_open("conv.grad-weight=cpu-weight-dot", false);
    conv.stored = DTYPE_BF16;
    if (weights_by(name)) {
        image_pairs();
        DeviceInfo *info = (DeviceInfo *)(uintptr_t)conv.device.backend->opened(conv.device.device);
        info->units = 64;
        info->local_memory = 32 << 10; /* smaller bands of fewer tiles */
        assert_true(weights_by(name));
        image_pairs();
    } else {
        printf("skipped: %s: the device has no AVX512_BF16\n", name);
    }
    test_device_close(&conv.device);
}

/* Gradients of weights are float32: beyond the last number of fp16 they are what they are. */
static void check_large_weights(void)
{
    enum { C = 8, K = 8, SIDE = 16, PIXELS = SIDE * SIDE };
    const ConvDesc d = {.op = CONV_GRAD_WEIGHT, .N = 1, .C = C, .H = SIDE, .W = SIDE, .K = K, .R = 1, .S = 1, .P = SIDE,
                        .Q = SIDE, .stride = 1, .groups = 1, .type = conv.stored};
    float x[C * PIXELS], dy[K * PIXELS], seen[K * C];
    for (int i = 0; i < C * PIXELS; i++)
        x[i] = 16, dy[i] = i / PIXELS % 2 ? -48 : 128;
    Operand in = conv_operand(x, 1, C, PIXELS), out = conv_operand(dy, 1, K, PIXELS);
    Operand dw = operand_new(&conv.device, NULL, K * C, false);
    Step step = {.kind = STEP_CONV, .refs_count = 3, .refs = {in.ref, out.ref, dw.ref}, .writes = 4, .name = "test",
                 .conv = d};
    step_check_twice(&conv.device, &step, &dw, NULL, seen);
    conv.cases_run++;
    for (int i = 0; i < K * C; i++)
        if (seen[i] != (i / C % 2 ? -196608 : 524288))
            fail_msg("%s [%s]: gradient %d of weights is %a", dtype_word(conv.stored), step.algorithm, i, seen[i]);
    Operand *all[] = {&in, &out, &dw};
    for (int i = 0; i < 3; i++)
        operand_free(&conv.device, all[i]);
}

static void large_weights(void **state)
{
    (void)state;
    in_16_bits(NULL, check_large_weights);
    in_16_bits("gpu", check_large_weights);
}

/* ---- rounding */

/* A 1x1 convolution of one in-channel, whose results are no sums but single numbers, exact until they are rounded: y of
 * K out-channels in `pixels` pixels. */
static void check_single(const char *what, const float *x, int pixels, const float *w, const float *bias, int K,
                         const float *expected)
{
    const int wide = pixels > 256 ? 256 : pixels;
    const ConvDesc d = {.op = CONV_FORWARD, .N = 1, .C = 1, .H = pixels / wide, .W = wide, .K = K, .R = 1, .S = 1,
                        .P = pixels / wide, .Q = wide, .stride = 1, .groups = 1, .type = conv.stored};
    const size_t elements = conv_elements(1, K, pixels);
    Operand in = conv_operand(x, 1, 1, pixels), weights = operand_new(&conv.device, w, (size_t)K, false);
    Operand out = operand_new(&conv.device, NULL, conv_words(elements), true);
    Operand added = operand_new(&conv.device, bias, (size_t)K, false);
    Step step = {.kind = STEP_CONV, .refs_count = 4, .refs = {in.ref, weights.ref, out.ref, added.ref}, .writes = 4,
                 .name = "test", .conv = d};
    float *seen = mem_alloc(elements * 4);
    step_check_twice(&conv.device, &step, &out, NULL, seen);
    conv.cases_run++;
    conv_widen(seen, elements);
    for (int i = 0; i < K * pixels; i++) {
        float y = seen[conv_place(0, i / pixels, i % pixels, K, pixels)];
        float wanted = (float)dtype_round(conv.stored, expected[i]);
        if (!(y == wanted || (isnan(y) && isnan(wanted))))
            fail_msg("%s [%s], %s: %a is stored as %a, not %a", dtype_word(conv.stored), step.algorithm, what, expected[i], y,
                     wanted);
    }
    free(seen);
    Operand *all[] = {&in, &weights, &out, &added};
    for (int i = 0; i < 4; i++)
        operand_free(&conv.device, all[i]);
}

/* Every number of the format is read and written as it is; numbers beside and between neighbours of the format, the
 * last before infinity and those without a leading one among them, are rounded as they should be, whole vectors (y) and
 * one by one (packed weights). */
static void check_rounding(void)
{
    enum { ALL = 1 << 16, STEP = 7, EDGES = 10, MOST = 3 * (ALL / STEP + 1) + EDGES };
    float *x = mem_alloc(ALL * sizeof *x), *between = mem_alloc(MOST * sizeof *between);
    int count = 0;
    for (int bits = 0; bits < ALL; bits++)
        x[bits] = (float)half_value(conv.stored, (uint16_t)bits);
    for (int bits = 0; bits + 1 < ALL; bits += STEP) {
        float low = x[bits], high = x[bits + 1], middle = low / 2 + high / 2;
        if (!isfinite(low) || !isfinite(high))
            continue;
        between[count++] = middle;
        between[count++] = nextafterf(middle, low);
        between[count++] = nextafterf(middle, high);
    }
    const int infinite = half_bits(conv.stored, HUGE_VAL);
    const float last = x[infinite - 1], edge = last + (last - x[infinite - 2]) / 2, below = nextafterf(edge, 0);
    const uint32_t nan_bits[] = {0x7f800001, 0xffffffff}; /* whose upper half is infinite; which a carry makes zero */
    float nans[2];
    memcpy(nans, nan_bits, sizeof nans);
    const float edges[EDGES] = {last, edge, below, nextafterf(edge, HUGE_VALF), -edge, -below, x[infinite], NAN,
                                nans[0], nans[1]};
    memcpy(between + count, edges, sizeof edges);
    count += EDGES;
    float *zeros = mem_zero((size_t)MOST, 4), *ones = mem_alloc(MOST * sizeof *ones);
    for (int i = 0; i < MOST; i++)
        ones[i] = 1;
    check_single("read and written", x, ALL, ones, zeros, 1, x);
    check_single("a bias", zeros, 1, zeros, between, count, between);
    check_single("a weight", ones, 1, between, zeros, count, between);
    free(x);
    free(between);
    free(zeros);
    free(ones);
}

static void rounding(void **state)
{
    (void)state;
    in_16_bits(NULL, check_rounding);
    in_16_bits("gpu", check_rounding);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(algorithms),
        cmocka_unit_test(pairs),
        cmocka_unit_test(few_channels),
        cmocka_unit_test(many_channels),
        cmocka_unit_test(weight_pairs),
        cmocka_unit_test(large_weights),
        cmocka_unit_test(rounding),
    };
    if (getenv("PACO_TEST_ONLY"))
        cmocka_set_test_filter(getenv("PACO_TEST_ONLY"));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("conv, 16 bits        %3d cases, each run twice\n", conv.cases_run);
    return failed;
}
