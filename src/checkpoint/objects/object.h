/* Object: one inert value of a checkpoint's tree. A pickle becomes objects and nothing else: what
 * would be a call in Python stays a note of whom was called with what. The same objects, built by
 * hand, are what the writer writes. Objects own nothing: they lie in an arena or a file's pool. */
#ifndef PACO_CHECKPOINT_OBJECTS_OBJECT_H
#define PACO_CHECKPOINT_OBJECTS_OBJECT_H

#include "base/arena.h"
#include "checkpoint/objects/element.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ObjectKind {
    OBJECT_NONE,
    OBJECT_BOOL,
    OBJECT_INT,
    OBJECT_BIG,     /* an integer beyond 64 bits: its little-endian bytes, in text */
    OBJECT_FLOAT,
    OBJECT_TEXT,    /* UTF-8 */
    OBJECT_BYTES,
    OBJECT_TUPLE,
    OBJECT_LIST,
    OBJECT_DICT,    /* items are key, value, key, value; keys are unique */
    OBJECT_GLOBAL,  /* "module.name" in text */
    OBJECT_CALL,    /* opaque: what a call would have made */
    OBJECT_STORAGE, /* a persistent reference to a storage */
    OBJECT_TENSOR,
    OBJECT_UNSUITABLE, /* a tensor of a kind that cannot be read; why, in text */
    OBJECT_BLOB,    /* `count` bytes that stay in the file, at offset `integer` */
} ObjectKind;

typedef struct Object Object;

typedef struct Call {
    Object *callee;    /* OBJECT_GLOBAL */
    Object *arguments; /* OBJECT_TUPLE */
    Object *state;     /* operand of BUILD, or NULL */
} Call;

/* A run of elements of one type, in a file or in memory; or a view of a part of one. */
typedef struct Storage Storage;
struct Storage {
    const char *key;    /* its name in the file */
    const char *class_name; /* its class in the file, "torch.FloatStorage" */
    ElementType type;
    uint64_t count;     /* elements of the whole storage */
    uint64_t first, span; /* the part that this reference may see: elements [first, first + span) */
    const char *view;   /* the legacy stream's name of that part; NULL: this is the whole storage */
    uint64_t offset;    /* of the whole storage's first byte in the file */
    int64_t entry;      /* index of its zip entry, or -1 */
    bool known;         /* the class was one of ELEMENT_LIST, or untyped */
    bool untyped;       /* counts bytes; a tensor says what they are */
    bool placed;        /* offset (and entry) are known */
    bool verified;      /* its bytes have been checked once: CRC */
    Storage *same; /* the first reference to this key; offset, placed, verified are kept there */
    const void *memory; /* elements to write; NULL for a file's */
    uint32_t order;     /* place in the file's list of references */
};

typedef struct StoredTensor {
    ElementType type;
    int rank;
    int64_t *shape;  /* [rank] */
    int64_t *stride; /* [rank], elements, >= 0; NULL where rows are contiguous */
    uint64_t start;  /* first element within the whole storage */
    uint64_t count;  /* product of shape */
    Storage *storage;
} StoredTensor;

struct Object {
    uint8_t kind;   /* ObjectKind */
    bool flag; /* OBJECT_BOOL: value; OBJECT_DICT: an OrderedDict; OBJECT_TENSOR: a Parameter */
    bool walking;   /* on the path of a walk */
    uint32_t at;    /* offset within its pickle */
    uint32_t count; /* items; bytes of text */
    uint32_t room;  /* items there is room for */
    union {
        int64_t integer;
        double number;
        const char *text; /* zero-terminated behind count bytes */
        Object **items;   /* tuple, list: count; dict: 2 * count */
        Call *call;
        Storage *storage;
        StoredTensor *tensor;
    };
};

/* Building blocks, from an arena that outlives them. Texts are copied, tensor elements are not:
 * `values` must stay until the tree is written. */
Object *object_none(Arena *arena);
Object *object_bool(Arena *arena, bool value);
Object *object_int(Arena *arena, int64_t value);
Object *object_float(Arena *arena, double value);
Object *object_text(Arena *arena, const char *text);
Object *object_tuple(Arena *arena);
Object *object_list(Arena *arena);
Object *object_dict(Arena *arena, bool ordered);
/* shape [rank], contiguous values in host byte order. */
Object *object_tensor(Arena *arena, ElementType type, int rank, const int64_t *shape,
                      const void *values);
/* Adds to a list or tuple. */
void object_append(Arena *arena, Object *list, Object *value);
/* Adds a key that is not there yet (checked); the same with an integer as key. */
void object_set(Arena *arena, Object *dict, const char *key, Object *value);
/* The same for a key that the caller knows to be new: no search, for dicts of any size. */
void object_add(Arena *arena, Object *dict, const char *key, Object *value);
void object_set_int(Arena *arena, Object *dict, int64_t key, Object *value);

/* The value of a text key, or NULL (also for other kinds of object and for NULL). */
const Object *object_get(const Object *dict, const char *key);
/* Whether a text or global has just this text. */
bool object_is(const Object *object, const char *text);
/* Whether it is a dict, a list or a tuple. */
bool object_is_container(const Object *object);
/* How many of its `items` are taken: two for each key of a dict. */
uint32_t object_filled(const Object *object);
/* A text or integer key that stands twice in a dict (the later one), or NULL. By sorting, so that
 * no choice of keys makes it slow. */
const Object *object_duplicate(const Object *dict);
/* A short word for messages: "a dict". */
const char *object_kind_name(const Object *object);

#endif
