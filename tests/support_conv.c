/* Convolutions under test: see support_conv.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_conv.h"

#include "base/arena.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ConvTrials conv = {.candidate = -1};

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
        values[i] = (float)dtype_round(conv.stored, values[i]);
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
                double used = dtype_round(conv.stored, c->w[weight]);
                c->y_sums[y] += c->x[x] * used;
                c->dx_sums[x] += c->dy[y] * used;
                c->dw_sums[weight] += (double)c->x[x] * c->dy[y];
            }
}

/* Channels with padding on the device, and how many of a pixel lie together. */
static int channel_width(int C)
{
    return device_width(conv.device.backend->opened(conv.device.device), C);
}

static int channel_block(int C)
{
    int block = conv.device.backend->opened(conv.device.device)->channel_block;
    return block ? block : channel_width(C);
}

size_t conv_elements(int N, int C, int pixels)
{
    return (size_t)N * channel_width(C) * pixels;
}

size_t conv_place(int n, int c, int i, int C, int pixels)
{
    const int block = channel_block(C);
    return ((size_t)n * channel_width(C) + c / block * block) * pixels + (size_t)i * block + c % block;
}

/* [N][C][HW] to the device's layout and back; lanes beyond C must be zero. */
static float *to_blocks(const float *plain, int N, int C, int pixels)
{
    float *out = mem_zero(conv_elements(N, C, pixels), 4);
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c++)
            for (int i = 0; i < pixels; i++)
                out[conv_place(n, c, i, C, pixels)] = plain[((size_t)n * C + c) * pixels + i];
    return out;
}

static void from_blocks(float *plain, const float *blocked, int N, int C, int pixels)
{
    int width = channel_width(C);
    for (int n = 0; n < N; n++)
        for (int c = 0; c < width; c++)
            for (int i = 0; i < pixels; i++) {
                float v = blocked[conv_place(n, c, i, C, pixels)];
                if (c < C)
                    plain[((size_t)n * C + c) * pixels + i] = v;
                else if (v != 0)
                    fail_msg("lane %d of %d channels holds %g, not zero", c, C, v);
            }
}

/* Words that so many elements take as they are stored. */
size_t conv_words(size_t elements)
{
    return elements * (size_t)dtype_bytes(conv.stored) / 4;
}

/* Elements in 16 bits each, in place of the floats that they are rounded from; and back. */
static void narrow(float *values, size_t n)
{
    for (size_t i = 0; conv.stored != DTYPE_F32 && i < n; i++) {
        uint16_t bits = half_bits(conv.stored, values[i]);
        memcpy((char *)values + 2 * i, &bits, 2);
    }
}

void conv_widen(float *values, size_t n)
{
    for (size_t i = n; conv.stored != DTYPE_F32 && i-- > 0;) {
        uint16_t bits;
        memcpy(&bits, (char *)values + 2 * i, 2);
        values[i] = (float)half_value(conv.stored, bits);
    }
}

static float *to_stored(const float *plain, int N, int C, int pixels)
{
    float *blocked = to_blocks(plain, N, C, pixels);
    narrow(blocked, conv_elements(N, C, pixels));
    return blocked;
}

Operand conv_operand(const float *plain, int N, int C, int pixels)
{
    float *blocked = to_stored(plain, N, C, pixels);
    Operand o = operand_new(&conv.device, blocked, conv_words(conv_elements(N, C, pixels)), true);
    free(blocked);
    return o;
}

/* What lies between a number that is about so large and the next, in the format. */
static double unit_at(double value)
{
    const double least = ldexp(1, half_least(conv.stored) - half_digits(conv.stored));
    return fmax(least, ldexp(1, ilogb(fmax(value, least)) - half_digits(conv.stored)));
}

/* Beside the bound of the sum, half a unit of the format that the result was rounded to, once; `middle` (or NULL): sums
 * that were rounded, too, before something was added to them. */
static void compare_rounded(const char *what, const float *seen, const double *expected, const double *middle, size_t count,
                            double length)
{
    const double u = 6e-8;
    double squares = 0, errors = 0, allowed = 0;
    for (size_t i = 0; i < count; i++)
        squares += expected[i] * expected[i];
    double rms = sqrt(squares / (double)count);
    for (size_t i = 0; i < count; i++) {
        double error = fabs(seen[i] - expected[i]), sum = 32 * u * sqrt(length) * (fabs(expected[i]) + rms);
        double before = middle ? unit_at(fabs(middle[i]) + sum) : 0, unit = unit_at(fabs(expected[i]) + sum + before);
        if (!(error <= sum + before / 2 + unit / 2))
            fail_msg("%s: value %zu is %g, expected %g: %.2f units of %s", what, i, seen[i], expected[i], error / unit,
                     dtype_word(conv.stored));
        errors += error * error;
        allowed += (unit * unit + before * before) / 12; /* of an error that is anywhere within half a unit */
    }
    double bound = 2 * allowed + 10 * (0.55 * u * u + 0.1 * length * u * u) * squares;
    if (count >= 64 && !(errors <= bound))
        fail_msg("%s: mean squared error %g of the bound", what, errors / bound);
}

static void describe(char *text, size_t size, const ConvDesc *d, const char *algorithm)
{
    static const char *const ops[] = {"forward", "grad-data", "grad-weight"};
    snprintf(text, size, "%s %s [%s] N%d C%d H%d W%d K%d R%d S%d s%d p%d g%d%s%s", dtype_word(conv.stored), ops[d->op],
             algorithm, d->N, d->C, d->H, d->W, d->K, d->R, d->S, d->stride, d->pad, d->groups,
             d->relu ? " relu" : "", d->accumulate ? " accumulate" : "");
}

/* How many candidates before the running one are of its method. */
static int earlier_tiles(const Step *step, const char *name)
{
    const char *dash = strrchr(name, '-');
    size_t length = dash ? (size_t)(dash - name) + 1 : strlen(name);
    int count = 0;
    for (int i = 0; i < conv.candidate; i++) {
        const char *other = conv.device.backend->candidate(conv.device.device, step, i);
        count += other && strncmp(other, name, length) == 0;
    }
    return count;
}

/* Runs one step with operands a, b -> out and compares; see the three callers. */
static void run_and_compare(const ConvDesc *d, Operand a, Operand b, Operand out, Operand bias,
                            Operand residual, const float *before, int out_channels, int out_pixels,
                            const double *expected, const double *middle, double length)
{
    Step step = {.kind = STEP_CONV,
                 .refs_count = d->op == CONV_FORWARD ? 5 : 3,
                 .refs = {a.ref, b.ref, out.ref, bias.ref, residual.ref},
                 .writes = 4,
                 .name = "test",
                 .conv = *d};
    step.conv.type = conv.stored;
    const char *wanted = conv.candidate < 0 ? NULL : conv.device.backend->candidate(conv.device.device, &step, conv.candidate);
    if (conv.candidate >= 0 && !wanted)
        return;
    step.algorithm = wanted;
    conv.candidates_run++;
    if (wanted && conv.only && strncmp(wanted, conv.only, strlen(conv.only)))
        return;
    if (wanted && conv.tiles && earlier_tiles(&step, wanted) >= conv.tiles)
        return;
    conv.cases_run++;
    const bool image = out_pixels > 0;
    const size_t elements = image && conv.stored != DTYPE_F32 ? 2 * out.count : out.count;
    float *seen = mem_alloc(elements * 4);
    step_check_twice(&conv.device, &step, &out, before, seen);
    if (wanted)
        assert_string_equal(step.algorithm, wanted);
    char text[200];
    describe(text, sizeof text, d, step.algorithm);
    size_t count = out.count;
    if (image) {
        conv_widen(seen, elements);
        float *plain = mem_alloc((size_t)d->N * out_channels * out_pixels * 4);
        from_blocks(plain, seen, d->N, out_channels, out_pixels);
        free(seen);
        seen = plain;
        count = (size_t)d->N * out_channels * out_pixels;
    }
    bool rounds = conv.device.backend->opened(conv.device.device)->caps & CAP_ROUNDED_SUMS;
    if ((image || rounds) && conv.stored != DTYPE_F32)
        compare_rounded(text, seen, expected, rounds ? middle : NULL, count, length);
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
    double *expected = mem_alloc(count * sizeof *expected), *middle = mem_alloc(count * sizeof *middle);
    const bool added = bias || (residual && !accumulate);
    for (size_t i = 0; i < count; i++) {
        expected[i] = middle[i] = c->y_sums[i] + (accumulate ? c->residual[i] : 0);
        expected[i] += bias ? c->bias[i / plane % d.K] : 0;
        expected[i] += residual && !accumulate ? c->residual[i] : 0;
        if (relu && expected[i] < 0)
            expected[i] = 0;
    }
    Operand x = conv_operand(c->x, d.N, d.C, d.H * d.W),
            w = operand_new(&conv.device, c->w, w_count(&d), false);
    Operand y = operand_new(&conv.device, NULL, conv_words(conv_elements(d.N, d.K, (int)plane)), true);
    Operand b = {0}, res = {0};
    if (bias)
        b = operand_new(&conv.device, c->bias, (size_t)d.K, false);
    if (residual && !accumulate)
        res = conv_operand(c->residual, d.N, d.K, (int)plane);
    float *before = accumulate ? to_stored(c->residual, d.N, d.K, (int)plane) : NULL;
    run_and_compare(&d, x, w, y, b, res, before, d.K, (int)plane, expected, added ? middle : NULL,
                    (double)(d.C / d.groups) * d.R * d.S + 2);
    free(before);
    Operand *all[] = {&x, &w, &y, bias ? &b : NULL, res.count ? &res : NULL};
    for (int i = 0; i < 5; i++)
        if (all[i])
            operand_free(&conv.device, all[i]);
    free(expected);
    free(middle);
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
    Operand dy = conv_operand(c->dy, d.N, d.K, d.P * d.Q),
            w = operand_new(&conv.device, c->w, w_count(&d), false);
    Operand dx = operand_new(&conv.device, NULL, conv_words(conv_elements(d.N, d.C, d.H * d.W)), true);
    float *before = accumulate ? to_stored(c->old, d.N, d.C, d.H * d.W) : NULL;
    run_and_compare(&d, dy, w, dx, (Operand){0}, (Operand){0}, before, d.C, d.H * d.W, expected, NULL,
                    (double)(d.K / d.groups) * d.R * d.S + 1);
    free(before);
    operand_free(&conv.device, &dy);
    operand_free(&conv.device, &w);
    operand_free(&conv.device, &dx);
    free(expected);
}

static void check_weight(const Case *c)
{
    ConvDesc d = c->d;
    d.op = CONV_GRAD_WEIGHT;
    Operand x = conv_operand(c->x, d.N, d.C, d.H * d.W),
            dy = conv_operand(c->dy, d.N, d.K, d.P * d.Q);
    Operand dw = operand_new(&conv.device, NULL, w_count(&d), false);
    run_and_compare(&d, x, dy, dw, (Operand){0}, (Operand){0}, NULL, 0, 0, c->dw_sums, NULL,
                    (double)d.N * d.P * d.Q);
    operand_free(&conv.device, &x);
    operand_free(&conv.device, &dy);
    operand_free(&conv.device, &dw);
}

/* One shape through all operations and epilogues. */
void check_shape(int N, int C, int H, int W, int K, int R, int S, int stride, int pad,
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

/* Runs the shapes through every algorithm of the backend, by its number; how many there were. */
int each_candidate(void (*shapes)(void))
{
    const char *text = getenv("PACO_TEST_CANDIDATES");
    int count = 0, most = text && *text ? atoi(text) : INT_MAX;
    for (conv.candidate = 0; conv.candidate < most; conv.candidate++) {
        conv.candidates_run = 0;
        shapes();
        if (!conv.candidates_run)
            break;
        count++;
    }
    conv.candidate = -1;
    return count;
}
