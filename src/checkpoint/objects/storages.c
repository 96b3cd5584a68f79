/* References to storages, and their union by key: sorted by key and order, so that the first of
 * each key leads the others. */
#include "checkpoint/objects/storages.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

void storage_classify(Storage *storage, const Object *class_object)
{
    const char *name = storage->class_name = class_object->text;
    if (strncmp(name, "torch.", 6) != 0)
        return;
    name += 6;
    /* Counted in bytes; each tensor on it says its own type. */
    if (strcmp(name, "UntypedStorage") == 0 || strcmp(name, "storage.UntypedStorage") == 0) {
        storage->known = storage->untyped = true;
        storage->type = ELEMENT_UINT8;
        return;
    }
    /* Where the elements were is of no interest: "torch.cuda.FloatStorage". */
    if (strncmp(name, "cuda.", 5) == 0)
        name += 5;
    size_t n = strlen(name);
    if (n > 7 && strcmp(name + n - 7, "Storage") == 0)
        storage->known = element_from_storage(name, n - 7, &storage->type);
}

bool storage_bytes(const Storage *storage, uint64_t *bytes)
{
    return !__builtin_mul_overflow(storage->count, element_bytes(storage->type), bytes);
}

/* Where the tensor lived does not matter; but a place without data has none to read. */
static bool known_location(const Object *location)
{
    /* Not "meta": tensors without elements. */
    static const char *const known[] = {"cpu", "cuda", "hip", "mps", "xpu"};
    if (location->kind != OBJECT_TEXT || location->count > 64)
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i]);
        if (strncmp(location->text, known[i], n) == 0 &&
            (location->text[n] == 0 || location->text[n] == ':'))
            return true;
    }
    return false;
}

/* The view of the legacy stream: None, or (key of the view, offset, elements). */
static Status take_view(const Place *place, Storage *s, const Object *view)
{
    if (view->kind == OBJECT_NONE)
        return STATUS_OK;
    if (view->kind != OBJECT_TUPLE || view->count != 3 || view->items[0]->kind != OBJECT_TEXT ||
        view->items[1]->kind != OBJECT_INT || view->items[2]->kind != OBJECT_INT)
        return place_fail(STATUS_INPUT, place, "storage '%.100s' with a malformed view", s->key);
    int64_t first = view->items[1]->integer, span = view->items[2]->integer;
    if (first < 0 || span < 0 || (uint64_t)first > s->count ||
        (uint64_t)span > s->count - (uint64_t)first)
        return place_fail(STATUS_INPUT, place,
                          "view of storage '%.100s' lies outside it (%lld + %lld vs "
                          "%llu elements)",
                          s->key, (long long)first, (long long)span, (unsigned long long)s->count);
    s->view = view->items[0]->text;
    s->first = (uint64_t)first;
    s->span = (uint64_t)span;
    return STATUS_OK;
}

Status storage_refer(Checkpoint *c, const Place *place, Object *reference, uint32_t items)
{
    if (reference->kind != OBJECT_TUPLE || reference->count < 1)
        return place_fail(STATUS_INPUT, place, "persistent reference is %s (expected a tuple)",
                          object_kind_name(reference));
    Object **item = reference->items;
    /* Saved whole, with its code: nothing of it could be found by name. */
    if (object_is(item[0], "module"))
        return place_fail(STATUS_INPUT, place, "contains a Module: save its state_dict() instead");
    if (!object_is(item[0], "storage"))
        return place_fail(STATUS_INPUT, place,
                          "persistent reference to something else than a storage");
    if (reference->count != items)
        return place_fail(STATUS_INPUT, place, "persistent reference with %u items (expected %u)",
                          reference->count, items);
    if (item[1]->kind != OBJECT_GLOBAL || item[2]->kind != OBJECT_TEXT || item[2]->count > 256)
        return place_fail(STATUS_INPUT, place,
                          "storage named by %s and %s (expected a class and a string)",
                          object_kind_name(item[1]), object_kind_name(item[2]));
    if (!known_location(item[3]))
        return place_fail(STATUS_INPUT, place,
                          "storage '%.100s' at location '%.60s' (expected cpu or cuda:N)",
                          item[2]->text, item[3]->kind == OBJECT_TEXT ? item[3]->text : "?");
    if (item[4]->kind != OBJECT_INT || item[4]->integer < 0)
        return place_fail(STATUS_INPUT, place, "storage '%.100s' with %s as its number of elements",
                          item[2]->text,
                          item[4]->kind == OBJECT_INT ? "a negative integer"
                                                      : object_kind_name(item[4]));
    Storage *storage;
    TRY(document_add_storage(c, place, &storage));
    storage->key = item[2]->text;
    storage->count = storage->span = (uint64_t)item[4]->integer;
    storage_classify(storage, item[1]);
    if (items > 5)
        TRY(take_view(place, storage, item[5]));
    reference->kind = OBJECT_STORAGE;
    reference->storage = storage;
    return STATUS_OK;
}

static int by_key_and_order(const void *a, const void *b)
{
    const Storage *x = *(Storage *const *)a, *y = *(Storage *const *)b;
    /* The file's order among references to one key: the first of them is to be the one that the
     * others point to. */
    int order = strcmp(x->key, y->key);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(Storage *const *)a)->key, (*(Storage *const *)b)->key);
}

Storage *storages_find(Storage *const *united, uint32_t distinct, const char *key)
{
    Storage wanted = {.key = key}, *place = &wanted;
    Storage *const *found =
        distinct ? bsearch(&place, united, distinct, sizeof *united, by_key) : NULL;
    return found ? *found : NULL;
}

/* A view is a part of a storage, and none itself: views of each other would have no elements. */
static Status check_views(const Checkpoint *c, const Place *place, Storage **storages,
                          uint32_t distinct)
{
    for (uint32_t i = 0; i < c->storage_count; i++) {
        const char *view = c->storages[i]->view;
        if (view && storages_find(storages, distinct, view))
            return place_fail(STATUS_INPUT, place, "view '%.100s' has the key of a storage", view);
    }
    return STATUS_OK;
}

Status storages_unite(Checkpoint *c, Storage ***united, uint32_t *distinct)
{
    size_t bytes = c->storage_count * sizeof **united;
    Place place = document_place(c, c->pickle.begin, NULL);
    if (!pool_charge(&c->pool, 2 * bytes))
        return place_full(&place);
    Storage **sorted = mem_alloc(bytes);
    uint32_t n = 0;
    if (bytes)
        memcpy(sorted, c->storages, bytes);
    /* Charged twice: for the table, which the caller keeps, and for sorting. */
    qsort(sorted, c->storage_count, sizeof *sorted, by_key_and_order);
    for (uint32_t i = 0; i < c->storage_count; i++) {
        if (n && strcmp(sorted[n - 1]->key, sorted[i]->key) == 0)
            sorted[i]->same = sorted[n - 1];
        else
            sorted[n++] = sorted[i];
    }
    pool_release(&c->pool, bytes);
    Status status = check_views(c, &place, sorted, n);
    if (status != STATUS_OK) {
        free(sorted);
        return status;
    }
    *united = sorted;
    *distinct = n;
    return STATUS_OK;
}
