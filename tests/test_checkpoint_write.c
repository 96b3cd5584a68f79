/* What we write: trees come back bit-equal, training states in all three structures come back
 * whole, every mismatch is listed. With the argument `emit FOLDER` the program writes the files
 * that test_checkpoint_torch.sh hands to PyTorch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/sha256.h"
#include "checkpoint/bytes/crc.h"
#include "state/training.h"
#include "checkpoint/writer.h"
#include "support_checkpoint.h"
#include "support_files.h"
#include "verify/oracle_numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { QUEUE = 6, DIM = 4, CLASSES = 5 };

static char *folder;

/* ---- a small training state */

static void fill(const char *name, float *values, size_t count)
{
    double *uniform = malloc(count * sizeof *uniform + 1);
    oracle_uniform(name, 0, (int64_t)count, uniform);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)uniform[i];
    free(uniform);
}

static void add_tensor(TrainingState *s, Arena *arena, const char *name, ElementType type,
                       bool parameter, bool momentum, int rank, const int64_t *shape)
{
    ModelTensor *t = &s->tensors[s->count++];
    size_t count = 1;
    *t = (ModelTensor){.name = name, .type = type, .dims.rank = rank, .parameter = parameter};
    for (int i = 0; i < rank; i++)
        count *= (size_t)(t->dims.d[i] = shape[i]);
    t->data = arena_alloc(arena, count * element_bytes(type));
    if (type == ELEMENT_FLOAT32)
        fill(name, t->data, count);
    for (size_t i = 0; type == ELEMENT_INT64 && i < count; i++)
        ((int64_t *)t->data)[i] = (int64_t)(i % CLASSES);
    if (momentum) {
        char label[128];
        snprintf(label, sizeof label, "momentum.%s", name);
        t->momentum = arena_alloc(arena, count * sizeof(float));
        fill(label, t->momentum, count);
    }
}

static void add_encoder(TrainingState *s, Arena *arena, const char *name, bool trained)
{
    static const struct {
        const char *name;
        bool parameter;
        ElementType type;
        int rank;
        int64_t shape[4];
    } rows[] = {
        {"conv1.weight", true, ELEMENT_FLOAT32, 4, {3, 2, 3, 3}},
        {"bn1.weight", true, ELEMENT_FLOAT32, 1, {3}},
        {"bn1.bias", true, ELEMENT_FLOAT32, 1, {3}},
        {"bn1.running_mean", false, ELEMENT_FLOAT32, 1, {3}},
        {"bn1.running_var", false, ELEMENT_FLOAT32, 1, {3}},
        {"bn1.num_batches_tracked", false, ELEMENT_INT64, 0, {0}},
        {"fc.weight", true, ELEMENT_FLOAT32, 2, {DIM, 3}},
        {"fc.bias", true, ELEMENT_FLOAT32, 1, {DIM}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        add_tensor(s, arena, arena_printf(arena, "%s.%s", name, rows[i].name), rows[i].type,
                   rows[i].parameter, rows[i].parameter && trained, rows[i].rank, rows[i].shape);
}

static TrainingState make_state(Arena *arena, TrainingKind kind)
{
    TrainingState s = {.kind = kind, .arch = "resnet20", .epoch = 7, .accuracy = 12.5, .lr = 0.02,
                       .momentum = 0.9, .weight_decay = 5e-4};
    s.tensors = arena_alloc(arena, 40 * sizeof *s.tensors);
    add_tensor(&s, arena, "queue", ELEMENT_FLOAT32, false, false, 2, (int64_t[]){QUEUE, DIM});
    add_tensor(&s, arena, "queue_l", ELEMENT_INT64, false, false, 1, (int64_t[]){QUEUE});
    add_tensor(&s, arena, "queue_ptr", ELEMENT_INT64, false, false, 1, (int64_t[]){1});
    add_encoder(&s, arena, "encoder_q", true);
    add_encoder(&s, arena, "encoder_k", false);
    add_tensor(&s, arena, "linear.weight", ELEMENT_FLOAT32, true, true, 2, (int64_t[]){CLASSES, 3});
    add_tensor(&s, arena, "linear.bias", ELEMENT_FLOAT32, true, true, 1, (int64_t[]){CLASSES});
    if (kind != TRAINING_FULL) {
        add_tensor(&s, arena, "linear_k.weight", ELEMENT_FLOAT32, true, false, 2,
                   (int64_t[]){CLASSES, 3});
        add_tensor(&s, arena, "linear_k.bias", ELEMENT_FLOAT32, true, false, 1,
                   (int64_t[]){CLASSES});
    }
    Object *extra = object_dict(arena, false);
    object_set(arena, extra, "step", object_int(arena, 123456789012345));
    object_set(arena, extra, "seed", object_int(arena, 42));
    object_set(arena, extra, "loss_scale", object_float(arena, 65536.5));
    object_set(arena, extra, "options", object_text(arena, "--lr 0.02 \xc3\xa9"));
    s.extra = extra;
    return s;
}

static void states_come_back_whole(void **state)
{
    (void)state;
    for (int kind = TRAINING_LT; kind <= TRAINING_CIFAR; kind++) {
        Arena arena = {0};
        TrainingState s = make_state(&arena, (TrainingKind)kind);
        TrainingLoad load;
        char *path = file_join(folder, "state.pth.tar");
        assert_int_equal(training_save(path, &s, &file_ops_system), STATUS_OK);
        if (training_load(path, &s, NULL, &load) != STATUS_OK)
            fail_msg("%s", status_text());
        assert_int_equal(load.state.epoch, 7);
        assert_true(kind == TRAINING_CIFAR || load.state.accuracy == 12.5);
        assert_true(load.state.lr == 0.02 && load.state.momentum == 0.9 &&
                    load.state.weight_decay == 5e-4);
        assert_true(training_extra_int(&load.state, "step", 0) == 123456789012345);
        assert_true(training_extra_float(&load.state, "loss_scale", 0) == 65536.5);
        assert_string_equal(training_extra_text(&load.state, "options", ""), "--lr 0.02 \xc3\xa9");
        assert_int_equal(load.state.count, s.count);
        for (int i = 0; i < s.count; i++) {
            const ModelTensor *a = &s.tensors[i], *b = &load.state.tensors[i];
            assert_memory_equal(a->data, b->data, tensors_bytes(a));
            assert_true(!a->momentum == !b->momentum);
            if (a->momentum)
                assert_memory_equal(a->momentum, b->momentum, tensors_bytes(a));
        }
        training_load_free(&load);
        free(path);
        arena_free(&arena);
    }
}

/* Loads `written` while `expected` is wanted; the faults must be these, in any order. */
static void expect_faults(const TrainingState *written, const TrainingState *expected, int count,
                          const char *const *faults)
{
    TrainingLoad load;
    char *path = file_join(folder, "other.pth.tar");
    assert_int_equal(training_save(path, written, &file_ops_system), STATUS_OK);
    assert_int_equal(training_load(path, expected, NULL, &load), STATUS_INPUT);
    for (int i = 0; i < load.match.fault_count && load.match.fault_count != count; i++)
        print_message("%s\n", load.match.faults[i]);
    assert_int_equal(load.match.fault_count, count);
    for (int i = 0; i < count; i++) {
        bool found = false;
        for (int k = 0; k < count; k++)
            found = found || strcmp(load.match.faults[k], faults[i]) == 0;
        if (!found)
            fail_msg("not listed: %s", faults[i]);
    }
    assert_null(load.state.tensors[0].data);
    training_load_free(&load);
    free(path);
}

static void every_mismatch_is_listed(void **state)
{
    (void)state;
    Arena arena = {0};
    TrainingState a = make_state(&arena, TRAINING_LT), b = make_state(&arena, TRAINING_LT);
    TrainingState full = make_state(&arena, TRAINING_FULL);
    b.tensors[3].name = "encoder_q.stem.weight";
    b.tensors[4].dims.d[0] = 2;
    b.tensors[6].type = ELEMENT_INT64;
    expect_faults(&a, &b, 5,
                  (const char *const[]){"missing: encoder_q.stem.weight [3, 2, 3, 3]",
                                        "unexpected: encoder_q.conv1.weight [3, 2, 3, 3]",
                                        "wrong shape: encoder_q.bn1.weight is [3], needs [2]",
                                        "unsuitable: encoder_q.bn1.running_mean is float32, "
                                        "needs int64",
                                        "wrong shape: momentum of encoder_q.bn1.weight "
                                        "(optimizer/state/1/momentum_buffer) is [3], needs [2]"});
    expect_faults(&full, &a, 3, (const char *const[]){
        "missing: linear_k.weight [5, 3]", "missing: linear_k.bias [5]",
        "optimizer: covers 12 parameters, needs 14"});
    b = make_state(&arena, TRAINING_LT);
    b.arch = "resnet32";
    expect_faults(&a, &b, 1, (const char *const[]){"arch: is 'resnet20', needs resnet32"});
    arena_free(&arena);
}

/* Values that would become writes out of bounds, or a learning rate that would destroy the
 * weights. */
static void values_out_of_range_are_refused(void **state)
{
    (void)state;
    Arena arena = {0};
    char *path = file_join(folder, "range.pth.tar");
    static const char *const parts[] = {"queue_ptr", "queue_l", "lr", "openpaco/version",
                                        "queue_ptr"};
    for (int i = 0; i < 5; i++) {
        TrainingState s = make_state(&arena, TRAINING_LT);
        TrainingLoad load;
        if (i == 0)
            *(int64_t *)s.tensors[2].data = QUEUE;
        if (i == 4)
            *(int64_t *)s.tensors[2].data = -1;
        if (i == 1)
            ((int64_t *)s.tensors[1].data)[3] = CLASSES;
        if (i == 2)
            s.lr = NAN;
        if (i == 3) {
            Object *root = training_tree(&arena, &s);
            Object *version =
                (Object *)(uintptr_t)object_get(object_get(root, "openpaco"), "version");
            version->integer = TRAINING_VERSION + 1;
            assert_int_equal(checkpoint_save(path, CHECKPOINT_ZIP, root, NULL, &file_ops_system),
                             STATUS_OK);
        } else {
            assert_int_equal(training_save(path, &s, &file_ops_system), STATUS_OK);
        }
        assert_int_equal(training_load(path, &s, NULL, &load), STATUS_INPUT);
        if (!strstr(status_text(), parts[i]))
            fail_msg("%s", status_text());
        training_load_free(&load);
    }
    free(path);
    arena_free(&arena);
}

/* An accuracy that no later one could exceed counts as none. */
static void accuracies_of_nonsense_are_zero(void **state)
{
    (void)state;
    static const double nonsense[] = {NAN, INFINITY, -INFINITY, -1, 100.5};
    Arena arena = {0};
    char *path = file_join(folder, "accuracy.pth.tar");
    for (int i = 0; i < 10; i++) {
        TrainingState s = make_state(&arena, i % 2 ? TRAINING_LT : TRAINING_FULL);
        TrainingLoad load;
        s.accuracy = nonsense[i / 2];
        assert_int_equal(training_save(path, &s, &file_ops_system), STATUS_OK);
        assert_int_equal(training_load(path, &s, NULL, &load), STATUS_OK);
        assert_true(load.state.accuracy == 0);
        training_load_free(&load);
    }
    free(path);
    arena_free(&arena);
}

/* The oracle's own checkpoint against its own names: what PyTorch wrote can be resumed. */
static void resume_all_of(const char *base)
{
    static const char *const files[] = {"paco_lt.pth.tar", "paco_full.pth.tar",
                                        "paco_cifar.pth.tar", "paco_lt_legacy.pth.tar"};
    static const TrainingKind file_kinds[] = {TRAINING_LT, TRAINING_FULL, TRAINING_CIFAR,
                                              TRAINING_LT};
    for (int f = 0; f < 4; f++) {
        char *path = file_join(base, files[f]);
        Checkpoint *c;
        StateDict dict;
        Arena arena = {0};
        TrainingLoad load;
        assert_int_equal(checkpoint_open(path, NULL, &c), STATUS_OK);
        assert_int_equal(state_dict_open(c, &dict), STATUS_OK);
        assert_true(dict.module);
        TrainingState s = {.kind = file_kinds[f], .arch = "resnet20"};
        s.tensors = arena_alloc(&arena, (size_t)dict.count * sizeof *s.tensors);
        for (int i = 0; i < dict.count; i++) {
            const StoredTensor *t = dict.tensors[i].tensor->tensor;
            ModelTensor *to = &s.tensors[s.count++];
            *to = (ModelTensor){.name = arena_printf(&arena, "%s", dict.tensors[i].name),
                                   .type = t->type, .dims.rank = t->rank};
            memcpy(to->dims.d, t->shape, (size_t)t->rank * sizeof *t->shape);
            to->parameter = !strstr(to->name, "running_") && !strstr(to->name, "num_batches") &&
                            strncmp(to->name, "queue", 5) != 0;
        }
        state_dict_free(&dict);
        checkpoint_close(c);
        if (training_load(path, &s, NULL, &load) != STATUS_OK)
            fail_msg("%s", status_text());
        assert_int_equal(load.state.epoch, 3);
        assert_true(load.state.lr == 0.01);
        int momenta = 0;
        for (int i = 0; i < load.state.count; i++)
            momenta += load.state.tensors[i].momentum != NULL;
        assert_int_equal(momenta, 65);
        training_load_free(&load);
        arena_free(&arena);
        free(path);
    }
}

static void published_checkpoint_is_resumed(void **state)
{
    (void)state;
    const char *from[2];
    int folders = test_checkpoints(from);
    for (int i = 0; i < folders; i++)
        resume_all_of(from[i]);
}

/* ---- trees and formats */

static Object *make_tree(Arena *arena)
{
    static const int64_t shapes[4][3] = {{2, 3, 4}, {24}, {0, 5}, {1}};
    static const int ranks[4] = {3, 1, 2, 0};
    static uint8_t values[ELEMENT_TYPES][24 * 8];
    Object *root = object_dict(arena, true), *list = object_list(arena),
           *tuple = object_tuple(arena);
    for (int type = 0; type < ELEMENT_TYPES; type++) {
        if (!*element_storage((ElementType)type))
            continue;
        for (size_t i = 0; i < sizeof values[0]; i++)
            values[type][i] = type == ELEMENT_BOOL ? i % 3 == 0 : (uint8_t)(i * 37 + (size_t)type);
        for (int s = 0; s < 4; s++)
            object_set(arena, root,
                       arena_printf(arena, "%s.%d", element_name((ElementType)type), s),
                       object_tensor(arena, (ElementType)type, ranks[s], shapes[s], values[type]));
    }
    static const int64_t ints[] = {0,  255,       256,       65535,     65536,
                                   -1, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        object_append(arena, list, object_int(arena, ints[i]));
    object_append(arena, tuple, object_none(arena));
    object_append(arena, tuple, object_bool(arena, true));
    object_append(arena, tuple, object_float(arena, -0.0));
    object_append(arena, tuple, object_text(arena, "\xe2\x82\xac \xf0\x9f\x98\x80"));
    object_set(arena, root, "ints", list);
    object_set(arena, root, "tuple", tuple);
    object_set(arena, root, "empty", object_dict(arena, false));
    Object *many = object_dict(arena, false);
    for (int i = 0; i < 2500; i++)
        object_set_int(arena, many, i, object_int(arena, i * i));
    object_set(arena, root, "many", many);
    return root;
}

static void assert_same(const Object *a, const Object *b)
{
    assert_int_equal(a->kind, b->kind);
    switch (a->kind) {
    case OBJECT_INT: assert_true(a->integer == b->integer); break;
    case OBJECT_FLOAT: assert_memory_equal(&a->number, &b->number, 8); break;
    case OBJECT_BOOL: assert_int_equal(a->flag, b->flag); break;
    case OBJECT_TEXT: assert_string_equal(a->text, b->text); break;
    case OBJECT_LIST: case OBJECT_TUPLE: case OBJECT_DICT:
        assert_int_equal(a->count, b->count);
        for (uint32_t i = 0; i < a->count * (a->kind == OBJECT_DICT ? 2 : 1); i++)
            assert_same(a->items[i], b->items[i]);
        break;
    default: break;
    }
}

static void tree_comes_back_equal(CheckpointFormat format)
{
    Arena arena = {0};
    Object *root = make_tree(&arena);
    char *path = file_join(folder, "tree.pt");
    Checkpoint *c;
    assert_int_equal(checkpoint_save(path, format, root, NULL, &file_ops_system), STATUS_OK);
    if (checkpoint_open(path, NULL, &c) != STATUS_OK)
        fail_msg("%s", status_text());
    assert_int_equal(checkpoint_format(c), format);
    assert_same(root, checkpoint_root(c));
    assert_int_equal(checkpoint_count(c), 40);
    for (uint32_t i = 0; i < checkpoint_count(c); i++) {
        const CheckpointTensor *t = checkpoint_tensor(c, i);
        const StoredTensor *wanted = object_get(root, t->key)->tensor;
        uint8_t values[24 * 8];
        size_t bytes = checkpoint_tensor_bytes(t, wanted->type);
        assert_int_equal(bytes, wanted->count * element_bytes(wanted->type));
        assert_int_equal(checkpoint_read(c, t, wanted->type, values), STATUS_OK);
        assert_memory_equal(values, wanted->storage->memory, bytes);
        assert_true(format == CHECKPOINT_LEGACY || t->tensor->storage->same->offset % 64 == 0);
    }
    checkpoint_close(c);
    free(path);
    arena_free(&arena);
}

static void trees_come_back_equal(void **state)
{
    (void)state;
    tree_comes_back_equal(CHECKPOINT_ZIP);
    tree_comes_back_equal(CHECKPOINT_LEGACY);
}

/* Elements of a view, for the writer: the context is the storage's first element. */
static Status fetch_view(void *context, const StoredTensor *tensor, void *out)
{
    memcpy(out, (const float *)context + tensor->start, (size_t)tensor->count * sizeof(float));
    return STATUS_OK;
}

/* Views of one storage that differ in their place or their shape have records of their own; one
 * that differs in nothing shares a record. */
static void views_share_a_record_where_they_are_the_same(void **state)
{
    (void)state;
    static const CheckpointFormat formats[] = {CHECKPOINT_ZIP, CHECKPOINT_LEGACY};
    float all[6] = {1, 2, 3, 4, 5, 6}, have[3];
    Arena arena = {0};
    Object *root = object_dict(&arena, false), *view[4];
    const char *const keys[] = {"low", "high", "column", "low again"};
    for (int i = 0; i < 4; i++) {
        view[i] = object_tensor(&arena, ELEMENT_FLOAT32, i == 2 ? 2 : 1,
                                i == 2 ? (int64_t[]){3, 1} : (int64_t[]){3}, NULL);
        view[i]->tensor->storage = view[0]->tensor->storage;
        view[i]->tensor->start = i == 1 ? 3 : 0;
        object_set(&arena, root, keys[i], view[i]);
    }
    view[0]->tensor->storage->count = 6;
    TensorFetch fetch = {.fetch = fetch_view, .context = all};
    char *path = file_join(folder, "views.pth");
    for (int f = 0; f < 2; f++) {
        Checkpoint *c;
        assert_int_equal(checkpoint_save(path, formats[f], root, &fetch, &file_ops_system),
                         STATUS_OK);
        if (checkpoint_open(path, NULL, &c) != STATUS_OK)
            fail_msg("%s", status_text());
        const Storage *storage[4];
        for (int i = 0; i < 4; i++) {
            const CheckpointTensor *t = checkpoint_find(c, keys[i]);
            storage[i] = t->tensor->storage->same;
            assert_int_equal(checkpoint_read(c, t, ELEMENT_FLOAT32, have), STATUS_OK);
            assert_memory_equal(have, all + (i == 1 ? 3 : 0), sizeof have);
        }
        assert_ptr_not_equal(storage[0], storage[1]);
        assert_ptr_not_equal(storage[0], storage[2]);
        assert_ptr_equal(storage[0], storage[3]);
        checkpoint_close(c);
    }
    free(path);
    arena_free(&arena);
}

static void safetensors_come_back_equal(void **state)
{
    (void)state;
    Arena arena = {0};
    static const float a[6] = {1, -2, 3.5f, 0, NAN, INFINITY};
    static const uint16_t b[3] = {1, 2, 3};
    static const int64_t d[1] = {-7};
    Object *root = object_dict(&arena, false), *meta = object_dict(&arena, false);
    object_set(&arena, meta, "format", object_text(&arena, "pt"));
    object_set(&arena, root, "__metadata__", meta);
    object_set(&arena, root, "b\"half",
               object_tensor(&arena, ELEMENT_FLOAT16, 1, (int64_t[]){3}, b));
    object_set(&arena, root, "a", object_tensor(&arena, ELEMENT_FLOAT32, 2, (int64_t[]){2, 3}, a));
    object_set(&arena, root, "empty",
               object_tensor(&arena, ELEMENT_FLOAT32, 2, (int64_t[]){0, 3}, a));
    object_set(&arena, root, "d", object_tensor(&arena, ELEMENT_INT64, 0, NULL, d));
    char *path = file_join(folder, "x.safetensors");
    Checkpoint *c;
    assert_int_equal(checkpoint_save(path, CHECKPOINT_SAFETENSORS, root, NULL, &file_ops_system),
                     STATUS_OK);
    if (checkpoint_open(path, NULL, &c) != STATUS_OK)
        fail_msg("%s", status_text());
    assert_int_equal(checkpoint_count(c), 4);
    assert_string_equal(checkpoint_text(c, "__metadata__/format"), "pt");
    float values[6];
    int64_t seven;
    assert_int_equal(checkpoint_read(c, checkpoint_find(c, "a"), ELEMENT_FLOAT32, values),
                     STATUS_OK);
    assert_memory_equal(values, a, sizeof a);
    assert_int_equal(checkpoint_read(c, checkpoint_find(c, "b\"half"), ELEMENT_FLOAT16, values),
                     STATUS_OK);
    assert_memory_equal(values, b, sizeof b);
    assert_int_equal(checkpoint_integer(c, "d", &seven), STATUS_OK);
    assert_int_equal(seven, -7);
    checkpoint_close(c);
    free(path);
    arena_free(&arena);
}

/* FIPS 180-4's examples, and every split of a message gives the same digest. */
static void sha256_known_answers(void **state)
{
    (void)state;
    static const char *const answers[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}};
    uint8_t digest[SHA256_BYTES], again[SHA256_BYTES], bytes[300];
    char text[SHA256_TEXT];
    Sha256 sha;
    for (int i = 0; i < 3; i++) {
        sha256_begin(&sha);
        sha256_add(&sha, answers[i][0], strlen(answers[i][0]));
        sha256_end(&sha, digest);
        sha256_text(digest, text);
        assert_string_equal(text, answers[i][1]);
    }
    sha256_begin(&sha);
    for (int i = 0; i < 1000000 / 250; i++) {
        memset(bytes, 'a', 250);
        sha256_add(&sha, bytes, 250);
    }
    sha256_end(&sha, digest);
    sha256_text(digest, text);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    for (size_t n = 0; n <= sizeof bytes; n++) {
        size_t half = n / 3;
        sha256_begin(&sha);
        sha256_add(&sha, bytes, n);
        sha256_end(&sha, digest);
        sha256_begin(&sha);
        sha256_add(&sha, bytes, half);
        sha256_add(&sha, bytes + half, n - half);
        sha256_end(&sha, again);
        assert_memory_equal(digest, again, sizeof digest);
    }
}

/* A record and an offset beyond 4 GiB need Zip64 fields. The elements are pages that were never
 * touched; long mode only, for it writes as much to the disk. */
static void records_beyond_4_gib(void **state)
{
    (void)state;
    if (!full_mode())
        test_skip("4 GiB to write: only with PACO_FULL=1");
    Arena arena = {0};
    int64_t count = ((int64_t)1 << 32) + 100;
    uint8_t *values = calloc(1, (size_t)count);
    static const float after[3] = {1, 2, 3};
    Object *root = object_dict(&arena, true);
    object_set(&arena, root, "large", object_tensor(&arena, ELEMENT_UINT8, 1, &count, values));
    object_set(&arena, root, "after",
               object_tensor(&arena, ELEMENT_FLOAT32, 1, (int64_t[]){3}, after));
    char *path = file_join(folder, "large.pth"), command[8192];
    Checkpoint *c;
    float have[3];
    assert_int_equal(checkpoint_save(path, CHECKPOINT_ZIP, root, NULL, &file_ops_system),
                     STATUS_OK);
    if (checkpoint_open(path, NULL, &c) != STATUS_OK)
        fail_msg("%s", status_text());
    assert_int_equal(checkpoint_find(c, "large")->tensor->count, count);
    assert_int_equal(checkpoint_read(c, checkpoint_find(c, "after"), ELEMENT_FLOAT32, have),
                     STATUS_OK);
    assert_memory_equal(have, after, sizeof after);
    assert_int_equal(checkpoint_verify(c), STATUS_OK);
    checkpoint_close(c);
    snprintf(command, sizeof command, "unzip -tqq '%s'", path);
    if (system("command -v unzip >/dev/null") == 0)
        assert_int_equal(system(command), 0);
    remove(path);
    free(path);
    free(values);
    arena_free(&arena);
}

/* Every length, alignment and split gives zlib's CRC. */
static void crc_is_zlibs(void **state)
{
    (void)state;
    uint8_t bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i * 31 + i);
    for (size_t from = 0; from < 17; from++)
        for (size_t n = 0; n + from <= sizeof bytes; n += n < 300 ? 1 : 7) {
            uint32_t wanted = (uint32_t)crc32(0, bytes + from, (uInt)n);
            assert_int_equal(crc_add(0, bytes + from, n), wanted);
            assert_int_equal(
                crc_add(crc_add(0, bytes + from, n / 3), bytes + from + n / 3, n - n / 3), wanted);
        }
}

/* ---- files for PyTorch */

static int emit(const char *to)
{
    Arena arena = {0};
    static const char *const names[] = {"lt.pth.tar", "full.pth.tar", "cifar.pth.tar"};
    Status status = STATUS_OK;
    for (int kind = 0; kind < 3 && status == STATUS_OK; kind++) {
        TrainingState s = make_state(&arena, (TrainingKind)kind);
        char *path = file_join(to, names[kind]);
        status = training_save(path, &s, &file_ops_system);
        free(path);
    }
    /* A plain state dict: no number outside tensors. */
    TrainingState s = make_state(&arena, TRAINING_LT);
    Object *dict = object_dict(&arena, true);
    for (int i = 0; i < s.count; i++)
        object_set(&arena, dict, s.tensors[i].name,
                   object_tensor(&arena, s.tensors[i].type, s.tensors[i].dims.rank, s.tensors[i].dims.d,
                                 s.tensors[i].data));
    char *plain = file_join(to, "plain.pt"), *tree = file_join(to, "tree.pt"),
         *stream = file_join(to, "tree_legacy.pt");
    if (status == STATUS_OK)
        status = checkpoint_save(plain, CHECKPOINT_ZIP, dict, NULL, &file_ops_system);
    free(plain);
    if (status == STATUS_OK)
        status = checkpoint_save(tree, CHECKPOINT_ZIP, make_tree(&arena), NULL, &file_ops_system);
    free(tree);
    if (status == STATUS_OK)
        status = checkpoint_save(stream, CHECKPOINT_LEGACY, make_tree(&arena), NULL, &file_ops_system);
    free(stream);
    arena_free(&arena);
    if (status != STATUS_OK)
        fprintf(stderr, "%s\n", status_text());
    return (int)status;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_known_answers),
        cmocka_unit_test(crc_is_zlibs),
        cmocka_unit_test(trees_come_back_equal),
        cmocka_unit_test(views_share_a_record_where_they_are_the_same),
        cmocka_unit_test(records_beyond_4_gib),
        cmocka_unit_test(safetensors_come_back_equal),
        cmocka_unit_test(states_come_back_whole),
        cmocka_unit_test(every_mismatch_is_listed),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(accuracies_of_nonsense_are_zero),
        cmocka_unit_test(published_checkpoint_is_resumed),
    };
    if (argc == 3 && strcmp(argv[1], "emit") == 0)
        return emit(argv[2]);
    folder = temporary_folder();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_folder(folder);
    free(folder);
    return failed;
}
