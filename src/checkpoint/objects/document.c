/* The lists of a document. They grow by doubling, within the file's memory. */
#include "checkpoint/objects/document.h"

#include "checkpoint/bytes/limits.h"

#include <string.h>

Place document_place(const Checkpoint *c, uint64_t at, const char *key)
{
    return (Place){c->source.path, c->entry, at, key};
}

uint64_t document_most_bytes(const Checkpoint *c)
{
    return c->source.size > LIMIT_VIEW / 4 ? c->source.size * 4 : LIMIT_VIEW;
}

Status document_add_storage(Checkpoint *c, const Place *place, Storage **out)
{
    if (c->storage_count == LIMIT_TENSORS)
        return place_fail(STATUS_LIMIT, place, "more than %d storages", LIMIT_TENSORS);
    if (c->storage_count == c->storage_room) {
        Storage **grown = pool_grow(&c->pool, c->storages, &c->storage_room, sizeof *grown);
        if (!grown)
            return place_full(place);
        c->storages = grown;
    }
    Storage *storage = pool_alloc(&c->pool, sizeof *storage);
    if (!storage)
        return place_full(place);
    storage->entry = -1;
    storage->order = c->storage_count;
    storage->same = storage;
    c->storages[c->storage_count++] = storage;
    *out = storage;
    return STATUS_OK;
}

Status document_add_tensor(Checkpoint *c, const Place *place, const CheckpointTensor *tensor)
{
    if (c->count == LIMIT_TENSORS)
        return place_fail(STATUS_LIMIT, place, "more than %d tensors", LIMIT_TENSORS);
    if (c->count == c->room) {
        uint32_t before = c->room;
        CheckpointTensor *grown = pool_grow(&c->pool, c->tensors, &c->room, sizeof *grown);
        if (!grown)
            return place_full(place);
        c->tensors = grown;
        /* by_key is made once all are listed, and costs as much as its tensors let it. */
        if (!pool_charge(&c->pool, (c->room - before) * sizeof *c->by_key))
            return place_full(place);
    }
    CheckpointTensor *added = &c->tensors[c->count];
    *added = *tensor;
    added->key = pool_text(&c->pool, tensor->key, strlen(tensor->key));
    if (!added->key)
        return place_full(place);
    c->count++;
    return STATUS_OK;
}
