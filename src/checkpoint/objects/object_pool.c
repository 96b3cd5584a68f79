/* Room grows by doubling; what it grew out of stays in the pool, which is freed at once. */
#include "checkpoint/objects/object_pool.h"

#include <string.h>

bool object_reserve(Pool *pool, Object *object, uint32_t more)
{
    uint32_t filled = object_filled(object);
    if (more <= object->room - filled)
        return true;
    uint32_t room = object->room * 2 > filled + more ? object->room * 2 : filled + more;
    Object **items = pool_alloc(pool, room * sizeof *items);
    if (!items)
        return false;
    if (filled)
        memcpy(items, object->items, filled * sizeof *items);
    object->items = items;
    object->room = room;
    return true;
}

Object *object_pool_text(Pool *pool, const char *text)
{
    Object *object = pool_alloc(pool, sizeof *object);
    if (!object)
        return NULL;
    object->kind = OBJECT_TEXT;
    object->text = text;
    object->count = (uint32_t)strlen(text);
    return object;
}

bool object_pool_add(Pool *pool, Object *dict, const char *key, Object *value)
{
    Object *name = object_pool_text(pool, key);
    if (!name || !object_reserve(pool, dict, 2))
        return false;
    dict->items[2 * dict->count] = name;
    dict->items[2 * dict->count + 1] = value;
    dict->count++;
    return true;
}
