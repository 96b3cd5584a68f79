/* Detection of every architecture from its own tensors and in PaCo's clothes; inspect and convert
 * over PyTorch's own files: what was converted holds the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "state/convert.h"
#include "state/detect.h"
#include "state/inspect.h"
#include "checkpoint/writer.h"
#include "support_checkpoint.h"
#include "support_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *folder;

/* ---- detection */

/* A safetensors header is enough of a model: its data are a hole in the file. */
static Checkpoint *model(const char *arch, const char *prefix, const char *classifier,
                         int64_t classes, int64_t width, int head, uint8_t **bytes)
{
    Arena arena = {0};
    WantedTensor *wanted;
    int count;
    char *text;
    size_t length, at = 0;
    assert_int_equal(detect_tensors(&arena, arch, "", 0, &wanted, &count), STATUS_OK);
    FILE *out = open_memstream(&text, &length);
    fputs("{", out);
    for (int i = 0; i < count; i++) {
        size_t size = element_bytes(wanted[i].type);
        fprintf(out, "\"%s%s\":{\"dtype\":\"%s\",\"shape\":[", prefix, wanted[i].name,
                element_safetensors(wanted[i].type));
        for (int d = 0; d < wanted[i].rank; d++) {
            fprintf(out, "%s%lld", d ? "," : "", (long long)wanted[i].shape[d]);
            size *= (size_t)wanted[i].shape[d];
        }
        fprintf(out, "],\"data_offsets\":[%zu,%zu]},", at, at + size);
        at += size;
    }
    const char *names[] = {"fc.weight", "fc.0.weight", "fc.3.weight"};
    for (int i = head == 1 ? 0 : 1; i < (head == 1   ? 1
                                         : head == 2 ? 3
                                                     : 1);
         i++, at += 4 * 128 * 64)
        fprintf(out, "\"%s%s\":{\"dtype\":\"F32\",\"shape\":[128,64],\"data_offsets\":[%zu,%zu]},",
                prefix, names[i], at, at + 4 * 128 * 64);
    fprintf(out,
            "\"%s.weight\":{\"dtype\":\"F32\",\"shape\":[%lld,%lld],\"data_offsets\":[%zu,%zu]}}",
            classifier, (long long)classes, (long long)width, at, at + 4 * (size_t)(classes * width));
    at += 4 * (size_t)(classes * width);
    fclose(out);
    *bytes = calloc(1, 8 + length + at);
    for (int i = 0; i < 8; i++)
        (*bytes)[i] = (uint8_t)(length >> 8 * i);
    memcpy(*bytes + 8, text, length);
    Checkpoint *c;
    if (checkpoint_open_memory("model.safetensors", *bytes, 8 + length + at, NULL, &c) != STATUS_OK)
        fail_msg("%s", status_text());
    free(text);
    arena_free(&arena);
    return c;
}

static void every_architecture_is_detected(void **state)
{
    (void)state;
    int known = 0;
    for (int i = 0; detect_name(i); i++, known++)
        for (int paco = 0; paco < 3; paco++) {
            uint8_t *bytes;
            StateDict dict;
            Detected d;
            int64_t width = i < 5 ? 64 : i < 7 ? 512 : 2048; /* CIFAR's, basic blocks, bottlenecks */
            Checkpoint *c =
                paco ? model(detect_name(i), "module.encoder_q.", "module.linear", 7, width, paco, &bytes)
                     : model(detect_name(i), "", i % 2 ? "fc" : "linear", 1000, width, 0, &bytes);
            assert_int_equal(state_dict_open(c, &dict), STATUS_OK);
            if (detect_architecture(&dict, &d) != STATUS_OK)
                fail_msg("%s", status_text());
            assert_string_equal(d.arch, detect_name(i));
            assert_string_equal(d.prefix, paco ? "encoder_q." : "");
            assert_string_equal(d.classifier, paco || i % 2 == 0 ? "linear" : "fc");
            assert_int_equal(d.classes, paco ? 7 : 1000);
            assert_int_equal(d.module, paco != 0);
            assert_int_equal(d.head_layers, paco);
            assert_int_equal(d.head_dim, paco ? 128 : 0);
            state_dict_free(&dict);
            checkpoint_close(c);
            free(bytes);
        }
    assert_int_equal(known, 15);
}

/* Numbers of classes that are none, or that would not fit an int; and rows that are not the features. */
static void classifiers_fit_their_network(void **state)
{
    (void)state;
    static const struct {
        int64_t classes, width;
        Status status;
    } cases[] = {{1, 64, STATUS_OK},           {1000001, 64, STATUS_INPUT}, {10, 63, STATUS_INPUT},
                 {10, 65, STATUS_INPUT},       {0, 64, STATUS_INPUT},       {10, 0, STATUS_INPUT},
                 {1000000000, 0, STATUS_INPUT}, {(int64_t)1 << 31, 0, STATUS_INPUT},
                 {((int64_t)1 << 32) + 10, 0, STATUS_INPUT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int paco = 0; paco < 2; paco++) {
            uint8_t *bytes;
            StateDict dict;
            Detected d;
            Checkpoint *c = model("resnet20", paco ? "module.encoder_q." : "", paco ? "module.linear" : "fc",
                                  cases[i].classes, cases[i].width, 0, &bytes);
            assert_int_equal(state_dict_open(c, &dict), STATUS_OK);
            assert_int_equal(detect_architecture(&dict, &d), STATUS_OK);
            assert_string_equal(d.arch, "resnet20");
            assert_string_equal(d.classifier, paco ? "linear" : "fc");
            assert_int_equal(d.classes, cases[i].status == STATUS_OK ? cases[i].classes : 0);
            assert_int_equal(detect_classifier(&dict, &d), cases[i].status);
            if (cases[i].status != STATUS_OK &&
                (!strstr(status_text(), paco ? "key 'module.linear.weight'" : "key 'fc.weight'") ||
                 !strstr(status_text(), "the classifier of resnet20 is [")))
                fail_msg("%s", status_text());
            state_dict_free(&dict);
            checkpoint_close(c);
            free(bytes);
        }
}

/* Parameter counts of torchvision's and the CIFAR models with their classifiers, from their
 * publications. */
static void architectures_have_their_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *arch, *classifier;
        int64_t classes, parameters;
    } models[] = {
        {"resnet18", "fc", 1000, 11689512},         {"resnet34", "fc", 1000, 21797672},
        {"resnet50", "fc", 1000, 25557032},         {"resnet101", "fc", 1000, 44549160},
        {"resnet152", "fc", 1000, 60192808},        {"resnext50_32x4d", "fc", 1000, 25028904},
        {"resnext101_32x8d", "fc", 1000, 88791336}, {"wide_resnet50_2", "fc", 1000, 68883240},
        {"resnet200", "fc", 1000, 64673832},        {"resnext101_32x4d", "fc", 1000, 44177704},
        {"resnet20", "linear", 10, 269722},         {"resnet32", "linear", 10, 464154},
        {"resnet110", "linear", 10, 1727962}};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        Arena arena = {0};
        WantedTensor *wanted;
        int count;
        int64_t parameters = 0;
        assert_int_equal(detect_tensors(&arena, models[m].arch, models[m].classifier,
                                        models[m].classes, &wanted, &count),
                         STATUS_OK);
        for (int i = 0; i < count; i++) {
            int64_t size = 1;
            for (int d = 0; d < wanted[i].rank; d++)
                size *= wanted[i].shape[d];
            if (wanted[i].type == ELEMENT_FLOAT32 && !strstr(wanted[i].name, "running_"))
                parameters += size;
        }
        if (parameters != models[m].parameters)
            fail_msg("%s: %lld parameters", models[m].arch, (long long)parameters);
        arena_free(&arena);
    }
}

/* ---- inspect and convert */

static char *inspect(const char *path, const InspectOptions *options, Status *status)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    *status = inspect_file(path, options, out);
    fclose(out);
    return text;
}

/* What inspect says of a file, and the difference it finds where the file shall be `other`. */
static void inspect_says(const char *path, const char *const lines[4], const char *other,
                         const char *difference)
{
    Status status;
    InspectOptions options = {.open.quiet = true}, as_other = {.arch = other, .quiet = true};
    char *text = inspect(path, &options, &status);
    assert_int_equal(status, STATUS_OK);
    for (int k = 0; k < 4; k++)
        if (!strstr(text, lines[k]))
            fail_msg("'%s' is not in: %s", lines[k], text);
    assert_null(strstr(text, difference));
    free(text);
    text = inspect(path, &as_other, &status);
    assert_int_equal(status, STATUS_OK);
    if (!strstr(text, difference))
        fail_msg("as %s: '%s' is not in: %s", other, difference, text);
    free(text);
}

static void inspect_says_what_it_is(void **state)
{
    (void)state;
    static const char *const plain[4] = {
        "PyTorch legacy stream", "architecture: resnet20 (CIFAR)", "classifier: linear, 10 classes",
        "97 of 97 tensors of resnet20 fit, 0 differences"};
    static const char *const deeper[4] = {
        "PyTorch legacy stream", "architecture: resnet32 (CIFAR)", "classifier: linear, 10 classes",
        "157 of 157 tensors of resnet32 fit, 0 differences"};
    static const char *const paco[4] = {
        "PyTorch zip", "backbone under 'module.encoder_q.'", "projection head: 64 - 64 - 32",
        "state_dict/module.queue_ptr"};
    const char *from[2], *larger = test_shared("data/checkpoints/resnet32-d509ac18.th");
    int folders = test_checkpoints(from);
    inspect_says(test_data("data/checkpoints/resnet20-12fca82f.th"), plain, "resnet32",
                 "missing: layer1.3.conv1.weight");
    if (larger)
        inspect_says(larger, deeper, "resnet20", "unexpected: layer1.3.conv1.weight");
    for (int i = 0; i < folders; i++) {
        char *path = file_join(from[i], "paco_lt.pth.tar");
        inspect_says(path, paco, "resnet32", "missing: encoder_q.layer1.3.conv1.weight");
        free(path);
    }
}

static void non_finite_elements(void **state)
{
    (void)state;
    Arena arena = {0};
    static const float values[6] = {1, 2, NAN, -INFINITY, 3, 4};
    char *path = file_join(folder, "nan.pth");
    Object *root = object_dict(&arena, true);
    Status status;
    object_set(&arena, root, "w",
               object_tensor(&arena, ELEMENT_FLOAT32, 1, (int64_t[]){6}, values));
    assert_int_equal(checkpoint_save(path, CHECKPOINT_ZIP, root, NULL, &file_ops_system),
                     STATUS_OK);
    InspectOptions options = {.open.quiet = true};
    char *text = inspect(path, &options, &status);
    assert_int_equal(status, STATUS_OK);
    assert_non_null(strstr(text, "2 not finite, first at 2"));
    free(text);
    options.strict_finite = true;
    free(inspect(path, &options, &status));
    assert_int_equal(status, STATUS_NAN);
    assert_non_null(strstr(status_text(), "key 'w': element 2 is not finite"));
    free(path);
    arena_free(&arena);
}

/* Names of tensors reach a terminal as text only: in the list, among the differences, in the faults of a match. */
static void names_are_shown_clean(void **state)
{
    (void)state;
    Arena arena = {0};
    static const float values[2] = {1, 2};
    static const char *const hostile[] = {"\x1b[31mred", "a\nfake: line", ("b\xc2\x9b" "31m"), "\x7f\x07"};
    char *path = file_join(folder, "names.pth");
    Object *root = object_dict(&arena, true);
    for (int i = 0; i < 4; i++)
        object_set(&arena, root, hostile[i], object_tensor(&arena, ELEMENT_FLOAT32, 1, (int64_t[]){2}, values));
    assert_int_equal(checkpoint_save(path, CHECKPOINT_ZIP, root, NULL, &file_ops_system), STATUS_OK);
    Status status;
    InspectOptions options = {.open.quiet = true, .arch = "resnet20"};
    char *text = inspect(path, &options, &status);
    assert_int_equal(status, STATUS_OK);
    assert_null(strpbrk(text, "\x1b\x07\x7f"));
    assert_null(strstr(text, "\nfake"));
    assert_null(strstr(text, "\xc2\x9b"));
    free(text);
    Checkpoint *c;
    StateDict dict;
    StateMatch match;
    assert_int_equal(checkpoint_open(path, NULL, &c), STATUS_OK);
    assert_int_equal(state_dict_open(c, &dict), STATUS_OK);
    state_match(&dict, "", NULL, 0, &match);
    assert_int_equal(match.fault_count, 4);
    assert_string_equal(match.faults[0], "unexpected: \\x1b[31mred [2]");
    assert_string_equal(match.faults[1], "unexpected: a\\x0afake: line [2]");
    state_match_free(&match);
    state_dict_free(&dict);
    checkpoint_close(c);
    state_match_add(&match, "missing: %s", "\xff\x1b[2J");
    assert_string_equal(match.faults[0], "missing: \\xff\\x1b[2J");
    state_match_free(&match);
    free(path);
    arena_free(&arena);
}

/* Each tensor of `a` that `b` has under the name without prefix is the same to the bit. */
static int same_tensors(const char *a, const char *b, const char *from_prefix,
                        const char *to_prefix)
{
    Checkpoint *x, *y;
    int same = 0;
    assert_int_equal(checkpoint_open(a, NULL, &x), STATUS_OK);
    if (checkpoint_open(b, NULL, &y) != STATUS_OK)
        fail_msg("%s", status_text());
    for (uint32_t i = 0; i < checkpoint_count(x); i++) {
        const CheckpointTensor *t = checkpoint_tensor(x, i);
        char name[1024];
        if (strncmp(t->key, from_prefix, strlen(from_prefix)) != 0)
            continue;
        snprintf(name, sizeof name, "%s%s", to_prefix, t->key + strlen(from_prefix));
        const CheckpointTensor *u = checkpoint_find(y, name);
        if (!u)
            continue;
        size_t bytes = checkpoint_tensor_bytes(t, t->tensor->type);
        uint8_t *v = malloc(bytes + 1), *w = malloc(bytes + 1);
        assert_int_equal(t->tensor->type, u->tensor->type);
        assert_int_equal(t->tensor->rank, u->tensor->rank);
        assert_memory_equal(t->tensor->shape, u->tensor->shape, (size_t)t->tensor->rank * 8);
        assert_int_equal(checkpoint_read(x, t, t->tensor->type, v), STATUS_OK);
        assert_int_equal(checkpoint_read(y, u, t->tensor->type, w), STATUS_OK);
        assert_memory_equal(v, w, bytes);
        free(v);
        free(w);
        same++;
    }
    checkpoint_close(x);
    checkpoint_close(y);
    return same;
}

static void convert_all(const char *from)
{
    char *lt = file_join(from, "paco_lt_legacy.pth.tar"), *real = NULL, *zip, *safe, *back, *bare;
    real = file_join(from, "resnet20-12fca82f.th");
    zip = file_join(folder, "a.pth");
    safe = file_join(folder, "a.safetensors");
    back = file_join(folder, "b.pth");
    bare = file_join(folder, "bare.pth");
    ConvertOptions to_zip = {.format = CHECKPOINT_ZIP},
                   to_safe = {.format = CHECKPOINT_SAFETENSORS}, to_legacy = to_zip;
    ConvertOptions to_bare = {.format = CHECKPOINT_ZIP, .bare = true};
    assert_int_equal(convert_format(safe), CHECKPOINT_SAFETENSORS);
    assert_int_equal(convert_format(zip), CHECKPOINT_ZIP);
    assert_int_equal(convert_file(lt, zip, &to_zip, &file_ops_system), STATUS_OK);
    assert_int_equal(same_tensors(lt, zip, "", ""), 319);
    assert_true(convert_format_named("legacy", &to_legacy.format));
    assert_false(convert_format_named("tar", &to_legacy.format));
    assert_int_equal(convert_file(zip, back, &to_legacy, &file_ops_system), STATUS_OK);
    assert_int_equal(same_tensors(lt, back, "", ""), 319);
    assert_int_equal(convert_file(zip, safe, &to_safe, &file_ops_system), STATUS_OK);
    assert_int_equal(same_tensors(lt, safe, "state_dict/module.", ""), 253);
    assert_int_equal(convert_file(safe, back, &to_zip, &file_ops_system), STATUS_OK);
    assert_int_equal(same_tensors(lt, back, "state_dict/module.", ""), 253);
    assert_int_equal(convert_file(back, back, &to_safe, &file_ops_system),
                     STATUS_OK); /* onto itself */
    assert_int_equal(convert_file(lt, bare, &to_bare, &file_ops_system), STATUS_OK);
    assert_int_equal(same_tensors(lt, bare, "state_dict/module.encoder_q.", "") +
                     same_tensors(lt, bare, "state_dict/module.", ""), 116);
    assert_int_equal(convert_file(real, bare, &to_bare, &file_ops_system), STATUS_OK);
    assert_int_equal(same_tensors(real, bare, "state_dict/module.", ""), 97);
    char *odd = file_join(from, "odd_tensors.pth");
    assert_int_equal(convert_file(odd, zip, &to_zip, &file_ops_system), STATUS_OK);
    assert_int_equal(same_tensors(odd, zip, "", ""), 13);
    assert_int_equal(convert_file(odd, safe, &to_safe, &file_ops_system), STATUS_OK);
    assert_int_equal(same_tensors(odd, safe, "", ""), 13);
    char *nowhere = file_join(folder, "never made/x.pth");
    assert_int_equal(convert_file(odd, nowhere, &to_zip, &file_ops_system), STATUS_IO);
    assert_int_equal(convert_file(nowhere, zip, &to_zip, &file_ops_system), STATUS_IO);
    char *paths[] = {lt, real, zip, safe, back, bare, odd, nowhere};
    for (int i = 0; i < 8; i++)
        free(paths[i]);
}

static void converted_files_hold_the_same(void **state)
{
    (void)state;
    const char *from[2];
    int folders = test_checkpoints(from);
    for (int i = 0; i < folders; i++)
        convert_all(from[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_architecture_is_detected),
        cmocka_unit_test(classifiers_fit_their_network),
        cmocka_unit_test(architectures_have_their_sizes),
        cmocka_unit_test(inspect_says_what_it_is),
        cmocka_unit_test(non_finite_elements),
        cmocka_unit_test(names_are_shown_clean),
        cmocka_unit_test(converted_files_hold_the_same),
    };
    folder = temporary_folder();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_folder(folder);
    free(folder);
    return failed;
}
