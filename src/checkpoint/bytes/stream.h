/* Stream: one stretch of a source, in order, inflated where it is deflated. Small reads come from a
 * window of 64 KiB, large ones go straight through. There is no way back, and no writing. */
#ifndef PACO_CHECKPOINT_BYTES_STREAM_H
#define PACO_CHECKPOINT_BYTES_STREAM_H

#include "checkpoint/bytes/place.h"
#include "checkpoint/bytes/source.h"

#include <stddef.h>
#include <stdint.h>

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
/* Passes over bytes of a stream that is not deflated; so many must be left. */
void stream_skip(Stream *stream, uint64_t bytes);
/* Bytes not yet delivered. */
uint64_t stream_left(const Stream *stream);
/* After the last byte: whether a deflated stream ends there too. */
Status stream_finish(Stream *stream);
/* Where the next byte is, for messages. Inside deflated bytes: begin plus the inflated position. */
Place stream_place(const Stream *stream);

#endif
