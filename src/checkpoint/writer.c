/* The writer. The pickle is made in memory while the tensors are collected in the order they are
 * met; then the records follow, each with its CRC and size in front, padded so that data begin at
 * multiples of 64. In the legacy stream their keys and bare elements follow instead. */
#include "checkpoint/writer.h"

#include "base/check.h"
#include "base/json_writer.h"
#include "checkpoint/bytes/crc.h"
#include "checkpoint/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALIGN = 64, BATCH = 1000, DOS_DATE = 0x0021, PADDING_ID = 0x4246 };

/* Names that the pickle repeats: written once, then fetched from the memo by their number. */
typedef enum Known {
    KNOWN_DICT = ELEMENT_TYPES, /* below: the storage class of each element type */
    KNOWN_REBUILD,
    KNOWN_STORAGE,
    KNOWN_CPU,
    KNOWN_COUNT
} Known;

typedef struct Record {
    char name[40];
    uint64_t offset, size;
    uint32_t crc;
} Record;

typedef struct Writer {
    Sink *sink;
    const TensorFetch *fetch;
    bool legacy;
    bool full; /* the pickle has outgrown what a reader takes, or the memory: nothing more is added
                  to it */
    uint8_t *pickle; /* [size]; of the legacy stream, all pickles */
    size_t size, room;
    bool known[KNOWN_COUNT];
    Arena arena;
    const StoredTensor *
        *tensors; /* [tensor_count], record i is data/i: no two with the same elements */
    uint32_t tensor_count, tensor_room;
    uint32_t *slots; /* [slot_room], a hash table of numbers of records, 1 and up */
    uint32_t slot_room;
    uint64_t bytes; /* of all records */
    Record *records;
    uint32_t record_count;
} Writer;

/* ---- the pickle */

/* What comes from a file may repeat itself. */
static size_t most_pickle(const Writer *w)
{
    return w->fetch ? LIMIT_CONVERTED : LIMIT_PICKLE;
}

static bool make_room(Writer *w, size_t size)
{
    if (size <= w->room - w->size)
        return true;
    if (size > most_pickle(w) || w->size > most_pickle(w) - size)
        return false;
    size_t room = 2 * (w->size + size) + 4096;
    uint8_t *grown = realloc(w->pickle, room);
    if (!grown)
        return false;
    w->pickle = grown;
    w->room = room;
    return true;
}

static void emit(Writer *w, const void *bytes, size_t size)
{
    w->full = w->full || !make_room(w, size);
    if (w->full || size == 0)
        return;
    memcpy(w->pickle + w->size, bytes, size);
    w->size += size;
}

static void emit_byte(Writer *w, int byte)
{
    uint8_t b = (uint8_t)byte;
    emit(w, &b, 1);
}

static void store_little(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static void emit_little(Writer *w, uint64_t value, int bytes)
{
    uint8_t raw[8];
    store_little(raw, value, bytes);
    emit(w, raw, (size_t)bytes);
}

static void emit_int(Writer *w, int64_t value)
{
    if (value >= 0 && value < 256) {
        emit_byte(w, 'K');
        emit_little(w, (uint64_t)value, 1);
    } else if (value >= 0 && value < 65536) {
        emit_byte(w, 'M');
        emit_little(w, (uint64_t)value, 2);
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
        emit_byte(w, 'J');
        emit_little(w, (uint64_t)value, 4);
    } else {
        emit(w, "\x8a\x08", 2);
        emit_little(w, (uint64_t)value, 8);
    }
}

static void emit_float(Writer *w, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    emit_byte(w, 'G');
    for (int i = 7; i >= 0; i--)
        emit_byte(w, (int)(bits >> 8 * i & 255));
}

static void emit_text(Writer *w, const char *text, size_t length)
{
    emit_byte(w, 'X');
    emit_little(w, length, 4);
    emit(w, text, length);
}

/* The key of a storage. Those of the legacy stream are read in their order as texts. */
static void emit_key(Writer *w, uint32_t number)
{
    char key[16];
    snprintf(key, sizeof key, w->legacy ? "%08u" : "%u", number);
    emit_text(w, key, strlen(key));
}

/* Writes a name with a memo entry the first time, the memo entry after that. */
static void emit_known(Writer *w, int known)
{
    char line[80];
    if (w->known[known]) {
        emit_byte(w, 'h');
        emit_byte(w, known);
        return;
    }
    if (known == KNOWN_STORAGE)
        emit_text(w, "storage", 7);
    else if (known == KNOWN_CPU)
        emit_text(w, "cpu", 3);
    else {
        if (known == KNOWN_DICT)
            snprintf(line, sizeof line, "ccollections\nOrderedDict\n");
        else if (known == KNOWN_REBUILD)
            snprintf(line, sizeof line, "ctorch._utils\n_rebuild_tensor_v2\n");
        else
            snprintf(line, sizeof line, "ctorch\n%sStorage\n", element_storage((ElementType)known));
        emit(w, line, strlen(line));
    }
    emit_byte(w, 'q');
    emit_byte(w, known);
    w->known[known] = true;
}

static void emit_sizes(Writer *w, int rank, const int64_t *sizes)
{
    if (rank == 0) {
        emit_byte(w, ')');
        return;
    }
    if (rank > 3)
        emit_byte(w, '(');
    for (int i = 0; i < rank; i++)
        emit_int(w, sizes[i]);
    emit_byte(w, rank > 3 ? 't' : 0x84 + rank);
}

static const char *entry_name(const Writer *w)
{
    return w->legacy ? "pickle" : "data.pkl";
}

/* ---- which record a tensor's elements are in */

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static uint64_t hash_elements(const StoredTensor *t)
{
    uint64_t h = mix(mix((uint64_t)(uintptr_t)t->storage->same, t->start), t->type);
    for (int i = 0; i < t->rank; i++)
        h = mix(mix(h, (uint64_t)t->shape[i]), t->stride ? (uint64_t)t->stride[i] : 0);
    return h ^ h >> 32;
}

static bool same_elements(const StoredTensor *a, const StoredTensor *b)
{
    size_t bytes = (size_t)a->rank * sizeof *a->shape;
    return a->storage->same == b->storage->same && a->start == b->start && a->type == b->type &&
           a->rank == b->rank && memcmp(a->shape, b->shape, bytes) == 0 &&
           !a->stride == !b->stride && (!a->stride || memcmp(a->stride, b->stride, bytes) == 0);
}

static uint32_t *find_slot(const Writer *w, const StoredTensor *t)
{
    for (uint32_t i = (uint32_t)hash_elements(t);; i++) {
        uint32_t *slot = &w->slots[i & (w->slot_room - 1)];
        if (!*slot || same_elements(w->tensors[*slot - 1], t))
            return slot;
    }
}

static void grow_records(Writer *w)
{
    if (w->tensor_count < w->tensor_room)
        return;
    w->tensor_room = w->tensor_room ? 2 * w->tensor_room : 256;
    w->tensors = mem_grow(w->tensors, w->tensor_room * sizeof *w->tensors);
    free(w->slots);
    w->slot_room = 2 * w->tensor_room;
    w->slots = mem_zero(w->slot_room, sizeof *w->slots);
    for (uint32_t i = 0; i < w->tensor_count; i++)
        *find_slot(w, w->tensors[i]) = i + 1;
}

static Status over_limit(const Sink *sink, const TensorFetch *fetch)
{
    return status_fail(STATUS_LIMIT, "%s: file@0: the tensors expand to more than %llu bytes",
                       sink->path, (unsigned long long)fetch->limit);
}

/* Adds to the sum of bytes to write. */
static Status count_bytes(const Sink *sink, const TensorFetch *fetch, const StoredTensor *t,
                          uint64_t *sum)
{
    uint64_t bytes = t->count * element_bytes(t->type);
    if (fetch && fetch->limit && (bytes > fetch->limit || *sum > fetch->limit - bytes))
        return over_limit(sink, fetch);
    *sum += bytes;
    return STATUS_OK;
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
static Status find_record(Writer *w, const StoredTensor *t, uint32_t *record)
{
    grow_records(w);
    uint32_t *slot = find_slot(w, t);
    if (!*slot) {
        TRY(count_bytes(w->sink, w->fetch, t, &w->bytes));
        w->tensors[w->tensor_count++] = t;
        *slot = w->tensor_count;
    }
    *record = *slot - 1;
    return STATUS_OK;
}

/* A storage of bytes has no type that all its tensors share: those go one by one. */
static bool goes_whole(const Writer *w, const StoredTensor *t)
{
    const Storage *s = t->storage->same;
    return w->fetch && w->fetch->whole && !s->memory && !s->untyped && s->type == t->type;
}

static Status emit_tensor(Writer *w, const StoredTensor *t)
{
    int64_t strides[LIMIT_RANK], stride = 1;
    uint32_t record = 0;
    if (!*element_storage(t->type) || t->rank > LIMIT_RANK)
        return status_fail(STATUS_INPUT,
                           "%s: %s@0: tensors of %s with %d dimensions cannot be written",
                           w->sink->path, entry_name(w), element_name(t->type), t->rank);
    bool whole = goes_whole(w, t);
    TRY(find_record(w, whole ? whole_storage(&w->arena, t) : t, &record));
    for (int i = t->rank - 1; i >= 0; i--) {
        strides[i] = whole && t->stride ? t->stride[i] : stride;
        stride *= t->shape[i] ? t->shape[i] : 1;
    }
    emit_known(w, KNOWN_REBUILD);
    emit(w, "((", 2);
    emit_known(w, KNOWN_STORAGE);
    emit_known(w, (int)t->type);
    emit_key(w, record);
    emit_known(w, KNOWN_CPU);
    emit_int(w, (int64_t)w->tensors[record]->count);
    if (w->legacy)
        emit_byte(w, 'N'); /* no view of another storage */
    emit(w, "tQ", 2); /* persistent reference */
    emit_int(w, whole ? (int64_t)t->start : 0);
    emit_sizes(w, t->rank, t->shape);
    emit_sizes(w, t->rank, strides);
    emit_byte(w, 0x89); /* requires_grad: False */
    emit_known(w, KNOWN_DICT);
    emit(w, ")RtR", 4);
    return STATUS_OK;
}

static Status pickle_full(const Writer *w)
{
    return status_fail(STATUS_LIMIT, "%s: %s@0: the objects take more than %zu MiB", w->sink->path,
                       entry_name(w), most_pickle(w) >> 20);
}

static Status emit_object(Writer *w, const Object *object, int depth);

/* Items in batches between a mark and `close` ('e' of a list, 'u' of a dict), as PyTorch writes
 * them. */
static Status emit_items(Writer *w, const Object *object, uint32_t items, int close, int depth)
{
    for (uint32_t i = 0; i < items; i++) {
        if (i % (2 * BATCH) == 0)
            emit_byte(w, '(');
        TRY(emit_object(w, object->items[i], depth + 1));
        if (i % (2 * BATCH) == 2 * BATCH - 1 || i + 1 == items)
            emit_byte(w, close);
    }
    return STATUS_OK;
}

static Status emit_object(Writer *w, const Object *object, int depth)
{
    if (depth > LIMIT_NESTING)
        return status_fail(STATUS_LIMIT, "%s: %s@0: nesting > %d", w->sink->path, entry_name(w),
                           LIMIT_NESTING);
    if (w->full)
        return pickle_full(w);
    switch (object->kind) {
    case OBJECT_NONE: emit_byte(w, 'N'); return STATUS_OK;
    case OBJECT_BOOL: emit_byte(w, object->flag ? 0x88 : 0x89); return STATUS_OK;
    case OBJECT_INT: emit_int(w, object->integer); return STATUS_OK;
    case OBJECT_FLOAT: emit_float(w, object->number); return STATUS_OK;
    case OBJECT_TEXT: emit_text(w, object->text, object->count); return STATUS_OK;
    case OBJECT_TENSOR: return emit_tensor(w, object->tensor);
    case OBJECT_LIST:
        emit_byte(w, ']');
        return emit_items(w, object, object->count, 'e', depth);
    case OBJECT_TUPLE:
        emit_byte(w, '(');
        for (uint32_t i = 0; i < object->count; i++)
            TRY(emit_object(w, object->items[i], depth + 1));
        emit_byte(w, 't');
        return STATUS_OK;
    case OBJECT_DICT:
        if (object->flag) {
            emit_known(w, KNOWN_DICT);
            emit(w, ")R", 2);
        } else {
            emit_byte(w, '}');
        }
        return emit_items(w, object, 2 * object->count, 'u', depth);
    default:
        return status_fail(STATUS_INPUT, "%s: %s@0: %s cannot be written", w->sink->path,
                           entry_name(w), object_kind_name(object));
    }
}

static Status emit_pickle(Writer *w, const Object *root)
{
    emit(w, "\x80\x02", 2);
    TRY(emit_object(w, root, 0));
    emit_byte(w, '.');
    return w->full ? pickle_full(w) : STATUS_OK;
}

/* ---- records */

static void extra_padding(uint8_t *extra, size_t at, size_t padding)
{
    store_little(extra + at, PADDING_ID, 2);
    store_little(extra + at + 2, padding, 2);
    memset(extra + at + 4, 'Z', padding);
}

/* Local header, padding, bytes. */
static Status put_record(Writer *w, const char *name, const void *bytes, uint64_t size)
{
    uint8_t header[30] = "PK\3\4", extra[20 + 4 + ALIGN];
    char full[64];
    Record *r = &w->records[w->record_count++];
    snprintf(r->name, sizeof r->name, "archive/%s", name);
    r->offset = w->sink->at + w->sink->used;
    r->size = size;
    r->crc = crc_add(0, bytes, (size_t)size);
    bool wide = size >= 0xffffffff;
    size_t length = strlen(r->name), used = 0;
    if (wide) {
        store_little(extra, 1, 2);
        store_little(extra + 2, 16, 2);
        store_little(extra + 4, size, 8);
        store_little(extra + 12, size, 8);
        used = 20;
    }
    size_t padding =
        (size_t)(ALIGN - (r->offset + sizeof header + length + used + 4) % ALIGN) % ALIGN;
    extra_padding(extra, used, padding);
    used += 4 + padding;
    store_little(header + 4, wide ? 45 : 20, 2);
    store_little(header + 6, 0x0800, 2);
    store_little(header + 12, DOS_DATE, 2);
    store_little(header + 14, r->crc, 4);
    store_little(header + 18, wide ? 0xffffffff : size, 4);
    store_little(header + 22, wide ? 0xffffffff : size, 4);
    store_little(header + 26, length, 2);
    store_little(header + 28, used, 2);
    memcpy(full, r->name, length);
    TRY(sink_write(w->sink, header, sizeof header));
    TRY(sink_write(w->sink, full, length));
    TRY(sink_write(w->sink, extra, used));
    return sink_write(w->sink, bytes, (size_t)size);
}

static Status put_central(Writer *w, const Record *r)
{
    uint8_t header[46] = "PK\1\2", extra[28];
    size_t length = strlen(r->name), used = 4;
    bool wide = r->size >= 0xffffffff, far = r->offset >= 0xffffffff;
    for (int i = 0; wide && i < 2; i++, used += 8)
        store_little(extra + used, r->size, 8);
    if (far) {
        store_little(extra + used, r->offset, 8);
        used += 8;
    }
    store_little(extra, 1, 2);
    store_little(extra + 2, used - 4, 2);
    used = wide || far ? used : 0;
    store_little(header + 4, used ? 45 : 20, 2);
    store_little(header + 6, used ? 45 : 20, 2);
    store_little(header + 8, 0x0800, 2);
    store_little(header + 14, DOS_DATE, 2);
    store_little(header + 16, r->crc, 4);
    store_little(header + 20, wide ? 0xffffffff : r->size, 4);
    store_little(header + 24, wide ? 0xffffffff : r->size, 4);
    store_little(header + 28, length, 2);
    store_little(header + 30, used, 2);
    store_little(header + 42, far ? 0xffffffff : r->offset, 4);
    TRY(sink_write(w->sink, header, sizeof header));
    TRY(sink_write(w->sink, r->name, length));
    return sink_write(w->sink, extra, used);
}

static Status put_end(Writer *w, uint64_t offset, uint64_t size)
{
    uint8_t wide_end[56] = "PK\6\6", locator[20] = "PK\6\7", end[22] = "PK\5\6";
    uint64_t count = w->record_count;
    if (count >= 0xffff || offset >= 0xffffffff || size >= 0xffffffff) {
        store_little(wide_end + 4, 44, 8);
        store_little(wide_end + 12, 45, 2);
        store_little(wide_end + 14, 45, 2);
        store_little(wide_end + 24, count, 8);
        store_little(wide_end + 32, count, 8);
        store_little(wide_end + 40, size, 8);
        store_little(wide_end + 48, offset, 8);
        store_little(locator + 8, offset + size, 8);
        store_little(locator + 16, 1, 4);
        TRY(sink_write(w->sink, wide_end, sizeof wide_end));
        TRY(sink_write(w->sink, locator, sizeof locator));
    }
    store_little(end + 8, count < 0xffff ? count : 0xffff, 2);
    store_little(end + 10, count < 0xffff ? count : 0xffff, 2);
    store_little(end + 12, size < 0xffffffff ? size : 0xffffffff, 4);
    store_little(end + 16, offset < 0xffffffff ? offset : 0xffffffff, 4);
    return sink_write(w->sink, end, sizeof end);
}

/* The elements of a tensor: where they are, or fetched into *held (malloc'd). */
static Status tensor_bytes(const Sink *sink, const TensorFetch *fetch, const StoredTensor *t,
                           const void **bytes, void **held)
{
    *held = NULL;
    *bytes = t->storage->memory;
    if (*bytes || t->count == 0)
        return STATUS_OK;
    CHECKF(fetch, "%s: a tensor without elements", sink->path);
    *bytes = *held = malloc((size_t)t->count * element_bytes(t->type));
    if (!*held)
        return status_fail(STATUS_LIMIT, "%s: file@%llu: no memory for a tensor of %llu bytes",
                           sink->path, (unsigned long long)(sink->at + sink->used),
                           (unsigned long long)t->count * element_bytes(t->type));
    return fetch->fetch(fetch->context, t, *held);
}

static bool is_little(void)
{
    const uint16_t one = 1;
    return *(const uint8_t *)&one;
}

static Status put_all(Writer *w)
{
    const char *order = is_little() ? "little" : "big";
    TRY(put_record(w, "data.pkl", w->pickle, w->size));
    TRY(put_record(w, "byteorder", order, strlen(order)));
    for (uint32_t i = 0; i < w->tensor_count; i++) {
        const void *bytes;
        void *held;
        char name[24];
        snprintf(name, sizeof name, "data/%u", i);
        Status status = tensor_bytes(w->sink, w->fetch, w->tensors[i], &bytes, &held);
        if (status == STATUS_OK)
            status = put_record(w, name, bytes,
                                w->tensors[i]->count * element_bytes(w->tensors[i]->type));
        free(held);
        TRY(status);
    }
    TRY(put_record(w, "version", "3\n", 2));
    uint64_t offset = w->sink->at + w->sink->used;
    for (uint32_t i = 0; i < w->record_count; i++)
        TRY(put_central(w, &w->records[i]));
    return put_end(w, offset, w->sink->at + w->sink->used - offset);
}

static void writer_free(Writer *w)
{
    free(w->records);
    free(w->tensors);
    free(w->slots);
    arena_free(&w->arena);
    free(w->pickle);
}

Status torch_write(Sink *sink, const Object *root, const TensorFetch *fetch)
{
    Writer w = {.sink = sink, .fetch = fetch};
    Status status = emit_pickle(&w, root);
    if (status == STATUS_OK) {
        w.records = mem_alloc((w.tensor_count + 3) * sizeof *w.records);
        status = put_all(&w);
    }
    writer_free(&w);
    return status;
}

/* ---- the legacy stream */

/* Magic number, protocol 1001, and the system that writes. */
static void emit_preamble(Writer *w)
{
    emit(w, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
    emit(w, "\x80\x02M\xe9\x03.\x80\x02}(", 10);
    emit_text(w, "protocol_version", strlen("protocol_version"));
    emit_int(w, 1001);
    emit_text(w, "little_endian", strlen("little_endian"));
    emit_byte(w, is_little() ? 0x88 : 0x89);
    emit(w, "u.", 2);
}

static void emit_keys(Writer *w)
{
    emit(w, "\x80\x02]", 3);
    for (uint32_t i = 0; i < w->tensor_count; i++) {
        emit_key(w, i);
        emit_byte(w, 'a');
    }
    emit_byte(w, '.');
}

/* Each storage: the number of its elements, then they. */
static Status put_storages(Writer *w)
{
    Status status = sink_write(w->sink, w->pickle, w->size);
    for (uint32_t i = 0; i < w->tensor_count && status == STATUS_OK; i++) {
        const StoredTensor *t = w->tensors[i];
        const void *bytes;
        void *held;
        uint8_t count[8];
        store_little(count, t->count, 8);
        status = tensor_bytes(w->sink, w->fetch, t, &bytes, &held);
        if (status == STATUS_OK)
            status = sink_write(w->sink, count, sizeof count);
        if (status == STATUS_OK)
            status = sink_write(w->sink, bytes, (size_t)t->count * element_bytes(t->type));
        free(held);
    }
    return status;
}

Status legacy_write(Sink *sink, const Object *root, const TensorFetch *fetch)
{
    Writer w = {.sink = sink, .fetch = fetch, .legacy = true};
    emit_preamble(&w);
    Status status = emit_pickle(&w, root);
    emit_keys(&w);
    if (status == STATUS_OK && w.full)
        status = pickle_full(&w);
    if (status == STATUS_OK)
        status = put_storages(&w);
    writer_free(&w);
    return status;
}

/* ---- safetensors */

typedef struct Named {
    const char *name;
    const StoredTensor *tensor;
} Named;

/* Wide elements first, then by name: every tensor is aligned to its elements. */
static int by_alignment(const void *a, const void *b)
{
    const Named *x = a, *y = b;
    size_t m = element_bytes(x->tensor->type), n = element_bytes(y->tensor->type);
    return m != n ? (m > n ? -1 : 1) : strcmp(x->name, y->name);
}

static void write_header(FILE *out, const Named *named, uint32_t count, const Object *metadata)
{
    JsonWriter w = {.file = out};
    uint64_t at = 0;
    json_begin_object(&w, NULL, JSON_TIGHT);
    if (metadata && metadata->count) {
        json_begin_object(&w, "__metadata__", JSON_TIGHT);
        for (uint32_t i = 0; i < metadata->count; i++)
            json_put_text(&w, metadata->items[2 * i]->text, metadata->items[2 * i + 1]->text);
        json_end(&w);
    }
    for (uint32_t i = 0; i < count; i++) {
        const StoredTensor *t = named[i].tensor;
        uint64_t bytes = t->count * element_bytes(t->type);
        json_begin_object(&w, named[i].name, JSON_TIGHT);
        json_put_text(&w, "dtype", element_safetensors(t->type));
        json_begin_array(&w, "shape", JSON_TIGHT);
        for (int d = 0; d < t->rank; d++)
            json_put_integer(&w, NULL, t->shape[d]);
        json_end(&w);
        json_begin_array(&w, "data_offsets", JSON_TIGHT);
        json_put_integer(&w, NULL, (int64_t)at);
        json_put_integer(&w, NULL, (int64_t)(at + bytes));
        json_end(&w);
        json_end(&w);
        at += bytes;
    }
    json_end(&w);
}

static Status put_safetensors(Sink *sink, const Named *named, uint32_t count,
                              const Object *metadata, const TensorFetch *fetch)
{
    char *text = NULL;
    size_t length = 0;
    uint8_t size[8];
    FILE *out = open_memstream(&text, &length);
    CHECK(out);
    write_header(out, named, count, metadata);
    while (ftell(out) % 8)
        fputc(' ', out);
    fclose(out);
    store_little(size, length, 8);
    Status status = sink_write(sink, size, 8);
    if (status == STATUS_OK)
        status = sink_write(sink, text, length);
    free(text);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        const StoredTensor *t = named[i].tensor;
        const void *bytes;
        void *held;
        status = tensor_bytes(sink, fetch, t, &bytes, &held);
        if (status == STATUS_OK)
            status = sink_write(sink, bytes, (size_t)t->count * element_bytes(t->type));
        free(held);
    }
    return status;
}

Status safetensors_write(Sink *sink, const Object *root, const TensorFetch *fetch)
{
    CHECK(root->kind == OBJECT_DICT);
    Named *named = mem_alloc(root->count * sizeof *named);
    const Object *metadata = object_get(root, "__metadata__");
    uint32_t count = 0;
    uint64_t bytes = 0;
    Status status = STATUS_OK;
    for (uint32_t i = 0; i < root->count && status == STATUS_OK; i++) {
        const Object *key = root->items[2 * i], *value = root->items[2 * i + 1];
        if (value == metadata)
            continue;
        if (key->kind != OBJECT_TEXT || value->kind != OBJECT_TENSOR)
            status = status_fail(STATUS_INPUT,
                                 "%s: header@8: %s cannot be written (only tensors by name)",
                                 sink->path, object_kind_name(value));
        else
            named[count++] = (Named){key->text, value->tensor};
        if (status == STATUS_OK)
            status = count_bytes(sink, fetch, value->tensor, &bytes);
    }
    qsort(named, count, sizeof *named, by_alignment);
    if (status == STATUS_OK)
        status = put_safetensors(sink, named, count, metadata, fetch);
    free(named);
    return status;
}

/* A name beside `path` that nobody has, and now an empty file. NULL, with a failure, when there is
 * none. */
static char *reserve_temporary(Arena *arena, const char *path)
{
    for (int i = 0; i < 1000; i++) {
        char *name = arena_printf(arena, "%s.tmp-%ld-%d", path, (long)getpid(), i);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            close(fd);
            return name;
        }
        if (errno != EEXIST)
            break;
    }
    status_fail(STATUS_IO, "%s: file@0: cannot create a temporary file beside it: %s", path,
                strerror(errno));
    return NULL;
}

/* Whether a rename may put a file in this place. It would also replace a device (/dev/null), a
 * pipe, or the link to one (/dev/stdout) by a file. */
static Status check_place(const char *path)
{
    struct stat st;
    char to[6] = "";
    bool other = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    bool stream =
        readlink(path, to, sizeof to) == sizeof to && memcmp(to, "/proc/", sizeof to) == 0;
    if (other || stream)
        return status_fail(STATUS_IO, "%s: file@0: cannot be replaced: not a regular file", path);
    return STATUS_OK;
}

/* A failure that names the temporary file names the one that the user asked for. */
static Status rename_failure(Status status, const char *temporary, const char *path)
{
    char *text = mem_string(status_text());
    size_t n = strlen(temporary);
    if (status != STATUS_OK && strncmp(text, temporary, n) == 0)
        status_fail(status, "%s%s", path, text + n);
    free(text);
    return status;
}

static Status write_as(const char *temporary, CheckpointFormat format, const Object *root,
                       const TensorFetch *fetch, const FileOps *ops)
{
    Sink sink;
    Status status = sink_open(&sink, ops, temporary);
    if (status != STATUS_OK) {
        unlink(temporary);
        return status;
    }
    status = format == CHECKPOINT_ZIP      ? torch_write(&sink, root, fetch)
             : format == CHECKPOINT_LEGACY ? legacy_write(&sink, root, fetch)
                                           : safetensors_write(&sink, root, fetch);
    if (status == STATUS_OK)
        return sink_finish(&sink, NULL);
    sink_abandon(&sink);
    return status;
}

Status checkpoint_save(const char *path, CheckpointFormat format, const Object *root,
                       const TensorFetch *fetch, const FileOps *ops)
{
    CHECK(format != CHECKPOINT_TAR);
    Arena names = {0};
    Status status = STATUS_IO;
    TRY(check_place(path));
    const char *temporary = reserve_temporary(&names, path);
    if (temporary) {
        status = write_as(temporary, format, root, fetch, ops);
        if (status == STATUS_OK)
            status = file_publish(ops, temporary, path);
        status = rename_failure(status, temporary, path);
    }
    arena_free(&names);
    return status;
}
