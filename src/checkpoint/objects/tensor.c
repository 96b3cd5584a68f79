/* Checks of tensors. A file says sizes, strides and offsets; every product and sum of them is
 * looked at for overflow before it is compared with what there is. */
#include "checkpoint/objects/tensor.h"

#include "checkpoint/bytes/limits.h"
#include "checkpoint/objects/storages.h"

#include <string.h>

/* A tuple of integers >= 0 into values[LIMIT_RANK]. */
static Status take_sizes(const Place *place, const Object *tuple, const char *what, int64_t *values,
                         int *rank)
{
    if (tuple->kind != OBJECT_TUPLE && tuple->kind != OBJECT_LIST)
        return place_fail(STATUS_INPUT, place, "%s of the tensor is %s (expected a tuple)", what,
                          object_kind_name(tuple));
    if (tuple->count > LIMIT_RANK)
        return place_fail(STATUS_INPUT, place, "tensor with %u dimensions (at most %d)",
                          tuple->count, LIMIT_RANK);
    for (uint32_t i = 0; i < tuple->count; i++) {
        const Object *value = tuple->items[i];
        if (value->kind != OBJECT_INT || value->integer < 0)
            return place_fail(STATUS_INPUT, place,
                              "%s %u of the tensor is %s (expected an integer >= 0)", what, i,
                              value->kind == OBJECT_INT ? "negative" : object_kind_name(value));
        values[i] = value->integer;
    }
    *rank = (int)tuple->count;
    return STATUS_OK;
}

/* Product of the shape; a zero among the dimensions must not hide that the others overflow. */
static Status count_elements(const Place *place, StoredTensor *t, uint64_t *bytes)
{
    uint64_t count = 1, others = 1;
    for (int i = 0; i < t->rank; i++) {
        uint64_t n = (uint64_t)t->shape[i];
        if (__builtin_mul_overflow(others, n ? n : 1, &others) || others > INT64_MAX)
            return place_fail(STATUS_INPUT, place, "product of the tensor's shape overflows");
        count = n ? count : 0;
    }
    t->count = count ? others : 0;
    if (__builtin_mul_overflow(t->count, element_bytes(t->type), bytes))
        return place_fail(STATUS_INPUT, place, "size of the tensor overflows");
    return STATUS_OK;
}

/* Last element that the view touches, relative to its start. */
static Status extent(const Place *place, const StoredTensor *t, uint64_t *last)
{
    *last = 0;
    for (int i = 0; i < t->rank; i++) {
        uint64_t part;
        if (__builtin_mul_overflow((uint64_t)t->shape[i] - 1, (uint64_t)t->stride[i], &part) ||
            __builtin_add_overflow(*last, part, last))
            return place_fail(STATUS_INPUT, place, "shape times stride of the tensor overflows");
    }
    return STATUS_OK;
}

/* Finds a zip storage's record and compares its size. */
static Status place_record(Checkpoint *c, const Place *place, Storage *s)
{
    char name[300];
    uint64_t bytes;
    memcpy(name, "data/", 5);
    memcpy(name + 5, s->key, strlen(s->key) + 1);
    if (!storage_bytes(s, &bytes))
        return place_fail(STATUS_INPUT, place, "size of storage '%.100s' overflows", s->key);
    s->entry = zip_find(&c->zip, name);
    if (s->entry < 0)
        return place_fail(STATUS_INPUT, place, "record %.100s%.100s is missing", c->zip.prefix,
                          name);
    const ZipEntry *e = &c->zip.entries[s->entry];
    /* Neither less nor more: a larger record would hold bytes that nobody sees. */
    if (e->size != bytes)
        return place_fail(STATUS_INPUT, place, "record %.100s: record %llu bytes, needs %llu",
                          e->name, (unsigned long long)e->size, (unsigned long long)bytes);
    if (e->deflated && bytes > document_most_bytes(c))
        return place_fail(STATUS_LIMIT, place,
                          "record %.100s inflates to %llu bytes (limit %llu for this "
                          "file)",
                          e->name, (unsigned long long)bytes,
                          (unsigned long long)document_most_bytes(c));
    s->offset = e->data;
    s->placed = true;
    return STATUS_OK;
}

static Status check_storage(Checkpoint *c, const Place *place, const Storage *s)
{
    /* Two references to one key are two descriptions of one run of bytes. */
    Storage *first = s->same;
    if (s->type != first->type || s->known != first->known || s->untyped != first->untyped)
        return place_fail(STATUS_INPUT, place, "storage '%.100s' is both %.60s and %.60s", s->key,
                          first->class_name, s->class_name);
    if (s->count != first->count)
        return place_fail(STATUS_INPUT, place, "storage '%.100s' has both %llu and %llu elements",
                          s->key, (unsigned long long)first->count, (unsigned long long)s->count);
    if (!first->placed && c->format == CHECKPOINT_ZIP)
        return place_record(c, place, first);
    if (!first->placed)
        return place_fail(STATUS_INPUT, place, "storage '%.100s' is not in the file", s->key);
    return STATUS_OK;
}

Status tensor_check(Checkpoint *c, const Place *place, StoredTensor *t)
{
    const Storage *s = t->storage;
    uint64_t bytes = 0, last = 0, size = element_bytes(t->type);
    /* A storage of bytes counts bytes; the view is counted in elements. */
    uint64_t span = s->untyped ? s->span / size : s->span;
    TRY(count_elements(place, t, &bytes));
    TRY(check_storage(c, place, s));
    if (t->start > span)
        return place_fail(STATUS_INPUT, place,
                          "tensor begins outside its storage (element %llu of %llu)",
                          (unsigned long long)t->start, (unsigned long long)span);
    /* A tensor without elements touches nothing, whatever its strides. */
    if (t->count) {
        TRY(extent(place, t, &last));
        if (last >= span - t->start)
            return place_fail(
                STATUS_INPUT, place,
                "tensor reaches outside its storage (element %llu of "
                "%llu)",
                (unsigned long long)(last > UINT64_MAX - t->start ? last : last + t->start),
                (unsigned long long)span);
    }
    if (bytes > document_most_bytes(c))
        return place_fail(STATUS_LIMIT, place,
                          "tensor expands to %llu bytes (limit %llu for this file)",
                          (unsigned long long)bytes, (unsigned long long)document_most_bytes(c));
    /* All tensors together, so that many views of one large storage are not each allowed the
     * most. */
    c->expanded += bytes; /* no overflow: the sum was within the limit */
    if (c->expanded > document_most_bytes(c))
        return place_fail(STATUS_LIMIT, place, "the file's tensors expand to more than %llu bytes",
                          (unsigned long long)document_most_bytes(c));
    /* From here on counted from the beginning of the whole storage. */
    t->start += s->first;
    return STATUS_OK;
}

/* The element type of an untyped storage's tensor: GLOBAL "torch.float32". */
static bool take_dtype(const Object *dtype, ElementType *type)
{
    return dtype && dtype->kind == OBJECT_GLOBAL && strncmp(dtype->text, "torch.", 6) == 0 &&
           element_from_name(dtype->text + 6, type);
}

static void unsuitable(Object *out, const char *why)
{
    out->kind = OBJECT_UNSUITABLE;
    out->text = why;
    out->count = (uint32_t)strlen(why);
}

Status tensor_make(Checkpoint *c, const Place *place, Object *storage, const Object *offset,
                   const Object *shape, const Object *stride, const Object *dtype, Object *out)
{
    int64_t sizes[LIMIT_RANK], strides[LIMIT_RANK];
    int rank = 0, stride_rank = 0;
    if (storage->kind != OBJECT_STORAGE)
        return place_fail(STATUS_INPUT, place, "tensor on %s (expected a storage)",
                          object_kind_name(storage));
    if (offset->kind != OBJECT_INT || offset->integer < 0)
        return place_fail(STATUS_INPUT, place,
                          "offset of the tensor is %s (expected an integer >= 0)",
                          offset->kind == OBJECT_INT ? "negative" : object_kind_name(offset));
    TRY(take_sizes(place, shape, "size", sizes, &rank));
    TRY(take_sizes(place, stride, "stride", strides, &stride_rank));
    if (rank != stride_rank)
        return place_fail(STATUS_INPUT, place, "tensor with %d sizes but %d strides", rank,
                          stride_rank);
    Storage *s = storage->storage;
    ElementType type = s->type;
    if (!s->known) {
        unsuitable(out, s->class_name);
        return STATUS_OK;
    }
    if (dtype && !take_dtype(dtype, &type)) {
        unsuitable(out, dtype->kind == OBJECT_GLOBAL ? dtype->text : "tensor of unknown type");
        return STATUS_OK;
    }
    if (!dtype && s->untyped)
        return place_fail(STATUS_INPUT, place, "tensor without a type on an untyped storage");
    /* One piece of memory for the tensor, its shape and its strides. */
    size_t bytes = (size_t)rank * sizeof *sizes;
    StoredTensor *t = pool_alloc(&c->pool, sizeof *t + 2 * bytes);
    if (!t)
        return place_full(place);
    *t = (StoredTensor){
        .type = type, .rank = rank, .start = (uint64_t)offset->integer, .storage = s};
    t->shape = (int64_t *)(t + 1);
    t->stride = t->shape + rank;
    memcpy(t->shape, sizes, bytes);
    memcpy(t->stride, strides, bytes);
    TRY(tensor_check(c, place, t));
    out->kind = OBJECT_TENSOR;
    out->tensor = t;
    return STATUS_OK;
}

Status tensor_in_memory(Checkpoint *c, const Place *place, ElementType type, const Object *shape,
                        const Object *bytes, Object *out)
{
    int64_t sizes[LIMIT_RANK];
    int rank = 0;
    uint64_t all = 0;
    if (shape->count > LIMIT_RANK)
        return STATUS_OK;
    TRY(take_sizes(place, shape, "size", sizes, &rank));
    size_t room = (size_t)rank * sizeof *sizes;
    StoredTensor *t = pool_alloc(&c->pool, sizeof *t + 2 * room);
    Storage *s = pool_alloc(&c->pool, sizeof *s);
    if (!t || !s)
        return place_full(place);
    *t = (StoredTensor){.type = type, .rank = rank, .storage = s};
    t->shape = (int64_t *)(t + 1);
    t->stride = t->shape + rank;
    memcpy(t->shape, sizes, room);
    TRY(count_elements(place, t, &all));
    if (all != bytes->count)
        return STATUS_OK;
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; i--) {
        t->stride[i] = stride;
        stride *= t->shape[i];
    }
    *s = (Storage){.key = "numpy", .class_name = "numpy.ndarray", .type = type, .count = t->count,
                   .span = t->count, .entry = -1, .known = true, .placed = true, .verified = true,
                   .same = s, .memory = bytes->text};
    out->kind = OBJECT_TENSOR;
    out->tensor = t;
    return STATUS_OK;
}
