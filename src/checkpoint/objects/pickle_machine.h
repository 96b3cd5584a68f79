/* The pickle machine: a stack of values with open marks, the memo, and the pickle's bytes. What
 * opcodes do is in pickle.c and, where names and calls are concerned, in pickle_calls.c; both stand
 * on this. Every function that can fail reports the opcode's place in the file. */
#ifndef PACO_CHECKPOINT_OBJECTS_PICKLE_MACHINE_H
#define PACO_CHECKPOINT_OBJECTS_PICKLE_MACHINE_H

#include "checkpoint/bytes/limits.h"
#include "checkpoint/bytes/stream.h"
#include "checkpoint/objects/memo.h"
#include "checkpoint/objects/pickle_hooks.h"

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
/* A little-endian number of 1, 2, 4 or 8 bytes. */
Status machine_take_number(Machine *m, int bytes, uint64_t *value);
/* Values above the latest mark. */
uint32_t machine_available(const Machine *m);
/* At least so many values stand above the latest mark. */
Status machine_need(const Machine *m, uint32_t values);
/* Closes the latest mark: the values above it are stack[*from .. depth). */
Status machine_close_mark(Machine *m, uint32_t *from);
/* A new object that begins at the opcode; NULL: over the budget. */
Object *machine_make(Machine *m, ObjectKind kind);
/* Pushes an object; NULL is machine_full. */
Status machine_push(Machine *m, Object *object);
/* Pops stack[from .. depth) and pushes a tuple or list of them. */
Status machine_push_sequence(Machine *m, uint32_t from, ObjectKind kind);
/* Pushes a new dict, whose keys are checked at the end. */
Status machine_push_dict(Machine *m);
/* Moves the `n` values from stack[from] to the items of a list or dict. */
Status machine_extend(Machine *m, Object *object, uint32_t from, uint32_t n);

#endif
