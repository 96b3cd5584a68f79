/* Recognition. Number and kind of the blocks, counted by their names, choose rows of arch.def; the
 * graph that such a row builds says which convolutions the network must have. Nothing here says
 * what an architecture is made of.
 *
 * Spelled out here is what files call the parts around a backbone: classifiers, projection heads,
 * and what else stands behind it. Its prefix is whatever stands before the name of its first block.
 */
#include "model/recognise.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_ROOM = RECOGNISED_NAME, STAGES = 4, MOST_BLOCKS = 1000 };

static const char STEM[] = "conv1.weight", FIRST_BLOCK[] = "layer1.0.conv1.weight";
static const char QUERY[] = "encoder_q.", KEY[] = "encoder_k.";

/* Names of a classifier, the likelier first. In PaCo it is `linear`, and `fc` the projection head.
 * They stand beside the backbone, or beside what it is wrapped in. */
static const char *const classifiers[] = {"linear",  "fc",          "classifier", "head.fc",
                                          "cls_head", "cls_head.fc", "head",       "last_linear",
                                          "fc_cls",  "logits"};

/* What stands behind a backbone, by the first part of its names: evaluation uses none of it but the
 * classifier. */
static const char *const behind[] = {
    "linear",    "fc",         "classifier", "head",  "cls_head",   "last_linear", "fc_cls",
    "logits",    "projection", "projector",  "proj",  "projection_head", "mlp",    "predictor",
    "prototypes", "contrast_head", "aux_head", "head_fc"};

/* Of three layers (GPaCo), of two with batch normalisation between them or without, and of one. */
static const HeadForm heads[] = {
    {3, "fc.0", NULL, "fc.2", "fc.4"},
    {2, "fc.0", "fc.1", NULL, "fc.3"},
    {2, "fc.0", NULL, NULL, "fc.2"},
    {1, "fc", NULL, NULL, "fc"},
};

#define LENGTH(array) ((int)(sizeof(array) / sizeof *(array)))

const HeadForm *recognise_head_at(int i)
{
    return i < LENGTH(heads) ? &heads[i] : NULL;
}

/* ------------------------------------------------------------------------------------ the list */

static int by_name(const void *name, const void *item)
{
    return strcmp(name, ((const NamedShape *)item)->name);
}

static const NamedShape *find(const NamedShapes *list, const char *prefix, const char *name)
{
    char full[2 * NAME_ROOM + 8];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return list->count
               ? bsearch(full, list->sorted, (size_t)list->count, sizeof *list->sorted, by_name)
               : NULL;
}

static const NamedShape *find_weight(const NamedShapes *list, const char *prefix,
                                     const char *module)
{
    char name[NAME_ROOM + 8];
    snprintf(name, sizeof name, "%s.weight", module);
    return find(list, prefix, name);
}

/* Dimension `i` of a tensor, 0 when there is none. */
static int64_t dimension(const NamedShape *t, int i)
{
    return t && i < t->rank ? t->shape[i] : 0;
}

static bool has_dims(const NamedShape *t, Dims dims)
{
    bool same = t && t->rank == dims.rank;
    for (int i = 0; same && i < dims.rank; i++)
        same = t->shape[i] == dims.d[i];
    return same;
}

/* ---------------------------------------------------------------------------- the architecture */

typedef struct Blocks {
    ArchBlock kind;
    int layers[STAGES];
} Blocks;

static int count_blocks(const NamedShapes *list, const char *prefix, int stage)
{
    char name[64];
    int n = 0;
    do
        snprintf(name, sizeof name, "layer%d.%d.conv1.weight", stage + 1, n);
    while (n < MOST_BLOCKS && find(list, prefix, name) && ++n);
    return n;
}

static Blocks find_blocks(const NamedShapes *list, const char *prefix)
{
    Blocks blocks = {.kind = find(list, prefix, "layer1.0.conv3.weight") ? BLOCK_BOTTLENECK
                                                                         : BLOCK_BASIC};
    for (int s = 0; s < STAGES; s++)
        blocks.layers[s] = count_blocks(list, prefix, s);
    return blocks;
}

/* Convolutions of an architecture, and how many of them the list has in that shape. */
typedef struct Fit {
    const Arch *arch;
    int convolutions, fitting;
} Fit;

static Fit measure_fit(const NamedShapes *list, const Recognised *found, const Arch *arch)
{
    Fit fit = {.arch = arch};
    Graph *graph = net_graph(arch, 0);
    for (int i = 0; i < graph->values_count; i++) {
        const Value *v = graph->values[i];
        char name[NAME_ROOM];
        if (v->role != ROLE_PARAM || v->kind != PARAM_CONV_WEIGHT)
            continue;
        recognise_name(found, v->name, name, sizeof name);
        fit.convolutions++;
        fit.fitting += has_dims(find(list, "", name), v->dims);
    }
    graph_free(graph);
    return fit;
}

/* A file that lacks something is still that network, and its differences are what the user must
 * see. Groups of another width are another network: they alone change three convolutions in ten. */
static bool fits(const Fit *fit)
{
    return 4 * fit->fitting >= 3 * fit->convolutions;
}

static Fit find_best(const NamedShapes *list, const Recognised *found, const Blocks *blocks)
{
    Fit best = {0};
    const Arch *arch;
    for (int i = 0; (arch = arch_at(i)); i++) {
        if (arch->block != blocks->kind ||
            memcmp(arch->layers, blocks->layers, sizeof blocks->layers) != 0)
            continue;
        Fit fit = measure_fit(list, found, arch);
        if (fit.fitting > best.fitting)
            best = fit;
    }
    return best;
}

/* ---------------------------------------------------------------------------- what is around it */

/* Without PaCo's names a single layer cannot be told from a classifier. */
static void find_head(const NamedShapes *list, Recognised *out)
{
    for (int i = 0; i < LENGTH(heads) && !out->head; i++) {
        const HeadForm *form = &heads[i];
        const NamedShape *first = find_weight(list, out->prefix, form->first);
        const NamedShape *last = find_weight(list, out->prefix, form->last);
        if (!first || !last || first->rank < 0 || last->rank < 0 ||
            (form->layers == 1 && !out->paco))
            continue;
        out->head = form;
        out->head_width = form->layers > 1 ? dimension(first, 0) : 0;
        out->head_dim = dimension(last, 0);
    }
}

/* Length of the base number i of a classifier's name: the prefix itself, then without its last
 * parts, down to nothing. -1 behind the last. */
static int base_length(const Recognised *found, int i)
{
    int n = found->outer;
    for (; i > 0 && n > 0; i--)
        do
            n--;
        while (n > 0 && found->prefix[n - 1] != '.');
    return i > 0 ? -1 : n;
}

/* Takes the classifier `module` below a base where the list has one; with `fitting` only in the
 * network's width. */
static bool take_classifier(const NamedShapes *list, Recognised *out, int base, const char *module,
                            bool fitting)
{
    char name[NAME_ROOM];
    int n = snprintf(name, sizeof name, "%.*s%s", base, out->prefix, module);
    const NamedShape *t = n < NAME_ROOM ? find_weight(list, "", name) : NULL;
    int64_t features = arch_features(out->arch), rows = dimension(t, 0), columns = dimension(t, 1);
    char bias[NAME_ROOM + 8];
    snprintf(bias, sizeof bias, "%s.bias", name);
    bool biased = find(list, "", bias) != NULL, flat = t && t->rank == 2 && rows > 0 && columns > 0;
    bool fits = flat && columns == features, turned = flat && !fits && !biased && rows == features;
    if (!t || (fitting && !fits && !turned))
        return false;
    memcpy(out->classifier, name, (size_t)n + 1);
    out->classes = fits ? rows : turned ? columns : 0;
    out->turned = turned;
    out->biased = biased;
    return true;
}

static bool look_for_classifier(const NamedShapes *list, Recognised *out, bool fitting)
{
    int base;
    if (out->paco)
        return take_classifier(list, out, out->outer, classifiers[0], fitting);
    for (int b = 0; (base = base_length(out, b)) >= 0; b++)
        for (int i = 0; i < LENGTH(classifiers); i++)
            if (take_classifier(list, out, base, classifiers[i], fitting))
                return true;
    return false;
}

/* One that fits the network; else one by its name, whose shape can be told. */
static void find_classifier(const NamedShapes *list, Recognised *out)
{
    if (!look_for_classifier(list, out, true))
        look_for_classifier(list, out, false);
}

/* ------------------------------------------------------------------------------------- results */

static void tell_no_fit(const NamedShapes *list, const char *prefix, const Blocks *b,
                        const Fit *best, Unrecognised *why)
{
    bool bottleneck = b->kind == BLOCK_BOTTLENECK;
    const NamedShape *inner =
        find(list, prefix, bottleneck ? "layer1.0.conv2.weight" : "layer1.0.conv1.weight");
    int n = snprintf(why->text, sizeof why->text,
                     "%s blocks, %d-%d-%d-%d of them, layer1 with %lld channels (%lld per group)",
                     bottleneck ? "bottleneck" : "basic", b->layers[0], b->layers[1], b->layers[2],
                     b->layers[3], (long long)dimension(inner, 0), (long long)dimension(inner, 1));
    if (best->arch)
        snprintf(why->text + n, sizeof why->text - (size_t)n,
                 "; %d of the %d convolutions of %s fit", best->fitting, best->convolutions,
                 best->arch->name);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void set_prefix(Recognised *out, const char *prefix)
{
    snprintf(out->prefix, sizeof out->prefix, "%s", prefix);
    out->paco = ends_with(out->prefix, QUERY);
    out->outer = (int)(strlen(out->prefix) - (out->paco ? strlen(QUERY) : 0));
}

bool recognise_prefix(const char *name, size_t *prefix)
{
    if (!ends_with(name, FIRST_BLOCK))
        return false;
    *prefix = strlen(name) - strlen(FIRST_BLOCK);
    return *prefix < NAME_ROOM && (*prefix == 0 || name[*prefix - 1] == '.');
}

bool recognise_is_key_side(const char *prefix)
{
    return ends_with(prefix, KEY);
}

/* Whether some stage begins with a projection of that name. */
static bool has_shortcuts(const NamedShapes *list, const char *prefix)
{
    char name[64];
    bool found = false;
    for (int s = 1; s <= STAGES && !found; s++) {
        snprintf(name, sizeof name, "layer%d.0.shortcut.0.weight", s);
        found = find(list, prefix, name) != NULL;
    }
    return found;
}

/* A name of ours within the backbone as the list has it. */
static void put_name(const Recognised *found, const char *name, char *to, size_t room)
{
    static const char ours[] = ".downsample.", theirs[] = ".shortcut.";
    const char *at = found->shortcut ? strstr(name, ours) : NULL;
    if (at)
        snprintf(to, room, "%s%.*s%s%s", found->prefix, (int)(at - name), name, theirs,
                 at + strlen(ours));
    else
        snprintf(to, room, "%s%s", found->prefix, name);
}

bool recognise(const NamedShapes *list, const char *prefix, Recognised *out, Unrecognised *why)
{
    *out = (Recognised){0};
    *why = (Unrecognised){0};
    set_prefix(out, prefix ? prefix : find(list, QUERY, STEM) ? QUERY : "");
    const NamedShape *stem = find(list, out->prefix, STEM);
    if (!stem) {
        snprintf(why->text, sizeof why->text,
                 "there is no %s under any name (the first name is '%.100s')", STEM, list->first);
        return false;
    }
    if (stem->rank < 0) {
        why->name = stem->name;
        return false;
    }
    out->shortcut = has_shortcuts(list, out->prefix);
    Blocks blocks = find_blocks(list, out->prefix);
    Fit best = find_best(list, out, &blocks);
    if (!best.arch || !fits(&best)) {
        tell_no_fit(list, out->prefix, &blocks, &best, why);
        return false;
    }
    out->arch = best.arch;
    find_head(list, out);
    find_classifier(list, out);
    return true;
}

bool recognise_name(const Recognised *found, const char *name, char *to, size_t room)
{
    static const char head[] = "encoder_q.fc.", classifier[] = "linear.";
    bool of_classifier = strncmp(name, classifier, strlen(classifier)) == 0;
    bool of_head = strncmp(name, head, strlen(head)) == 0;
    CHECKF(of_classifier || strncmp(name, QUERY, strlen(QUERY)) == 0, "%s", name);
    bool known = of_classifier ? *found->classifier != 0 : !of_head || found->paco;
    if (!known)
        snprintf(to, room, "%s", name);
    else if (of_classifier)
        snprintf(to, room, "%s.%s", found->classifier, name + strlen(classifier));
    else
        put_name(found, name + strlen(QUERY), to, room);
    return known;
}

bool recognise_in_path(const Recognised *found, const char *name)
{
    size_t n = strlen(found->prefix);
    if (strncmp(name, found->prefix, n) != 0)
        return false;
    size_t part = strcspn(name + n, ".");
    for (int i = 0; i < LENGTH(behind); i++)
        if (strlen(behind[i]) == part && strncmp(name + n, behind[i], part) == 0)
            return false;
    return true;
}

bool recognise_candidate(const NamedShapes *list, const Recognised *found, int i, char *name,
                         const NamedShape **shape)
{
    static const char weight[] = ".weight";
    for (int k = 0; k < list->count; k++) {
        const NamedShape *t = &list->sorted[k];
        size_t n = strlen(t->name);
        if (t->rank != 2 || !ends_with(t->name, weight) || n >= NAME_ROOM ||
            (t->shape[1] != arch_features(found->arch) &&
             t->shape[0] != arch_features(found->arch)) ||
            i-- > 0)
            continue;
        snprintf(name, NAME_ROOM, "%.*s", (int)(n - strlen(weight)), t->name);
        *shape = t;
        return true;
    }
    return false;
}
