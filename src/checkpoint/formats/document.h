/* Document: what the parts of the reader share. Private to src/checkpoint. */
#ifndef PACO_CHECKPOINT_DOCUMENT_H
#define PACO_CHECKPOINT_DOCUMENT_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/objects/pickle.h"
#include "checkpoint/bytes/zip.h"

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

/* One reader per format: sets root, tensors and storages. The source is open. */
Status torch_zip_open(Checkpoint *c);
Status legacy_open(Checkpoint *c);
Status tar_open(Checkpoint *c);
Status safetensors_open(Checkpoint *c);

/* storages.c: persistent references and what they refer to. */

/* A new storage, recorded in c->storages; STATUS_LIMIT when there are too many. */
Status storage_add(Checkpoint *c, const Place *place, Storage **out);
/* Fills type, known and untyped from a class ("torch.FloatStorage"); unknown classes stay so. */
void storage_classify(Storage *storage, const Object *class_object);
/* Turns ('storage', class, key, location, numel[, view]) into OBJECT_STORAGE in place. */
Status storage_refer(Checkpoint *c, const Place *place, Object *reference, uint32_t items);
/* Links every storage with the first of its key; *distinct of them, in c->storages' order sorted by
 * key, come back malloc'd. STATUS_INPUT where a view has the key of a storage. */
Status storages_unite(Checkpoint *c, Storage ***united, uint32_t *distinct);

/* tree.c: walks the tree, turns calls that make tensors into tensors, and lists them. `ops` bounds
 * the visits. */
Status tree_resolve(Checkpoint *c, uint64_t ops);
/* Adds a tensor to the list. */
Status tree_add(Checkpoint *c, const Place *place, const CheckpointTensor *tensor);
/* tensor.c: makes and checks a tensor: offset, shape and stride are tuples of integers. */
Status tensor_make(Checkpoint *c, const Place *place, Object *storage, const Object *offset,
                   const Object *shape, const Object *stride, const Object *dtype, Object *out);
/* What the elements of all tensors together may take in memory. A small file may not ask for much:
 * 64 MiB, or four times itself. */
uint64_t tensor_most_bytes(const Checkpoint *c);
/* Checks a tensor whose fields are set: its view against its storage, its size against the
 * limits. */
Status tensor_check(Checkpoint *c, const Place *place, StoredTensor *tensor);

#endif
