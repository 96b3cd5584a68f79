/* Arena: memory that is given back all at once. Used for graph objects and parsed documents. */
#ifndef PACO_BASE_ARENA_H
#define PACO_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct ArenaBlock ArenaBlock;

typedef struct Arena {
    ArenaBlock *blocks; /* newest first */
    size_t used;        /* bytes taken from the newest block */
    size_t total;       /* bytes handed out in all */
} Arena;

/* `bytes` zeroed bytes, aligned to 16. Aborts when the system has no memory. */
void *arena_alloc(Arena *arena, size_t bytes);
/* The same, but NULL when the system has no memory: for sizes that come from a file. */
void *arena_try(Arena *arena, size_t bytes);
/* A copy of `bytes` bytes. */
void *arena_copy(Arena *arena, const void *from, size_t bytes);
/* A formatted string. */
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Forgets what was handed out, which must not be used any more, but keeps a block for what comes:
 * where many small documents follow one another. */
void arena_clear(Arena *arena);
/* Gives everything back; the arena is empty and usable again. */
void arena_free(Arena *arena);

/* malloc, calloc and realloc that abort when the system has no memory; sizes come from the program
 * itself, never unchecked from a file. */
void *mem_alloc(size_t bytes);
void *mem_zero(size_t count, size_t bytes);
void *mem_grow(void *old, size_t bytes);
char *mem_string(const char *text);
/* A formatted string, malloc'd. */
char *mem_vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

#endif
