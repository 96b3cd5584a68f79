/* The pickle machine's state, and what its two files share: pickle.c holds the stack, containers
 * and opcodes, pickle_calls.c names and calls. Every function that can fail reports the opcode's
 * place in the file. */
#ifndef PACO_CHECKPOINT_PICKLE_MACHINE_H
#define PACO_CHECKPOINT_PICKLE_MACHINE_H

#include "base/check.h"
#include "checkpoint/limits.h"
#include "checkpoint/objects/memo.h"
#include "checkpoint/objects/pickle.h"

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
    uint64_t begin, op_at, frame_end;     /* stream positions; frame_end 0: no frame */
    uint64_t ops;
    uint8_t op;
    bool stopped;
} Machine;

/* Where the opcode at hand stands. */
Place machine_place(const Machine *m);
/* The file needs more memory than its budget. */
Status machine_full(const Machine *m);

#define FAIL(code, ...)                                                                            \
    do {                                                                                           \
        Place place_ = machine_place(m);                                                           \
        return place_fail((code), &place_, __VA_ARGS__);                                           \
    } while (0)

/* The next bytes of the pickle, within their frame. */
Status machine_take(Machine *m, void *to, size_t bytes);
/* At least so many values stand above the latest mark. */
Status machine_need(const Machine *m, uint32_t values);
/* A new object that begins at the opcode; NULL: over the budget. */
Object *machine_make(Machine *m, ObjectKind kind);
/* Pushes an object; NULL is machine_full. */
Status machine_push(Machine *m, Object *object);
/* Pushes a new dict, whose keys are checked at the end. */
Status machine_push_dict(Machine *m);
/* Moves the `n` values from stack[from] to the items of a list or dict. */
Status machine_extend(Machine *m, Object *object, uint32_t from, uint32_t n);

/* pickle_calls.c: GLOBAL, STACK_GLOBAL, REDUCE and NEWOBJ, BUILD, BINPERSID. */
Status op_global(Machine *m);
Status op_stack_global(Machine *m);
Status op_call(Machine *m);
Status op_build(Machine *m);
Status op_persistent(Machine *m);
/* Pushes an opaque object, as a call of `name` ("module.name", static) without arguments would be.
 */
Status machine_push_opaque(Machine *m, const char *name);

#endif
