/* Storages: what the persistent references of a pickle point to. References to one key must agree,
 * and are united so that offset, record and check are kept once. Finding a storage's bytes in the
 * file is the business of its format (legacy, tar) or of the first tensor on it (zip). */
#ifndef PACO_CHECKPOINT_OBJECTS_STORAGES_H
#define PACO_CHECKPOINT_OBJECTS_STORAGES_H

#include "checkpoint/objects/document.h"

/* Fills type, known and untyped from a class ("torch.FloatStorage"); unknown classes stay so. */
void storage_classify(Storage *storage, const Object *class_object);
/* Turns ('storage', class, key, location, numel[, view]) into OBJECT_STORAGE in place. */
Status storage_refer(Checkpoint *c, const Place *place, Object *reference, uint32_t items);
/* Bytes of the whole storage; false when their number overflows. */
bool storage_bytes(const Storage *storage, uint64_t *bytes);
/* Links every storage with the first of its key; *distinct of them, in c->storages' order sorted by
 * key, come back malloc'd. STATUS_INPUT where a view has the key of a storage. */
Status storages_unite(Checkpoint *c, Storage ***united, uint32_t *distinct);
/* The storage of a key among united ones, or NULL. */
Storage *storages_find(Storage *const *united, uint32_t distinct, const char *key);

#endif
