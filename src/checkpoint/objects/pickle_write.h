/* PickleWriter: a tree of objects becomes a pickle in memory, as torch.save makes it, while the
 * tensors are collected in the order they are met. Dicts, lists, tuples, None, bool, integers,
 * floats, texts and tensors can be written. Elements are not: the format around the pickle writes
 * each record once the pickle is complete. */
#ifndef PACO_CHECKPOINT_OBJECTS_PICKLE_WRITE_H
#define PACO_CHECKPOINT_OBJECTS_PICKLE_WRITE_H

#include "base/arena.h"
#include "checkpoint/objects/elements.h"
#include "checkpoint/objects/emit.h"
#include "checkpoint/objects/records.h"

/* Names that the pickle repeats: written once, then fetched from the memo by their number. */
typedef enum PickleKnown {
    KNOWN_DICT = ELEMENT_TYPES, /* below: the storage class of each element type */
    KNOWN_REBUILD,
    KNOWN_STORAGE,
    KNOWN_CPU,
    KNOWN_COUNT
} PickleKnown;

typedef struct PickleWriter {
    const Sink *sink;         /* for messages */
    const TensorFetch *fetch; /* NULL: all tensors are in memory */
    bool legacy;    /* the dialect of the legacy stream: other keys, a place for views */
    Emitter out;    /* the pickle; of the legacy stream, all pickles */
    Records records;
    uint64_t bytes; /* of all records */
    bool known[KNOWN_COUNT];
    Arena arena;
} PickleWriter;

PickleWriter pickle_writer(const Sink *sink, const TensorFetch *fetch, bool legacy);
void pickle_writer_free(PickleWriter *writer);
/* Appends one pickle. STATUS_INPUT where something cannot be written, STATUS_LIMIT where it nests
 * too deep, or takes more than a reader (or a conversion) would. */
Status pickle_write(PickleWriter *writer, const Object *root);
/* The failure of a writer whose `out` is full. */
Status pickle_full(const PickleWriter *writer);
/* The key of a record, as a text. */
void pickle_write_key(PickleWriter *writer, uint32_t record);

#endif
