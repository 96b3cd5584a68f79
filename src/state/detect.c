/* Detection: every architecture is a row; a state dict is measured and compared with the rows. */
#include "state/detect.h"

#include "base/check.h"
#include "data/dataset.h"

#include <stdio.h>
#include <string.h>

typedef struct Row {
    const char *name;
    bool bottleneck;
    int layers[4];        /* blocks per stage; CIFAR networks have three */
    int64_t inner,
        group; /* output and input channels of layer1.0.conv2 (of conv1, where there is no third) */
} Row;

static const Row rows[] = {
    {"resnet20", false, {3, 3, 3, 0}, 16, 16},
    {"resnet32", false, {5, 5, 5, 0}, 16, 16},
    {"resnet44", false, {7, 7, 7, 0}, 16, 16},
    {"resnet56", false, {9, 9, 9, 0}, 16, 16},
    {"resnet110", false, {18, 18, 18, 0}, 16, 16},
    {"resnet18", false, {2, 2, 2, 2}, 64, 64},
    {"resnet34", false, {3, 4, 6, 3}, 64, 64},
    {"resnet50", true, {3, 4, 6, 3}, 64, 64},
    {"resnet101", true, {3, 4, 23, 3}, 64, 64},
    {"resnet152", true, {3, 8, 36, 3}, 64, 64},
    {"resnet200", true, {3, 24, 36, 3}, 64, 64},
    {"resnext50_32x4d", true, {3, 4, 6, 3}, 128, 4},
    {"resnext101_32x4d", true, {3, 4, 23, 3}, 128, 4},
    {"resnext101_32x8d", true, {3, 4, 23, 3}, 256, 8},
    {"wide_resnet50_2", true, {3, 4, 6, 3}, 128, 128},
};

enum { ROWS = sizeof rows / sizeof *rows };

static bool is_cifar(const Row *row)
{
    return row->layers[3] == 0;
}

static int64_t features(const Row *row)
{
    return is_cifar(row) ? 64 : row->bottleneck ? 2048 : 512;
}

const char *detect_name(int index)
{
    return index >= 0 && index < ROWS ? rows[index].name : NULL;
}

/* ---- recognising */

static const StoredTensor *tensor(const StateDict *dict, const char *prefix, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const StateTensor *t = state_dict_find(dict, full);
    return t ? t->tensor->tensor : NULL;
}

/* Dimension `i` of a tensor, 0 when there is none. */
static int64_t dimension(const StoredTensor *t, int i)
{
    return t && i < t->rank ? t->shape[i] : 0;
}

static int count_blocks(const StateDict *dict, const char *prefix, int stage)
{
    char name[64];
    int n = 0;
    do
        snprintf(name, sizeof name, "layer%d.%d.conv1.weight", stage + 1, n);
    while (n < 1000 && tensor(dict, prefix, name) && ++n);
    return n;
}

static const Row *recognise(const StateDict *dict, const char *prefix, Row *measured)
{
    *measured = (Row){.bottleneck = tensor(dict, prefix, "layer1.0.conv3.weight") != NULL};
    for (int s = 0; s < 4; s++)
        measured->layers[s] = count_blocks(dict, prefix, s);
    const StoredTensor *inner = tensor(dict, prefix, measured->bottleneck ? "layer1.0.conv2.weight"
                                                                        : "layer1.0.conv1.weight");
    measured->inner = dimension(inner, 0);
    measured->group = dimension(inner, 1);
    for (int i = 0; i < ROWS; i++)
        if (rows[i].bottleneck == measured->bottleneck && rows[i].inner == measured->inner &&
            rows[i].group == measured->group &&
            memcmp(rows[i].layers, measured->layers, sizeof measured->layers) == 0)
            return &rows[i];
    return NULL;
}

/* Without encoder_q. only the head of two layers can be told from a classifier. */
static void find_head(const StateDict *dict, Detected *d)
{
    const StoredTensor *single = tensor(dict, d->prefix, "fc.weight");
    const StoredTensor *first = tensor(dict, d->prefix, "fc.0.weight");
    const StoredTensor *last = tensor(dict, d->prefix, "fc.3.weight");
    if (!last)
        last = tensor(dict, d->prefix, "fc.2.weight"); /* without batch normalisation */
    if (first && last) {
        d->head_layers = 2;
        d->head_width = dimension(first, 0);
        d->head_dim = dimension(last, 0);
    } else if (single && *d->prefix) {
        d->head_layers = 1;
        d->head_dim = dimension(single, 0);
    }
}

/* A row for each class, as wide as the pooled features: the number of classes is about to size
 * everything. */
static bool fits(const StoredTensor *t, const Detected *d)
{
    return t && t->rank == 2 && t->shape[1] == d->width && t->shape[0] >= 1 &&
           t->shape[0] <= DATASET_CLASSES_MAX;
}

static void find_classifier(const StateDict *dict, bool paco, Detected *d)
{
    static const char *const names[] = {"linear", "fc"}, *const weights[] = {"linear.weight",
                                                                             "fc.weight"};
    for (int i = 0; i < (paco ? 1 : 2) && !*d->classifier; i++) {
        const StateTensor *found = state_dict_find(dict, weights[i]);
        if (!found)
            continue;
        d->classifier = names[i];
        d->classes = fits(found->tensor->tensor, d) ? found->tensor->tensor->shape[0] : 0;
    }
}

Status detect_classifier(const StateDict *dict, const Detected *d)
{
    char name[32], text[128];
    snprintf(name, sizeof name, "%s.weight", d->classifier);
    const StateTensor *found = *d->classifier ? state_dict_find(dict, name) : NULL;
    const StoredTensor *t = found ? found->tensor->tensor : NULL;
    if (!found || d->classes)
        return STATUS_OK;
    if (!t)
        return checkpoint_fail(dict->checkpoint, found->tensor->key, "the classifier is %.100s",
                               found->tensor->why);
    return checkpoint_fail(dict->checkpoint, found->tensor->key,
                           "the classifier of %s is %s (expected [1 to %d classes, %lld])", d->arch,
                           shape_text(t->rank, t->shape, text), DATASET_CLASSES_MAX,
                           (long long)d->width);
}

Status detect_architecture(const StateDict *dict, Detected *out)
{
    Row m;
    bool paco = tensor(dict, "encoder_q.", "conv1.weight") != NULL;
    *out = (Detected){.prefix = paco ? "encoder_q." : "", .module = dict->module, .classifier = ""};
    const StateTensor *stem =
        state_dict_find(dict, paco ? "encoder_q.conv1.weight" : "conv1.weight");
    if (stem && !stem->tensor->tensor)
        return checkpoint_fail(dict->checkpoint, stem->tensor->key, "%.100s is not supported",
                               stem->tensor->why);
    if (!stem)
        return checkpoint_fail(
            dict->checkpoint, dict->where,
            "architecture not recognised: there is no conv1.weight, with encoder_q. or without "
            "(the first name is '%.100s')",
            dict->count ? dict->tensors[0].name : "");
    const Row *row = recognise(dict, out->prefix, &m);
    if (!row)
        return checkpoint_fail(dict->checkpoint, dict->where,
                               "architecture not recognised: %s blocks, "
                               "%d-%d-%d-%d of them, layer1 with %lld channels (%lld per group)",
                               m.bottleneck ? "bottleneck" : "basic", m.layers[0], m.layers[1],
                               m.layers[2], m.layers[3], (long long)m.inner, (long long)m.group);
    out->arch = row->name;
    out->cifar = is_cifar(row);
    out->width = features(row);
    find_head(dict, out);
    find_classifier(dict, paco, out);
    return STATUS_OK;
}

/* ---- the tensors of an architecture */

typedef struct List {
    Arena *arena;
    WantedTensor *items;
    int count, room;
} List;

static void add(List *l, const char *name, ElementType type, int rank, int64_t a, int64_t b,
                int64_t r)
{
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 256;
        WantedTensor *items = arena_alloc(l->arena, (size_t)l->room * sizeof *items);
        if (l->count)
            memcpy(items, l->items, (size_t)l->count * sizeof *items);
        l->items = items;
    }
    l->items[l->count++] = (WantedTensor){.name = name,
                                          .type = type,
                                          .rank = rank,
                                          .shape = {a, b, r, r},
                                          .optional = type == ELEMENT_INT64};
}

static void add_conv(List *l, const char *name, int64_t out, int64_t in, int64_t kernel)
{
    add(l, arena_printf(l->arena, "%s.weight", name), ELEMENT_FLOAT32, 4, out, in, kernel);
}

static void add_norm(List *l, const char *name, int64_t channels)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    for (int i = 0; i < 4; i++)
        add(l, arena_printf(l->arena, "%s.%s", name, parts[i]), ELEMENT_FLOAT32, 1, channels, 0, 0);
    add(l, arena_printf(l->arena, "%s.num_batches_tracked", name), ELEMENT_INT64, 0, 0, 0, 0);
}

/* One block: `in` channels come in, `out` leave, `inner` lie between in a bottleneck. */
static void add_block(List *l, const Row *row, const char *name, int64_t in, int64_t inner,
                      int64_t out, bool first, bool strided)
{
    Arena *a = l->arena;
    int64_t per_group = row->group * inner / row->inner;
    add_conv(l, arena_printf(a, "%s.conv1", name), row->bottleneck ? inner : out, in,
             row->bottleneck ? 1 : 3);
    add_norm(l, arena_printf(a, "%s.bn1", name), row->bottleneck ? inner : out);
    if (row->bottleneck) {
        add_conv(l, arena_printf(a, "%s.conv2", name), inner, per_group, 3);
        add_norm(l, arena_printf(a, "%s.bn2", name), inner);
        add_conv(l, arena_printf(a, "%s.conv3", name), out, inner, 1);
        add_norm(l, arena_printf(a, "%s.bn3", name), out);
    } else {
        add_conv(l, arena_printf(a, "%s.conv2", name), out, out, 3);
        add_norm(l, arena_printf(a, "%s.bn2", name), out);
    }
    /* CIFAR networks pad their shortcuts instead. */
    if (first && !is_cifar(row) && (strided || in != out)) {
        add_conv(l, arena_printf(a, "%s.downsample.0", name), out, in, 1);
        add_norm(l, arena_printf(a, "%s.downsample.1", name), out);
    }
}

static void add_backbone(List *l, const Row *row)
{
    int64_t stem = is_cifar(row) ? 16 : 64, in = stem;
    add_conv(l, "conv1", stem, 3, is_cifar(row) ? 3 : 7);
    add_norm(l, "bn1", stem);
    for (int s = 0; s < 4 && row->layers[s]; s++) {
        int64_t out = (stem << s) * (row->bottleneck ? 4 : 1);
        for (int b = 0; b < row->layers[s]; b++) {
            const char *name = arena_printf(l->arena, "layer%d.%d", s + 1, b);
            add_block(l, row, name, in, row->inner << s, out, b == 0, s > 0);
            in = out;
        }
    }
}

Status detect_tensors(Arena *arena, const char *arch, const char *classifier, int64_t classes,
                      WantedTensor **wanted, int *count)
{
    const Row *row = NULL;
    for (int i = 0; i < ROWS && !row; i++)
        if (strcmp(rows[i].name, arch) == 0)
            row = &rows[i];
    if (!row)
        return status_fail(STATUS_INPUT, "architecture '%s' is not known (resnet50, resnet32, ...)",
                           arch);
    List list = {.arena = arena};
    add_backbone(&list, row);
    if (*classifier) {
        add(&list, arena_printf(arena, "%s.weight", classifier), ELEMENT_FLOAT32, 2, classes,
            features(row), 0);
        add(&list, arena_printf(arena, "%s.bias", classifier), ELEMENT_FLOAT32, 1, classes, 0, 0);
    }
    *wanted = list.items;
    *count = list.count;
    return STATUS_OK;
}
