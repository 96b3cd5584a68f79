/* The oldest layout (0.1.9 and before): a tar of sys_info, pickle, tensors and storages. Nothing is
 * extracted; members are stretches of the file. Anything but four plain members is refused. */
#include "checkpoint/formats/document.h"
#include "checkpoint/limits.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512 };

/* MEMBER(index, name) */
#define MEMBERS(X)                                                                                 \
    X(SYS_INFO, "sys_info") X(PICKLE, "pickle") X(TENSORS, "tensors") X(STORAGES, "storages")

typedef enum Member {
#define X(id, name) MEMBER_##id,
    MEMBERS(X)
#undef X
    MEMBER_COUNT
} Member;

static const char *const member_names[] = {
#define X(id, name) name,
    MEMBERS(X)
#undef X
};

/* A tensor of the member `tensors`, found again by its key. */
typedef struct TarTensor {
    int64_t key;
    StoredTensor *tensor;
} TarTensor;

typedef struct Tar {
    Checkpoint *c;
    uint64_t offset[MEMBER_COUNT], size[MEMBER_COUNT]; /* offset 0: not there */
    Storage **storages; /* [storage_count], sorted by key */
    uint32_t storage_count;
    TarTensor *tensors; /* [tensor_count], sorted by key */
    uint32_t tensor_count;
} Tar;

#define FAIL_AT(at, ...)                                                   \
    do {                                                                   \
        Place place_ = {t->c->source.path, "tar", (at), NULL};             \
        return place_fail(STATUS_INPUT, &place_, __VA_ARGS__);             \
    } while (0)

/* ---- the archive */

/* An octal number that fills its field; false when it is anything else (base 256, signs). */
static bool octal(const uint8_t *field, size_t length, uint64_t *value)
{
    size_t i = 0;
    *value = 0;
    while (i < length && field[i] == ' ')
        i++;
    size_t first = i;
    for (; i < length && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(field[i] - '0');
    bool digits = i > first;
    while (i < length && (field[i] == ' ' || field[i] == 0))
        i++;
    return digits && i == length && length <= 12;
}

static bool checksum_fits(const uint8_t *header)
{
    uint64_t wanted, sum = 0;
    for (int i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : header[i];
    return octal(header + 148, 8, &wanted) && wanted == sum;
}

/* A PAX header may carry times and owners; one that renames or resizes what follows is refused. */
static Status check_pax(const Tar *t, uint64_t at, uint64_t size)
{
    char text[4096];
    if (size >= sizeof text)
        FAIL_AT(at, "PAX header of %llu bytes (limit %zu)", (unsigned long long)size,
                sizeof text - 1);
    TRY(source_read(&t->c->source, at, text, (size_t)size));
    text[size] = 0;
    for (size_t from = 0; from < size;) {
        char *after;
        unsigned long n =
            text[from] >= '0' && text[from] <= '9' ? strtoul(text + from, &after, 10) : 0;
        if (n < 5 || n > size - from || *after != ' ' || text[from + n - 1] != '\n')
            FAIL_AT(at + from, "PAX record with a wrong length");
        static const char *const harmless[] = {
            "mtime=", "atime=", "ctime=", "uid=", "gid=", "uname=", "gname=", "comment="};
        bool fine = false;
        for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
            fine = fine || strncmp(after + 1, harmless[i], strlen(harmless[i])) == 0;
        if (!fine)
            FAIL_AT(at + from, "PAX record '%.*s' is not supported", (int)strcspn(after + 1, "=\n"),
                    after + 1);
        from += n;
    }
    return STATUS_OK;
}

static Status add_member(Tar *t, const uint8_t *header, uint64_t at, uint64_t data, uint64_t size)
{
    char name[101] = {0};
    memcpy(name, header, 100);
    if (header[156] != '0' && header[156] != 0)
        FAIL_AT(at, "member '%s' of type 0x%02x (only plain files are read)", name, header[156]);
    if (header[345] && memcmp(header + 257, "ustar", 5) == 0)
        FAIL_AT(at, "member '%s' with a path prefix", name);
    for (int i = 0; i < MEMBER_COUNT; i++) {
        if (strcmp(name, member_names[i]) != 0)
            continue;
        if (t->offset[i])
            FAIL_AT(at, "two members '%s'", name);
        t->offset[i] = data;
        t->size[i] = size;
        return STATUS_OK;
    }
    FAIL_AT(at, "unexpected member '%s'", name);
}

/* Behind the two empty blocks only zeros may follow, as many as fill tar's records. */
static Status check_end(const Tar *t, uint64_t at)
{
    uint64_t left = t->c->source.size - at;
    uint8_t rest[64 * BLOCK];
    if (left < BLOCK || left > sizeof rest)
        FAIL_AT(at, "archive ends with %llu bytes of filling", (unsigned long long)left);
    TRY(source_read(&t->c->source, at, rest, (size_t)left));
    for (uint64_t i = 0; i < left; i++)
        if (rest[i])
            FAIL_AT(at + i, "bytes behind the end of the archive");
    return STATUS_OK;
}

static Status read_members(Tar *t)
{
    const Source *source = &t->c->source;
    uint64_t at = 0;
    for (;;) {
        uint8_t h[BLOCK];
        uint64_t size;
        if (source->size - at < BLOCK)
            FAIL_AT(at, "archive ends without its end blocks");
        TRY(source_read(source, at, h, BLOCK));
        if (h[0] == 0)
            break;
        if (!checksum_fits(h))
            FAIL_AT(at, "header with a wrong checksum");
        if (!octal(h + 124, 12, &size))
            FAIL_AT(at, "header with a malformed size");
        uint64_t data = at + BLOCK;
        if (size > source->size - data)
            FAIL_AT(at, "member of %llu bytes reaches over the end of the file (%llu left)",
                    (unsigned long long)size, (unsigned long long)(source->size - data));
        TRY(h[156] == 'x' || h[156] == 'g' ? check_pax(t, data, size)
                                           : add_member(t, h, at, data, size));
        uint64_t padded = (size + BLOCK - 1) / BLOCK * BLOCK;
        if (padded > source->size - data)
            FAIL_AT(at, "archive ends within a block");
        at = data + padded;
    }
    TRY(check_end(t, at));
    for (int i = 0; i < MEMBER_COUNT; i++)
        if (!t->offset[i])
            FAIL_AT(at, "member '%s' is missing", member_names[i]);
    return STATUS_OK;
}

static void open_member(const Tar *t, Member member, Stream *stream)
{
    stream_open(stream, &t->c->source, member_names[member], t->offset[member], t->size[member]);
}

/* ---- shared pieces */

static Status read_count(Tar *t, Stream *stream, uint32_t *count)
{
    PickleResult r;
    Place place = stream_place(stream);
    TRY(pickle_read(&t->c->pool, stream, NULL, &r));
    if (r.root->kind != OBJECT_INT || r.root->integer < 0)
        return place_fail(STATUS_INPUT, &place, "number of %s is %s", stream->entry,
                          object_kind_name(r.root));
    /* Every one of them takes more than eight bytes. */
    if ((uint64_t)r.root->integer > stream_left(stream) / 8)
        return place_fail(STATUS_INPUT, &place, "%lld %s cannot lie in %llu bytes",
                          (long long)r.root->integer, stream->entry,
                          (unsigned long long)stream_left(stream));
    if (r.root->integer > LIMIT_TENSORS)
        return place_fail(STATUS_LIMIT, &place, "more than %d %s", LIMIT_TENSORS, stream->entry);
    *count = (uint32_t)r.root->integer;
    return STATUS_OK;
}

static Status stream_skip(Stream *stream, uint64_t bytes)
{
    Place place = stream_place(stream);
    if (bytes > stream_left(stream))
        return place_fail(STATUS_INPUT, &place, "needs %llu bytes, %llu are left",
                          (unsigned long long)bytes, (unsigned long long)stream_left(stream));
    uint64_t ready = stream->have - stream->used;
    stream->used = bytes < ready ? stream->used + (size_t)bytes : stream->have;
    stream->at += bytes;
    return STATUS_OK;
}

/* Storages have integer keys; their text is the storage's key. */
static Status key_text(Tar *t, const Place *place, const Object *key, const char **text,
                       int64_t *number)
{
    if (key->kind != OBJECT_INT)
        return place_fail(STATUS_INPUT, place, "key is %s (expected an integer)",
                          object_kind_name(key));
    Arena *arena = &t->c->pool.arena;
    if (!pool_charge(&t->c->pool, 32))
        return place_full(place);
    *text = arena_printf(arena, "%lld", (long long)key->integer);
    *number = key->integer;
    return STATUS_OK;
}

/* ---- storages */

static Status read_storage(Tar *t, Stream *stream)
{
    PickleResult r;
    Place place = stream_place(stream);
    Storage *s;
    uint8_t raw[8];
    int64_t number;
    uint64_t bytes;
    TRY(pickle_read(&t->c->pool, stream, NULL, &r));
    if (r.root->kind != OBJECT_TUPLE || r.root->count != 3 ||
        r.root->items[2]->kind != OBJECT_GLOBAL)
        return place_fail(STATUS_INPUT, &place,
                          "storage is not described by (key, location, class)");
    TRY(storage_add(t->c, &place, &s));
    TRY(key_text(t, &place, r.root->items[0], &s->key, &number));
    place.key = s->key;
    storage_classify(s, r.root->items[2]);
    if (!s->known)
        return place_fail(STATUS_INPUT, &place, "%.100s is not supported", s->class_name);
    TRY(stream_read(stream, raw, 8));
    s->count = s->span = little64(raw);
    s->offset = stream->begin + stream->at;
    s->placed = true;
    if (__builtin_mul_overflow(s->count, element_bytes(s->type), &bytes) ||
        bytes > stream_left(stream))
        return place_fail(STATUS_INPUT, &place,
                          "storage of %lld elements reaches over its end (%llu bytes "
                          "left)",
                          (long long)s->count, (unsigned long long)stream_left(stream));
    return stream_skip(stream, bytes);
}

static Storage *find_storage(const Tar *t, const char *key)
{
    for (uint32_t low = 0, high = t->storage_count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(t->storages[middle]->key, key);
        if (order == 0)
            return t->storages[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* (target, root, offset, elements): the target is a part of the root, which must be a real
 * storage. */
static Status read_view(Tar *t, const Place *place, const Object *view)
{
    if (view->kind != OBJECT_TUPLE || view->count != 4)
        return place_fail(STATUS_INPUT, place, "storage view is %s (expected a tuple of 4)",
                          object_kind_name(view));
    const char *target = NULL, *root_key = NULL;
    int64_t number;
    TRY(key_text(t, place, view->items[0], &target, &number));
    TRY(key_text(t, place, view->items[1], &root_key, &number));
    const Object *first = view->items[2], *span = view->items[3];
    const Storage *root = find_storage(t, root_key);
    Place keyed = *place;
    keyed.key = target;
    if (!root)
        return place_fail(STATUS_INPUT, &keyed, "view of storage %s, which does not exist",
                          root_key);
    if (first->kind != OBJECT_INT || span->kind != OBJECT_INT || first->integer < 0 ||
        span->integer < 0 || (uint64_t)first->integer > root->count ||
        (uint64_t)span->integer > root->count - (uint64_t)first->integer)
        return place_fail(STATUS_INPUT, &keyed, "view lies outside storage %s (%llu elements)",
                          root_key, (unsigned long long)root->count);
    Storage *s;
    TRY(storage_add(t->c, &keyed, &s));
    uint32_t order = s->order;
    *s = *root;
    s->key = target;
    s->order = order;
    s->first = (uint64_t)first->integer;
    s->span = (uint64_t)span->integer;
    s->same = s;
    return STATUS_OK;
}

/* Sorts the storages by key and refuses two of one key. */
static Status unite(Tar *t, const Place *place)
{
    free(t->storages);
    t->storages = NULL;
    TRY(storages_unite(t->c, &t->storages, &t->storage_count));
    if (t->storage_count != t->c->storage_count)
        return place_fail(STATUS_INPUT, place, "two storages of one key");
    return STATUS_OK;
}

static Status read_storages(Tar *t, Stream *stream)
{
    PickleResult r;
    uint32_t count = 0;
    TRY(read_count(t, stream, &count));
    for (uint32_t i = 0; i < count; i++)
        TRY(read_storage(t, stream));
    Place place = stream_place(stream);
    TRY(unite(t, &place));
    TRY(pickle_read(&t->c->pool, stream, NULL, &r));
    if (r.root->kind != OBJECT_LIST)
        return place_fail(STATUS_INPUT, &place, "storage views are %s (expected a list)",
                          object_kind_name(r.root));
    for (uint32_t i = 0; i < r.root->count; i++)
        TRY(read_view(t, &place, r.root->items[i]));
    TRY(unite(t, &place));
    place = stream_place(stream);
    if (stream_left(stream))
        return place_fail(STATUS_INPUT, &place, "bytes behind the last storage");
    return STATUS_OK;
}

/* ---- tensors */

/* int32 rank, 4 bytes of padding, sizes, strides, start: into a checked tensor. */
static Status read_geometry(Tar *t, Stream *stream, const Place *place, Storage *s, TarTensor *out)
{
    uint8_t raw[16 * LIMIT_RANK + 8];
    TRY(stream_read(stream, raw, 8));
    int32_t rank = (int32_t)little32(raw);
    if (rank < 0 || rank > LIMIT_RANK)
        return place_fail(STATUS_INPUT, place, "tensor with %d dimensions (0 to %d are possible)",
                          rank, LIMIT_RANK);
    size_t n = (size_t)rank;
    TRY(stream_read(stream, raw, 16 * n + 8));
    StoredTensor *tensor = pool_alloc(&t->c->pool, sizeof *tensor + 16 * n);
    if (!tensor)
        return place_full(place);
    *tensor = (StoredTensor){.type = s->type, .rank = rank, .storage = s};
    tensor->shape = (int64_t *)(tensor + 1);
    tensor->stride = tensor->shape + rank;
    for (size_t i = 0; i < 2 * n; i++)
        if ((tensor->shape[i] = (int64_t)little64(raw + 8 * i)) < 0)
            return place_fail(STATUS_INPUT, place, "negative %s of the tensor",
                              i < n ? "size" : "stride");
    tensor->start = little64(raw + 16 * n);
    out->tensor = tensor;
    return tensor_check(t->c, place, tensor);
}

static Status read_tensor(Tar *t, Stream *stream, TarTensor *out)
{
    PickleResult r;
    Place place = stream_place(stream);
    const char *key = NULL, *storage_key = NULL;
    int64_t number;
    TRY(pickle_read(&t->c->pool, stream, NULL, &r));
    if (r.root->kind != OBJECT_TUPLE || r.root->count != 3 ||
        r.root->items[2]->kind != OBJECT_GLOBAL)
        return place_fail(STATUS_INPUT, &place,
                          "tensor is not described by (key, storage key, class)");
    TRY(key_text(t, &place, r.root->items[0], &key, &out->key));
    place.key = key;
    TRY(key_text(t, &place, r.root->items[1], &storage_key, &number));
    Storage *s = find_storage(t, storage_key);
    if (!s)
        return place_fail(STATUS_INPUT, &place, "tensor on storage %s, which does not exist",
                          storage_key);
    const char *class_name = r.root->items[2]->text, *dot = strrchr(class_name, '.');
    const char *storage_dot = strrchr(s->class_name, '.');
    size_t stem = strlen(storage_dot) - strlen("Storage");
    if (strncmp(dot, storage_dot, stem) != 0 || strcmp(dot + stem, "Tensor") != 0)
        return place_fail(STATUS_INPUT, &place, "%.100s on %.100s", class_name, s->class_name);
    return read_geometry(t, stream, &place, s, out);
}

static int by_tensor_key(const void *a, const void *b)
{
    const TarTensor *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static Status read_tensors(Tar *t, Stream *stream)
{
    uint32_t count = 0;
    Place place = stream_place(stream);
    TRY(read_count(t, stream, &count));
    if (!(t->tensors = pool_alloc(&t->c->pool, count * sizeof *t->tensors)))
        return place_full(&place);
    t->tensor_count = count;
    for (uint32_t i = 0; i < count; i++)
        TRY(read_tensor(t, stream, &t->tensors[i]));
    qsort(t->tensors, count, sizeof *t->tensors, by_tensor_key);
    for (uint32_t i = 1; i < count; i++)
        if (t->tensors[i - 1].key == t->tensors[i].key)
            return place_fail(STATUS_INPUT, &place, "two tensors of key %lld",
                              (long long)t->tensors[i].key);
    place = stream_place(stream);
    if (stream_left(stream))
        return place_fail(STATUS_INPUT, &place, "bytes behind the last tensor");
    return STATUS_OK;
}

/* ---- the object */

/* A tensor's key as text, or the tuple of a container, of which the class matters. */
static Status refer(void *context, Pool *pool, const Place *place, Object *reference)
{
    const Tar *t = context;
    (void)pool;
    if (reference->kind == OBJECT_TUPLE && reference->count &&
        reference->items[0]->kind == OBJECT_GLOBAL) {
        *reference = *reference->items[0];
        return STATUS_OK;
    }
    char *end = NULL;
    TarTensor wanted = {.key = reference->kind == OBJECT_TEXT ? strtoll(reference->text, &end, 10)
                                                              : 0};
    const TarTensor *found = end && *end == 0 && reference->count && t->tensor_count
        ? bsearch(&wanted, t->tensors, t->tensor_count, sizeof wanted, by_tensor_key) : NULL;
    if (!found)
        return place_fail(
            STATUS_INPUT, place, "persistent reference to a tensor that does not exist ('%.60s')",
            reference->kind == OBJECT_TEXT ? reference->text : object_kind_name(reference));
    reference->kind = OBJECT_TENSOR;
    reference->tensor = found->tensor;
    return STATUS_OK;
}

static Status read_object(Tar *t, Stream *stream)
{
    PickleHooks hooks = {t, refer};
    TRY(pickle_read(&t->c->pool, stream, &hooks, &t->c->pickle));
    Place place = stream_place(stream);
    if (stream_left(stream))
        return place_fail(STATUS_INPUT, &place, "bytes behind the end of the pickle");
    t->c->root = t->c->pickle.root;
    return tree_resolve(t->c, t->c->pickle.ops);
}

static Status check_system(Tar *t, Stream *stream)
{
    PickleResult r;
    Place place = stream_place(stream);
    TRY(pickle_read(&t->c->pool, stream, NULL, &r));
    const Object *order = object_get(r.root, "little_endian");
    if (order && order->kind == OBJECT_BOOL && !order->flag)
        return place_fail(STATUS_INPUT, &place, "big-endian tar files are not supported");
    return STATUS_OK;
}

Status tar_open(Checkpoint *c)
{
    static Status (*const readers[])(Tar *, Stream *) = {check_system, read_storages, read_tensors,
                                                         read_object};
    static const Member members[] = {MEMBER_SYS_INFO, MEMBER_STORAGES, MEMBER_TENSORS,
                                     MEMBER_PICKLE};
    Tar tar = {.c = c};
    c->format = CHECKPOINT_TAR;
    c->entry = "pickle";
    Status status = read_members(&tar);
    for (int i = 0; i < MEMBER_COUNT && status == STATUS_OK; i++) {
        Stream stream;
        open_member(&tar, members[i], &stream);
        status = readers[i](&tar, &stream);
        stream_close(&stream);
    }
    free(tar.storages);
    return status;
}
