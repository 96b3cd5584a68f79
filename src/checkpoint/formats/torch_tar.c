/* The oldest layout (0.1.9 and before): a tar of sys_info, storages, tensors and pickle, read in
 * this order, for each refers to the one before. Storages lie in their member one after another,
 * each behind its description; tensors are descriptions alone. */
#include "checkpoint/bytes/limits.h"
#include "checkpoint/bytes/little.h"
#include "checkpoint/bytes/tar.h"
#include "checkpoint/formats/readers.h"
#include "checkpoint/objects/storages.h"
#include "checkpoint/objects/tensor.h"
#include "checkpoint/objects/tree.h"

#include <stdlib.h>
#include <string.h>

/* A tensor of the member `tensors`, found again by its key. */
typedef struct TarTensor {
    int64_t key;
    StoredTensor *tensor;
} TarTensor;

typedef struct Tar {
    Checkpoint *c;
    Storage **storages; /* [storage_count], sorted by key */
    uint32_t storage_count;
    TarTensor *tensors; /* [tensor_count], sorted by key */
    uint32_t tensor_count;
} Tar;

/* ---- shared pieces */

static Status read_count(Tar *t, Stream *stream, uint32_t *count)
{
    /* How many follow; compared with the bytes there are before anything is made room for. */
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
    /* At most twenty digits and a sign. */
    *text = arena_printf(arena, "%lld", (long long)key->integer);
    *number = key->integer;
    return STATUS_OK;
}

/* Reads a tuple of a key, something and a class; `otherwise` is the failure where it is none. */
static Status read_description(Tar *t, Stream *stream, const char *otherwise, Object ***items)
{
    PickleResult r;
    Place place = stream_place(stream);
    TRY(pickle_read(&t->c->pool, stream, NULL, &r));
    if (r.root->kind != OBJECT_TUPLE || r.root->count != 3 ||
        r.root->items[2]->kind != OBJECT_GLOBAL)
        return place_fail(STATUS_INPUT, &place, "%s", otherwise);
    *items = r.root->items;
    return STATUS_OK;
}

/* ---- storages */

static Status read_storage(Tar *t, Stream *stream)
{
    Place place = stream_place(stream);
    Object **items = NULL;
    Storage *s;
    uint8_t raw[8];
    int64_t number;
    uint64_t bytes;
    TRY(read_description(t, stream, "storage is not described by (key, location, class)", &items));
    TRY(document_add_storage(t->c, &place, &s));
    TRY(key_text(t, &place, items[0], &s->key, &number));
    place.key = s->key;
    storage_classify(s, items[2]);
    if (!s->known)
        return place_fail(STATUS_INPUT, &place, "%.100s is not supported", s->class_name);
    /* The number of elements, then they. */
    TRY(stream_read(stream, raw, 8));
    s->count = s->span = little64(raw);
    s->offset = stream->begin + stream->at;
    s->placed = true;
    if (!storage_bytes(s, &bytes) || bytes > stream_left(stream))
        return place_fail(STATUS_INPUT, &place,
                          "storage of %lld elements reaches over its end (%llu bytes "
                          "left)",
                          (long long)s->count, (unsigned long long)stream_left(stream));
    stream_skip(stream, bytes);
    return STATUS_OK;
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
    /* Compared by subtraction, so that no sum of two numbers of the file can wrap around. */
    const Object *first = view->items[2], *span = view->items[3];
    const Storage *root = storages_find(t->storages, t->storage_count, root_key);
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
    TRY(document_add_storage(t->c, &keyed, &s));
    /* A storage of its own key that lies within the root's bytes, of which it sees only a part. */
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
    /* Called again once the views have joined: what was sorted before is made anew. */
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
    /* Views are found among the storages that are sorted so far: a view of a view is refused. */
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
    /* Sizes and strides lie one behind the other, in the file and in the tensor. */
    for (size_t i = 0; i < 2 * n; i++)
        if ((tensor->shape[i] = (int64_t)little64(raw + 8 * i)) < 0)
            return place_fail(STATUS_INPUT, place, "negative %s of the tensor",
                              i < n ? "size" : "stride");
    /* Of elements within the storage, as strides are; tensor_check compares all of it with the
     * storage. */
    tensor->start = little64(raw + 16 * n);
    out->tensor = tensor;
    return tensor_check(t->c, place, tensor);
}

static Status read_tensor(Tar *t, Stream *stream, TarTensor *out)
{
    Place place = stream_place(stream);
    Object **items = NULL;
    const char *key = NULL, *storage_key = NULL;
    int64_t number;
    TRY(read_description(t, stream, "tensor is not described by (key, storage key, class)",
                         &items));
    TRY(key_text(t, &place, items[0], &key, &out->key));
    place.key = key;
    TRY(key_text(t, &place, items[1], &storage_key, &number));
    Storage *s = storages_find(t->storages, t->storage_count, storage_key);
    /* A storage may be one of those that are parts of others. */
    if (!s)
        return place_fail(STATUS_INPUT, &place, "tensor on storage %s, which does not exist",
                          storage_key);
    /* "torch.FloatTensor" on "torch.FloatStorage": the stems must be the same. */
    const char *class_name = items[2]->text, *dot = strrchr(class_name, '.');
    const char *storage_dot = strrchr(s->class_name, '.');
    size_t stem = strlen(storage_dot) - strlen("Storage");
    if (strncmp(dot, storage_dot, stem) != 0 || strcmp(dot + stem, "Tensor") != 0)
        return place_fail(STATUS_INPUT, &place, "%.100s on %.100s", class_name, s->class_name);
    return read_geometry(t, stream, &place, s, out);
}

static int by_tensor_key(const void *a, const void *b)
{
    /* Two keys of 64 bits: their difference might not fit. */
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
    /* For `refer`, which looks them up by key. */
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
    /* The key is a number that was pickled as a text. */
    char *end = NULL;
    TarTensor wanted = {.key = reference->kind == OBJECT_TEXT ? strtoll(reference->text, &end, 10)
                                                              : 0};
    const TarTensor *found =
        end && *end == 0 && reference->count && t->tensor_count
            ? bsearch(&wanted, t->tensors, t->tensor_count, sizeof wanted, by_tensor_key)
            : NULL;
    if (!found)
        return place_fail(
            STATUS_INPUT, place, "persistent reference to a tensor that does not exist ('%.60s')",
            reference->kind == OBJECT_TEXT ? reference->text : object_kind_name(reference));
    /* Tensors are whole by now: no call has to be resolved for them. */
    reference->kind = OBJECT_TENSOR;
    reference->tensor = found->tensor;
    return STATUS_OK;
}

static Status read_object(Tar *t, Stream *stream)
{
    PickleHooks hooks = {.context = t, .persistent = refer};
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
    /* A file that does not say passes for little-endian. */
    const Object *order = object_get(r.root, "little_endian");
    if (order && order->kind == OBJECT_BOOL && !order->flag)
        return place_fail(STATUS_INPUT, &place, "big-endian tar files are not supported");
    return STATUS_OK;
}

Status torch_tar_read(Checkpoint *c)
{
    static Status (*const readers[])(Tar *, Stream *) = {check_system, read_storages, read_tensors,
                                                         read_object};
    TarMember members[] = {
        {.name = "sys_info"}, {.name = "storages"}, {.name = "tensors"}, {.name = "pickle"}};
    enum { COUNT = sizeof readers / sizeof *readers };
    Tar tar = {.c = c};
    c->format = CHECKPOINT_TAR;
    c->entry = "pickle";
    /* One after another, each a stream of its own: none can read into its neighbour. */
    Status status = tar_find(&c->source, members, COUNT);
    for (int i = 0; i < COUNT && status == STATUS_OK; i++) {
        const TarMember *m = &members[i];
        Stream stream;
        stream_open(&stream, &c->source, m->name, m->offset, m->size);
        status = readers[i](&tar, &stream);
        stream_close(&stream);
    }
    free(tar.storages);
    return status;
}
