/* Opcodes. The machine is a loop over them, with a budget for everything and a hash map for the
 * memo; dicts are checked for duplicate keys once the pickle has ended, when they are complete. */
#include "checkpoint/objects/pickle.h"

#include "base/utf8.h"
#include "checkpoint/bytes/little.h"
#include "checkpoint/objects/pickle_calls.h"

#include <stdlib.h>
#include <string.h>

/* ---- containers */

/* An opaque object that takes items (a deque, a defaultdict) stays opaque. Tensors are none of
 * those. */
static bool swallows_items(const Object *object)
{
    return object->kind == OBJECT_CALL && strncmp(object->call->callee->text, "torch.", 6) != 0;
}

/* The items of a container, stack[*from .. depth): those above the mark, or the latest `values`.
 * The container itself must stand below them and above the mark before: not among what another will
 * take. */
static Status take_items(Machine *m, bool many, uint32_t values, const char *otherwise,
                         uint32_t *from)
{
    if (!many) {
        *from = m->depth - values;
        return machine_need(m, values + 1);
    }
    TRY(machine_close_mark(m, from));
    if (machine_available(m) - (m->depth - *from) < 1)
        FAIL(STATUS_INPUT, "%s", otherwise);
    return STATUS_OK;
}

static Status op_append(Machine *m, bool many)
{
    uint32_t from = 0;
    TRY(take_items(m, many, 1, "APPENDS without a list", &from));
    Object *list = m->stack[from - 1];
    if (swallows_items(list)) {
        m->depth = from;
        return STATUS_OK;
    }
    if (list->kind != OBJECT_LIST)
        FAIL(STATUS_INPUT, "items appended to %s (only a list takes them)", object_kind_name(list));
    return machine_extend(m, list, from, m->depth - from);
}

static Status op_setitem(Machine *m, bool many)
{
    uint32_t from = 0;
    TRY(take_items(m, many, 2, "SETITEMS without a dict", &from));
    Object *dict = m->stack[from - 1];
    uint32_t n = m->depth - from;
    if (n % 2)
        FAIL(STATUS_INPUT, "SETITEMS with an odd number of values (%u)", n);
    if (swallows_items(dict)) {
        m->depth = from;
        return STATUS_OK;
    }
    if (dict->kind != OBJECT_DICT)
        FAIL(STATUS_INPUT, "items set in %s (only a dict takes them)", object_kind_name(dict));
    return machine_extend(m, dict, from, n);
}

/* EMPTY_SET, FROZENSET and ADDITEMS of protocol 4. A set is as opaque as the call that makes one in
 * protocol 2: its items are let go. */
static Status op_set(Machine *m)
{
    uint32_t from = 0;
    if (m->op == 0x8f)
        return push_opaque(m, "builtins.set");
    TRY(machine_close_mark(m, &from));
    uint32_t n = m->depth - from;
    m->depth = from;
    if (m->op == 0x91)
        return push_opaque(m, "builtins.frozenset");
    if (machine_available(m) < 1)
        FAIL(STATUS_INPUT, "ADDITEMS without a set (%u items)", n);
    const Object *set = m->stack[from - 1];
    if (set->kind != OBJECT_CALL || !object_is(set->call->callee, "builtins.set"))
        FAIL(STATUS_INPUT, "items added to %s (only a set takes them)", object_kind_name(set));
    return STATUS_OK;
}

/* ---- numbers and texts */

static Status push_int(Machine *m, int64_t value)
{
    Object *object = machine_make(m, OBJECT_INT);
    if (object)
        object->integer = value;
    return machine_push(m, object);
}

static Status op_small_int(Machine *m)
{
    uint64_t value = 0;
    TRY(machine_take_number(m, 1, &value));
    /* One object for each value: shapes and strides are full of them. */
    Object **object = &m->small[value];
    if (!*object && (*object = machine_make(m, OBJECT_INT)))
        (*object)->integer = (int64_t)value;
    return machine_push(m, *object);
}

static Status op_float(Machine *m)
{
    uint8_t raw[8], turned[8];
    TRY(machine_take(m, raw, 8));
    /* The only number of a pickle that stands highest byte first. */
    for (int i = 0; i < 8; i++)
        turned[i] = raw[7 - i];
    uint64_t bits = little64(turned);
    Object *object = machine_make(m, OBJECT_FLOAT);
    if (object)
        memcpy(&object->number, &bits, sizeof bits);
    return machine_push(m, object);
}

static uint64_t blobs(const Machine *m)
{
    return m->hooks ? m->hooks->blobs : 0;
}

/* Only stored bytes can be passed over, and large ones stand outside frames. */
static Status push_blob(Machine *m, uint64_t length)
{
    Object *object = machine_make(m, OBJECT_BLOB);
    if (!object)
        return machine_full(m);
    if (m->frame_end && length > m->frame_end - m->stream->at)
        FAIL(STATUS_INPUT, "opcode 0x%02x reaches over the end of its frame", m->op);
    object->integer = (int64_t)(m->stream->begin + m->stream->at);
    object->count = (uint32_t)length;
    stream_skip(m->stream, length);
    return machine_push(m, object);
}

static Status push_text(Machine *m, ObjectKind kind, uint64_t length)
{
    /* Three bounds before anything is allocated: the pickle, this program's, and the file's
     * memory. */
    if (length > stream_left(m->stream))
        FAIL(STATUS_INPUT, "opcode 0x%02x declares %llu bytes, the pickle has %llu left", m->op,
             (unsigned long long)length, (unsigned long long)stream_left(m->stream));
    if (length > LIMIT_STRING && kind == OBJECT_BYTES && blobs(m) && length < UINT32_MAX)
        return push_blob(m, length);
    if (length > LIMIT_STRING)
        FAIL(STATUS_LIMIT, "string too long (%llu vs at most %d bytes)", (unsigned long long)length,
             LIMIT_STRING);
    Object *object = machine_make(m, kind);
    char *text = pool_alloc(m->pool, (size_t)length + 1);
    if (!object || !text)
        return machine_full(m);
    TRY(machine_take(m, text, (size_t)length));
    if (kind == OBJECT_TEXT && !utf8_valid(text, (size_t)length))
        FAIL(STATUS_INPUT, "string is not UTF-8");
    object->text = text;
    object->count = (uint32_t)length;
    return machine_push(m, object);
}

static Status op_text(Machine *m, ObjectKind kind, int length_bytes)
{
    uint64_t length = 0;
    TRY(machine_take_number(m, length_bytes, &length));
    return push_text(m, kind, length);
}

/* A string of Python 2: text where it is UTF-8, else bytes. */
static Status op_old_string(Machine *m, int length_bytes)
{
    uint64_t length = 0;
    TRY(machine_take_number(m, length_bytes, &length));
    if (length_bytes == 4 && length > INT32_MAX)
        FAIL(STATUS_INPUT, "string of negative length");
    /* Made as bytes, so that those that are no text are not refused. */
    TRY(push_text(m, OBJECT_BYTES, length));
    Object *text = m->stack[m->depth - 1];
    if (text->kind == OBJECT_BYTES && utf8_valid(text->text, text->count))
        text->kind = OBJECT_TEXT;
    return STATUS_OK;
}

static Status op_long(Machine *m, int length_bytes)
{
    uint64_t length = 0;
    uint8_t raw[8] = {0};
    TRY(machine_take_number(m, length_bytes, &length));
    if (length_bytes == 4 && length > INT32_MAX)
        FAIL(STATUS_INPUT, "integer of negative length");
    /* Kept as bytes: nothing that is read has such a number but the magic of the legacy stream. */
    if (length > 8)
        return push_text(m, OBJECT_BIG, length);
    TRY(machine_take(m, raw, (size_t)length));
    /* Two's complement of `length` bytes: the sign is carried on. */
    if (length > 0 && length < 8 && raw[length - 1] & 0x80)
        memset(raw + length, 0xff, 8 - (size_t)length);
    return push_int(m, (int64_t)little64(raw));
}

/* ---- memo */

static Status op_put(Machine *m, uint64_t index)
{
    TRY(machine_need(m, 1));
    if (m->memo.count >= LIMIT_MEMO)
        FAIL(STATUS_LIMIT, "more than %d memo entries", LIMIT_MEMO);
    return memo_put(&m->memo, m->pool, (uint32_t)index, m->stack[m->depth - 1]) ? STATUS_OK
                                                                                : machine_full(m);
}

static Status op_get(Machine *m, uint64_t index)
{
    Object *value = memo_get(&m->memo, (uint32_t)index);
    if (!value)
        FAIL(STATUS_INPUT, "memo entry %llu was never set", (unsigned long long)index);
    return machine_push(m, value);
}

/* ---- the machine */

static Status op_mark(Machine *m)
{
    if (m->open == LIMIT_NESTING)
        FAIL(STATUS_LIMIT, "nesting > %d (open marks)", LIMIT_NESTING);
    m->marks[m->open++] = m->depth;
    return STATUS_OK;
}

static Status op_protocol(Machine *m)
{
    uint64_t version = 0;
    TRY(machine_take_number(m, 1, &version));
    /* Its place alone says what version the rest is; a second one could say something else. */
    if (m->ops != 1)
        FAIL(STATUS_INPUT, "PROTO within the pickle");
    if (version < 2 || version > 5)
        FAIL(STATUS_INPUT, "pickle protocol %llu (expected 2 to 5)", (unsigned long long)version);
    return STATUS_OK;
}

static Status op_frame(Machine *m)
{
    uint64_t length = 0;
    /* A frame says how much to read ahead. It is held to, for what is within must end with it. */
    if (m->frame_end)
        FAIL(STATUS_INPUT, "a frame within a frame");
    TRY(machine_take_number(m, 8, &length));
    if (length == 0 || length > stream_left(m->stream))
        FAIL(STATUS_INPUT, "frame of %llu bytes (1 to %llu are possible)",
             (unsigned long long)length, (unsigned long long)stream_left(m->stream));
    m->frame_end = m->stream->at + length;
    return STATUS_OK;
}

static Status op_stop(Machine *m)
{
    if (m->open || m->depth != 1)
        FAIL(STATUS_INPUT, "STOP with %u values and %u open marks on the stack (expected 1 and 0)",
             m->depth, m->open);
    if (m->frame_end && m->frame_end != m->stream->at)
        FAIL(STATUS_INPUT, "STOP within a frame (%llu bytes left in it)",
             (unsigned long long)(m->frame_end - m->stream->at));
    m->stopped = true;
    return STATUS_OK;
}

static Status op_pop(Machine *m)
{
    /* Where nothing stands above a mark, POP takes the mark. */
    if (m->open && m->marks[m->open - 1] == m->depth) {
        m->open--;
        return STATUS_OK;
    }
    TRY(machine_need(m, 1));
    m->depth--;
    return STATUS_OK;
}

static Status op_dup(Machine *m)
{
    TRY(machine_need(m, 1));
    return machine_push(m, m->stack[m->depth - 1]);
}

static Status op_none(Machine *m)
{
    if (!m->none)
        m->none = machine_make(m, OBJECT_NONE);
    return machine_push(m, m->none);
}

static Status op_bool(Machine *m, bool value)
{
    Object **object = value ? &m->yes : &m->no;
    if (!*object && (*object = machine_make(m, OBJECT_BOOL)))
        (*object)->flag = value;
    return machine_push(m, *object);
}

static Status op_number(Machine *m, int bytes)
{
    uint64_t value = 0;
    TRY(machine_take_number(m, bytes, &value));
    return push_int(m, bytes == 4 ? (int64_t)(int32_t)(uint32_t)value : (int64_t)value);
}

/* TUPLE1 to TUPLE3. */
static Status op_small_tuple(Machine *m, uint32_t n)
{
    TRY(machine_need(m, n));
    return machine_push_sequence(m, m->depth - n, OBJECT_TUPLE);
}

/* TUPLE, LIST, DICT and POP_MARK. */
static Status op_marked(Machine *m)
{
    uint32_t from = 0;
    TRY(machine_close_mark(m, &from));
    if (m->op == '1') {
        m->depth = from;
        return STATUS_OK;
    }
    if (m->op != 'd')
        return machine_push_sequence(m, from, m->op == 't' ? OBJECT_TUPLE : OBJECT_LIST);
    if ((m->depth - from) % 2)
        FAIL(STATUS_INPUT, "DICT with an odd number of values (%u)", m->depth - from);
    /* The values stay where they are while the dict is made above them, then move into it. */
    uint32_t n = m->depth - from;
    TRY(machine_push_dict(m));
    Object *dict = m->stack[--m->depth];
    TRY(machine_extend(m, dict, from, n));
    return machine_push(m, dict);
}

static Status op_memo(Machine *m, bool put, int bytes)
{
    uint64_t index = 0;
    TRY(machine_take_number(m, bytes, &index));
    return put ? op_put(m, index) : op_get(m, index);
}

static Status step(Machine *m)
{
    switch (m->op) {
    case 0x80: return op_protocol(m);
    case '(': return op_mark(m);
    case '.': return op_stop(m);
    case '0': return op_pop(m);
    case '1':
    case 't':
    case 'l':
    case 'd': return op_marked(m);
    case '2': return op_dup(m);
    case 'G': return op_float(m);
    case 'J': return op_number(m, 4);
    case 'K': return op_small_int(m);
    case 'M': return op_number(m, 2);
    case 0x8a: return op_long(m, 1);
    case 0x8b: return op_long(m, 4);
    case 'N': return op_none(m);
    case 0x88: return op_bool(m, true);
    case 0x89: return op_bool(m, false);
    case 'T': return op_old_string(m, 4);
    case 'U': return op_old_string(m, 1);
    case 'X': return op_text(m, OBJECT_TEXT, 4);
    case 0x8c: return op_text(m, OBJECT_TEXT, 1);
    case 0x8d: return op_text(m, OBJECT_TEXT, 8);
    case 'B': return op_text(m, OBJECT_BYTES, 4);
    case 'C': return op_text(m, OBJECT_BYTES, 1);
    case 0x8e: return op_text(m, OBJECT_BYTES, 8);
    case 0x96: return op_text(m, OBJECT_BYTES, 8);
    case ')': return machine_push_sequence(m, m->depth, OBJECT_TUPLE);
    case 0x85: return op_small_tuple(m, 1);
    case 0x86: return op_small_tuple(m, 2);
    case 0x87: return op_small_tuple(m, 3);
    case ']': return machine_push(m, machine_make(m, OBJECT_LIST));
    case '}': return machine_push_dict(m);
    case 'a': return op_append(m, false);
    case 'e': return op_append(m, true);
    case 's': return op_setitem(m, false);
    case 'u': return op_setitem(m, true);
    case 0x8f:
    case 0x90:
    case 0x91: return op_set(m);
    case 'q': return op_memo(m, true, 1);
    case 'r': return op_memo(m, true, 4);
    case 'h': return op_memo(m, false, 1);
    case 'j': return op_memo(m, false, 4);
    case 0x94: return op_put(m, m->memo.count);
    case 'c': return op_global(m);
    case 0x93: return op_stack_global(m);
    case 'R':
    case 0x81: return op_call(m);
    case 'b': return op_build(m);
    case 'Q': return op_persistent(m);
    case 0x95: return op_frame(m);
    default: FAIL(STATUS_INPUT, "opcode 0x%02x is not one a checkpoint uses", m->op);
    }
}

static Status run(Machine *m)
{
    while (!m->stopped) {
        /* A frame that has been used up ends here, before the opcode that may begin the next. */
        m->op_at = m->stream->at;
        if (m->frame_end == m->op_at)
            m->frame_end = 0;
        if (stream_left(m->stream) == 0)
            FAIL(STATUS_INPUT, "end of pickle without STOP (after %llu bytes)",
                 (unsigned long long)(m->op_at - m->begin));
        uint64_t most = blobs(m) ? blobs(m) : LIMIT_PICKLE;
        if (m->op_at - m->begin >= most)
            FAIL(STATUS_LIMIT, "pickle longer than %llu MiB", (unsigned long long)most >> 20);
        if (m->ops == LIMIT_OPS)
            FAIL(STATUS_LIMIT, "pickle of more than %d opcodes", LIMIT_OPS);
        TRY(machine_take(m, &m->op, 1));
        m->ops++;
        if (m->ops == 1 && m->op != 0x80)
            FAIL(STATUS_INPUT, "pickle does not begin with its protocol (0x%02x vs 0x80)", m->op);
        TRY(step(m));
    }
    return STATUS_OK;
}

/* ---- duplicate keys */

/* Before they are sorted: long keys that begin alike would make that slow. */
static Status check_lengths(Machine *m, const Object *dict)
{
    for (uint32_t i = 0; i < dict->count; i++) {
        const Object *key = dict->items[2 * i];
        if ((key->kind != OBJECT_TEXT && key->kind != OBJECT_BYTES) || key->count <= LIMIT_NAME)
            continue;
        m->op_at = m->begin + key->at;
        FAIL(STATUS_LIMIT, "key of %u bytes in a dict (limit %d)", key->count, LIMIT_NAME);
    }
    return STATUS_OK;
}

static Status check_keys(Machine *m, const Object *dict)
{
    TRY(check_lengths(m, dict));
    /* For the sorted keys, and as much again for sorting. */
    size_t bytes = 2 * dict->count * sizeof(Object *);
    if (!pool_charge(m->pool, bytes))
        return machine_full(m);
    const Object *twice = object_duplicate(dict);
    pool_release(m->pool, bytes);
    if (!twice)
        return STATUS_OK;
    m->op_at = m->begin + twice->at;
    if (twice->kind == OBJECT_INT)
        FAIL(STATUS_INPUT, "key '%lld' stands twice in one dict", (long long)twice->integer);
    FAIL(STATUS_INPUT, "key '%.200s' stands twice in one dict", twice->text);
}

Status pickle_read(Pool *pool, Stream *stream, const PickleHooks *hooks, PickleResult *result)
{
    Machine m = {.pool = pool, .stream = stream, .hooks = hooks, .begin = stream->at};
    Status status = run(&m);
    /* Keys may be set until the last opcode, so that only now they can be compared. */
    for (const DictList *d = m.dicts; d && status == STATUS_OK; d = d->next)
        status = check_keys(&m, d->dict);
    if (status == STATUS_OK)
        *result = (PickleResult){m.stack[0], stream->begin + m.begin, m.ops};
    /* The objects stay: they belong to the pool. */
    free(m.stack);
    memo_free(&m.memo, pool);
    pool_release(pool, m.room * sizeof *m.stack);
    return status;
}
