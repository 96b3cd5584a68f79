/* Document: one checkpoint while it is read and after. Its source and container, the memory it may
 * cost, the tree of objects, and the two lists that readers fill: storages and tensors. A reader of
 * a format sets root and lists; nobody else changes them. Private to src/checkpoint. */
#ifndef PACO_CHECKPOINT_OBJECTS_DOCUMENT_H
#define PACO_CHECKPOINT_OBJECTS_DOCUMENT_H

#include "checkpoint/bytes/pool.h"
#include "checkpoint/bytes/source.h"
#include "checkpoint/bytes/zip.h"
#include "checkpoint/objects/format.h"
#include "checkpoint/objects/pickle.h"

struct Checkpoint {
    CheckpointOptions options;
    CheckpointFormat format;
    char *path;
    Source source;
    Pool pool;
    Zip zip;               /* CHECKPOINT_ZIP */
    bool big_endian;       /* elements are stored the other way round */
    uint64_t expanded;     /* bytes of all tensors in memory, each once */
    uint8_t *inflated;     /* the deflated record that a view was last seen in; malloc'd, or NULL */
    const Storage *inflated_of;
    uint64_t inflations;   /* bytes inflated for views */
    const char *entry;     /* name of the pickle, for messages */
    PickleResult pickle;
    Object *root;
    Storage **storages;    /* [storage_count], every reference in file order; malloc'd */
    uint32_t storage_count, storage_room;
    CheckpointTensor *tensors; /* [count]; malloc'd */
    uint32_t count, room;
    CheckpointTensor **by_key; /* [count], sorted by key; malloc'd */
};

/* A place in the file's pickle or header. */
Place document_place(const Checkpoint *c, uint64_t at, const char *key);
/* What the elements of all tensors together may take in memory. A small file may not ask for much:
 * 64 MiB, or four times itself. */
uint64_t document_most_bytes(const Checkpoint *c);
/* A new storage in the list, zeroed but for what says "in no record, the first of its key";
 * STATUS_LIMIT when there are too many. */
Status document_add_storage(Checkpoint *c, const Place *place, Storage **out);
/* Adds a tensor to the list; its key is copied. STATUS_LIMIT as above. */
Status document_add_tensor(Checkpoint *c, const Place *place, const CheckpointTensor *tensor);

#endif
