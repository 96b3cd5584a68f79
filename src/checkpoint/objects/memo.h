/* Memo: a pickle's numbered objects. Numbers come from the file and may be anything, so it is a
 * hash map whose places nobody who writes a file can foresee. */
#ifndef PACO_CHECKPOINT_OBJECTS_MEMO_H
#define PACO_CHECKPOINT_OBJECTS_MEMO_H

#include "checkpoint/bytes/pool.h"
#include "checkpoint/objects/object.h"

typedef struct MemoSlot {
    Object *value; /* NULL: free */
    uint32_t index;
} MemoSlot;

typedef struct Memo {
    MemoSlot *slots;  /* [room], at most half of them taken */
    uint32_t room;    /* a power of two, or 0 */
    uint32_t count;
    uint64_t seed;
} Memo;

/* Sets an entry, which may replace one; false when the pool has no memory for it. */
bool memo_put(Memo *memo, Pool *pool, uint32_t index, Object *value);
/* The entry, or NULL. */
Object *memo_get(const Memo *memo, uint32_t index);
void memo_free(Memo *memo, Pool *pool);

#endif
