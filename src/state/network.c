/* The network of a state dict. Recognition knows names and shapes alone (model/recognise.h); here
 * it meets the file, whose messages name path and key. */
#include "state/network.h"

#include "data/dataset.h"

#include <stdio.h>
#include <string.h>

enum { NAME_ROOM = 320 };

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

Status network_find(const StateDict *dict, Recognised *found)
{
    Arena arena = {0};
    Unrecognised why;
    NamedShapes list = list_shapes(dict, &arena);
    bool known = recognise(&list, found, &why);
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

Status network_check_classifier(const StateDict *dict, const Recognised *found)
{
    char name[NAME_ROOM], text[128];
    snprintf(name, sizeof name, "%s.weight", found->classifier);
    const StateTensor *entry = *found->classifier ? state_dict_find(dict, name) : NULL;
    if (!entry || found->classes)
        return STATUS_OK;
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
        recognise_name(found, list->items[i].name, name, sizeof name);
        list->items[i].name = arena_printf(&list->arena, "%s", name);
    }
}

static void ignore_module(TensorList *list, const char *prefix, const char *module, bool norm)
{
    char name[NAME_ROOM];
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
        ignore_module(list, found->prefix, form->last, false);
    }
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
        snprintf(name, sizeof name, "encoder_k.%s", list->items[i].name + n);
        tensors_ignore(list, name);
    }
    tensors_ignore_module(list, "linear_k", false);
    for (int i = 0; i < 3; i++)
        tensors_ignore(list, queue[i]);
}
