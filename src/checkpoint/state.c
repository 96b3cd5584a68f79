/* State dicts: finding, naming. */
#include "checkpoint/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tensors_in(const Object *dict)
{
    int n = 0;
    for (uint32_t i = 0; dict && dict->kind == OBJECT_DICT && i < dict->count; i++)
        n += dict->items[2 * i + 1]->kind == OBJECT_TENSOR ||
             dict->items[2 * i + 1]->kind == OBJECT_UNSUITABLE;
    return n;
}

/* " with 'a', 'b', ...": the first keys of a dict; "" where there are none. */
static const char *list_keys(const Object *dict, char text[200])
{
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; dict->kind == OBJECT_DICT && i < dict->count; i++) {
        const Object *key = dict->items[2 * i];
        if (key->kind != OBJECT_TEXT)
            continue;
        if (used > 140) {
            snprintf(text + used, 200 - used, ", ...");
            break;
        }
        used += (size_t)snprintf(text + used, 200 - used, "%s'%.40s'", used ? ", " : " with ",
                                 key->text);
    }
    return text;
}

/* The class of a whole module that was saved, or NULL: what it is made of stands in its state. */
static const char *module_class(const Object *object)
{
    const Object *state = object && object->kind == OBJECT_CALL ? object->call->state : NULL;
    return state && (object_get(state, "_modules") || object_get(state, "_parameters"))
               ? object->call->callee->text
               : NULL;
}

/* A whole module at the top, or right below it. */
static const char *find_module(const Object *root)
{
    const char *name = module_class(root);
    for (uint32_t i = 0; root->kind == OBJECT_DICT && i < root->count && !name; i++)
        name = module_class(root->items[2 * i + 1]);
    return name;
}

/* What is there instead of a state dict. */
static Status tell_none(const Checkpoint *c)
{
    const Object *root = checkpoint_root(c), *below = object_get(root, "state_dict");
    const char *module = find_module(root);
    char keys[200], inner[200], text[256] = "";
    if (module)
        return checkpoint_fail(c, "", "a whole module (%.100s), not its tensors: save its "
                               "state_dict() instead", module);
    if (below)
        snprintf(text, sizeof text, "; state_dict is %s%s", object_kind_name(below),
                 list_keys(below, inner));
    return checkpoint_fail(c, "", "no state dict in this file (its top is %s%s%s)",
                           object_kind_name(root), list_keys(root, keys), text);
}

static Status find_dict(const Checkpoint *c, const char **where)
{
    static const char *const places[] = {"state_dict", "model", "model_state_dict", "net", ""};
    const Object *root = checkpoint_root(c);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (tensors_in(*places[i] ? object_get(root, places[i]) : root) > 0) {
            *where = places[i];
            return STATUS_OK;
        }
    return tell_none(c);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(StateTensor *const *)a)->name, (*(StateTensor *const *)b)->name);
}

/* Twice where it was wrapped twice. */
const char *state_dict_name(const char *name)
{
    while (strncmp(name, "module.", 7) == 0)
        name += 7;
    return name;
}

/* Lists the tensors whose key is `where`/name, with no further slash between. */
static void list_tensors(StateDict *d)
{
    Checkpoint *c = d->checkpoint;
    size_t skip = *d->where ? strlen(d->where) + 1 : 0;
    const Object *dict = checkpoint_object(c, d->where);
    d->tensors = arena_alloc(&d->arena, (size_t)tensors_in(dict) * sizeof *d->tensors);
    d->by_name = arena_alloc(&d->arena, (size_t)tensors_in(dict) * sizeof *d->by_name);
    for (uint32_t i = 0; i < dict->count; i++) {
        const Object *key = dict->items[2 * i], *value = dict->items[2 * i + 1];
        if (key->kind != OBJECT_TEXT ||
            (value->kind != OBJECT_TENSOR && value->kind != OBJECT_UNSUITABLE))
            continue;
        const char *full = skip ? arena_printf(&d->arena, "%s/%s", d->where, key->text) : key->text;
        const CheckpointTensor *tensor = checkpoint_find(c, full);
        if (!tensor)
            continue;
        const char *name = state_dict_name(key->text);
        d->module = d->module || name != key->text;
        d->tensors[d->count] = (StateTensor){name, tensor};
        d->by_name[d->count] = &d->tensors[d->count];
        d->count++;
    }
}

Status state_dict_open(Checkpoint *checkpoint, StateDict *d)
{
    const char *where = NULL;
    *d = (StateDict){0};
    TRY(find_dict(checkpoint, &where));
    return state_dict_open_at(checkpoint, where, d);
}

Status state_dict_open_at(Checkpoint *checkpoint, const char *where, StateDict *d)
{
    *d = (StateDict){.checkpoint = checkpoint, .where = where};
    list_tensors(d);
    qsort(d->by_name, (size_t)d->count, sizeof *d->by_name, by_name);
    for (int i = 1; i < d->count; i++)
        if (strcmp(d->by_name[i - 1]->name, d->by_name[i]->name) == 0) {
            Status status = checkpoint_fail(checkpoint, d->by_name[i]->tensor->key,
                                            "stands in the file with and without 'module.'");
            state_dict_free(d);
            return status;
        }
    return STATUS_OK;
}

void state_dict_free(StateDict *dict)
{
    arena_free(&dict->arena);
    *dict = (StateDict){0};
}

void state_dict_drop(StateDict *dict, const char *beginning, size_t length)
{
    int count = dict->count;
    dict->count = 0;
    for (int i = 0; i < count; i++)
        if (strncmp(dict->tensors[i].name, beginning, length) != 0)
            dict->tensors[dict->count++] = dict->tensors[i];
    for (int i = 0; i < dict->count; i++)
        dict->by_name[i] = &dict->tensors[i];
    qsort(dict->by_name, (size_t)dict->count, sizeof *dict->by_name, by_name);
}

const StateTensor *state_dict_find(const StateDict *dict, const char *name)
{
    StateTensor wanted = {.name = name}, *key = &wanted;
    StateTensor **found = dict->count ? bsearch(&key, dict->by_name, (size_t)dict->count,
                                                sizeof *dict->by_name, by_name) : NULL;
    return found ? *found : NULL;
}

char *shape_text(int rank, const int64_t *shape, char text[128])
{
    size_t at = 0;
    at += (size_t)snprintf(text, 128, "[");
    for (int i = 0; i < rank && at < 100; i++)
        at += (size_t)snprintf(text + at, 128 - at, "%s%lld", i ? ", " : "", (long long)shape[i]);
    snprintf(text + at, 128 - at, "]");
    return text;
}
