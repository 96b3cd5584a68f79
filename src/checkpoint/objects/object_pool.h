/* Objects within the memory that a file may cost: what readers build. object.h has the same for
 * trees that the program itself makes, where memory is no question. */
#ifndef PACO_CHECKPOINT_OBJECTS_OBJECT_POOL_H
#define PACO_CHECKPOINT_OBJECTS_OBJECT_POOL_H

#include "checkpoint/bytes/pool.h"
#include "checkpoint/objects/object.h"

/* Makes room for `more` further items of a list, tuple or dict (two for a key); false when the pool
 * has none. */
bool object_reserve(Pool *pool, Object *object, uint32_t more);
/* A text that is not copied, or NULL when the pool has no room. */
Object *object_pool_text(Pool *pool, const char *text);
/* Adds a key, whose text is not copied, to a dict; false when the pool has no room. */
bool object_pool_add(Pool *pool, Object *dict, const char *key, Object *value);

#endif
