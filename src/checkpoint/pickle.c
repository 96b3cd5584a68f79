/* The pickle machine: an explicit stack, open marks, a hash map for the memo, and a budget for
 * everything. Dicts are checked for duplicate keys once the pickle has ended. */
#include "checkpoint/pickle.h"

#include "base/check.h"
#include "checkpoint/limits.h"
#include "checkpoint/memo.h"

#include <stdlib.h>
#include <string.h>

typedef struct DictList DictList;
struct DictList {
    Object *dict;
    DictList *next;
};

typedef struct Machine {
    Pool *pool;
    Stream *stream;
    const PickleHooks *hooks;
    Object **stack;
    uint32_t depth, room;
    uint32_t marks[LIMIT_NESTING], open; /* stack depth at each open mark */
    Memo memo;
    DictList *dicts;
    Object *none, *yes, *no, *small[256]; /* None, True, False and small integers: made once */
    uint64_t begin, op_at, frame_end; /* stream positions; frame_end 0: no frame */
    uint64_t ops;
    int protocol;
    uint8_t op;
    bool stopped;
} Machine;

static Place here(const Machine *m)
{
    return (Place){m->stream->source->path, m->stream->entry, m->stream->begin + m->op_at, NULL};
}

#define FAIL(code, ...)                                     \
    do {                                                    \
        Place place_ = here(m);                             \
        return place_fail((code), &place_, __VA_ARGS__);    \
    } while (0)

static Status full(const Machine *m)
{
    Place place = here(m);
    return place_full(&place);
}

/* ---- bytes of the pickle */

static Status take(Machine *m, void *to, size_t bytes)
{
    if (m->frame_end && bytes > m->frame_end - m->stream->at)
        FAIL(STATUS_INPUT, "opcode 0x%02x reaches over the end of its frame", m->op);
    if (bytes > stream_left(m->stream))
        FAIL(STATUS_INPUT, "opcode 0x%02x needs %zu bytes, the pickle has %llu left", m->op, bytes,
             (unsigned long long)stream_left(m->stream));
    return stream_read(m->stream, to, bytes);
}

/* A little-endian number of 1, 2, 4 or 8 bytes. */
static Status take_number(Machine *m, int bytes, uint64_t *value)
{
    uint8_t raw[8] = {0};
    TRY(take(m, raw, (size_t)bytes));
    *value = little64(raw);
    return STATUS_OK;
}

/* ---- the stack */

static Object *make(Machine *m, ObjectKind kind)
{
    Object *object = pool_alloc(m->pool, sizeof *object);
    if (object) {
        object->kind = (uint8_t)kind;
        object->at = (uint32_t)(m->op_at - m->begin);
    }
    return object;
}

static Status push(Machine *m, Object *object)
{
    if (!object)
        return full(m);
    if (m->depth == m->room) {
        uint32_t room = m->room ? m->room * 2 : 256;
        if (m->depth >= LIMIT_STACK)
            FAIL(STATUS_LIMIT, "more than %d values on the pickle stack", LIMIT_STACK);
        if (!pool_charge(m->pool, (room - m->room) * sizeof *m->stack))
            return full(m);
        m->stack = mem_grow(m->stack, room * sizeof *m->stack);
        m->room = room;
    }
    m->stack[m->depth++] = object;
    return STATUS_OK;
}

/* Values above the latest mark. */
static uint32_t available(const Machine *m)
{
    return m->depth - (m->open ? m->marks[m->open - 1] : 0);
}

static Status need(const Machine *m, uint32_t values)
{
    if (available(m) < values)
        FAIL(STATUS_INPUT, "opcode 0x%02x underflows the stack (%u values vs %u needed)", m->op,
             available(m), values);
    return STATUS_OK;
}

/* Closes the latest mark: the values above it are stack[*from .. depth). */
static Status close_mark(Machine *m, uint32_t *from)
{
    if (!m->open)
        FAIL(STATUS_INPUT, "opcode 0x%02x without a mark", m->op);
    *from = m->marks[--m->open];
    return STATUS_OK;
}

/* ---- containers */

static Status make_tuple(Machine *m, uint32_t from, ObjectKind kind)
{
    uint32_t n = m->depth - from;
    Object *tuple = make(m, kind);
    if (!tuple || !(tuple->items = pool_alloc(m->pool, n * sizeof *tuple->items)))
        return full(m);
    if (n)
        memcpy(tuple->items, m->stack + from, n * sizeof *tuple->items);
    tuple->count = tuple->room = n;
    m->depth = from;
    return push(m, tuple);
}

static Status make_dict(Machine *m)
{
    Object *dict = make(m, OBJECT_DICT);
    DictList *link = pool_alloc(m->pool, sizeof *link);
    if (!dict || !link)
        return full(m);
    *link = (DictList){dict, m->dicts};
    m->dicts = link;
    return push(m, dict);
}

/* Adds the `n` values from stack[from] to the items of a list or dict. */
static Status extend(Machine *m, Object *object, uint32_t from, uint32_t n)
{
    uint32_t filled = object->kind == OBJECT_DICT ? object->count * 2 : object->count;
    if (n > object->room - filled) {
        uint32_t room = object->room * 2 > filled + n ? object->room * 2 : filled + n;
        Object **items = pool_alloc(m->pool, room * sizeof *items);
        if (!items)
            return full(m);
        if (filled)
            memcpy(items, object->items, filled * sizeof *items);
        object->items = items;
        object->room = room;
    }
    if (n)
        memcpy(object->items + filled, m->stack + from, n * sizeof *object->items);
    object->count += object->kind == OBJECT_DICT ? n / 2 : n;
    m->depth = from;
    return STATUS_OK;
}

/* An opaque object that takes items (a deque, a defaultdict) stays opaque. Tensors are none of
 * those. */
static bool swallows_items(const Object *object)
{
    return object->kind == OBJECT_CALL && strncmp(object->call->callee->text, "torch.", 6) != 0;
}

static Status op_append(Machine *m, bool many)
{
    uint32_t from = m->depth - 1;
    TRY(many ? close_mark(m, &from) : need(m, 2));
    if (many && available(m) - (m->depth - from) < 1)
        FAIL(STATUS_INPUT, "APPENDS without a list");
    Object *list = m->stack[from - 1];
    if (swallows_items(list)) {
        m->depth = from;
        return STATUS_OK;
    }
    if (list->kind != OBJECT_LIST)
        FAIL(STATUS_INPUT, "items appended to %s (only a list takes them)", object_kind_name(list));
    return extend(m, list, from, m->depth - from);
}

static Status op_setitem(Machine *m, bool many)
{
    uint32_t from = m->depth - 2;
    TRY(many ? close_mark(m, &from) : need(m, 3));
    if (many && available(m) - (m->depth - from) < 1)
        FAIL(STATUS_INPUT, "SETITEMS without a dict");
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
    return extend(m, dict, from, n);
}

/* ---- numbers and texts */

static Status push_int(Machine *m, int64_t value)
{
    Object *object = make(m, OBJECT_INT);
    if (object)
        object->integer = value;
    return push(m, object);
}

static Status op_small_int(Machine *m)
{
    uint64_t value = 0;
    TRY(take_number(m, 1, &value));
    Object **object = &m->small[value];
    if (!*object && (*object = make(m, OBJECT_INT)))
        (*object)->integer = (int64_t)value;
    return push(m, *object);
}

static Status op_float(Machine *m)
{
    uint8_t raw[8], turned[8];
    TRY(take(m, raw, 8));
    for (int i = 0; i < 8; i++)
        turned[i] = raw[7 - i];
    uint64_t bits = little64(turned);
    Object *object = make(m, OBJECT_FLOAT);
    if (object)
        memcpy(&object->number, &bits, sizeof bits);
    return push(m, object);
}

static Status push_text(Machine *m, ObjectKind kind, uint64_t length)
{
    if (length > stream_left(m->stream))
        FAIL(STATUS_INPUT, "opcode 0x%02x declares %llu bytes, the pickle has %llu left", m->op,
             (unsigned long long)length, (unsigned long long)stream_left(m->stream));
    if (length > LIMIT_STRING)
        FAIL(STATUS_LIMIT, "string too long (%llu vs at most %d bytes)", (unsigned long long)length,
             LIMIT_STRING);
    Object *object = make(m, kind);
    char *text = pool_alloc(m->pool, (size_t)length + 1);
    if (!object || !text)
        return full(m);
    TRY(take(m, text, (size_t)length));
    if (kind == OBJECT_TEXT && !utf8_valid(text, (size_t)length))
        FAIL(STATUS_INPUT, "string is not UTF-8");
    object->text = text;
    object->count = (uint32_t)length;
    return push(m, object);
}

static Status op_text(Machine *m, ObjectKind kind, int length_bytes)
{
    uint64_t length = 0;
    TRY(take_number(m, length_bytes, &length));
    return push_text(m, kind, length);
}

/* A string of Python 2: text where it is UTF-8, else bytes. */
static Status op_old_string(Machine *m, int length_bytes)
{
    uint64_t length = 0;
    TRY(take_number(m, length_bytes, &length));
    if (length_bytes == 4 && length > INT32_MAX)
        FAIL(STATUS_INPUT, "string of negative length");
    TRY(push_text(m, OBJECT_BYTES, length));
    Object *text = m->stack[m->depth - 1];
    if (utf8_valid(text->text, text->count))
        text->kind = OBJECT_TEXT;
    return STATUS_OK;
}

static Status op_long(Machine *m, int length_bytes)
{
    uint64_t length = 0;
    uint8_t raw[8] = {0};
    TRY(take_number(m, length_bytes, &length));
    if (length_bytes == 4 && length > INT32_MAX)
        FAIL(STATUS_INPUT, "integer of negative length");
    if (length > 8)
        return push_text(m, OBJECT_BIG, length);
    TRY(take(m, raw, (size_t)length));
    if (length > 0 && length < 8 && raw[length - 1] & 0x80)
        memset(raw + length, 0xff, 8 - (size_t)length);
    return push_int(m, (int64_t)little64(raw));
}

/* ---- memo */

static Status op_put(Machine *m, uint64_t index)
{
    TRY(need(m, 1));
    if (m->memo.count >= LIMIT_MEMO)
        FAIL(STATUS_LIMIT, "more than %d memo entries", LIMIT_MEMO);
    return memo_put(&m->memo, m->pool, (uint32_t)index, m->stack[m->depth - 1]) ? STATUS_OK
                                                                                : full(m);
}

static Status op_get(Machine *m, uint64_t index)
{
    Object *value = memo_get(&m->memo, (uint32_t)index);
    if (!value)
        FAIL(STATUS_INPUT, "memo entry %llu was never set", (unsigned long long)index);
    return push(m, value);
}

/* ---- names and calls */

static Status push_global(Machine *m, const char *module, size_t a, const char *name, size_t b)
{
    if (a == 0 || b == 0)
        FAIL(STATUS_INPUT, "class or function without a name");
    if (memchr(module, 0, a) || memchr(name, 0, b) || !utf8_valid(module, a) ||
        !utf8_valid(name, b))
        FAIL(STATUS_INPUT, "name of a class or function is not UTF-8 text");
    Object *object = make(m, OBJECT_GLOBAL);
    char *text = pool_alloc(m->pool, a + b + 2);
    if (!object || !text)
        return full(m);
    memcpy(text, module, a);
    text[a] = '.';
    memcpy(text + a + 1, name, b);
    object->text = text;
    object->count = (uint32_t)(a + b + 1);
    if (pickle_name_refused(text))
        FAIL(STATUS_INPUT, "names %.120s, which no checkpoint needs: the file is not safe", text);
    return push(m, object);
}

/* A line of GLOBAL's operand, without its newline; at most 1 KiB. */
static Status take_line(Machine *m, char line[1024], size_t *length)
{
    for (size_t n = 0; n < 1024; n++) {
        TRY(take(m, &line[n], 1));
        if (line[n] == '\n') {
            *length = n;
            return STATUS_OK;
        }
    }
    FAIL(STATUS_INPUT, "name of a class or function without an end (limit 1023 bytes)");
}

static Status op_global(Machine *m)
{
    char module[1024], name[1024];
    size_t a = 0, b = 0;
    TRY(take_line(m, module, &a));
    TRY(take_line(m, name, &b));
    return push_global(m, module, a, name, b);
}

static Status op_stack_global(Machine *m)
{
    TRY(need(m, 2));
    const Object *name = m->stack[--m->depth], *module = m->stack[--m->depth];
    if (name->kind != OBJECT_TEXT || module->kind != OBJECT_TEXT)
        FAIL(STATUS_INPUT, "STACK_GLOBAL with %s and %s (needs two strings)",
             object_kind_name(module), object_kind_name(name));
    if (name->count > 1023 || module->count > 1023)
        FAIL(STATUS_INPUT, "name of a class or function too long (limit 1023 bytes)");
    return push_global(m, module->text, module->count, name->text, name->count);
}

/* OrderedDict() is a dict at once; OrderedDict([(k, v), ...]), as Python 2 wrote it, too. */
static Status make_ordered(Machine *m, const Object *arguments)
{
    TRY(make_dict(m));
    Object *dict = m->stack[m->depth - 1];
    dict->flag = true;
    if (arguments->count == 0)
        return STATUS_OK;
    const Object *pairs = arguments->items[0];
    if (arguments->count != 1 || pairs->kind != OBJECT_LIST)
        FAIL(STATUS_INPUT, "OrderedDict made from %s (expected a list of pairs)",
             object_kind_name(pairs));
    for (uint32_t i = 0; i < pairs->count; i++) {
        const Object *pair = pairs->items[i];
        if ((pair->kind != OBJECT_LIST && pair->kind != OBJECT_TUPLE) || pair->count != 2)
            FAIL(STATUS_INPUT, "OrderedDict made from something else than pairs");
        TRY(push(m, pair->items[0]));
        TRY(push(m, pair->items[1]));
        TRY(extend(m, dict, m->depth - 2, 2));
    }
    return STATUS_OK;
}

static Status op_call(Machine *m)
{
    TRY(need(m, 2));
    Object *arguments = m->stack[--m->depth], *callee = m->stack[--m->depth];
    if (callee->kind != OBJECT_GLOBAL)
        FAIL(STATUS_INPUT, "a call of %s (only classes and functions can be named)",
             object_kind_name(callee));
    if (arguments->kind != OBJECT_TUPLE)
        FAIL(STATUS_INPUT, "call of %.120s with %s (needs a tuple)", callee->text,
             object_kind_name(arguments));
    if (object_is(callee, "collections.OrderedDict"))
        return make_ordered(m, arguments);
    Object *object = make(m, OBJECT_CALL);
    Call *call = pool_alloc(m->pool, sizeof *call);
    if (!object || !call)
        return full(m);
    *call = (Call){callee, arguments, NULL};
    object->call = call;
    return push(m, object);
}

/* State of an opaque object is kept unseen; an OrderedDict's attributes (_metadata) are let go. */
static Status op_build(Machine *m)
{
    TRY(need(m, 2));
    Object *state = m->stack[--m->depth], *object = m->stack[m->depth - 1];
    if (object->kind == OBJECT_CALL &&
        strncmp(object->call->callee->text, "torch._utils.", 13) != 0)
        object->call->state = state;
    else if (object->kind != OBJECT_DICT || !object->flag || state->kind != OBJECT_DICT)
        FAIL(STATUS_INPUT, "BUILD of %s with %s", object_kind_name(object),
             object_kind_name(state));
    return STATUS_OK;
}

static Status op_persistent(Machine *m)
{
    TRY(need(m, 1));
    if (!m->hooks || !m->hooks->persistent)
        FAIL(STATUS_INPUT, "a persistent reference where none can be");
    /* The reference becomes another object: not the tuple itself, which the memo may hold. */
    Object *object = make(m, OBJECT_NONE);
    if (!object)
        return full(m);
    *object = *m->stack[m->depth - 1];
    Place place = here(m);
    TRY(m->hooks->persistent(m->hooks->context, m->pool, &place, object));
    m->stack[m->depth - 1] = object;
    return STATUS_OK;
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
    TRY(take_number(m, 1, &version));
    if (m->ops != 1)
        FAIL(STATUS_INPUT, "PROTO within the pickle");
    if (version < 2 || version > 5)
        FAIL(STATUS_INPUT, "pickle protocol %llu (expected 2 to 5)", (unsigned long long)version);
    m->protocol = (int)version;
    return STATUS_OK;
}

static Status op_frame(Machine *m)
{
    uint64_t length = 0;
    if (m->frame_end)
        FAIL(STATUS_INPUT, "a frame within a frame");
    TRY(take_number(m, 8, &length));
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
    if (m->open && m->marks[m->open - 1] == m->depth) {
        m->open--;
        return STATUS_OK;
    }
    TRY(need(m, 1));
    m->depth--;
    return STATUS_OK;
}

static Status op_dup(Machine *m)
{
    TRY(need(m, 1));
    return push(m, m->stack[m->depth - 1]);
}

static Status op_none(Machine *m)
{
    if (!m->none)
        m->none = make(m, OBJECT_NONE);
    return push(m, m->none);
}

static Status op_bool(Machine *m, bool value)
{
    Object **object = value ? &m->yes : &m->no;
    if (!*object && (*object = make(m, OBJECT_BOOL)))
        (*object)->flag = value;
    return push(m, *object);
}

static Status op_number(Machine *m, int bytes)
{
    uint64_t value = 0;
    TRY(take_number(m, bytes, &value));
    return push_int(m, bytes == 4 ? (int64_t)(int32_t)(uint32_t)value : (int64_t)value);
}

/* TUPLE1 to TUPLE3. */
static Status op_small_tuple(Machine *m, uint32_t n)
{
    TRY(need(m, n));
    return make_tuple(m, m->depth - n, OBJECT_TUPLE);
}

/* TUPLE, LIST, DICT and POP_MARK. */
static Status op_marked(Machine *m)
{
    uint32_t from = 0;
    TRY(close_mark(m, &from));
    if (m->op == '1') {
        m->depth = from;
        return STATUS_OK;
    }
    if (m->op != 'd')
        return make_tuple(m, from, m->op == 't' ? OBJECT_TUPLE : OBJECT_LIST);
    if ((m->depth - from) % 2)
        FAIL(STATUS_INPUT, "DICT with an odd number of values (%u)", m->depth - from);
    uint32_t n = m->depth - from;
    TRY(make_dict(m));
    Object *dict = m->stack[--m->depth];
    TRY(extend(m, dict, from, n));
    return push(m, dict);
}

static Status op_memo(Machine *m, bool put, int bytes)
{
    uint64_t index = 0;
    TRY(take_number(m, bytes, &index));
    return put ? op_put(m, index) : op_get(m, index);
}

static Status step(Machine *m)
{
    switch (m->op) {
    case 0x80: return op_protocol(m);
    case '(': return op_mark(m);
    case '.': return op_stop(m);
    case '0': return op_pop(m);
    case '1': case 't': case 'l': case 'd': return op_marked(m);
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
    case ')': return make_tuple(m, m->depth, OBJECT_TUPLE);
    case 0x85: return op_small_tuple(m, 1);
    case 0x86: return op_small_tuple(m, 2);
    case 0x87: return op_small_tuple(m, 3);
    case ']': return push(m, make(m, OBJECT_LIST));
    case '}': return make_dict(m);
    case 'a': return op_append(m, false);
    case 'e': return op_append(m, true);
    case 's': return op_setitem(m, false);
    case 'u': return op_setitem(m, true);
    case 'q': return op_memo(m, true, 1);
    case 'r': return op_memo(m, true, 4);
    case 'h': return op_memo(m, false, 1);
    case 'j': return op_memo(m, false, 4);
    case 0x94: return op_put(m, m->memo.count);
    case 'c': return op_global(m);
    case 0x93: return op_stack_global(m);
    case 'R': case 0x81: return op_call(m);
    case 'b': return op_build(m);
    case 'Q': return op_persistent(m);
    case 0x95: return op_frame(m);
    default: FAIL(STATUS_INPUT, "opcode 0x%02x is not one a checkpoint uses", m->op);
    }
}

static Status run(Machine *m)
{
    while (!m->stopped) {
        m->op_at = m->stream->at;
        if (m->frame_end == m->op_at)
            m->frame_end = 0;
        if (stream_left(m->stream) == 0)
            FAIL(STATUS_INPUT, "end of pickle without STOP (after %llu bytes)",
                 (unsigned long long)(m->op_at - m->begin));
        if (m->op_at - m->begin >= LIMIT_PICKLE)
            FAIL(STATUS_LIMIT, "pickle longer than %d MiB", LIMIT_PICKLE >> 20);
        if (m->ops == LIMIT_OPS)
            FAIL(STATUS_LIMIT, "pickle of more than %d opcodes", LIMIT_OPS);
        TRY(take(m, &m->op, 1));
        m->ops++;
        if (m->ops == 1 && m->op != 0x80)
            FAIL(STATUS_INPUT, "pickle does not begin with its protocol (0x%02x vs 0x80)", m->op);
        TRY(step(m));
    }
    return STATUS_OK;
}

/* ---- duplicate keys */

static Status check_keys(Machine *m, const Object *dict)
{
    size_t bytes = 2 * dict->count * sizeof(Object *);
    if (!pool_charge(m->pool, bytes))
        return full(m);
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
    for (const DictList *d = m.dicts; d && status == STATUS_OK; d = d->next)
        status = check_keys(&m, d->dict);
    if (status == STATUS_OK)
        *result = (PickleResult){m.stack[0], stream->begin + m.begin, m.ops};
    free(m.stack);
    memo_free(&m.memo, pool);
    pool_release(pool, m.room * sizeof *m.stack);
    return status;
}
