/* The walk: once through the tree, with an explicit stack. The tree is really a graph: shared parts
 * are visited once per path, within a budget, and a part that contains itself is entered once. */
#include "checkpoint/objects/tree.h"

#include "base/arena.h"
#include "checkpoint/bytes/limits.h"
#include "checkpoint/objects/calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Frame {
    Object *object;
    uint32_t next;   /* item to visit */
    uint32_t length; /* of the path up to this object */
} Frame;

typedef struct Walk {
    Checkpoint *c;
    Frame frames[LIMIT_NESTING];
    uint32_t depth;
    uint64_t budget;
    char path[LIMIT_NAME + 1];
} Walk;

static Place place_of(const Walk *w, const Object *object)
{
    return document_place(w->c, w->c->pickle.begin + object->at, w->path[0] ? w->path : NULL);
}

static Status visit(Walk *w, Object *object)
{
    Place place = place_of(w, object);
    /* Lists within lists, each twice in the next, would be visited a number of times that
     * doubles at each level. */
    if (w->budget-- == 0)
        return place_fail(STATUS_LIMIT, &place,
                          "the tree repeats itself too often (limit %d visits per "
                          "opcode)",
                          LIMIT_VISITS);
    if (object->kind == OBJECT_CALL)
        TRY(call_resolve(w->c, place.key, object));
    if (object->kind == OBJECT_TENSOR || object->kind == OBJECT_UNSUITABLE) {
        CheckpointTensor t = {.key = w->path, .at = place.offset, .parameter = object->flag};
        if (object->kind == OBJECT_TENSOR)
            t.tensor = object->tensor;
        else
            t.why = object->text;
        return document_add_tensor(w->c, &place, &t);
    }
    if (!object_is_container(object) || object->walking || object->count == 0)
        return STATUS_OK;
    if (w->depth == LIMIT_NESTING)
        return place_fail(STATUS_LIMIT, &place, "nesting > %d", LIMIT_NESTING);
    /* A container that is on the path already is not entered again: Python can pickle a list
     * that holds itself. */
    object->walking = true;
    w->frames[w->depth++] = (Frame){object, 0, (uint32_t)strlen(w->path)};
    return STATUS_OK;
}

/* Sets the path to an item of the frame's container: its key, or its index; "?" before the index
 * where the key is neither text nor integer. */
static Status enter(Walk *w, const Frame *f, uint32_t index)
{
    size_t room = LIMIT_NAME - f->length;
    char *to = w->path + f->length;
    const Object *key = f->object->kind == OBJECT_DICT ? f->object->items[2 * index] : NULL;
    *to = 0;
    Place place = place_of(w, key ? key : f->object);
    if (f->length > 0 && room > 0) {
        *to++ = '/';
        room--;
    }
    if (!key || key->kind != OBJECT_TEXT) {
        bool number = key && key->kind == OBJECT_INT, other = key && !number;
        char text[32];
        int n = snprintf(text, sizeof text, "%s%lld", other ? "?" : "",
                         number ? (long long)key->integer : (long long)index);
        if ((size_t)n > room)
            return place_fail(STATUS_LIMIT, &place, "path of keys longer than %d bytes",
                              LIMIT_NAME);
        memcpy(to, text, (size_t)n + 1);
        return STATUS_OK;
    }
    /* Two keys that differ behind a zero would be one path. */
    if (memchr(key->text, 0, key->count))
        return place_fail(STATUS_INPUT, &place, "a key with a NUL byte");
    if (key->count > room)
        return place_fail(STATUS_LIMIT, &place, "path of keys longer than %d bytes", LIMIT_NAME);
    memcpy(to, key->text, key->count + 1u);
    return STATUS_OK;
}

static Status walk(Walk *w)
{
    TRY(visit(w, w->c->root));
    while (w->depth) {
        Frame *f = &w->frames[w->depth - 1];
        Object *object = f->object;
        if (f->next == object->count) {
            object->walking = false;
            w->path[f->length] = 0;
            w->depth--;
            continue;
        }
        /* The path ends where the container's did: the part of the item before is written over. */
        uint32_t index = f->next++;
        TRY(enter(w, f, index));
        TRY(visit(w, object->items[object->kind == OBJECT_DICT ? 2 * index + 1 : index]));
    }
    return STATUS_OK;
}

Status tree_resolve(Checkpoint *c, uint64_t ops)
{
    Walk *w = mem_zero(1, sizeof *w);
    w->c = c;
    w->budget = ops * LIMIT_VISITS + 16;
    Status status = walk(w);
    free(w);
    return status;
}
