/* Recognition of every architecture from its own tensors and in PaCo's clothes; inspect and convert
 * over PyTorch's own files: what was converted holds the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "state/convert.h"
#include "state/inspect.h"
#include "state/match.h"
#include "state/network.h"
#include "checkpoint/writer.h"
#include "support_checkpoint.h"
#include "support_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *folder;

/* ---- recognition */

typedef struct Header {
    FILE *out;
    size_t at; /* bytes of the tensors so far */
} Header;

static void put_tensor(Header *h, const char *prefix, const char *name, ElementType type, Dims dims)
{
    fprintf(h->out, "%s\"%s%s\":{\"dtype\":\"%s\",\"shape\":[", h->at ? "," : "", prefix, name,
            element_safetensors(type));
    for (int d = 0; d < dims.rank; d++)
        fprintf(h->out, "%s%lld", d ? "," : "", (long long)dims.d[d]);
    size_t size = element_bytes(type) * (size_t)dims_count(dims);
    fprintf(h->out, "],\"data_offsets\":[%zu,%zu]}", h->at, h->at + size);
    h->at += size;
}

/* A safetensors header is enough of a model: its data are a hole in the file. `lacks` is left out;
 * what has `other` in its name has a row more. */
typedef struct Made {
    const char *arch, *prefix, *classifier, *lacks, *other;
    int64_t classes, width;
    int head;
} Made;

static Checkpoint *model(const Made *m, uint8_t **bytes)
{
    static const char *const names[] = {"fc.weight", "fc.0.weight", "fc.3.weight"};
    TensorList wanted = {0};
    char *text, weight[64];
    size_t length;
    Graph *graph = net_graph(arch_find(m->arch), 0);
    Header h = {.out = open_memstream(&text, &length)};
    tensors_add_side(&wanted, graph, "encoder_q.", false);
    fputs("{", h.out);
    for (int i = 0; i < wanted.count; i++) {
        ModelTensor *t = &wanted.items[i];
        const char *name = t->name + strlen("encoder_q.");
        t->dims.d[0] += m->other && t->dims.rank && strstr(name, m->other);
        if (!m->lacks || strcmp(name, m->lacks) != 0)
            put_tensor(&h, m->prefix, name, t->type, t->dims);
    }
    for (int i = m->head == 1 ? 0 : 1; i < (m->head == 1 ? 1 : m->head == 2 ? 3 : 1); i++)
        put_tensor(&h, m->prefix, names[i], ELEMENT_FLOAT32, DIMS2(128, 64));
    snprintf(weight, sizeof weight, "%s.weight", m->classifier);
    put_tensor(&h, "", weight, ELEMENT_FLOAT32, DIMS2(m->classes, m->width));
    fputs("}", h.out);
    fclose(h.out);
    *bytes = calloc(1, 8 + length + h.at);
    for (int i = 0; i < 8; i++)
        (*bytes)[i] = (uint8_t)(length >> 8 * i);
    memcpy(*bytes + 8, text, length);
    Checkpoint *c;
    if (checkpoint_open_memory("model.safetensors", *bytes, 8 + length + h.at, NULL, &c) !=
        STATUS_OK)
        fail_msg("%s", status_text());
    free(text);
    tensors_free(&wanted);
    graph_free(graph);
    return c;
}

static void every_architecture_is_recognised(void **state)
{
    (void)state;
    const Arch *arch;
    assert_non_null(arch_at(0));
    for (int i = 0; (arch = arch_at(i)); i++)
        for (int paco = 0; paco < 3; paco++) {
            uint8_t *bytes;
            StateDict dict;
            Recognised r;
            Made made = {.arch = arch->name, .prefix = "", .classifier = i % 2 ? "fc" : "linear",
                         .classes = 1000, .head = paco};
            made.width = arch_features(arch);
            if (paco) {
                made.prefix = "module.encoder_q.";
                made.classifier = "module.linear";
                made.classes = 7;
            }
            Checkpoint *c = model(&made, &bytes);
            assert_int_equal(state_dict_open(c, &dict), STATUS_OK);
            if (network_find(&dict, &r) != STATUS_OK)
                fail_msg("%s", status_text());
            assert_string_equal(r.arch->name, arch->name);
            assert_string_equal(r.prefix, paco ? "encoder_q." : "");
            assert_string_equal(r.classifier, paco || i % 2 == 0 ? "linear" : "fc");
            assert_int_equal(r.paco, paco != 0);
            assert_int_equal(r.classes, paco ? 7 : 1000);
            assert_int_equal(dict.module, paco != 0);
            assert_int_equal(r.head ? r.head->layers : 0, paco);
            assert_int_equal(r.head_dim, paco ? 128 : 0);
            state_dict_free(&dict);
            checkpoint_close(c);
            free(bytes);
        }
}

/* A tensor that lacks or has another shape does not make a network another one; other blocks, or
 * other convolutions throughout, do, and the reason says what there is. */
static void networks_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        Made made;
        const char *text; /* NULL: recognised */
    } cases[] = {
        {{.arch = "resnet50", .lacks = "layer1.0.conv2.weight"}, NULL},
        {{.arch = "resnet50", .other = "layer1.0.conv2.weight"}, NULL},
        {{.arch = "resnext50_32x4d", .other = "layer1.0.conv1.weight"}, NULL},
        {{.arch = "resnet20", .lacks = "bn1.bias"}, NULL},
        {{.arch = "resnet20", .lacks = "conv1.weight"}, "there is no conv1.weight"},
        {{.arch = "resnet34", .lacks = "layer3.5.conv1.weight"}, "basic blocks, 3-4-5-3 of them"},
        {{.arch = "resnet101", .lacks = "layer1.0.conv3.weight"}, "basic blocks, 3-4-23-3"},
        {{.arch = "resnext101_32x4d", .other = "conv2"}, "; 71 of the 104 convolutions of resnext"},
        {{.arch = "resnet18", .other = "layer"},
         "basic blocks, 2-2-2-2 of them, layer1 with 65 channels (64 per group); 1 of the 20 "
         "convolutions of resnet18 fit"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *bytes;
        StateDict dict;
        Recognised r;
        Made made = cases[i].made;
        made.prefix = "";
        made.classifier = "fc";
        made.classes = made.width = 1;
        Checkpoint *c = model(&made, &bytes);
        assert_int_equal(state_dict_open(c, &dict), STATUS_OK);
        Status status = network_find(&dict, &r);
        if (cases[i].text ? status != STATUS_INPUT || !strstr(status_text(), cases[i].text)
                          : status != STATUS_OK || strcmp(r.arch->name, made.arch) != 0)
            fail_msg("%s: %s", made.arch, status_text());
        state_dict_free(&dict);
        checkpoint_close(c);
        free(bytes);
    }
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
            Recognised r;
            Made made = {.arch = "resnet20", .prefix = paco ? "module.encoder_q." : "",
                         .classifier = paco ? "module.linear" : "fc",
                         .classes = cases[i].classes, .width = cases[i].width};
            Checkpoint *c = model(&made, &bytes);
            assert_int_equal(state_dict_open(c, &dict), STATUS_OK);
            assert_int_equal(network_find(&dict, &r), STATUS_OK);
            assert_string_equal(r.arch->name, "resnet20");
            assert_string_equal(r.classifier, paco ? "linear" : "fc");
            assert_int_equal(r.classes, cases[i].status == STATUS_OK ? cases[i].classes : 0);
            assert_int_equal(network_check_classifier(&dict, &r), cases[i].status);
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
        const char *arch;
        int classes;
        int64_t parameters;
    } models[] = {
        {"resnet18", 1000, 11689512},         {"resnet34", 1000, 21797672},
        {"resnet50", 1000, 25557032},         {"resnet101", 1000, 44549160},
        {"resnet152", 1000, 60192808},        {"resnext50_32x4d", 1000, 25028904},
        {"resnext101_32x8d", 1000, 88791336}, {"wide_resnet50_2", 1000, 68883240},
        {"resnet200", 1000, 64673832},        {"resnext101_32x4d", 1000, 44177704},
        {"resnet20", 10, 269722},             {"resnet32", 10, 464154},
        {"resnet110", 10, 1727962},           {"resnet20_b", 10, 272474},
        {"cifar_resnet18", 10, 11173962},     {"cifar_resnet34", 10, 21282122},
        {"cifar_resnet50", 10, 23520842},     {"resnet10", 1000, 5418792},
        {"resnet26", 1000, 15995176},         {"wide_resnet101_2", 1000, 126886696},
        {"resnext101_64x4d", 1000, 83455272}};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        TensorList list = {0};
        int64_t parameters = 0;
        Graph *graph = net_graph(arch_find(models[m].arch), models[m].classes);
        tensors_add_side(&list, graph, "", false);
        for (int i = 0; i < list.count; i++)
            parameters += list.items[i].parameter ? dims_count(list.items[i].dims) : 0;
        if (parameters != models[m].parameters)
            fail_msg("%s: %lld parameters", models[m].arch, (long long)parameters);
        tensors_free(&list);
        graph_free(graph);
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
    InspectOptions options = {.open.quiet = true}, as_other = {.arch = arch_find(other), .quiet = true};
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
        "PyTorch zip", "backbone under 'state_dict/module.encoder_q.'", "projection head: 64 - 64 - 32",
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
    InspectOptions options = {.open.quiet = true, .arch = arch_find("resnet20")};
    char *text = inspect(path, &options, &status);
    assert_int_equal(status, STATUS_OK);
    assert_null(strpbrk(text, "\x1b\x07\x7f"));
    assert_null(strstr(text, "\nfake"));
    assert_null(strstr(text, "\xc2\x9b"));
    free(text);
    Checkpoint *c;
    StateDict dict;
    Match match;
    assert_int_equal(checkpoint_open(path, NULL, &c), STATUS_OK);
    assert_int_equal(state_dict_open(c, &dict), STATUS_OK);
    match_tensors(&dict, "", NULL, 0, &match);
    assert_int_equal(match.fault_count, 4);
    assert_string_equal(match.faults[0], "unexpected: \\x1b[31mred [2]");
    assert_string_equal(match.faults[1], "unexpected: a\\x0afake: line [2]");
    match_free(&match);
    state_dict_free(&dict);
    checkpoint_close(c);
    match_add(&match, "missing: %s", "\xff\x1b[2J");
    assert_string_equal(match.faults[0], "missing: \\xff\\x1b[2J");
    match_free(&match);
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
        cmocka_unit_test(every_architecture_is_recognised),
        cmocka_unit_test(networks_are_told_apart),
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
