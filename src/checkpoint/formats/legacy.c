/* The legacy stream (0.1.10 to 1.5): magic number, protocol and system pickles, the object, the
 * sorted list of storage keys, then each storage as a count and its raw elements, to the end of the
 * file. Big-endian files are refused. */
#include "checkpoint/bytes/little.h"
#include "checkpoint/formats/readers.h"
#include "checkpoint/objects/storages.h"
#include "checkpoint/objects/tree.h"

#include <stdlib.h>
#include <string.h>

/* 0x1950a86a20f9469cfc6c as a pickle holds it: its bytes, lowest first. */
static const uint8_t magic[10] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

static Status refer(void *context, Pool *pool, const Place *place, Object *reference)
{
    (void)pool;
    /* The class of a module, which only matters to who would build it. */
    return storage_refer(context, place, reference, 6);
}

static Status check_preamble(Checkpoint *c, Stream *stream)
{
    PickleResult r;
    Place place = stream_place(stream);
    TRY(pickle_read(&c->pool, stream, NULL, &r));
    /* Beyond 64 bits, and therefore kept as bytes. */
    if (r.root->kind != OBJECT_BIG || r.root->count != sizeof magic ||
        memcmp(r.root->text, magic, sizeof magic) != 0)
        return place_fail(STATUS_INPUT, &place,
                          "wrong magic number: no PyTorch checkpoint, or damaged");
    place = stream_place(stream);
    TRY(pickle_read(&c->pool, stream, NULL, &r));
    if (r.root->kind != OBJECT_INT || r.root->integer != 1001)
        return place_fail(STATUS_INPUT, &place, "legacy protocol %lld (expected 1001)",
                          r.root->kind == OBJECT_INT ? (long long)r.root->integer : 0);
    /* The sizes of short, int and long stand there too: the elements' types say theirs. */
    place = stream_place(stream);
    TRY(pickle_read(&c->pool, stream, NULL, &r));
    const Object *order = object_get(r.root, "little_endian");
    if (!order || order->kind != OBJECT_BOOL)
        return place_fail(STATUS_INPUT, &place, "system record without little_endian");
    if (!order->flag)
        return place_fail(STATUS_INPUT, &place, "big-endian legacy files are not supported");
    return STATUS_OK;
}

/* The i-th key of the list must be the i-th distinct storage: both are sorted as strings. */
static Status check_keys(const Place *place, const Object *keys, Storage **by_key,
                         uint32_t distinct)
{
    if (keys->kind != OBJECT_LIST)
        return place_fail(STATUS_INPUT, place, "storage keys are %s (expected a list)",
                          object_kind_name(keys));
    for (uint32_t i = 0; i < keys->count; i++) {
        if (keys->items[i]->kind != OBJECT_TEXT)
            return place_fail(STATUS_INPUT, place, "storage key %u is %s (expected a string)", i,
                              object_kind_name(keys->items[i]));
        /* A key more, another one, or the same one in another place. */
        if (i >= distinct || strcmp(by_key[i]->key, keys->items[i]->text) != 0)
            return place_fail(STATUS_INPUT, place, "storage key '%.80s' where '%.80s' is expected",
                              keys->items[i]->text, i < distinct ? by_key[i]->key : "the end");
    }
    if (keys->count < distinct)
        return place_fail(STATUS_INPUT, place, "storage key '%.80s' is missing from the list",
                          by_key[keys->count]->key);
    return STATUS_OK;
}

/* The raw part: for each storage an int64 count and its elements. */
static Status place_storages(Checkpoint *c, uint64_t at, Storage **by_key, uint32_t distinct)
{
    for (uint32_t i = 0; i < distinct; i++) {
        Storage *s = by_key[i];
        uint8_t raw[8];
        uint64_t bytes;
        Place place = {c->source.path, "storages", at, s->key};
        if (!s->known)
            return place_fail(STATUS_INPUT, &place, "%.100s is not supported", s->class_name);
        /* Not summed but subtracted: `at` never passes the end. */
        if (c->source.size - at < 8)
            return place_fail(STATUS_INPUT, &place, "the file ends before this storage");
        TRY(source_read(&c->source, at, raw, 8));
        at += 8;
        if (little64(raw) != s->count)
            return place_fail(STATUS_INPUT, &place, "storage has %lld elements (expected %llu)",
                              (long long)little64(raw), (unsigned long long)s->count);
        if (!storage_bytes(s, &bytes) || bytes > c->source.size - at)
            return place_fail(STATUS_INPUT, &place,
                              "storage of %llu elements reaches over the end of the "
                              "file (%llu bytes left)",
                              (unsigned long long)s->count,
                              (unsigned long long)(c->source.size - at));
        /* Set once here, so that no tensor looks for a record. */
        s->offset = at;
        s->placed = true;
        at += bytes;
    }
    Place place = {c->source.path, "storages", at, NULL};
    /* Bytes behind the last storage belong to nothing: the count of one of them is wrong, or the
     * file is. */
    if (at != c->source.size)
        return place_fail(STATUS_INPUT, &place, "%llu bytes behind the last storage",
                          (unsigned long long)(c->source.size - at));
    return STATUS_OK;
}

static Status read_all(Checkpoint *c, Stream *stream, Storage ***by_key)
{
    PickleHooks hooks = {.context = c, .persistent = refer};
    PickleResult keys;
    uint32_t distinct;
    TRY(check_preamble(c, stream));
    /* From here on messages count from where the object's pickle begins. */
    TRY(pickle_read(&c->pool, stream, &hooks, &c->pickle));
    Place place = stream_place(stream);
    TRY(pickle_read(&c->pool, stream, NULL, &keys));
    /* Every storage is known by now: the object has been read, though not yet walked. */
    TRY(storages_unite(c, by_key, &distinct));
    TRY(check_keys(&place, keys.root, *by_key, distinct));
    TRY(place_storages(c, stream->begin + stream->at, *by_key, distinct));
    c->root = c->pickle.root;
    return tree_resolve(c, c->pickle.ops);
}

Status legacy_read(Checkpoint *c)
{
    Stream stream;
    Storage **by_key = NULL;
    c->format = CHECKPOINT_LEGACY;
    c->entry = "pickle";
    /* The pickles follow each other without a mark: one stream reads them all. */
    stream_open(&stream, &c->source, c->entry, 0, c->source.size);
    Status status = read_all(c, &stream, &by_key);
    stream_close(&stream);
    free(by_key);
    return status;
}
