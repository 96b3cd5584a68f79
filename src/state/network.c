/* The network of a state dict. Recognition knows names and shapes alone (model/recognise.h); here
 * it meets the file, whose messages name path and key. */
#include "state/network.h"

#include "base/log.h"
#include "data/dataset.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { NAME_ROOM = RECOGNISED_NAME };

/* ------------------------------------------------------------------------------------ finding */

static NamedShapes list_shapes(const StateDict *dict, Arena *arena)
{
    NamedShape *sorted = arena_alloc(arena, (size_t)dict->count * sizeof *sorted);
    for (int i = 0; i < dict->count; i++) {
        const StoredTensor *t = dict->by_name[i]->tensor->tensor;
        sorted[i] = (NamedShape){dict->by_name[i]->name, t ? t->rank : RANK_UNREADABLE,
                                 t ? t->shape : NULL};
    }
    return (NamedShapes){sorted, dict->count, dict->count ? dict->tensors[0].name : ""};
}

static Status find_at(const StateDict *dict, const char *prefix, Recognised *found)
{
    Arena arena = {0};
    Unrecognised why;
    NamedShapes list = list_shapes(dict, &arena);
    bool known = recognise(&list, prefix, found, &why);
    arena_free(&arena);
    if (known && found->classes > DATASET_CLASSES_MAX)
        found->classes = 0;
    if (known)
        return STATUS_OK;
    const StateTensor *t = why.name ? state_dict_find(dict, why.name) : NULL;
    if (t)
        return checkpoint_fail(dict->checkpoint, t->tensor->key, "%.100s is not supported",
                               t->tensor->why);
    return checkpoint_fail(dict->checkpoint, dict->where, "architecture not recognised: %s",
                           why.text);
}

Status network_find(const StateDict *dict, Recognised *found)
{
    return find_at(dict, NULL, found);
}

/* ------------------------------------------------------------------------------------ places */

/* A network within a file. */
typedef struct NetworkPlace {
    const char *where;  /* key of its state dict */
    const char *prefix; /* of its names there, without "module." */
    const char *label;  /* both as a user writes them */
    bool average;       /* of the weights of another one, by its name */
} NetworkPlace;

typedef struct NetworkPlaces {
    Arena arena;
    NetworkPlace *items;
    int count;
} NetworkPlaces;

/* Whether a name has this word, between what is no letter. */
static bool has_word(const char *name, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = name; (at = strstr(at, word)); at++)
        if ((at == name || !isalpha((unsigned char)at[-1])) && !isalpha((unsigned char)at[n]))
            return true;
    return false;
}

static bool is_average(const char *label)
{
    return has_word(label, "ema") || has_word(label, "swa");
}

/* "state_dict/backbone"; "." for the top. */
static const char *make_label(Arena *arena, const char *where, const char *prefix)
{
    int n = (int)strlen(prefix) - (*prefix != 0); /* without its last dot */
    if (!*where && !*prefix)
        return ".";
    return arena_printf(arena, "%s%s%.*s", where, *where && *prefix ? "/" : "", n, prefix);
}

/* The key of a tensor is that of its dict, a slash, and its name. */
static void add_place(NetworkPlaces *places, const Checkpoint *c, const char *key)
{
    const char *slash = strrchr(key, '/'), *name = state_dict_name(slash ? slash + 1 : key);
    size_t length;
    if (!recognise_prefix(name, &length))
        return;
    NetworkPlace *p = &places->items[places->count];
    p->where = arena_printf(&places->arena, "%.*s", slash ? (int)(slash - key) : 0, key);
    p->prefix = arena_printf(&places->arena, "%.*s", (int)length, name);
    const Object *dict = checkpoint_object(c, p->where);
    if (!dict || dict->kind != OBJECT_DICT || recognise_is_key_side(p->prefix))
        return;
    p->label = make_label(&places->arena, p->where, p->prefix);
    p->average = is_average(p->label);
    places->count++;
}

static void list_places(Checkpoint *c, NetworkPlaces *places)
{
    uint32_t count = checkpoint_count(c);
    *places = (NetworkPlaces){0};
    places->items = arena_alloc(&places->arena, (size_t)count * sizeof *places->items);
    for (uint32_t i = 0; i < count; i++)
        add_place(places, c, checkpoint_tensor(c, i)->key);
}

/* "'student', 'teacher'": the first labels of those that are wanted. */
static const char *list_labels(const NetworkPlaces *places, bool averages, char text[200])
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < places->count && used < 120; i++)
        if (places->items[i].average == averages || averages)
            used += (size_t)snprintf(text + used, 200 - used, "%s'%.50s'", used ? ", " : "",
                                     places->items[i].label);
    return text;
}

static bool is_meant(const NetworkPlace *p, const char *key)
{
    return strcmp(key, p->label) == 0 || strcmp(key, p->where) == 0;
}

/* The one network with this key; without a key the only one that is no average, or the only one. */
static Status choose(const Checkpoint *c, const NetworkPlaces *places, const char *key,
                     const NetworkPlace **out)
{
    int plain = 0, fitting = 0;
    char text[200];
    for (int i = 0; i < places->count; i++)
        plain += !places->items[i].average;
    for (int i = 0; i < places->count; i++) {
        const NetworkPlace *p = &places->items[i];
        if (key ? is_meant(p, key) : plain == 0 || !p->average) {
            *out = p;
            fitting++;
        }
    }
    if (key && fitting == 0)
        return checkpoint_fail(c, "", "--key '%.60s': there is no network (there is %s)", key,
                               places->count ? list_labels(places, true, text) : "none");
    if (fitting > 1)
        return checkpoint_fail(c, "", "%d networks in this file: %s. --key NAME chooses one",
                               fitting, list_labels(places, key || plain == 0, text));
    if (!key && plain && places->count > plain)
        log_info("%s: the network is '%s'; averaged weights are there, too (--key takes one of %s)",
                 checkpoint_path(c), (*out)->label, list_labels(places, true, text));
    return STATUS_OK;
}

/* Without a network anywhere the usual place says best what is wrong. */
static Status open_usual(Checkpoint *c, StateDict *dict, Recognised *found)
{
    TRY(state_dict_open(c, dict));
    Status status = network_find(dict, found);
    if (status != STATUS_OK)
        state_dict_free(dict);
    return status;
}

/* Another network of the same dict, "student." beside "teacher.", is none of this one's tensors. */
static void drop_others(const NetworkPlaces *places, const NetworkPlace *place, StateDict *dict)
{
    for (int i = 0; i < places->count; i++) {
        const NetworkPlace *p = &places->items[i];
        size_t n = strcspn(p->prefix, ".") + 1;
        if (strcmp(p->where, place->where) == 0 && *p->prefix &&
            strncmp(p->prefix, place->prefix, n) != 0)
            state_dict_drop(dict, p->prefix, n);
    }
}

static Status open_place(Checkpoint *c, const NetworkPlaces *places, const NetworkPlace *place,
                         StateDict *dict, Recognised *found)
{
    TRY(state_dict_open_at(c, place->where, dict));
    dict->where = arena_printf(&dict->arena, "%s", place->where);
    drop_others(places, place, dict);
    Status status = find_at(dict, place->prefix, found);
    if (status != STATUS_OK)
        state_dict_free(dict);
    return status;
}

Status network_open(Checkpoint *checkpoint, const char *key, StateDict *dict, Recognised *found)
{
    NetworkPlaces places;
    const NetworkPlace *place = NULL;
    list_places(checkpoint, &places);
    Status status = places.count || key ? choose(checkpoint, &places, key, &place) : STATUS_OK;
    if (status == STATUS_OK)
        status = place ? open_place(checkpoint, &places, place, dict, found)
                       : open_usual(checkpoint, dict, found);
    arena_free(&places.arena);
    return status;
}

/* ------------------------------------------------------------------------------------ classifier
 */

/* ": it could be 'top' [10, 64], ..." */
static const char *list_candidates(const StateDict *dict, const Recognised *found, char text[240])
{
    char name[NAME_ROOM], shape[128];
    Arena arena = {0};
    NamedShapes list = list_shapes(dict, &arena);
    const NamedShape *t;
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; used < 150 && recognise_candidate(&list, found, i, name, &t); i++)
        used += (size_t)snprintf(text + used, 240 - used, "%s%.60s.weight %s",
                                 used ? ", " : "; of its width there is ", name,
                                 shape_text(t->rank, t->shape, shape));
    arena_free(&arena);
    return text;
}

Status network_check_classifier(const StateDict *dict, const Recognised *found)
{
    char name[NAME_ROOM + 8], text[240];
    snprintf(name, sizeof name, "%s.weight", found->classifier);
    const StateTensor *entry = *found->classifier ? state_dict_find(dict, name) : NULL;
    if (found->classes)
        return STATUS_OK;
    if (!entry)
        return checkpoint_fail(dict->checkpoint, dict->where,
                               "there is no classifier under a known name%s",
                               list_candidates(dict, found, text));
    const StoredTensor *t = entry->tensor->tensor;
    if (!t)
        return checkpoint_fail(dict->checkpoint, entry->tensor->key, "the classifier is %.100s",
                               entry->tensor->why);
    return checkpoint_fail(dict->checkpoint, entry->tensor->key,
                           "the classifier of %s is %s (expected [1 to %d classes, %d])",
                           found->arch->name, shape_text(t->rank, t->shape, text),
                           DATASET_CLASSES_MAX, arch_features(found->arch));
}

/* ------------------------------------------------------------------------------------ names */

void network_add_tensors(TensorList *list, const Recognised *found, const Graph *graph,
                         bool classifier)
{
    int first = list->count;
    tensors_add_side(list, graph, "encoder_q.", false);
    if (classifier)
        tensors_add_side(list, graph, "linear.", false);
    for (int i = first; i < list->count; i++) {
        char name[NAME_ROOM];
        ModelTensor *t = &list->items[i];
        bool classifies = strncmp(t->name, "linear.", 7) == 0, bias = t->dims.rank == 1;
        if (classifies && found->turned && !bias)
            t->dims = DIMS2(t->dims.d[1], t->dims.d[0]);
        if (classifies && *found->classifier && !found->biased && bias)
            t->need = TENSOR_IGNORED;
        recognise_name(found, t->name, name, sizeof name);
        t->name = arena_printf(&list->arena, "%s", name);
    }
}

static void ignore_module(TensorList *list, const char *prefix, const char *module, bool norm)
{
    char name[2 * NAME_ROOM];
    snprintf(name, sizeof name, "%s%s", prefix, module);
    tensors_ignore_module(list, name, norm);
}

void network_ignore_head(TensorList *list, const Recognised *found)
{
    const HeadForm *form;
    for (int i = 0; (form = recognise_head_at(i)); i++) {
        ignore_module(list, found->prefix, form->first, false);
        if (form->norm)
            ignore_module(list, found->prefix, form->norm, true);
        if (form->middle)
            ignore_module(list, found->prefix, form->middle, false);
        ignore_module(list, found->prefix, form->last, false);
    }
}

/* A name beside the encoders. */
static void ignore_outer(TensorList *list, const Recognised *found, const char *what)
{
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%.*s%s", found->outer, found->prefix, what);
    tensors_ignore(list, name);
}

void network_ignore_training(TensorList *list, const Recognised *found)
{
    static const char *const queue[] = {"queue", "queue_l", "queue_ptr"};
    size_t n = strlen(found->prefix);
    network_ignore_head(list, found);
    for (int i = 0, count = list->count; i < count; i++) {
        char name[NAME_ROOM];
        if (strncmp(list->items[i].name, found->prefix, n) != 0)
            continue;
        snprintf(name, sizeof name, "%.*sencoder_k.%s", found->outer, found->prefix,
                 list->items[i].name + n);
        tensors_ignore(list, name);
    }
    ignore_outer(list, found, "linear_k.weight");
    ignore_outer(list, found, "linear_k.bias");
    for (int i = 0; i < 3; i++)
        ignore_outer(list, found, queue[i]);
}
