/* Checkpoints that PyTorch wrote: every file of the repository, of the additional material and of
 * the folder PACO_CHECKPOINTS (written by checkpoint_oracle.py under any version of PyTorch) reads
 * with exactly the tensors of its contents.json, by shape, type, norm, dot product and first values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "support_files.h"
#include "verify/oracle_numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDERS_MAX = 3 };

/* The folders with a contents.json. */
static int all_folders(const char *folder[FOLDERS_MAX])
{
    int count = test_checkpoints(folder);
    const char *given = getenv("PACO_CHECKPOINTS");
    if (given && *given)
        folder[count++] = given;
    return count;
}

static bool close_to(double a, double b, double scale)
{
    return fabs(a - b) <= 1e-12 * (fabs(a) + fabs(b) + scale) + 1e-300;
}

static void check_tensor(Checkpoint *c, const CheckpointTensor *t, const Json *wanted)
{
    const Json *shape = json_get(wanted, "shape"), *probe = json_get(wanted, "probe");
    assert_non_null(t->tensor);
    assert_string_equal(element_name(t->tensor->type), json_text(wanted, "dtype", ""));
    assert_int_equal(t->tensor->rank, shape->count);
    int i = 0;
    for (const Json *n = shape->child; n; n = n->next, i++)
        assert_int_equal(t->tensor->shape[i], n->integer);
    double *values = malloc(checkpoint_tensor_bytes(t, ELEMENT_FLOAT64) + 1);
    if (checkpoint_read(c, t, ELEMENT_FLOAT64, values) != STATUS_OK)
        fail_msg("%s", status_text());
    double norm = 0, dot = 0;
    char stream[4096];
    snprintf(stream, sizeof stream, "probe.%s", t->key);
    double *probes = malloc((size_t)t->tensor->count * sizeof *probes + 1);
    oracle_uniform(stream, 0, (int64_t)t->tensor->count, probes);
    for (uint64_t k = 0; k < t->tensor->count; k++) {
        norm += values[k] * values[k];
        dot += values[k] * probes[k];
    }
    free(probes);
    norm = sqrt(norm);
    double scale = norm * sqrt((double)t->tensor->count);
    if (!close_to(norm, json_number(probe, "norm", NAN), norm) ||
        !close_to(dot, json_number(probe, "dot", NAN), scale))
        fail_msg("%s: norm %.17g dot %.17g", t->key, norm, dot);
    i = 0;
    for (const Json *v = json_get(probe, "first")->child; v; v = v->next)
        assert_true(values[i++] == v->number);
    free(values);
}

static void check_file(const char *folder, const char *name, const Json *contents)
{
    char *path = file_join(folder, name);
    Checkpoint *c;
    if (checkpoint_open(path, NULL, &c) != STATUS_OK)
        fail_msg("%s", status_text());
    assert_int_equal(checkpoint_count(c), contents->count);
    for (const Json *t = contents->child; t; t = t->next) {
        const CheckpointTensor *found = checkpoint_find(c, t->key);
        if (!found)
            fail_msg("%s: %s is missing", name, t->key);
        check_tensor(c, found, t);
    }
    assert_int_equal(checkpoint_verify(c), STATUS_OK);
    checkpoint_close(c);
    free(path);
}

static void every_file(void **state)
{
    (void)state;
    const char *folder[FOLDERS_MAX];
    int folders = all_folders(folder);
    for (int i = 0; i < folders; i++) {
        Arena arena = {0};
        Json *root;
        char *path = file_join(folder[i], "contents.json");
        assert_int_equal(json_read(&arena, path, &root), STATUS_OK);
        free(path);
        for (const Json *file = root->child; file; file = file->next)
            check_file(folder[i], file->key, file);
        assert_int_equal(root->count, 7);
        arena_free(&arena);
    }
}

static void check_scalars(const char *folder)
{
    char *path = file_join(folder, "paco_lt.pth.tar");
    Checkpoint *c;
    double acc, lr;
    int64_t epoch, index;
    assert_int_equal(checkpoint_open(path, NULL, &c), STATUS_OK);
    assert_int_equal(checkpoint_integer(c, "epoch", &epoch), STATUS_OK);
    assert_int_equal(epoch, 3);
    assert_string_equal(checkpoint_text(c, "arch"), "resnet20");
    assert_int_equal(checkpoint_number(c, "acc", &acc), STATUS_OK);
    assert_true(acc == 12.5);
    assert_int_equal(checkpoint_number(c, "optimizer/param_groups/0/lr", &lr), STATUS_OK);
    assert_true(lr == 0.01);
    assert_int_equal(checkpoint_integer(c, "optimizer/param_groups/0/params/129", &index),
                     STATUS_OK);
    assert_int_equal(index, 129);
    assert_int_equal(checkpoint_integer(c, "acc", &index), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "key 'acc'"));
    assert_int_equal(checkpoint_number(c, "nothing", &acc), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "is missing"));
    checkpoint_close(c);
    free(path);
}

static void scalars_of_a_training_checkpoint(void **state)
{
    (void)state;
    const char *folder[FOLDERS_MAX];
    int folders = all_folders(folder);
    for (int i = 0; i < folders; i++)
        check_scalars(folder[i]);
}

/* A real pretrained network: a legacy file with `module.` and a classifier called linear. */
static void check_pretrained(const char *path, uint32_t tensors, double wanted)
{
    Checkpoint *c;
    double precision;
    assert_int_equal(checkpoint_open(path, NULL, &c), STATUS_OK);
    assert_int_equal(checkpoint_format(c), CHECKPOINT_LEGACY);
    assert_int_equal(checkpoint_count(c), tensors);
    assert_int_equal(checkpoint_number(c, "best_prec1", &precision), STATUS_OK);
    assert_true(fabs(precision - wanted) < 0.006);
    const CheckpointTensor *t = checkpoint_find(c, "state_dict/module.linear.weight");
    assert_non_null(t);
    float values[640];
    assert_int_equal(checkpoint_tensor_bytes(t, ELEMENT_FLOAT32), sizeof values);
    assert_int_equal(checkpoint_read(c, t, ELEMENT_FLOAT32, values), STATUS_OK);
    assert_true(fabsf(values[0]) < 10 && values[0] != 0);
    checkpoint_close(c);
}

static void pretrained_networks(void **state)
{
    (void)state;
    const char *larger = test_shared("data/checkpoints/resnet32-d509ac18.th");
    check_pretrained(test_data("data/checkpoints/resnet20-12fca82f.th"), 97, 91.78);
    if (larger)
        check_pretrained(larger, 157, 92.78);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file), cmocka_unit_test(scalars_of_a_training_checkpoint),
        cmocka_unit_test(pretrained_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
