/* Steps under test: see support_device.h. */
#include "support_device.h"

#include "base/arena.h"
#include "base/clock.h"
#include "device/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 512 };

static const uint32_t guard_pattern =
    0x7fc0dead; /* a not-a-number: what is read by mistake shows */

static void check(Status status)
{
    if (status != STATUS_OK)
        fail_msg("%s", status_text());
}

const char *test_device_name(void)
{
    const char *name = getenv("PACO_TEST_DEVICE");
    return name && *name ? name : "opencl";
}

void test_needs_opencl(void)
{
    TestDevice t = test_device_open(NULL, false);
    bool opencl = strcmp(t.backend->name, "opencl") == 0;
    test_device_close(&t);
    if (!opencl)
        skip();
}

TestDevice test_device_open(const char *kernels, bool profile)
{
    TestDevice t;
    const char *threads = getenv("PACO_TEST_THREADS");
    DeviceOptions options = {
        .kernels = kernels ? kernels : getenv("PACO_TEST_KERNELS"), .profile = profile, .threads = threads ? atoi(threads) : 0};
    if (device_open(test_device_name(), &options, &t.backend, &t.device) != STATUS_OK) {
        fprintf(stderr, "skipped: %s\n", status_text());
        exit(77);
    }
    return t;
}

void test_device_close(TestDevice *t)
{
    t->backend->close(t->device);
}

/* Writes values (NULL: not-a-number) and the guards around them, the whole buffer at once. */
static void operand_write(TestDevice *t, const Operand *o, const float *values)
{
    size_t bytes = o->lead + o->count * 4 + GUARD;
    uint32_t *image = mem_alloc(bytes);
    for (size_t i = 0; i < bytes / 4; i++)
        image[i] = guard_pattern;
    if (values)
        memcpy((char *)image + o->lead, values, o->count * 4);
    check(t->backend->write(t->device, (Ref){o->ref.buf, 0}, image, bytes));
    free(image);
}

Operand operand_new(TestDevice *t, const float *values, size_t count, bool aligned)
{
    Operand o = {.count = count, .lead = GUARD + (aligned ? 64 : 16)};
    check(t->backend->alloc(t->device, o.lead + count * 4 + GUARD, &o.ref.buf));
    o.ref.off = o.lead;
    operand_write(t, &o, values);
    return o;
}

void operand_read(TestDevice *t, const Operand *o, float *values)
{
    size_t bytes = o->lead + o->count * 4 + GUARD;
    uint32_t *image = mem_alloc(bytes);
    check(t->backend->read(t->device, image, (Ref){o->ref.buf, 0}, bytes));
    for (size_t i = 0; i < bytes / 4; i++) {
        bool guard = i < o->lead / 4 || i >= o->lead / 4 + o->count;
        if (guard && image[i] != guard_pattern)
            fail_msg("guard word %zd beside an operand was overwritten",
                     (ssize_t)i - (ssize_t)(o->lead / 4));
    }
    memcpy(values, (char *)image + o->lead, o->count * 4);
    free(image);
}

void operand_free(TestDevice *t, Operand *o)
{
    t->backend->release(t->device, o->ref.buf);
}

/* What a step needs beside its operands. */
typedef struct Extras {
    Operand packed, workspace;
    Step pack;
} Extras;

static void step_make(TestDevice *t, Step *step, Extras *extras)
{
    check(t->backend->choose(t->device, step));
    if (step->workspace_bytes) {
        extras->workspace = operand_new(t, NULL, step->workspace_bytes / 4, true);
        step->workspace = extras->workspace.ref;
    }
    if (step->packed_bytes) {
        extras->packed = operand_new(t, NULL, step->packed_bytes / 4, true);
        step->packed = extras->packed.ref;
        extras->pack = (Step){.kind = STEP_CONV,
                              .refs_count = 2,
                              .refs = {step->refs[1], step->packed},
                              .name = "pack",
                              .conv = step->conv};
        extras->pack.conv.op = CONV_PACK;
        extras->pack.algorithm = step->algorithm;
        extras->pack.conv.packed_for = step->conv.op;
        check(t->backend->choose(t->device, &extras->pack));
        check(t->backend->prepare(t->device, &extras->pack));
        check(t->backend->run(t->device, &extras->pack, 1));
    }
    check(t->backend->prepare(t->device, step));
}

static void step_free(TestDevice *t, Step *step, Extras *extras)
{
    check(t->backend->sync(t->device));
    t->backend->discard(t->device, step);
    Operand *operands[] = {&extras->packed, &extras->workspace};
    for (int i = 0; i < 2; i++)
        if (operands[i]->ref.buf) {
            float *values = mem_alloc(operands[i]->count * 4);
            operand_read(t, operands[i], values);
            free(values);
            operand_free(t, operands[i]);
        }
    if (extras->pack.prepared)
        t->backend->discard(t->device, &extras->pack);
}

void step_check_twice(TestDevice *t, Step *step, Operand *written, const float *before,
                      float *result)
{
    size_t bytes = written->count * 4;
    float *again = mem_alloc(bytes);
    for (int run = 0; run < 2; run++) {
        Extras extras = {0};
        operand_write(t, written, before);
        step_make(t, step, &extras);
        check(t->backend->run(t->device, step, 1));
        operand_read(t, written, run ? again : result);
        step_free(t, step, &extras);
    }
    if (memcmp(result, again, bytes))
        fail_msg("%s: two runs differ in their bits", step->algorithm);
    free(again);
}

double step_time(TestDevice *t, Step *step, int repeats)
{
    Extras extras = {0};
    step_make(t, step, &extras);
    check(t->backend->run(t->device, step, 1));
    check(t->backend->sync(t->device));
    double best = 1e30;
    for (int i = 0; i < repeats; i++) {
        double start = clock_seconds();
        check(t->backend->run(t->device, step, 1));
        check(t->backend->sync(t->device));
        double seconds = clock_seconds() - start;
        best = seconds < best ? seconds : best;
    }
    step_free(t, step, &extras);
    return best;
}

float *random_floats(Rng *rng, size_t n)
{
    float *values = mem_alloc(n * sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)rng_normal(rng);
    return values;
}

void compare_sums(const char *what, const float *seen, const double *expected, size_t count,
                  double length)
{
    const double u = 6e-8;
    double squares = 0, errors = 0, worst = 0;
    for (size_t i = 0; i < count; i++)
        squares += expected[i] * expected[i];
    double rms = sqrt(squares / (double)count);
    for (size_t i = 0; i < count; i++) {
        double error = fabs(seen[i] - expected[i]);
        double share = error / (32 * u * sqrt(length) * (fabs(expected[i]) + rms) + 1e-30);
        if (!(share <= 1))
            fail_msg("%s: value %zu is %g, expected %g: %.2f of the bound", what, i, seen[i],
                     expected[i], share);
        worst = share > worst ? share : worst;
        errors += error * error;
    }
    double bound = 10 * (0.55 * u * u + 0.1 * length * u * u) * squares;
    if (!(errors <= bound))
        fail_msg("%s: mean squared error %g of the bound", what, errors / bound);
    if (getenv("PACO_TEST_VERBOSE"))
        printf("%s: worst %.3f, mean squared %.3f of the bounds\n", what, worst,
               bound > 0 ? errors / bound : 0.0);
}
