/* The tree: walked once with an explicit stack. Calls that make tensors, numpy numbers and bytes
 * become what they stand for, in place; every other call stays opaque. The tree is really a graph:
 * shared parts are visited once per path, within a budget, and a part that contains itself is
 * entered once. */
#include "checkpoint/formats/document.h"
#include "checkpoint/limits.h"

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
    const Checkpoint *c = w->c;
    return (Place){c->source.path, c->entry, c->pickle.begin + object->at,
                   w->path[0] ? w->path : NULL};
}

/* ---- calls with a meaning */

static bool called(const Object *object, const char *name)
{
    return object->kind == OBJECT_CALL && object_is(object->call->callee, name);
}

static bool starts(const Object *global, const char *with)
{
    return strncmp(global->text, with, strlen(with)) == 0;
}

/* A tensor's rebuild: (storage, offset, size, stride[, requires_grad, hooks[, dtype or
 * metadata]]). */
static Status rebuild_tensor(Walk *w, Object *object, const Object *function,
                             const Object *arguments)
{
    Place place = place_of(w, object);
    bool third = object_is(function, "torch._utils._rebuild_tensor_v3");
    if (arguments->kind != OBJECT_TUPLE || arguments->count < (third ? 7u : 4u) ||
        arguments->count > 8)
        return place_fail(STATUS_INPUT, &place, "tensor made from %u values (expected 4 to 8)",
                          arguments->kind == OBJECT_TUPLE ? arguments->count : 0);
    Object **a = arguments->items;
    return tensor_make(w->c, &place, a[0], a[1], a[2], a[3], third ? a[6] : NULL, object);
}

static bool is_rebuild(const Object *function)
{
    return object_is(function, "torch._utils._rebuild_tensor_v2") ||
           object_is(function, "torch._utils._rebuild_tensor_v3") ||
           object_is(function, "torch._utils._rebuild_tensor");
}

static void unsuitable(Object *object, const Object *function)
{
    object->kind = OBJECT_UNSUITABLE;
    object->count = function->count;
    object->text = function->text;
}

/* A tensor with attributes: _rebuild_from_type_v2(function, type, arguments, state). */
static Status rebuild_typed(Walk *w, Object *object)
{
    const Object *arguments = object->call->arguments;
    if (arguments->count == 4 && arguments->items[0]->kind == OBJECT_GLOBAL &&
        is_rebuild(arguments->items[0]))
        return rebuild_tensor(w, object, arguments->items[0], arguments->items[2]);
    unsuitable(object, object->call->callee);
    return STATUS_OK;
}

/* A tensor within a Parameter: a rebuild that may not have been met yet. */
static Status rebuild_inner(Walk *w, Object *inner)
{
    if (inner->kind == OBJECT_CALL && is_rebuild(inner->call->callee))
        return rebuild_tensor(w, inner, inner->call->callee, inner->call->arguments);
    return called(inner, "torch._tensor._rebuild_from_type_v2") ? rebuild_typed(w, inner)
                                                                : STATUS_OK;
}

/* Parameter(tensor, ...) and its old forms, whose tensor is in the state: (data, ...) of 5 values,
 * or (storage, offset, size, stride). */
static Status rebuild_parameter(Walk *w, Object *object)
{
    Call *call = object->call;
    Object *state = call->state, *inner = call->arguments->count ? call->arguments->items[0] : NULL;
    if (state && state->kind == OBJECT_TUPLE && state->count == 5)
        inner = state->items[0];
    if (state && state->kind == OBJECT_TUPLE && state->count == 4) {
        Place place = place_of(w, object);
        TRY(tensor_make(w->c, &place, state->items[0], state->items[1], state->items[2],
                        state->items[3], NULL, object));
        object->flag = true;
        return STATUS_OK;
    }
    if (inner)
        TRY(rebuild_inner(w, inner));
    if (!inner || (inner->kind != OBJECT_TENSOR && inner->kind != OBJECT_UNSUITABLE)) {
        Place place = place_of(w, object);
        return place_fail(STATUS_INPUT, &place, "Parameter made from %s (expected a tensor)",
                          object_kind_name(inner));
    }
    uint32_t at = object->at;
    *object = *inner;
    object->at = at;
    object->flag = true;
    object->walking = false;
    return STATUS_OK;
}

/* numpy.core.multiarray.scalar(dtype, bytes): dtype('f8', ...) with its byte order in the state. */
static void take_scalar(Object *object)
{
    const Call *call = object->call;
    const Object *arguments = call->arguments;
    if (arguments->count != 2 || arguments->items[0]->kind != OBJECT_CALL)
        return;
    const Call *dtype = arguments->items[0]->call;
    Object *bytes = arguments->items[1];
    if (!object_is(dtype->callee, "numpy.dtype") || dtype->arguments->count < 1 ||
        dtype->arguments->items[0]->kind != OBJECT_TEXT ||
        (bytes->kind != OBJECT_BYTES && bytes->kind != OBJECT_TEXT))
        return;
    const Object *state = dtype->state;
    if (state &&
        (state->kind != OBJECT_TUPLE || state->count < 2 || object_is(state->items[1], ">")))
        return;
    static const struct {
        const char *name;
        ElementType type;
    } types[] = {{"f8", ELEMENT_FLOAT64}, {"f4", ELEMENT_FLOAT32}, {"f2", ELEMENT_FLOAT16},
                 {"i8", ELEMENT_INT64},   {"i4", ELEMENT_INT32},   {"i2", ELEMENT_INT16},
                 {"i1", ELEMENT_INT8},    {"u1", ELEMENT_UINT8},   {"b1", ELEMENT_BOOL}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        ElementType type = types[i].type;
        if (!object_is(dtype->arguments->items[0], types[i].name) ||
            bytes->count != element_bytes(type))
            continue;
        bool whole = element_converts(type, ELEMENT_INT64);
        const char *text = bytes->text;
        object->kind = whole ? OBJECT_INT : OBJECT_FLOAT;
        element_convert(type, text, whole ? ELEMENT_INT64 : ELEMENT_FLOAT64, &object->integer, 1);
        return;
    }
}

/* _codecs.encode(text, 'latin1'): bytes as protocol 2 writes them. */
static Status take_bytes(Walk *w, Object *object)
{
    const Object *arguments = object->call->arguments;
    if (arguments->count != 2 || arguments->items[0]->kind != OBJECT_TEXT ||
        !(object_is(arguments->items[1], "latin1") || object_is(arguments->items[1], "latin-1")))
        return STATUS_OK;
    const Object *text = arguments->items[0];
    Place place = place_of(w, object);
    uint8_t *bytes = pool_alloc(&w->c->pool, text->count + 1u);
    uint32_t n = 0;
    if (!bytes)
        return place_full(&place);
    for (uint32_t i = 0; i < text->count; i++) {
        uint8_t b = (uint8_t)text->text[i];
        if (b >= 0x80) {
            if (b > 0xc3)
                return place_fail(STATUS_INPUT, &place, "bytes with a character beyond latin1");
            b = (uint8_t)(b << 6 | ((uint8_t)text->text[++i] & 0x3f));
        }
        bytes[n++] = b;
    }
    object->kind = OBJECT_BYTES;
    object->text = (const char *)bytes;
    object->count = n;
    return STATUS_OK;
}

static Status resolve_call(Walk *w, Object *object)
{
    const Call *call = object->call;
    if (is_rebuild(call->callee))
        return rebuild_tensor(w, object, call->callee, call->arguments);
    if (called(object, "torch._utils._rebuild_parameter") ||
        called(object, "torch._utils._rebuild_parameter_with_state") ||
        called(object, "torch.nn.parameter.Parameter"))
        return rebuild_parameter(w, object);
    if (called(object, "torch._tensor._rebuild_from_type_v2"))
        return rebuild_typed(w, object);
    if (called(object, "_codecs.encode"))
        return take_bytes(w, object);
    if (starts(call->callee, "torch._utils._rebuild"))
        unsuitable(object, call->callee);
    if (called(object, "numpy.core.multiarray.scalar") ||
        called(object, "numpy._core.multiarray.scalar")) {
        const Object *bytes = call->arguments->count == 2 ? call->arguments->items[1] : NULL;
        if (bytes && called(bytes, "_codecs.encode"))
            TRY(take_bytes(w, call->arguments->items[1]));
        take_scalar(object);
    }
    return STATUS_OK;
}

/* ---- the walk */

Status tree_add(Checkpoint *c, const Place *place, const CheckpointTensor *tensor)
{
    if (c->count == LIMIT_TENSORS)
        return place_fail(STATUS_LIMIT, place, "more than %d tensors", LIMIT_TENSORS);
    if (c->count == c->room) {
        uint32_t room = c->room ? c->room * 2 : 256;
        if (!pool_charge(&c->pool, (room - c->room) * (sizeof *c->tensors + sizeof *c->by_key)))
            return place_full(place);
        CheckpointTensor *grown = realloc(c->tensors, room * sizeof *c->tensors);
        if (!grown)
            return place_full(place);
        c->tensors = grown;
        c->room = room;
    }
    CheckpointTensor *added = &c->tensors[c->count];
    *added = *tensor;
    added->key = pool_text(&c->pool, tensor->key, strlen(tensor->key));
    if (!added->key)
        return place_full(place);
    c->count++;
    return STATUS_OK;
}

static Status visit(Walk *w, Object *object)
{
    Place place = place_of(w, object);
    if (w->budget-- == 0)
        return place_fail(STATUS_LIMIT, &place,
                          "the tree repeats itself too often (limit %d visits per "
                          "opcode)",
                          LIMIT_VISITS);
    if (object->kind == OBJECT_CALL)
        TRY(resolve_call(w, object));
    if (object->kind == OBJECT_TENSOR || object->kind == OBJECT_UNSUITABLE) {
        CheckpointTensor t = {.key = w->path, .at = place.offset, .parameter = object->flag};
        if (object->kind == OBJECT_TENSOR)
            t.tensor = object->tensor;
        else
            t.why = object->text;
        return tree_add(w->c, &place, &t);
    }
    bool container = object->kind == OBJECT_DICT || object->kind == OBJECT_LIST ||
                     object->kind == OBJECT_TUPLE;
    if (!container || object->walking || object->count == 0)
        return STATUS_OK;
    if (w->depth == LIMIT_NESTING)
        return place_fail(STATUS_LIMIT, &place, "nesting > %d", LIMIT_NESTING);
    object->walking = true;
    w->frames[w->depth++] = (Frame){object, 0, (uint32_t)strlen(w->path)};
    return STATUS_OK;
}

/* Sets the path to an item of the frame's container: its key, or its index. */
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
        long long number =
            key && key->kind == OBJECT_INT ? (long long)key->integer : (long long)index;
        const char *format = !key || key->kind == OBJECT_INT ? "%lld" : "?%lld";
        char text[32];
        int n = format[0] == '?' ? snprintf(text, sizeof text, "?%lld", number)
                                 : snprintf(text, sizeof text, "%lld", number);
        if ((size_t)n > room)
            return place_fail(STATUS_LIMIT, &place, "path of keys longer than %d bytes",
                              LIMIT_NAME);
        memcpy(to, text, (size_t)n + 1);
        return STATUS_OK;
    }
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
