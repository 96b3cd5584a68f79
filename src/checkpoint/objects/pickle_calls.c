/* Notes of names and calls. A name that no checkpoint needs is refused here (pickle_names.c). */
#include "checkpoint/objects/pickle_calls.h"

#include "base/utf8.h"
#include "checkpoint/objects/pickle_names.h"

#include <string.h>

static Status push_global(Machine *m, const char *module, size_t a, const char *name, size_t b)
{
    if (a == 0 || b == 0)
        FAIL(STATUS_INPUT, "class or function without a name");
    /* A name is compared as a text from here on: what follows a zero would not be seen. */
    if (memchr(module, 0, a) || memchr(name, 0, b) || !utf8_valid(module, a) ||
        !utf8_valid(name, b))
        FAIL(STATUS_INPUT, "name of a class or function is not UTF-8 text");
    Object *object = machine_make(m, OBJECT_GLOBAL);
    char *text = pool_alloc(m->pool, a + b + 2);
    if (!object || !text)
        return machine_full(m);
    memcpy(text, module, a);
    text[a] = '.';
    memcpy(text + a + 1, name, b);
    object->text = text;
    object->count = (uint32_t)(a + b + 1);
    /* Even if nothing is made of it: the file was made to be loaded by others. */
    if (pickle_name_refused(text))
        FAIL(STATUS_INPUT, "names %.120s, which no checkpoint needs: the file is not safe", text);
    return machine_push(m, object);
}

/* A line of GLOBAL's operand, without its newline; at most 1 KiB. */
static Status take_line(Machine *m, char line[1024], size_t *length)
{
    for (size_t n = 0; n < 1024; n++) {
        TRY(machine_take(m, &line[n], 1));
        if (line[n] == '\n') {
            *length = n;
            return STATUS_OK;
        }
    }
    FAIL(STATUS_INPUT, "name of a class or function without an end (limit 1023 bytes)");
}

Status op_global(Machine *m)
{
    char module[1024], name[1024];
    size_t a = 0, b = 0;
    TRY(take_line(m, module, &a));
    TRY(take_line(m, name, &b));
    return push_global(m, module, a, name, b);
}

Status op_stack_global(Machine *m)
{
    TRY(machine_need(m, 2));
    const Object *name = m->stack[--m->depth], *module = m->stack[--m->depth];
    if (name->kind != OBJECT_TEXT || module->kind != OBJECT_TEXT)
        FAIL(STATUS_INPUT, "STACK_GLOBAL with %s and %s (needs two strings)",
             object_kind_name(module), object_kind_name(name));
    /* As long as GLOBAL's lines may be. */
    if (name->count > 1023 || module->count > 1023)
        FAIL(STATUS_INPUT, "name of a class or function too long (limit 1023 bytes)");
    return push_global(m, module->text, module->count, name->text, name->count);
}

/* OrderedDict() is a dict at once; OrderedDict([(k, v), ...]), as Python 2 wrote it, too. */
static Status make_ordered(Machine *m, const Object *arguments)
{
    TRY(machine_push_dict(m));
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
        /* By way of the stack, as SETITEM would have it. */
        TRY(machine_push(m, pair->items[0]));
        TRY(machine_push(m, pair->items[1]));
        TRY(machine_extend(m, dict, m->depth - 2, 2));
    }
    return STATUS_OK;
}

/* An object of a nested class: its class is fetched by getattr, and stays as opaque as what is made
 * of it. */
static bool is_getattr(const Object *object)
{
    return object->kind == OBJECT_CALL && (object_is(object->call->callee, "builtins.getattr") ||
                                           object_is(object->call->callee, "__builtin__.getattr"));
}

static Status push_call(Machine *m, Object *callee, Object *arguments)
{
    Object *object = machine_make(m, OBJECT_CALL);
    Call *call = pool_alloc(m->pool, sizeof *call);
    if (!object || !call)
        return machine_full(m);
    *call = (Call){callee, arguments, NULL};
    object->call = call;
    return machine_push(m, object);
}

Status op_call(Machine *m)
{
    TRY(machine_need(m, 2));
    Object *arguments = m->stack[--m->depth], *callee = m->stack[--m->depth];
    /* What getattr would fetch is unknown, but its result is opaque in any case. */
    if (is_getattr(callee))
        callee = callee->call->callee;
    if (callee->kind != OBJECT_GLOBAL)
        FAIL(STATUS_INPUT, "a call of %s (only classes and functions can be named)",
             object_kind_name(callee));
    if (arguments->kind != OBJECT_TUPLE)
        FAIL(STATUS_INPUT, "call of %.120s with %s (needs a tuple)", callee->text,
             object_kind_name(arguments));
    if (object_is(callee, "collections.OrderedDict"))
        return make_ordered(m, arguments);
    return push_call(m, callee, arguments);
}

Status push_opaque(Machine *m, const char *name)
{
    Object *callee = machine_make(m, OBJECT_GLOBAL), *arguments = machine_make(m, OBJECT_TUPLE);
    if (!callee || !arguments)
        return machine_full(m);
    callee->text = name;
    callee->count = (uint32_t)strlen(name);
    return push_call(m, callee, arguments);
}

/* State of an opaque object is kept unseen; an OrderedDict's attributes (_metadata) are let go. */
Status op_build(Machine *m)
{
    TRY(machine_need(m, 2));
    Object *state = m->stack[--m->depth], *object = m->stack[m->depth - 1];
    /* Not of a tensor's rebuild: attributes of a tensor have a rebuild of their own. */
    if (object->kind == OBJECT_CALL &&
        strncmp(object->call->callee->text, "torch._utils.", 13) != 0)
        object->call->state = state;
    else if (object->kind != OBJECT_DICT || !object->flag || state->kind != OBJECT_DICT)
        FAIL(STATUS_INPUT, "BUILD of %s with %s", object_kind_name(object),
             object_kind_name(state));
    return STATUS_OK;
}

Status op_persistent(Machine *m)
{
    TRY(machine_need(m, 1));
    if (!m->hooks || !m->hooks->persistent)
        FAIL(STATUS_INPUT, "a persistent reference where none can be");
    /* The reference becomes another object: not the tuple itself, which the memo may hold. */
    Object *object = machine_make(m, OBJECT_NONE);
    if (!object)
        return machine_full(m);
    *object = *m->stack[m->depth - 1];
    Place place = machine_place(m);
    TRY(m->hooks->persistent(m->hooks->context, m->pool, &place, object));
    m->stack[m->depth - 1] = object;
    return STATUS_OK;
}
