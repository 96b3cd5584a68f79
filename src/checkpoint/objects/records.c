/* A hash table with open addressing over what makes elements the same: storage, start, type, shape
 * and strides. At most half of it is taken. */
#include "checkpoint/objects/records.h"

#include <stdlib.h>
#include <string.h>

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
    /* Of one storage, with the same view of it: values are not looked at. */
    return a->storage->same == b->storage->same && a->start == b->start && a->type == b->type &&
           a->rank == b->rank && memcmp(a->shape, b->shape, bytes) == 0 &&
           !a->stride == !b->stride && (!a->stride || memcmp(a->stride, b->stride, bytes) == 0);
}

/* The slot that holds the tensor's record, or the free one where it belongs. */
static uint32_t *find_slot(const Records *r, const StoredTensor *t)
{
    for (uint32_t i = (uint32_t)hash_elements(t);; i++) {
        uint32_t *slot = &r->slots[i & (r->slot_room - 1)];
        if (!*slot || same_elements(r->tensors[*slot - 1], t))
            return slot;
    }
}

static void grow(Records *r)
{
    r->room = r->room ? 2 * r->room : 256;
    r->tensors = mem_grow(r->tensors, r->room * sizeof *r->tensors);
    free(r->slots);
    r->slot_room = 2 * r->room;
    r->slots = mem_zero(r->slot_room, sizeof *r->slots);
    for (uint32_t i = 0; i < r->count; i++)
        *find_slot(r, r->tensors[i]) = i + 1;
}

uint32_t records_find(Records *r, const StoredTensor *t)
{
    if (r->count == r->room)
        grow(r);
    /* Grown before it is asked for, so that the slot found is the one that an addition fills. */
    uint32_t number = *find_slot(r, t);
    return number ? number - 1 : r->count;
}

void records_add(Records *r, const StoredTensor *t)
{
    uint32_t *slot = find_slot(r, t);
    r->tensors[r->count++] = t;
    *slot = r->count;
}

void records_free(Records *r)
{
    free(r->tensors);
    free(r->slots);
    *r = (Records){0};
}
