/* Objects to opcodes, as PyTorch orders them: names into the memo where they first occur, items in
 * batches. Protocol 2 is what every version reads, with weights_only=True too. */
#include "checkpoint/objects/pickle_write.h"

#include "checkpoint/bytes/limits.h"

#include <stdio.h>
#include <string.h>

enum { BATCH = 1000 };

PickleWriter pickle_writer(const Sink *sink, const TensorFetch *fetch, bool legacy)
{
    /* What comes from a file may repeat itself. */
    size_t most = fetch ? LIMIT_CONVERTED : LIMIT_PICKLE;
    return (PickleWriter){.sink = sink, .fetch = fetch, .legacy = legacy, .out = {.most = most}};
}

void pickle_writer_free(PickleWriter *w)
{
    emitter_free(&w->out);
    records_free(&w->records);
    arena_free(&w->arena);
}

/* Writes a name with a memo entry the first time, the memo entry after that. */
static void emit_known(PickleWriter *w, int known)
{
    char line[80];
    /* BINGET of the number that BINPUT gave it. */
    if (w->known[known]) {
        emit_byte(&w->out, 'h');
        emit_byte(&w->out, known);
        return;
    }
    if (known == KNOWN_STORAGE)
        emit_text(&w->out, "storage", 7);
    else if (known == KNOWN_CPU)
        emit_text(&w->out, "cpu", 3);
    else {
        if (known == KNOWN_DICT)
            snprintf(line, sizeof line, "ccollections\nOrderedDict\n");
        else if (known == KNOWN_REBUILD)
            snprintf(line, sizeof line, "ctorch._utils\n_rebuild_tensor_v2\n");
        else
            snprintf(line, sizeof line, "ctorch\n%sStorage\n", element_storage((ElementType)known));
        emit_bytes(&w->out, line, strlen(line));
    }
    emit_byte(&w->out, 'q');
    emit_byte(&w->out, known);
    w->known[known] = true;
}

static void emit_sizes(PickleWriter *w, int rank, const int64_t *sizes)
{
    if (rank == 0) {
        emit_byte(&w->out, ')');
        return;
    }
    /* TUPLE1 to TUPLE3 need no mark. */
    if (rank > 3)
        emit_byte(&w->out, '(');
    for (int i = 0; i < rank; i++)
        emit_int(&w->out, sizes[i]);
    emit_byte(&w->out, rank > 3 ? 't' : 0x84 + rank);
}

static const char *entry_name(const PickleWriter *w)
{
    return w->legacy ? "pickle" : "data.pkl";
}

/* The storage of a tensor as a tensor of its own. */
static StoredTensor *whole_storage(Arena *arena, const StoredTensor *t)
{
    Storage *s = t->storage->same;
    StoredTensor *all = arena_alloc(arena, sizeof *all);
    int64_t *sizes = arena_alloc(arena, 2 * sizeof *sizes);
    sizes[0] = (int64_t)s->count;
    sizes[1] = 1;
    *all = (StoredTensor){.type = s->type,
                          .rank = 1,
                          .shape = sizes,
                          .stride = sizes + 1,
                          .count = s->count,
                          .storage = s};
    return all;
}

/* The record of a tensor, a new one where its elements are in none yet. */
static Status find_record(PickleWriter *w, const StoredTensor *t, uint32_t *record)
{
    *record = records_find(&w->records, t);
    if (*record < w->records.count)
        return STATUS_OK;
    TRY(elements_count(w->sink, w->fetch, t, &w->bytes));
    records_add(&w->records, t);
    return STATUS_OK;
}

/* A storage of bytes has no type that all its tensors share: those go one by one. */
static bool goes_whole(const PickleWriter *w, const StoredTensor *t)
{
    const Storage *s = t->storage->same;
    return w->fetch && w->fetch->whole && !s->memory && !s->untyped && s->type == t->type;
}

/* Keys of the legacy stream are read in their order as texts: all are as long. */
void pickle_write_key(PickleWriter *w, uint32_t record)
{
    char key[16];
    snprintf(key, sizeof key, w->legacy ? "%08u" : "%u", record);
    emit_text(&w->out, key, strlen(key));
}

static Status emit_tensor(PickleWriter *w, const StoredTensor *t)
{
    int64_t strides[LIMIT_RANK], stride = 1;
    uint32_t record = 0;
    if (!*element_storage(t->type) || t->rank > LIMIT_RANK)
        return status_fail(STATUS_INPUT,
                           "%s: %s@0: tensors of %s with %d dimensions cannot be written",
                           w->sink->path, entry_name(w), element_name(t->type), t->rank);
    /* A view keeps its place and strides in the storage; anything else becomes a run of its own. */
    bool whole = goes_whole(w, t);
    TRY(find_record(w, whole ? whole_storage(&w->arena, t) : t, &record));
    /* PyTorch counts an empty dimension as one when it makes strides. */
    for (int i = t->rank - 1; i >= 0; i--) {
        strides[i] = whole && t->stride ? t->stride[i] : stride;
        stride *= t->shape[i] ? t->shape[i] : 1;
    }
    emit_known(w, KNOWN_REBUILD);
    emit_bytes(&w->out, "((", 2);
    emit_known(w, KNOWN_STORAGE);
    emit_known(w, (int)t->type);
    pickle_write_key(w, record);
    emit_known(w, KNOWN_CPU);
    emit_int(&w->out, (int64_t)w->records.tensors[record]->count);
    if (w->legacy)
        emit_byte(&w->out, 'N');  /* no view of another storage */
    emit_bytes(&w->out, "tQ", 2); /* persistent reference */
    emit_int(&w->out, whole ? (int64_t)t->start : 0);
    emit_sizes(w, t->rank, t->shape);
    emit_sizes(w, t->rank, strides);
    emit_byte(&w->out, 0x89); /* requires_grad: False */
    emit_known(w, KNOWN_DICT);
    emit_bytes(&w->out, ")RtR", 4);
    return STATUS_OK;
}

Status pickle_full(const PickleWriter *w)
{
    return status_fail(STATUS_LIMIT, "%s: %s@0: the objects take more than %zu MiB", w->sink->path,
                       entry_name(w), w->out.most >> 20);
}

static Status emit_object(PickleWriter *w, const Object *object, int depth);

/* Items in batches between a mark and `close` ('e' of a list, 'u' of a dict), as PyTorch writes
 * them. */
static Status emit_items(PickleWriter *w, const Object *object, uint32_t items, int close,
                         int depth)
{
    for (uint32_t i = 0; i < items; i++) {
        if (i % (2 * BATCH) == 0)
            emit_byte(&w->out, '(');
        TRY(emit_object(w, object->items[i], depth + 1));
        if (i % (2 * BATCH) == 2 * BATCH - 1 || i + 1 == items)
            emit_byte(&w->out, close);
    }
    return STATUS_OK;
}

static Status emit_object(PickleWriter *w, const Object *object, int depth)
{
    /* What is read back may not nest deeper. */
    if (depth > LIMIT_NESTING)
        return status_fail(STATUS_LIMIT, "%s: %s@0: nesting > %d", w->sink->path, entry_name(w),
                           LIMIT_NESTING);
    if (w->out.full)
        return pickle_full(w);
    switch (object->kind) {
    case OBJECT_NONE: emit_byte(&w->out, 'N'); return STATUS_OK;
    case OBJECT_BOOL: emit_byte(&w->out, object->flag ? 0x88 : 0x89); return STATUS_OK;
    case OBJECT_INT: emit_int(&w->out, object->integer); return STATUS_OK;
    case OBJECT_FLOAT: emit_float(&w->out, object->number); return STATUS_OK;
    case OBJECT_TEXT: emit_text(&w->out, object->text, object->count); return STATUS_OK;
    case OBJECT_TENSOR: return emit_tensor(w, object->tensor);
    case OBJECT_LIST:
        emit_byte(&w->out, ']');
        return emit_items(w, object, object->count, 'e', depth);
    case OBJECT_TUPLE:
        emit_byte(&w->out, '(');
        for (uint32_t i = 0; i < object->count; i++)
            TRY(emit_object(w, object->items[i], depth + 1));
        emit_byte(&w->out, 't');
        return STATUS_OK;
    case OBJECT_DICT:
        if (object->flag) {
            emit_known(w, KNOWN_DICT);
            emit_bytes(&w->out, ")R", 2);
        } else {
            emit_byte(&w->out, '}');
        }
        return emit_items(w, object, 2 * object->count, 'u', depth);
    default:
        return status_fail(STATUS_INPUT, "%s: %s@0: %s cannot be written", w->sink->path,
                           entry_name(w), object_kind_name(object));
    }
}

Status pickle_write(PickleWriter *w, const Object *root)
{
    /* PROTO 2. */
    emit_bytes(&w->out, "\x80\x02", 2);
    TRY(emit_object(w, root, 0));
    emit_byte(&w->out, '.');
    return w->out.full ? pickle_full(w) : STATUS_OK;
}
