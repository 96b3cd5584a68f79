/* What the format around a pickle decides: what its persistent references stand for. */
#ifndef PACO_CHECKPOINT_OBJECTS_PICKLE_HOOKS_H
#define PACO_CHECKPOINT_OBJECTS_PICKLE_HOOKS_H

#include "checkpoint/bytes/place.h"
#include "checkpoint/bytes/pool.h"
#include "checkpoint/objects/object.h"

typedef struct PickleHooks {
    void *context;
    /* BINPERSID: turns `reference`, its operand, into an object in place. NULL: refused. */
    Status (*persistent)(void *context, Pool *pool, const Place *place, Object *reference);
    /* Bytes longer than LIMIT_STRING are left in the file (OBJECT_BLOB), of which so many there may
     * be with all else; 0: they are refused, and a pickle has LIMIT_PICKLE bytes. */
    uint64_t blobs;
} PickleHooks;

#endif
