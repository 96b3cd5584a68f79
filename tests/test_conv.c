/* Convolution steps of a backend against plain loops with double sums: every operation x kernel
 * size x stride x groups x odd sizes, with bias, residual, ReLU and accumulation; guard bytes, two
 * runs, forced algorithms.
 *
 * PACO_TEST_ONLY=PATTERN runs the tests that match it; PACO_BENCH=1 prints speeds of ResNet layers instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_device.h"

#include "base/arena.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static TestDevice device;
static int candidate = -1; /* not negative: steps run this one of the backend's algorithms, if there are so many */
static int candidates_run, cases_run;
static DType stored; /* of images and their gradients, and of weights in use */

static int div_up(int a, int b)
{
    return (a + b - 1) / b;
}

/* A convolution's tensors: plain [N][C][H][W] for the reference. */
typedef struct Case {
    ConvDesc d;
    float *x, *w, *dy, *bias, *residual, *old; /* x, old: like x; dy, residual: like y */
    double *y_sums, *dx_sums, *dw_sums;        /* the reference: no bias, nothing accumulated */
} Case;

static size_t x_count(const ConvDesc *d)
{
    return (size_t)d->N * d->C * d->H * d->W;
}

static size_t y_count(const ConvDesc *d)
{
    return (size_t)d->N * d->K * d->P * d->Q;
}

static size_t w_count(const ConvDesc *d)
{
    return (size_t)d->K * (d->C / d->groups) * d->R * d->S;
}

/* Normal numbers as they are stored. */
static float *random_stored(Rng *rng, size_t n)
{
    float *values = random_floats(rng, n);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)dtype_round(stored, values[i]);
    return values;
}

static Case case_new(ConvDesc d, Rng *rng)
{
    return (Case){.d = d,
                  .x = random_stored(rng, x_count(&d)),
                  .w = random_floats(rng, w_count(&d)),
                  .dy = random_stored(rng, y_count(&d)),
                  .bias = random_floats(rng, (size_t)d.K),
                  .residual = random_stored(rng, y_count(&d)),
                  .old = random_stored(rng, x_count(&d))};
}

static void case_free(Case *c)
{
    free(c->x);
    free(c->w);
    free(c->dy);
    free(c->bias);
    free(c->residual);
    free(c->old);
    free(c->y_sums);
    free(c->dx_sums);
    free(c->dw_sums);
}

/* Adds every product of the convolution to the three sums that it belongs to. */
static void reference_sums(Case *c)
{
    const ConvDesc *d = &c->d;
    int cg = d->C / d->groups, kg = d->K / d->groups;
    c->y_sums = mem_zero(y_count(d), sizeof(double));
    c->dx_sums = mem_zero(x_count(d), sizeof(double));
    c->dw_sums = mem_zero(w_count(d), sizeof(double));
    for (int n = 0; n < d->N; n++)
        for (int k = 0; k < d->K; k++)
            for (int i = 0; i < d->P * d->Q * cg * d->R * d->S; i++) {
                int s = i % d->S, r = i / d->S % d->R, channel = i / d->S / d->R % cg;
                int pixel = i / d->S / d->R / cg;
                int h = pixel / d->Q * d->stride + r - d->pad,
                    w = pixel % d->Q * d->stride + s - d->pad;
                if (h < 0 || h >= d->H || w < 0 || w >= d->W)
                    continue;
                size_t x = (((size_t)n * d->C + k / kg * cg + channel) * d->H + h) * d->W + w;
                size_t weight = (((size_t)k * cg + channel) * d->R + r) * d->S + s;
                size_t y = ((size_t)n * d->K + k) * d->P * d->Q + pixel;
                double used = dtype_round(stored, c->w[weight]);
                c->y_sums[y] += c->x[x] * used;
                c->dx_sums[x] += c->dy[y] * used;
                c->dw_sums[weight] += (double)c->x[x] * c->dy[y];
            }
}

/* [N][C][HW] to the device's [N][blocks][HW][16] and back; lanes beyond C must be zero. */
static float *to_blocks(const float *plain, int N, int C, int pixels)
{
    int blocks = div_up(C, 16);
    float *out = mem_zero((size_t)N * blocks * pixels * 16, 4);
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c++)
            for (int i = 0; i < pixels; i++)
                out[(((size_t)n * blocks + c / 16) * pixels + i) * 16 + c % 16] =
                    plain[((size_t)n * C + c) * pixels + i];
    return out;
}

static void from_blocks(float *plain, const float *blocked, int N, int C, int pixels)
{
    int blocks = div_up(C, 16);
    for (int n = 0; n < N; n++)
        for (int c = 0; c < blocks * 16; c++)
            for (int i = 0; i < pixels; i++) {
                float v = blocked[(((size_t)n * blocks + c / 16) * pixels + i) * 16 + c % 16];
                if (c < C)
                    plain[((size_t)n * C + c) * pixels + i] = v;
                else if (v != 0)
                    fail_msg("lane %d of %d channels holds %g, not zero", c, C, v);
            }
}

/* Words that so many elements take as they are stored. */
static size_t words(size_t elements)
{
    return elements * (size_t)dtype_bytes(stored) / 4;
}

/* Elements in 16 bits each, in place of the floats that they are rounded from; and back. */
static void narrow(float *values, size_t n)
{
    uint16_t *bits = (uint16_t *)values;
    for (size_t i = 0; stored != DTYPE_F32 && i < n; i++)
        bits[i] = half_bits(stored, values[i]);
}

static void widen(float *values, size_t n)
{
    const uint16_t *bits = (const uint16_t *)values;
    for (size_t i = n; stored != DTYPE_F32 && i-- > 0;)
        values[i] = (float)half_value(stored, bits[i]);
}

static float *to_stored(const float *plain, int N, int C, int pixels)
{
    float *blocked = to_blocks(plain, N, C, pixels);
    narrow(blocked, (size_t)N * div_up(C, 16) * pixels * 16);
    return blocked;
}

static Operand blocked_operand(const float *plain, int N, int C, int pixels)
{
    float *blocked = to_stored(plain, N, C, pixels);
    Operand o = operand_new(&device, blocked, words((size_t)N * div_up(C, 16) * pixels * 16), true);
    free(blocked);
    return o;
}

/* Beside the bound of the sum, half a unit of the format that the result was rounded to, once. */
static void compare_rounded(const char *what, const float *seen, const double *expected, size_t count, double length)
{
    const double u = 6e-8, least = ldexp(1, half_least(stored) - half_digits(stored));
    double squares = 0, errors = 0, allowed = 0;
    for (size_t i = 0; i < count; i++)
        squares += expected[i] * expected[i];
    double rms = sqrt(squares / (double)count);
    for (size_t i = 0; i < count; i++) {
        double error = fabs(seen[i] - expected[i]), sum = 32 * u * sqrt(length) * (fabs(expected[i]) + rms);
        double unit = fmax(least, ldexp(1, ilogb(fmax(fabs(expected[i]) + sum, least)) - half_digits(stored)));
        if (!(error <= sum + unit / 2))
            fail_msg("%s: value %zu is %g, expected %g: %.2f units of %s", what, i, seen[i], expected[i], error / unit,
                     dtype_word(stored));
        errors += error * error;
        allowed += unit * unit / 12; /* of an error that is anywhere within half a unit */
    }
    double bound = 2 * allowed + 10 * (0.55 * u * u + 0.1 * length * u * u) * squares;
    if (count >= 64 && !(errors <= bound))
        fail_msg("%s: mean squared error %g of the bound", what, errors / bound);
}

static void describe(char *text, size_t size, const ConvDesc *d, const char *algorithm)
{
    static const char *const ops[] = {"forward", "grad-data", "grad-weight"};
    snprintf(text, size, "%s %s [%s] N%d C%d H%d W%d K%d R%d S%d s%d p%d g%d%s%s", dtype_word(stored), ops[d->op],
             algorithm, d->N, d->C, d->H, d->W, d->K, d->R, d->S, d->stride, d->pad, d->groups,
             d->relu ? " relu" : "", d->accumulate ? " accumulate" : "");
}

/* Runs one step with operands a, b -> out and compares; see the three callers. */
static void run_and_compare(const ConvDesc *d, Operand a, Operand b, Operand out, Operand bias,
                            Operand residual, const float *before, int out_channels, int out_pixels,
                            const double *expected, double length)
{
    Step step = {.kind = STEP_CONV,
                 .refs_count = d->op == CONV_FORWARD ? 5 : 3,
                 .refs = {a.ref, b.ref, out.ref, bias.ref, residual.ref},
                 .writes = 4,
                 .name = "test",
                 .conv = *d};
    step.conv.type = stored;
    const char *wanted = candidate < 0 ? NULL : device.backend->candidate(device.device, &step, candidate);
    if (candidate >= 0 && !wanted)
        return;
    step.algorithm = wanted;
    candidates_run++;
    cases_run++;
    const bool image = out_pixels > 0;
    const size_t elements = image && stored != DTYPE_F32 ? 2 * out.count : out.count;
    float *seen = mem_alloc(elements * 4);
    step_check_twice(&device, &step, &out, before, seen);
    if (wanted)
        assert_string_equal(step.algorithm, wanted);
    char text[200];
    describe(text, sizeof text, d, step.algorithm);
    size_t count = out.count;
    if (image) {
        widen(seen, elements);
        float *plain = mem_alloc((size_t)d->N * out_channels * out_pixels * 4);
        from_blocks(plain, seen, d->N, out_channels, out_pixels);
        free(seen);
        seen = plain;
        count = (size_t)d->N * out_channels * out_pixels;
    }
    if (image && stored != DTYPE_F32)
        compare_rounded(text, seen, expected, count, length);
    else
        compare_sums(text, seen, expected, count, length);
    free(seen);
}

/* residual: an operand, or, when accumulating, what lies where the result goes. */
static void check_forward(const Case *c, bool bias, bool residual, bool relu, bool accumulate)
{
    ConvDesc d = c->d;
    d.op = CONV_FORWARD;
    d.relu = relu;
    d.accumulate = accumulate;
    size_t count = y_count(&d), plane = (size_t)d.P * d.Q;
    double *expected = mem_alloc(count * sizeof *expected);
    for (size_t i = 0; i < count; i++) {
        expected[i] = c->y_sums[i];
        expected[i] += bias ? c->bias[i / plane % d.K] : 0;
        expected[i] += residual ? c->residual[i] : 0;
        if (relu && expected[i] < 0)
            expected[i] = 0;
    }
    Operand x = blocked_operand(c->x, d.N, d.C, d.H * d.W),
            w = operand_new(&device, c->w, w_count(&d), false);
    Operand y = operand_new(&device, NULL, words((size_t)d.N * div_up(d.K, 16) * plane * 16), true);
    Operand b = {0}, res = {0};
    if (bias)
        b = operand_new(&device, c->bias, (size_t)d.K, false);
    if (residual && !accumulate)
        res = blocked_operand(c->residual, d.N, d.K, (int)plane);
    float *before = accumulate ? to_stored(c->residual, d.N, d.K, (int)plane) : NULL;
    run_and_compare(&d, x, w, y, b, res, before, d.K, (int)plane, expected,
                    (double)(d.C / d.groups) * d.R * d.S + 2);
    free(before);
    Operand *all[] = {&x, &w, &y, bias ? &b : NULL, res.count ? &res : NULL};
    for (int i = 0; i < 5; i++)
        if (all[i])
            operand_free(&device, all[i]);
    free(expected);
}

static void check_data(const Case *c, bool accumulate)
{
    ConvDesc d = c->d;
    d.op = CONV_GRAD_DATA;
    d.accumulate = accumulate;
    size_t count = x_count(&d);
    double *expected = mem_alloc(count * sizeof *expected);
    for (size_t i = 0; i < count; i++)
        expected[i] = c->dx_sums[i] + (accumulate ? c->old[i] : 0);
    Operand dy = blocked_operand(c->dy, d.N, d.K, d.P * d.Q),
            w = operand_new(&device, c->w, w_count(&d), false);
    Operand dx = operand_new(&device, NULL, words((size_t)d.N * div_up(d.C, 16) * d.H * d.W * 16), true);
    float *before = accumulate ? to_stored(c->old, d.N, d.C, d.H * d.W) : NULL;
    run_and_compare(&d, dy, w, dx, (Operand){0}, (Operand){0}, before, d.C, d.H * d.W, expected,
                    (double)(d.K / d.groups) * d.R * d.S + 1);
    free(before);
    operand_free(&device, &dy);
    operand_free(&device, &w);
    operand_free(&device, &dx);
    free(expected);
}

static void check_weight(const Case *c)
{
    ConvDesc d = c->d;
    d.op = CONV_GRAD_WEIGHT;
    Operand x = blocked_operand(c->x, d.N, d.C, d.H * d.W),
            dy = blocked_operand(c->dy, d.N, d.K, d.P * d.Q);
    Operand dw = operand_new(&device, NULL, w_count(&d), false);
    run_and_compare(&d, x, dy, dw, (Operand){0}, (Operand){0}, NULL, 0, 0, c->dw_sums,
                    (double)d.N * d.P * d.Q);
    operand_free(&device, &x);
    operand_free(&device, &dy);
    operand_free(&device, &dw);
}

/* One shape through all operations and epilogues. */
static void check_shape(int N, int C, int H, int W, int K, int R, int S, int stride, int pad,
                        int groups)
{
    ConvDesc d = {.N = N,
                  .C = C,
                  .H = H,
                  .W = W,
                  .K = K,
                  .R = R,
                  .S = S,
                  .stride = stride,
                  .pad = pad,
                  .groups = groups,
                  .P = (H + 2 * pad - R) / stride + 1,
                  .Q = (W + 2 * pad - S) / stride + 1};
    Rng rng = rng_stream(11, 0, (uint64_t)(C * 1000003 + K * 1009 + H * 31 + R), RNG_TEST);
    Case c = case_new(d, &rng);
    reference_sums(&c);
    check_forward(&c, false, false, false, false);
    check_forward(&c, true, true, true, false);
    check_forward(&c, true, true, true, true);
    check_data(&c, false);
    check_data(&c, true);
    check_weight(&c);
    case_free(&c);
}

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
    static const char *const choices[] = {
        "conv.forward=cpu-band,conv.grad-data=cpu-band,conv.grad-weight=cpu-weight-band",
        "gpu,conv.forward=cpu-point,conv.grad-data=cpu-band,conv.grad-weight=cpu-weight-point",
        "conv.forward=gpu-tile,conv.grad-data=gpu-tile,conv.grad-weight=gpu-weight-tile"};
    static const char *const names[][3] = {{"cpu-band", "cpu-band", "cpu-weight-band"},
                                           {"cpu-point", "cpu-band", "cpu-weight-point"},
                                           {"gpu-tile", "gpu-tile", "gpu-weight-tile"}};
    TestDevice usual = device;
    /* Kernels for processors, the first two, are no matter of other devices. */
    for (int i = usual.backend->opened(usual.device)->caps & CAP_CPU ? 0 : 2; i < 3; i++) {
        device = test_device_open(choices[i], false);
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
            assert_int_equal(device.backend->choose(device.device, &step), STATUS_OK);
            assert_int_equal(strncmp(step.algorithm, names[i][op], strlen(names[i][op])), 0);
        }
        check_shape(2, 20, 7, 7, 33, 1, 1, 1, 0, 1);
        check_shape(1, 20, 6, 5, 18, 3, 3, 2, 1, 1);
        test_device_close(&device);
    }
    device = usual;
}

/* Every candidate can be forced by the name that it is listed with, whatever tuning asks for. */
static void forced_by_name(void **state)
{
    (void)state;
    static const char *const ops[] = {"conv.forward", "conv.grad-data", "conv.grad-weight"};
    const Backend *backend = device.backend;
    int forced_count = 0;
    for (int kernel = 1; kernel <= 3; kernel += 2)
        for (int op = 0; op < 3; op++) {
            Step step = {.kind = STEP_CONV, .name = "test",
                         .conv = {.op = (ConvOp)op, .N = 2, .C = 40, .H = 14, .W = 14, .K = 40,
                                  .R = kernel, .S = kernel, .P = 14, .Q = 14, .stride = 1,
                                  .pad = kernel / 2, .groups = kernel == 3 && op ? 10 : 1}};
            const char *name, *first = backend->candidate(device.device, &step, 0);
            for (int i = 0; (name = backend->candidate(device.device, &step, i)); i++) {
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

/* Runs the shapes through every algorithm of the backend, by its number; how many there were. */
static int each_candidate(void (*shapes)(void))
{
    int count = 0;
    for (candidate = 0;; candidate++) {
        candidates_run = 0;
        shapes();
        if (!candidates_run)
            break;
        count++;
    }
    candidate = -1;
    return count;
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
    TestDevice usual = device;
    device = test_device_open("gpu", false);
    int count = each_candidate(gpu_shapes);
    bool large = device.backend->opened(device.device)->max_group >= 256;
    test_device_close(&device);
    device = usual;
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
    if (!(device.backend->opened(device.device)->caps & CAP_CPU))
        return; /* kernels for GPUs were asked for, or it is one */
    int count = each_candidate(cpu_shapes);
    assert_true(count >= (device.backend->opened(device.device)->local_memory >= 1 << 19 ? 14 : 7));
}

/* One shape for each form, in 16 bits; partial sums of an out-pixel among them, where the local memory does not hold all
 * of its in-channels. */
static void stored_shapes(void)
{
    check_shape(1, 36, 7, 14, 40, 1, 1, 1, 0, 1);
    check_shape(2, 35, 5, 14, 36, 3, 3, 1, 1, 1);
    check_shape(1, 34, 9, 8, 36, 3, 3, 2, 1, 2);
    check_shape(1, 24, 9, 7, 24, 3, 3, 1, 1, 6);
}

static void stored_16(void **state)
{
    (void)state;
    static const DType types[] = {DTYPE_F16, DTYPE_BF16};
    TestDevice usual = device;
    for (int i = 0; i < 2; i++) {
        stored = types[i];
        each_candidate(stored_shapes);
        check_shape(1, 3, 15, 17, 20, 7, 7, 2, 3, 1);
        device = test_device_open("gpu", false);
        each_candidate(stored_shapes);
        test_device_close(&device);
        device = usual;
        if (!(device.backend->opened(device.device)->caps & CAP_CPU))
            continue;
        device = test_device_open("conv.forward=cpu-band,conv.grad-data=cpu-band", false);
        check_shape(1, 1030, 4, 30, 24, 3, 3, 1, 1, 1);
        check_shape(1, 24, 4, 30, 1030, 3, 3, 1, 1, 1);
        test_device_close(&device);
        device = usual;
    }
    stored = DTYPE_F32;
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
    static const struct {
        uint32_t group, local;
        const char *name; /* NULL: none fits */
    } cases[] = {{4096, 1 << 16, "gpu-tile-64x64"}, {64, 1 << 16, "gpu-tile-64x32"}, {4096, 6000, "gpu-tile-64x16"},
                 {4096, 5000, "gpu-tile-32x32"},    {32, 1 << 16, NULL},             {4096, 4000, NULL}};
    TestDevice usual = device;
    device = test_device_open("gpu", false);
    DeviceInfo *info = (DeviceInfo *)(uintptr_t)device.backend->opened(device.device);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Step step = {.kind = STEP_CONV,
                     .name = "test",
                     .conv = {.N = 1, .C = 16, .H = 7, .W = 7, .K = 64, .R = 3, .S = 3, .P = 7, .Q = 7,
                              .stride = 1, .pad = 1, .groups = 1}};
        info->max_group = cases[i].group;
        info->local_memory = cases[i].local;
        Status status = device.backend->choose(device.device, &step);
        assert_int_equal(status, cases[i].name ? STATUS_OK : STATUS_DEVICE);
        if (!cases[i].name)
            continue;
        assert_string_equal(step.algorithm, cases[i].name);
        check_shape(1, 20, 9, 7, 66, 3, 3, 1, 1, 1);
    }
    test_device_close(&device);
    device = usual;
}

/* One image on a device of many units: the weight gradient's sum is split within the image. */
static void many_units(void **state)
{
    (void)state;
    TestDevice usual = device;
    device = test_device_open("gpu", false);
    DeviceInfo *info = (DeviceInfo *)(uintptr_t)device.backend->opened(device.device);
    for (info->units = 16; info->units <= 4096; info->units *= 16) {
        Step step = {.kind = STEP_CONV,
                     .name = "test",
                     .conv = {.op = CONV_GRAD_WEIGHT, .N = 1, .C = 64, .H = 56, .W = 56, .K = 64, .R = 1, .S = 1,
                              .P = 56, .Q = 56, .stride = 1, .groups = 1}};
        assert_int_equal(device.backend->choose(device.device, &step), STATUS_OK);
        assert_true(step.workspace_bytes >= 16 * 64 * 64 * 4);
        check_shape(1, 20, 33, 31, 18, 1, 1, 1, 0, 1);
        check_shape(3, 3, 23, 17, 35, 7, 7, 2, 3, 1);
        check_shape(2, 36, 13, 11, 36, 3, 3, 1, 1, 3);
    }
    test_device_close(&device);
    device = usual;
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
    device = test_device_open(NULL, false);
    if (getenv("PACO_BENCH"))
        return bench_conv(&device);
    const struct CMUnitTest small[] = {cmocka_unit_test(tiny), cmocka_unit_test(tiny_candidates)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points), cmocka_unit_test(squares),       cmocka_unit_test(sevens),
        cmocka_unit_test(groups), cmocka_unit_test(many_channels), cmocka_unit_test(forced), cmocka_unit_test(forced_by_name),
        cmocka_unit_test(wide),   cmocka_unit_test(edges), cmocka_unit_test(cpu_candidates), cmocka_unit_test(gpu_candidates),
        cmocka_unit_test(small_devices), cmocka_unit_test(many_units), cmocka_unit_test(stored_16),
    };
    if (getenv("PACO_TEST_ONLY"))
        cmocka_set_test_filter(getenv("PACO_TEST_ONLY"));
    int failed = getenv("PACO_TEST_TINY") ? cmocka_run_group_tests(small, NULL, NULL)
                                          : cmocka_run_group_tests(tests, NULL, NULL);
    printf("conv                 %3d cases, each run twice\n", cases_run);
    test_device_close(&device);
    return failed;
}
