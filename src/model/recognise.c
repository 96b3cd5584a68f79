/* Recognition. Number and kind of the blocks, counted by their names, choose rows of arch.def; the
 * graph that such a row builds says which convolutions the network must have. Nothing here says
 * what an architecture is made of.
 *
 * Spelled out here, a row each, is what files call the parts around a backbone: prefixes,
 * classifiers and projection heads. */
#include "model/recognise.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_ROOM = 320, STAGES = 4, MOST_BLOCKS = 1000 };

static const char STEM[] = "conv1.weight";

/* Prefixes of a backbone, the likelier first. */
static const struct {
    const char *prefix;
    bool paco;
} prefixes[] = {{"encoder_q.", true}, {"", false}};

/* Names of a classifier, the likelier first; in PaCo `fc` is the projection head. */
static const struct {
    const char *name;
    bool paco;
} classifiers[] = {{"linear", true}, {"fc", false}};

/* Of two layers with batch normalisation between them or without, and of one. */
static const HeadForm heads[] = {
    {2, "fc.0", "fc.1", "fc.3"},
    {2, "fc.0", NULL, "fc.2"},
    {1, "fc", NULL, "fc"},
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
    char full[NAME_ROOM];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return list->count
               ? bsearch(full, list->sorted, (size_t)list->count, sizeof *list->sorted, by_name)
               : NULL;
}

static const NamedShape *find_weight(const NamedShapes *list, const char *prefix,
                                     const char *module)
{
    char name[NAME_ROOM];
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

static void find_classifier(const NamedShapes *list, Recognised *out)
{
    for (int i = 0; i < LENGTH(classifiers) && !*out->classifier; i++) {
        const NamedShape *t = find_weight(list, "", classifiers[i].name);
        if (!t || (out->paco && !classifiers[i].paco))
            continue;
        out->classifier = classifiers[i].name;
        if (t->rank == 2 && t->shape[1] == arch_features(out->arch) && t->shape[0] > 0)
            out->classes = t->shape[0];
    }
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

/* The first prefix under which there is a stem. */
static const NamedShape *find_stem(const NamedShapes *list, Recognised *out)
{
    const NamedShape *stem = NULL;
    for (int i = 0; i < LENGTH(prefixes) && !stem; i++) {
        stem = find(list, prefixes[i].prefix, STEM);
        out->prefix = prefixes[i].prefix;
        out->paco = prefixes[i].paco;
    }
    return stem;
}

bool recognise(const NamedShapes *list, Recognised *out, Unrecognised *why)
{
    *out = (Recognised){.prefix = "", .classifier = ""};
    *why = (Unrecognised){0};
    const NamedShape *stem = find_stem(list, out);
    if (!stem) {
        snprintf(why->text, sizeof why->text,
                 "there is no %s, with %s or without (the first name is '%.100s')", STEM,
                 prefixes[0].prefix, list->first);
        return false;
    }
    if (stem->rank < 0) {
        why->name = stem->name;
        return false;
    }
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
    static const char query[] = "encoder_q.", head[] = "encoder_q.fc.", classifier[] = "linear.";
    bool of_classifier = strncmp(name, classifier, strlen(classifier)) == 0;
    bool of_head = strncmp(name, head, strlen(head)) == 0;
    CHECKF(of_classifier || strncmp(name, query, strlen(query)) == 0, "%s", name);
    bool known = of_classifier ? *found->classifier != 0 : !of_head || found->paco;
    if (!known)
        snprintf(to, room, "%s", name);
    else if (of_classifier)
        snprintf(to, room, "%s.%s", found->classifier, name + strlen(classifier));
    else
        snprintf(to, room, "%s%s", found->prefix, name + strlen(query));
    return known;
}
