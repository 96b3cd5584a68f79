/* The account is kept a little above what the arena really takes: see pool_alloc. */
#include "checkpoint/bytes/pool.h"

#include "checkpoint/bytes/limits.h"

#include <stdlib.h>
#include <string.h>

void *pool_alloc(Pool *pool, size_t bytes)
{
    /* The arena leaves the rest of a block unused when a large piece comes: count that as used
     * too. */
    enum { BLOCK = 64 * 1024 };
    size_t cost = bytes > BLOCK        ? bytes + BLOCK
                  : bytes > BLOCK / 16 ? 2 * bytes
                                       : (bytes + 15) / 16 * 16;
    /* The comparison first: the sum of an absurd number might wrap around. */
    if (bytes > LIMIT_MEMORY || !pool_charge(pool, cost))
        return NULL;
    return arena_try(&pool->arena, bytes);
}

char *pool_text(Pool *pool, const char *text, size_t length)
{
    char *copy = pool_alloc(pool, length + 1);
    if (copy && length)
        memcpy(copy, text, length);
    return copy;
}

/* Never more than LIMIT_MEMORY is charged, so that the difference cannot wrap. */
bool pool_charge(Pool *pool, size_t bytes)
{
    if (bytes > LIMIT_MEMORY - pool->charged)
        return false;
    pool->charged += bytes;
    return true;
}

void pool_release(Pool *pool, size_t bytes)
{
    pool->charged -= bytes;
}

void *pool_grow(Pool *pool, void *table, uint32_t *room, size_t size)
{
    uint32_t more = *room ? *room : 256;
    if (!pool_charge(pool, more * size))
        return NULL;
    void *grown = realloc(table, (*room + more) * size);
    if (!grown) {
        pool_release(pool, more * size);
        return NULL;
    }
    *room += more;
    return grown;
}

void pool_free(Pool *pool)
{
    arena_free(&pool->arena);
    pool->charged = 0;
}
