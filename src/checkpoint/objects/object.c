/* Objects built by hand and looked into. */
#include "checkpoint/objects/object.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static Object *make(Arena *arena, ObjectKind kind)
{
    Object *object = arena_alloc(arena, sizeof *object);
    object->kind = (uint8_t)kind;
    return object;
}

Object *object_none(Arena *arena)
{
    return make(arena, OBJECT_NONE);
}
Object *object_tuple(Arena *arena)
{
    return make(arena, OBJECT_TUPLE);
}
Object *object_list(Arena *arena)
{
    return make(arena, OBJECT_LIST);
}

Object *object_bool(Arena *arena, bool value)
{
    Object *object = make(arena, OBJECT_BOOL);
    object->flag = value;
    return object;
}

Object *object_int(Arena *arena, int64_t value)
{
    Object *object = make(arena, OBJECT_INT);
    object->integer = value;
    return object;
}

Object *object_float(Arena *arena, double value)
{
    Object *object = make(arena, OBJECT_FLOAT);
    object->number = value;
    return object;
}

Object *object_text(Arena *arena, const char *text)
{
    Object *object = make(arena, OBJECT_TEXT);
    object->count = (uint32_t)strlen(text);
    object->text = arena_copy(arena, text, object->count + 1u);
    return object;
}

Object *object_dict(Arena *arena, bool ordered)
{
    Object *object = make(arena, OBJECT_DICT);
    object->flag = ordered;
    return object;
}

/* Its storage is just as large as it is, of no file, and need not be checked again. */
Object *object_tensor(Arena *arena, ElementType type, int rank, const int64_t *shape,
                      const void *values)
{
    Object *object = make(arena, OBJECT_TENSOR);
    StoredTensor *t = object->tensor = arena_alloc(arena, sizeof *t);
    Storage *s = t->storage = arena_alloc(arena, sizeof *s);
    t->type = s->type = type;
    t->rank = rank;
    t->shape = arena_copy(arena, shape, (size_t)rank * sizeof *shape);
    t->count = 1;
    for (int i = 0; i < rank; i++) {
        CHECK(shape[i] >= 0);
        t->count *= (uint64_t)shape[i];
    }
    s->count = t->count;
    s->same = s;
    s->entry = -1;
    s->known = s->placed = s->verified = true;
    s->memory = values;
    return object;
}

uint32_t object_filled(const Object *object)
{
    return object->kind == OBJECT_DICT ? 2 * object->count : object->count;
}

/* Room grows by doubling; what it grew out of stays in the arena. */
static void push(Arena *arena, Object *object, Object *value, uint32_t filled)
{
    if (filled == object->room) {
        uint32_t room = object->room ? object->room * 2 : 8;
        Object **items = arena_alloc(arena, room * sizeof *items);
        if (filled)
            memcpy(items, object->items, filled * sizeof *items);
        object->items = items;
        object->room = room;
    }
    object->items[filled] = value;
}

void object_append(Arena *arena, Object *list, Object *value)
{
    CHECK(list->kind == OBJECT_LIST || list->kind == OBJECT_TUPLE);
    push(arena, list, value, list->count);
    list->count++;
}

static void set(Arena *arena, Object *dict, Object *key, Object *value)
{
    CHECK(dict->kind == OBJECT_DICT);
    push(arena, dict, key, 2 * dict->count);
    push(arena, dict, value, 2 * dict->count + 1);
    dict->count++;
}

void object_set(Arena *arena, Object *dict, const char *key, Object *value)
{
    /* By search: quadratic, and therefore for dicts of few keys; see object_add. */
    CHECKF(!object_get(dict, key), "key %s is there already", key);
    object_add(arena, dict, key, value);
}

void object_add(Arena *arena, Object *dict, const char *key, Object *value)
{
    set(arena, dict, object_text(arena, key), value);
}

static const Object *get_int(const Object *dict, int64_t key)
{
    if (dict->kind == OBJECT_DICT)
        for (uint32_t i = 0; i < dict->count; i++)
            if (dict->items[2 * i]->kind == OBJECT_INT && dict->items[2 * i]->integer == key)
                return dict->items[2 * i + 1];
    return NULL;
}

void object_set_int(Arena *arena, Object *dict, int64_t key, Object *value)
{
    CHECK(!get_int(dict, key));
    set(arena, dict, object_int(arena, key), value);
}

const Object *object_get(const Object *dict, const char *key)
{
    if (dict && dict->kind == OBJECT_DICT)
        for (uint32_t i = 0; i < dict->count; i++)
            if (dict->items[2 * i]->kind == OBJECT_TEXT && object_is(dict->items[2 * i], key))
                return dict->items[2 * i + 1];
    return NULL;
}

bool object_is(const Object *object, const char *text)
{
    return object && (object->kind == OBJECT_TEXT || object->kind == OBJECT_GLOBAL) &&
           object->count == strlen(text) && memcmp(object->text, text, object->count) == 0;
}

bool object_is_container(const Object *object)
{
    return object->kind == OBJECT_DICT || object->kind == OBJECT_LIST ||
           object->kind == OBJECT_TUPLE;
}

/* Kind, then value: the order is for finding equals alone. */
static int compare_keys(const void *a, const void *b)
{
    const Object *x = *(Object *const *)a, *y = *(Object *const *)b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->kind == OBJECT_INT)
        return (x->integer > y->integer) - (x->integer < y->integer);
    uint32_t n = x->count < y->count ? x->count : y->count;
    /* One text may be the key of many dicts, and stand many times in one. */
    int order = n && x->text != y->text ? memcmp(x->text, y->text, n) : 0;
    return order ? order : (x->count > y->count) - (x->count < y->count);
}

const Object *object_duplicate(const Object *dict)
{
    const Object **keys, *twice = NULL;
    size_t n = 0;
    if (dict->count < 2)
        return NULL;
    keys = mem_alloc(dict->count * sizeof *keys);
    for (uint32_t i = 0; i < dict->count; i++) {
        const Object *key = dict->items[2 * i];
        if (key->kind == OBJECT_TEXT || key->kind == OBJECT_INT)
            keys[n++] = key;
    }
    qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 1; i < n && !twice; i++)
        if (compare_keys(&keys[i - 1], &keys[i]) == 0)
            /* The later one is the one that should not be there. */
            twice = keys[i - 1]->at > keys[i]->at ? keys[i - 1] : keys[i];
    free(keys);
    return twice;
}

const char *object_kind_name(const Object *object)
{
    static const char *const names[] = {
        [OBJECT_NONE] = "None",
        [OBJECT_BOOL] = "a bool",
        [OBJECT_INT] = "an integer",
        [OBJECT_BIG] = "an integer beyond 64 bits",
        [OBJECT_FLOAT] = "a float",
        [OBJECT_TEXT] = "a string",
        [OBJECT_BYTES] = "bytes",
        [OBJECT_TUPLE] = "a tuple",
        [OBJECT_LIST] = "a list",
        [OBJECT_DICT] = "a dict",
        [OBJECT_GLOBAL] = "a class or function",
        [OBJECT_CALL] = "an opaque object",
        [OBJECT_STORAGE] = "a storage",
        [OBJECT_TENSOR] = "a tensor",
        [OBJECT_UNSUITABLE] = "a tensor of a kind not read",
        [OBJECT_BLOB] = "bytes",
    };
    return object ? names[object->kind] : "nothing";
}
