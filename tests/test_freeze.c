/* --freeze: after a step of training everything has moved but the convolutions outside the last block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_model.h"

#include "base/arena.h"
#include "device/registry.h"
#include "train/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *device;

static void must(Status status)
{
    if (status != STATUS_OK)
        fail_msg("%s", status_text());
}

/* A small model whose trainable parameters are those that `paco train --freeze` trains. */
static ModelConfig frozen_model(const char *arch, int size)
{
    Options o;
    options_init(&o);
    must(options_set(&o, "arch", arch));
    must(options_set(&o, "freeze", "convs_but_last_block"));
    ModelConfig asked = run_config(&o, 11, size, true, 0), c = model_small(asked.arch, size, 4, 1);
    c.trainable = asked.trainable;
    c.trainable_context = asked.trainable_context;
    options_free(&o);
    return c;
}

static float *read_value(Session *session, const Value *v)
{
    float *x = mem_alloc((size_t)dims_count(v->dims) * sizeof *x);
    must(session_read(session, v, x, DTYPE_F32));
    return x;
}

/* Which parameters changed in one step: of four dimensions (convolutions) only those of block `last`. */
static void check_step(const char *arch, int size, const char *last, int convolutions)
{
    ModelConfig c = frozen_model(arch, size);
    Model model = model_build(&c);
    Session *session;
    SessionOptions options = {.device = device};
    must(session_open(model.graph, &options, &session));
    model_fill(session, &model, &c);
    model_feed(session, &model, &c, 0);
    int count = model.graph->values_count, trained = 0;
    float **before = mem_zero((size_t)count, sizeof *before);
    for (int i = 0; i < count; i++)
        if (model.graph->values[i]->role == ROLE_PARAM)
            before[i] = read_value(session, model.graph->values[i]);
    must(session_step(session, (StepParams){.lr = 0.05, .grad_scale = 1}));
    for (int i = 0; i < count; i++) {
        const Value *v = model.graph->values[i];
        if (!before[i])
            continue;
        bool convolution = v->dims.rank == 4, free_to_move = !convolution || strstr(v->name, last);
        float *after = read_value(session, v);
        bool moved = memcmp(before[i], after, (size_t)dims_count(v->dims) * sizeof *after) != 0;
        if (moved != free_to_move)
            fail_msg("%s: %s %s", arch, v->name, moved ? "moved" : "did not move");
        trained += convolution && moved;
        free(after);
        free(before[i]);
    }
    assert_int_equal(trained, convolutions);
    free(before);
    session_close(session);
}

static void cifar(void **state)
{
    (void)state;
    check_step("resnet20", 12, "encoder_q.layer3.2.", 2);
}

/* With the convolutions beside blocks (downsample.0), which are frozen too, and their batch norms. */
static void imagenet(void **state)
{
    (void)state;
    check_step("resnet18", 32, "encoder_q.layer4.1.", 2);
}

int main(void)
{
    static const char *const devices[] = {"ref", "opencl"};
    const struct CMUnitTest tests[] = {cmocka_unit_test(cifar), cmocka_unit_test(imagenet)};
    int failed = 0;
    for (int i = 0; i < 2; i++) {
        const Backend *backend;
        Device *open;
        device = devices[i];
        if (i == 1 && device_open(device, &(DeviceOptions){0}, &backend, &open) != STATUS_OK) {
            fprintf(stderr, "skipped: %s\n", status_text());
            break;
        }
        if (i == 1)
            backend->close(open);
        failed += cmocka_run_group_tests_name(device, tests, NULL, NULL);
    }
    return failed;
}
