/* Source and Stream: pread with retries, a 64 KiB window for small reads, large ones go straight
 * through. */
#include "checkpoint/bytes/source.h"

#include "base/utf8.h"

#include "checkpoint/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { WINDOW = 64 * 1024 };

void *pool_alloc(Pool *pool, size_t bytes)
{
    /* The arena leaves the rest of a block unused when a large piece comes: count that as used
     * too. */
    enum { BLOCK = 64 * 1024 };
    size_t cost = bytes > BLOCK        ? bytes + BLOCK
                  : bytes > BLOCK / 16 ? 2 * bytes
                                       : (bytes + 15) / 16 * 16;
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

void pool_free(Pool *pool)
{
    arena_free(&pool->arena);
    pool->charged = 0;
}

Status place_fail(Status code, const Place *place, const char *format, ...)
{
    char what[320];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    /* The end of a long path says more than its beginning. */
    const char *path = place->path;
    size_t n = strlen(path);
    if (n > 200)
        path += n - 200;
    if (place->key)
        return status_fail(code, "%s: %.100s@%llu: key '%.200s': %s", path, place->entry,
                           (unsigned long long)place->offset, place->key, what);
    return status_fail(code, "%s: %.100s@%llu: %s", path, place->entry,
                       (unsigned long long)place->offset, what);
}

Status place_full(const Place *place)
{
    return place_fail(STATUS_LIMIT, place, "the file's objects need too much memory (limit %d MiB)",
                      LIMIT_MEMORY >> 20);
}

/* /proc and the like call their files regular and empty, yet they cannot be read as files. */
static Status check_empty(const Source *source)
{
    char byte;
    ssize_t n = pread(source->fd, &byte, 1, 0);
    if (n == 0)
        return status_fail(STATUS_INPUT, "%s: file@0: empty file (0 bytes)", source->path);
    return status_fail(STATUS_IO, "%s: file@0: not an ordinary file (%s)", source->path,
                       n < 0 ? strerror(errno) : "of unknown size");
}

Status source_open(Source *source, const char *path)
{
    struct stat st;
    *source = (Source){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (source->fd < 0)
        return status_fail(STATUS_IO, "%s: file@0: cannot open: %s", path, strerror(errno));
    Status status = STATUS_OK;
    if (fstat(source->fd, &st) != 0 || !S_ISREG(st.st_mode))
        status = status_fail(STATUS_IO, "%s: file@0: not a regular file", path);
    else if (st.st_size == 0)
        status = check_empty(source);
    else
        source->size = (uint64_t)st.st_size;
    if (status != STATUS_OK)
        source_close(source);
    return status;
}

Source source_memory(const char *name, const uint8_t *bytes, uint64_t size)
{
    return (Source){.path = name, .fd = -1, .memory = bytes, .size = size};
}

void source_close(Source *source)
{
    if (source->fd >= 0)
        close(source->fd);
    source->fd = -1;
}

Status source_read(const Source *source, uint64_t offset, void *to, size_t bytes)
{
    if (source->memory) {
        if (bytes)
            memcpy(to, source->memory + offset, bytes);
        return STATUS_OK;
    }
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pread(source->fd, (char *)to + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return status_fail(STATUS_IO, "%s: file@%llu: cannot read: %s", source->path,
                               (unsigned long long)(offset + done), strerror(errno));
        if (n == 0)
            return status_fail(STATUS_IO,
                               "%s: file@%llu: the file shrank while it was read (it had %llu "
                               "bytes)",
                               source->path, (unsigned long long)(offset + done),
                               (unsigned long long)source->size);
        done += (size_t)n;
    }
    return STATUS_OK;
}

struct Inflater {
    z_stream z;
    uint64_t next, end; /* offsets of packed bytes not yet read */
    bool done;          /* the deflate stream has ended */
    uint8_t packed[WINDOW];
};

void stream_open(Stream *stream, const Source *source, const char *entry, uint64_t begin,
                 uint64_t size)
{
    *stream = (Stream){.source = source, .entry = entry, .begin = begin, .size = size,
                       .window = mem_alloc(WINDOW)};
}

Status stream_open_deflated(Stream *stream, const Source *source, const char *entry, uint64_t begin,
                            uint64_t packed, uint64_t size)
{
    stream_open(stream, source, entry, begin, size);
    Inflater *inflater = stream->inflater = mem_zero(1, sizeof *inflater);
    inflater->next = begin;
    inflater->end = begin + packed;
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
    return (Place){stream->source->path, stream->entry, stream->begin + stream->at,
                   stream->key};
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

Status stream_finish(Stream *stream)
{
    Inflater *f = stream->inflater;
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

uint16_t little16(const uint8_t *b)
{
    return (uint16_t)(b[0] | b[1] << 8);
}

uint32_t little32(const uint8_t *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

uint64_t little64(const uint8_t *b)
{
    return little32(b) | (uint64_t)little32(b + 4) << 32;
}

bool utf8_valid(const char *text, size_t length)
{
    for (size_t at = 0, n; at < length; at += n)
        if ((n = utf8_sequence(text + at, length - at)) == 0)
            return false;
    return true;
}
