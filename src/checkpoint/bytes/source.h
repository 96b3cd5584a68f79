/* Source: the bytes of a checkpoint, read by pread alone, so that a file that shrinks under the
 * reader is an error and no signal. Stream: one stretch of them in order, inflated where it is
 * deflated. Place and Pool: where a failure happened, and the memory that one file may cost. */
#ifndef PACO_CHECKPOINT_SOURCE_H
#define PACO_CHECKPOINT_SOURCE_H

#include "base/arena.h"
#include "base/status.h"

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
void pool_free(Pool *pool);

/* Where: file, entry (member, "header", "pickle"), absolute offset, dotted key or NULL. */
typedef struct Place {
    const char *path, *entry;
    uint64_t offset;
    const char *key;
} Place;

/* "path: entry@offset: key 'key': what". */
Status place_fail(Status code, const Place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The failure of pool_alloc and pool_charge. */
Status place_full(const Place *place);

typedef struct Source {
    const char *path; /* for messages; not owned */
    uint64_t size;
    int fd;                /* -1 for memory */
    const uint8_t *memory; /* NULL for a file */
} Source;

/* Opens a regular file that is not empty. Anything else: STATUS_IO, an empty file STATUS_INPUT. */
Status source_open(Source *source, const char *path);
/* Bytes in memory, not owned: for harnesses and tests. */
Source source_memory(const char *name, const uint8_t *bytes, uint64_t size);
void source_close(Source *source);
/* Exactly `bytes` bytes at `offset`; the caller has compared them with source->size. A file that
 * has become shorter is STATUS_IO. */
Status source_read(const Source *source, uint64_t offset, void *to, size_t bytes);

typedef struct Inflater Inflater;

typedef struct Stream {
    const Source *source;
    const char *entry;  /* name for messages */
    const char *key;    /* of the tensor whose bytes these are, for messages, or NULL */
    uint64_t begin;     /* offset of its first byte in the file */
    uint64_t size;      /* bytes it delivers, after inflating */
    uint64_t at;        /* bytes delivered so far */
    uint8_t *window;    /* bytes read ahead */
    size_t have, used;  /* bytes in the window, and of those the delivered ones */
    Inflater *inflater; /* NULL for stored bytes */
} Stream;

/* Stored bytes [begin, begin + size) of the source. */
void stream_open(Stream *stream, const Source *source, const char *entry, uint64_t begin,
                 uint64_t size);
/* A raw deflate stream of `packed` bytes at `begin` that must give exactly `size` bytes. */
Status stream_open_deflated(Stream *stream, const Source *source, const char *entry, uint64_t begin,
                            uint64_t packed, uint64_t size);
void stream_close(Stream *stream);
/* Exactly `bytes` bytes; fewer left is STATUS_INPUT. */
Status stream_read(Stream *stream, void *to, size_t bytes);
/* Bytes not yet delivered. */
uint64_t stream_left(const Stream *stream);
/* After the last byte: whether a deflated stream ends there too. */
Status stream_finish(Stream *stream);
/* Where the next byte is, for messages. Inside deflated bytes: begin plus the inflated position. */
Place stream_place(const Stream *stream);

/* Little-endian numbers from bytes. */
uint16_t little16(const uint8_t *bytes);
uint32_t little32(const uint8_t *bytes);
uint64_t little64(const uint8_t *bytes);
/* Whether the bytes are well-formed UTF-8 without surrogates. */
bool utf8_valid(const char *text, size_t length);

#endif
