/* Each function that PyTorch (1.x and 2.x) pickles tensors with has its arguments checked before
 * anything is made of them. A rebuild of a kind that is not read (sparse, quantised) becomes
 * OBJECT_UNSUITABLE, with its name. */
#include "checkpoint/objects/calls.h"

#include "checkpoint/objects/tensor.h"

#include <string.h>

/* What messages need. */
typedef struct Site {
    Checkpoint *c;
    const char *key;
} Site;

static Place place_of(const Site *s, const Object *object)
{
    return document_place(s->c, s->c->pickle.begin + object->at, s->key);
}

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
static Status rebuild_tensor(const Site *s, Object *object, const Object *function,
                             const Object *arguments)
{
    Place place = place_of(s, object);
    /* The third form has its type as an argument, for storages that have none. */
    bool third = object_is(function, "torch._utils._rebuild_tensor_v3");
    if (arguments->kind != OBJECT_TUPLE || arguments->count < (third ? 7u : 4u) ||
        arguments->count > 8)
        return place_fail(STATUS_INPUT, &place, "tensor made from %u values (expected 4 to 8)",
                          arguments->kind == OBJECT_TUPLE ? arguments->count : 0);
    Object **a = arguments->items;
    return tensor_make(s->c, &place, a[0], a[1], a[2], a[3], third ? a[6] : NULL, object);
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
static Status rebuild_typed(const Site *s, Object *object)
{
    const Object *arguments = object->call->arguments;
    if (arguments->count == 4 && arguments->items[0]->kind == OBJECT_GLOBAL &&
        is_rebuild(arguments->items[0]))
        return rebuild_tensor(s, object, arguments->items[0], arguments->items[2]);
    unsuitable(object, object->call->callee);
    return STATUS_OK;
}

/* A tensor within a Parameter: a rebuild that may not have been met yet. */
static Status rebuild_inner(const Site *s, Object *inner)
{
    if (inner->kind == OBJECT_CALL && is_rebuild(inner->call->callee))
        return rebuild_tensor(s, inner, inner->call->callee, inner->call->arguments);
    return called(inner, "torch._tensor._rebuild_from_type_v2") ? rebuild_typed(s, inner)
                                                                : STATUS_OK;
}

/* Parameter(tensor, ...) and its old forms, whose tensor is in the state: (data, ...) of 5 values,
 * or (storage, offset, size, stride). */
static Status rebuild_parameter(const Site *s, Object *object)
{
    Call *call = object->call;
    Object *state = call->state, *inner = call->arguments->count ? call->arguments->items[0] : NULL;
    if (state && state->kind == OBJECT_TUPLE && state->count == 5)
        inner = state->items[0];
    /* What torch.nn.Parameter pickled before it had a rebuild function. */
    if (state && state->kind == OBJECT_TUPLE && state->count == 4) {
        Place place = place_of(s, object);
        TRY(tensor_make(s->c, &place, state->items[0], state->items[1], state->items[2],
                        state->items[3], NULL, object));
        object->flag = true;
        return STATUS_OK;
    }
    if (inner)
        TRY(rebuild_inner(s, inner));
    if (!inner || (inner->kind != OBJECT_TENSOR && inner->kind != OBJECT_UNSUITABLE)) {
        Place place = place_of(s, object);
        return place_fail(STATUS_INPUT, &place, "Parameter made from %s (expected a tensor)",
                          object_kind_name(inner));
    }
    /* The Parameter takes the tensor's place; its own in the file is kept, for messages. */
    uint32_t at = object->at;
    *object = *inner;
    object->at = at;
    object->flag = true;
    object->walking = false;
    return STATUS_OK;
}

/* The element type of numpy.dtype('f8', ...), with its byte order in the state; false for one that
 * is not read, the big-endian ones among them. */
static bool take_dtype(const Object *object, ElementType *type)
{
    if (!called(object, "numpy.dtype") || object->call->arguments->count < 1 ||
        object->call->arguments->items[0]->kind != OBJECT_TEXT)
        return false;
    const Object *state = object->call->state;
    if (state &&
        (state->kind != OBJECT_TUPLE || state->count < 2 || object_is(state->items[1], ">")))
        return false;
    static const struct {
        const char *name;
        ElementType type;
    } types[] = {{"f8", ELEMENT_FLOAT64}, {"f4", ELEMENT_FLOAT32}, {"f2", ELEMENT_FLOAT16},
                 {"i8", ELEMENT_INT64},   {"i4", ELEMENT_INT32},   {"i2", ELEMENT_INT16},
                 {"i1", ELEMENT_INT8},    {"u1", ELEMENT_UINT8},   {"b1", ELEMENT_BOOL}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (object_is(object->call->arguments->items[0], types[i].name)) {
            *type = types[i].type;
            return true;
        }
    return false;
}

/* numpy.core.multiarray.scalar(dtype, bytes). */
static void take_scalar(Object *object)
{
    const Object *arguments = object->call->arguments;
    ElementType type;
    if (arguments->count != 2 || !take_dtype(arguments->items[0], &type))
        return;
    const Object *bytes = arguments->items[1];
    if ((bytes->kind != OBJECT_BYTES && bytes->kind != OBJECT_TEXT) ||
        bytes->count != element_bytes(type))
        return;
    /* The two numbers share a place in the object: either may be written there. */
    bool whole = element_converts(type, ELEMENT_INT64);
    const char *text = bytes->text;
    object->kind = whole ? OBJECT_INT : OBJECT_FLOAT;
    element_convert(type, text, whole ? ELEMENT_INT64 : ELEMENT_FLOAT64, &object->integer, 1);
}

/* _codecs.encode(text, 'latin1'): bytes as protocol 2 writes them. */
static Status take_bytes(const Site *s, Object *object)
{
    const Object *arguments = object->call->arguments;
    if (arguments->count != 2 || arguments->items[0]->kind != OBJECT_TEXT ||
        !(object_is(arguments->items[1], "latin1") || object_is(arguments->items[1], "latin-1")))
        return STATUS_OK;
    const Object *text = arguments->items[0];
    Place place = place_of(s, object);
    uint8_t *bytes = pool_alloc(&s->c->pool, text->count + 1u);
    uint32_t n = 0;
    if (!bytes)
        return place_full(&place);
    for (uint32_t i = 0; i < text->count; i++) {
        uint8_t b = (uint8_t)text->text[i];
        /* Two bytes of UTF-8 for one of latin1, up to U+00FF. */
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

/* A numpy array, numpy.core.multiarray._reconstruct with the state (version, shape, dtype, Fortran
 * order, bytes), is a tensor whose elements stand in the pickle. One of another order, type or size
 * stays opaque. */
static Status take_array(const Site *s, Object *object)
{
    const Object *state = object->call->state;
    ElementType type;
    if (!state || state->kind != OBJECT_TUPLE || state->count != 5 ||
        state->items[1]->kind != OBJECT_TUPLE || !take_dtype(state->items[2], &type) ||
        state->items[3]->kind != OBJECT_BOOL || state->items[3]->flag)
        return STATUS_OK;
    if (called(state->items[4], "_codecs.encode"))
        TRY(take_bytes(s, state->items[4]));
    const Object *bytes = state->items[4];
    Place place = place_of(s, object);
    if (bytes->kind != OBJECT_BYTES && bytes->kind != OBJECT_TEXT)
        return STATUS_OK;
    return tensor_in_memory(s->c, &place, type, state->items[1], bytes, object);
}

static Status resolve(const Site *s, Object *object)
{
    const Call *call = object->call;
    if (is_rebuild(call->callee))
        return rebuild_tensor(s, object, call->callee, call->arguments);
    if (called(object, "torch._utils._rebuild_parameter") ||
        called(object, "torch._utils._rebuild_parameter_with_state") ||
        called(object, "torch.nn.parameter.Parameter"))
        return rebuild_parameter(s, object);
    if (called(object, "torch._tensor._rebuild_from_type_v2"))
        return rebuild_typed(s, object);
    if (called(object, "_codecs.encode"))
        return take_bytes(s, object);
    if (called(object, "numpy.core.multiarray._reconstruct") ||
        called(object, "numpy._core.multiarray._reconstruct"))
        return take_array(s, object);
    /* After the forms that are read: what is left is sparse, quantised, or newer than this
     * program. */
    if (starts(call->callee, "torch._utils._rebuild"))
        unsuitable(object, call->callee);
    if (called(object, "numpy.core.multiarray.scalar") ||
        called(object, "numpy._core.multiarray.scalar")) {
        /* Protocol 2 writes the scalar's bytes by way of a text: resolved first. */
        const Object *bytes = call->arguments->count == 2 ? call->arguments->items[1] : NULL;
        if (bytes && called(bytes, "_codecs.encode"))
            TRY(take_bytes(s, call->arguments->items[1]));
        take_scalar(object);
    }
    return STATUS_OK;
}

Status call_resolve(Checkpoint *c, const char *key, Object *object)
{
    Site site = {c, key};
    return resolve(&site, object);
}
