/* Pool: the memory that one file may cost. An arena with an account: what is allocated is counted
 * against LIMIT_MEMORY before the system is asked for it, so that no number in a file makes a
 * reader take more. Failures are the caller's to report (place_full). */
#ifndef PACO_CHECKPOINT_BYTES_POOL_H
#define PACO_CHECKPOINT_BYTES_POOL_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory of one file's objects, all given back at once. */
typedef struct Pool {
    Arena arena;
    size_t charged; /* bytes in use, tables outside the arena included */
} Pool;

/* Zeroed bytes, or NULL when the file would cost more than LIMIT_MEMORY, or the system has no more.
 */
void *pool_alloc(Pool *pool, size_t bytes);
/* A zero-terminated copy of `length` bytes, or NULL. */
char *pool_text(Pool *pool, const char *text, size_t length);
/* Accounts for memory that is not in the arena; false when that is too much. */
bool pool_charge(Pool *pool, size_t bytes);
void pool_release(Pool *pool, size_t bytes);
/* A malloc'd table of *room places of `size` bytes, NULL at first, with twice as many (256 at
 * first), which are charged; NULL, with the old one as it was, when that is too much. */
void *pool_grow(Pool *pool, void *table, uint32_t *room, size_t size);
void pool_free(Pool *pool);

#endif
