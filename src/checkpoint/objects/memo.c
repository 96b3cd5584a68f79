/* Memo: open addressing, doubled when half full. */
#include "checkpoint/objects/memo.h"

#include <stdlib.h>
#include <time.h>

enum { FIRST_ROOM = 512 };

static MemoSlot *find(const Memo *memo, uint32_t index)
{
    /* Multiplied and folded twice: numbers that differ little end far apart, and nobody who does
     * not know the seed can choose numbers that meet. */
    uint64_t h = (index ^ memo->seed) * 0x9E3779B97F4A7C15u;
    h = (h ^ h >> 29) * 0xBF58476D1CE4E5B9u;
    h ^= h >> 32;
    for (uint32_t i = (uint32_t)h;; i++) {
        MemoSlot *slot = &memo->slots[i & (memo->room - 1)];
        if (!slot->value || slot->index == index)
            return slot;
    }
}

/* Takes its seed from where the program lies in memory and from the clock. */
static void make_seed(Memo *memo)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    memo->seed = (uint64_t)(uintptr_t)memo ^ (uint64_t)now.tv_nsec << 20;
}

static bool grow(Memo *memo, Pool *pool)
{
    /* Both tables are in memory until the entries have moved: both are charged. */
    Memo old = *memo;
    uint32_t room = old.room ? 2 * old.room : FIRST_ROOM;
    if (!pool_charge(pool, room * sizeof *old.slots))
        return false;
    MemoSlot *slots = calloc(room, sizeof *slots);
    if (!slots) {
        pool_release(pool, room * sizeof *slots);
        return false;
    }
    if (!old.room)
        make_seed(memo);
    memo->room = room;
    memo->slots = slots;
    for (uint32_t i = 0; i < old.room; i++)
        if (old.slots[i].value)
            *find(memo, old.slots[i].index) = old.slots[i];
    free(old.slots);
    pool_release(pool, old.room * sizeof *old.slots);
    return true;
}

bool memo_put(Memo *memo, Pool *pool, uint32_t index, Object *value)
{
    /* Before the search, which needs a free slot to end. */
    if (memo->count * 2 >= memo->room && !grow(memo, pool))
        return false;
    MemoSlot *slot = find(memo, index);
    memo->count += !slot->value;
    *slot = (MemoSlot){value, index};
    return true;
}

Object *memo_get(const Memo *memo, uint32_t index)
{
    return memo->room ? find(memo, index)->value : NULL;
}

void memo_free(Memo *memo, Pool *pool)
{
    free(memo->slots);
    pool_release(pool, memo->room * sizeof *memo->slots);
    *memo = (Memo){0};
}
