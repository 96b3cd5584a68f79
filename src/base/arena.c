/* Arena: a chain of blocks, each at least BLOCK_BYTES, zeroed when made.
 *
 * Nothing is given back alone: a graph or a parsed file has thousands of small objects with one end
 * of life. What a block has left when the next thing does not fit is lost; a thing larger than a
 * block gets one of its own size. */
#include "base/arena.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 * 1024, ALIGN = 16 };

struct ArenaBlock {
    ArenaBlock *next;
    size_t room;         /* bytes behind the head */
    _Alignas(16) char bytes[];
};

void *arena_try(Arena *arena, size_t bytes)
{
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN; /* so that what comes next is aligned too */
    if (!arena->blocks || arena->blocks->room - arena->used < bytes) {
        size_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        ArenaBlock *block = calloc(1, sizeof *block + room);
        if (!block)
            return NULL;
        block->next = arena->blocks;
        block->room = room;
        arena->blocks = block;
        arena->used = 0;
    }
    void *place = arena->blocks->bytes + arena->used;
    arena->used += bytes;
    arena->total += bytes;
    return place;
}

void *arena_alloc(Arena *arena, size_t bytes)
{
    void *place = arena_try(arena, bytes);
    CHECKF(place, "out of memory: %zu bytes", bytes);
    return place;
}

void *arena_copy(Arena *arena, const void *from, size_t bytes)
{
    void *place = arena_alloc(arena, bytes);
    if (bytes)
        memcpy(place, from, bytes);
    return place;
}

/* Characters of a formatted text. */
static size_t length_of(const char *format, va_list args)
{
    va_list again;
    va_copy(again, args); /* the text is made twice: its length, then itself */
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    CHECKF(n >= 0, "%s", format);
    return (size_t)n;
}

char *arena_printf(Arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t n = length_of(format, args);
    char *place = arena_alloc(arena, n + 1);
    vsnprintf(place, n + 1, format, args);
    va_end(args);
    return place;
}

char *mem_vprintf(const char *format, va_list args)
{
    size_t n = length_of(format, args);
    char *place = mem_alloc(n + 1);
    vsnprintf(place, n + 1, format, args);
    return place;
}

void arena_clear(Arena *arena)
{
    ArenaBlock *newest = arena->blocks;
    if (!newest)
        return;
    arena->blocks = newest->next;
    size_t used = arena->used;
    arena_free(arena);
    newest->next = NULL;
    memset(newest->bytes, 0, used);
    arena->blocks = newest;
}

void arena_free(Arena *arena)
{
    for (ArenaBlock *block = arena->blocks; block;) {
        ArenaBlock *next = block->next;
        free(block);
        block = next;
    }
    *arena = (Arena){0};
}

/* Nothing asked for is one byte here and below: NULL always means that there is no memory. */
void *mem_alloc(size_t bytes)
{
    void *place = malloc(bytes ? bytes : 1);
    CHECKF(place, "out of memory: %zu bytes", bytes);
    return place;
}

void *mem_zero(size_t count, size_t bytes)
{
    void *place = calloc(count ? count : 1, bytes ? bytes : 1);
    CHECKF(place, "out of memory: %zu x %zu bytes", count, bytes);
    return place;
}

void *mem_grow(void *old, size_t bytes)
{
    void *place = realloc(old, bytes ? bytes : 1);
    CHECKF(place, "out of memory: %zu bytes", bytes);
    return place;
}

char *mem_string(const char *text)
{
    size_t n = strlen(text) + 1;
    return memcpy(mem_alloc(n), text, n);
}
