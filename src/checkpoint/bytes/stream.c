/* Streams over zlib's raw inflate. A deflated stretch must give exactly the bytes that it declares
 * and end where it should: one that gives fewer or more, or has bytes behind its end, is damaged.
 */
#include "checkpoint/bytes/stream.h"

#include "base/arena.h"
#include "base/check.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { WINDOW = 64 * 1024 };

struct Inflater {
    z_stream z;
    uint64_t next, end; /* offsets of packed bytes not yet read */
    bool done;          /* the deflate stream has ended */
    uint8_t packed[WINDOW];
};

void stream_open(Stream *stream, const Source *source, const char *entry, uint64_t begin,
                 uint64_t size)
{
    *stream = (Stream){.source = source,
                       .entry = entry,
                       .begin = begin,
                       .size = size,
                       .window = mem_alloc(WINDOW)};
}

Status stream_open_deflated(Stream *stream, const Source *source, const char *entry, uint64_t begin,
                            uint64_t packed, uint64_t size)
{
    stream_open(stream, source, entry, begin, size);
    Inflater *inflater = stream->inflater = mem_zero(1, sizeof *inflater);
    inflater->next = begin;
    inflater->end = begin + packed;
    /* -15: the largest window, and no header, as zip stores deflated data. */
    if (inflateInit2(&inflater->z, -15) != Z_OK) {
        free(inflater);
        stream->inflater = NULL;
        return status_fail(STATUS_LIMIT, "%s: %s@%llu: no memory to inflate", source->path, entry,
                           (unsigned long long)begin);
    }
    return STATUS_OK;
}

void stream_close(Stream *stream)
{
    if (stream->inflater) {
        inflateEnd(&stream->inflater->z);
        free(stream->inflater);
    }
    free(stream->window);
    *stream = (Stream){0};
}

Place stream_place(const Stream *stream)
{
    return (Place){stream->source->path, stream->entry, stream->begin + stream->at, stream->key};
}

uint64_t stream_left(const Stream *stream)
{
    return stream->size - stream->at;
}

/* One call of inflate, with packed bytes at hand as far as there are any. */
static Status inflate_some(Stream *stream)
{
    Inflater *f = stream->inflater;
    Place place = stream_place(stream);
    if (f->z.avail_in == 0 && f->next < f->end) {
        uint64_t n = f->end - f->next < WINDOW ? f->end - f->next : WINDOW;
        TRY(source_read(stream->source, f->next, f->packed, (size_t)n));
        f->next += n;
        f->z.next_in = f->packed;
        f->z.avail_in = (uInt)n;
    }
    /* Neither input taken nor output made, and no more input to come: without this it would go
     * on for ever. */
    uInt in = f->z.avail_in, out = f->z.avail_out;
    int code = inflate(&f->z, Z_NO_FLUSH);
    f->done = code == Z_STREAM_END;
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return place_fail(STATUS_INPUT, &place, "deflated data are damaged (%s)",
                          f->z.msg ? f->z.msg : "inflate failed");
    if (!f->done && in == f->z.avail_in && out == f->z.avail_out && f->next == f->end)
        return place_fail(STATUS_INPUT, &place, "deflated data end too early (%llu vs %llu bytes)",
                          (unsigned long long)f->z.total_out, (unsigned long long)stream->size);
    return STATUS_OK;
}

/* `bytes` inflated bytes; the stream may not end before. */
static Status inflate_exactly(Stream *stream, uint8_t *to, size_t bytes)
{
    Inflater *f = stream->inflater;
    /* zlib counts in 32 bits. */
    while (bytes) {
        size_t n = bytes < (1u << 30) ? bytes : 1u << 30;
        f->z.next_out = to;
        f->z.avail_out = (uInt)n;
        while (f->z.avail_out && !f->done)
            TRY(inflate_some(stream));
        if (f->z.avail_out) {
            Place place = stream_place(stream);
            return place_fail(STATUS_INPUT, &place,
                              "deflated data are too short (%llu vs %llu bytes)",
                              (unsigned long long)f->z.total_out, (unsigned long long)stream->size);
        }
        to += n;
        bytes -= n;
    }
    return STATUS_OK;
}

static Status fetch(Stream *stream, uint8_t *to, size_t bytes)
{
    if (stream->inflater)
        return inflate_exactly(stream, to, bytes);
    return source_read(stream->source, stream->begin + stream->at, to, bytes);
}

Status stream_read(Stream *stream, void *to, size_t bytes)
{
    uint8_t *out = to;
    if (bytes > stream_left(stream)) {
        Place place = stream_place(stream);
        return place_fail(STATUS_INPUT, &place, "ends too early (%llu bytes left vs %zu needed)",
                          (unsigned long long)stream_left(stream), bytes);
    }
    /* What is at hand first; of what is missing large pieces go past the window, small ones
     * through it. */
    while (bytes) {
        size_t ready = stream->have - stream->used;
        if (ready == 0 && bytes >= WINDOW) {
            TRY(fetch(stream, out, bytes));
            stream->at += bytes;
            return STATUS_OK;
        }
        if (ready == 0) {
            stream->have = stream_left(stream) < WINDOW ? (size_t)stream_left(stream) : WINDOW;
            stream->used = 0;
            ready = stream->have;
            stream->have = 0; /* nothing is there should the next line fail */
            TRY(fetch(stream, stream->window, ready));
            stream->have = ready;
        }
        size_t n = ready < bytes ? ready : bytes;
        memcpy(out, stream->window + stream->used, n);
        stream->used += n;
        stream->at += n;
        out += n;
        bytes -= n;
    }
    return STATUS_OK;
}

void stream_skip(Stream *stream, uint64_t bytes)
{
    CHECK(!stream->inflater && bytes <= stream_left(stream));
    /* What was read ahead is dropped or kept as far as it goes; nothing is read for bytes passed
     * over. */
    uint64_t ready = stream->have - stream->used;
    stream->used = bytes < ready ? stream->used + (size_t)bytes : stream->have;
    stream->at += bytes;
}

Status stream_finish(Stream *stream)
{
    Inflater *f = stream->inflater;
    /* One byte of room: enough to see that there is a byte too many, not enough to cost
     * anything. */
    uint8_t one;
    if (!f)
        return STATUS_OK;
    Place place = stream_place(stream);
    f->z.next_out = &one;
    f->z.avail_out = 1;
    while (!f->done && f->z.avail_out)
        TRY(inflate_some(stream));
    if (!f->z.avail_out)
        return place_fail(STATUS_INPUT, &place,
                          "deflated data give more than the declared %llu bytes",
                          (unsigned long long)stream->size);
    uint64_t rest = f->z.avail_in + (f->end - f->next);
    if (rest)
        return place_fail(STATUS_INPUT, &place, "%llu bytes behind the end of the deflated data",
                          (unsigned long long)rest);
    return STATUS_OK;
}
