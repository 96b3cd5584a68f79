/* The stack, its marks, and what every opcode does with them. No opcode is known here. */
#include "checkpoint/objects/pickle_machine.h"

#include "checkpoint/bytes/little.h"
#include "checkpoint/objects/object_pool.h"

#include <stdlib.h>
#include <string.h>

Place machine_place(const Machine *m)
{
    return (Place){m->stream->source->path, m->stream->entry, m->stream->begin + m->op_at, NULL};
}

Status machine_full(const Machine *m)
{
    Place place = machine_place(m);
    return place_full(&place);
}

/* ---- bytes of the pickle */

Status machine_take(Machine *m, void *to, size_t bytes)
{
    /* Two bounds: the frame, where there is one, and the pickle. */
    if (m->frame_end && bytes > m->frame_end - m->stream->at)
        FAIL(STATUS_INPUT, "opcode 0x%02x reaches over the end of its frame", m->op);
    if (bytes > stream_left(m->stream))
        FAIL(STATUS_INPUT, "opcode 0x%02x needs %zu bytes, the pickle has %llu left", m->op, bytes,
             (unsigned long long)stream_left(m->stream));
    return stream_read(m->stream, to, bytes);
}

Status machine_take_number(Machine *m, int bytes, uint64_t *value)
{
    uint8_t raw[8] = {0};
    TRY(machine_take(m, raw, (size_t)bytes));
    *value = little64(raw);
    return STATUS_OK;
}

/* ---- the stack */

Object *machine_make(Machine *m, ObjectKind kind)
{
    Object *object = pool_alloc(m->pool, sizeof *object);
    if (object) {
        object->kind = (uint8_t)kind;
        object->at = (uint32_t)(m->op_at - m->begin);
    }
    return object;
}

Status machine_push(Machine *m, Object *object)
{
    if (!object)
        return machine_full(m);
    if (m->depth == m->room) {
        /* Looked at when it grows: LIMIT_STACK is one of the sizes that doubling reaches. */
        if (m->depth >= LIMIT_STACK)
            FAIL(STATUS_LIMIT, "more than %d values on the pickle stack", LIMIT_STACK);
        Object **grown = pool_grow(m->pool, m->stack, &m->room, sizeof *grown);
        if (!grown)
            return machine_full(m);
        m->stack = grown;
    }
    m->stack[m->depth++] = object;
    return STATUS_OK;
}

uint32_t machine_available(const Machine *m)
{
    return m->depth - (m->open ? m->marks[m->open - 1] : 0);
}

Status machine_need(const Machine *m, uint32_t values)
{
    if (machine_available(m) < values)
        FAIL(STATUS_INPUT, "opcode 0x%02x underflows the stack (%u values vs %u needed)", m->op,
             machine_available(m), values);
    return STATUS_OK;
}

Status machine_close_mark(Machine *m, uint32_t *from)
{
    if (!m->open)
        FAIL(STATUS_INPUT, "opcode 0x%02x without a mark", m->op);
    *from = m->marks[--m->open];
    return STATUS_OK;
}

/* ---- containers */

Status machine_push_sequence(Machine *m, uint32_t from, ObjectKind kind)
{
    uint32_t n = m->depth - from;
    Object *tuple = machine_make(m, kind);
    if (!tuple || !(tuple->items = pool_alloc(m->pool, n * sizeof *tuple->items)))
        return machine_full(m);
    if (n)
        memcpy(tuple->items, m->stack + from, n * sizeof *tuple->items);
    tuple->count = tuple->room = n;
    m->depth = from;
    return machine_push(m, tuple);
}

Status machine_push_dict(Machine *m)
{
    Object *dict = machine_make(m, OBJECT_DICT);
    /* Remembered for pickle_read, which looks for duplicate keys at the end. */
    DictList *link = pool_alloc(m->pool, sizeof *link);
    if (!dict || !link)
        return machine_full(m);
    *link = (DictList){dict, m->dicts};
    m->dicts = link;
    return machine_push(m, dict);
}

Status machine_extend(Machine *m, Object *object, uint32_t from, uint32_t n)
{
    uint32_t filled = object_filled(object);
    if (!object_reserve(m->pool, object, n))
        return machine_full(m);
    if (n)
        memcpy(object->items + filled, m->stack + from, n * sizeof *object->items);
    object->count += object->kind == OBJECT_DICT ? n / 2 : n;
    m->depth = from;
    return STATUS_OK;
}
