/* Sinks: a buffer of 256 KiB, then write until all is written. */
#include "checkpoint/bytes/sink.h"

#include "base/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER = 256 * 1024 };

Status sink_open(Sink *sink, const FileOps *ops, const char *path)
{
    *sink = (Sink){.ops = ops, .path = path};
    sink->fd = ops->create(path);
    if (sink->fd < 0)
        return file_ops_fail(path, 0, "create");
    sink->buffer = mem_alloc(BUFFER);
    sha256_begin(&sink->sha);
    return STATUS_OK;
}

/* Writes all of it; a short write is followed by another, which says what is wrong. */
static Status put(Sink *sink, const uint8_t *bytes, size_t size)
{
    /* The hash is of what was handed over; that the disk has the same is for a second reading to
     * say. */
    sha256_add(&sink->sha, bytes, size);
    while (size) {
        ssize_t n = sink->ops->write(sink->fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        /* A write of nothing would be tried for ever. */
        if (n == 0)
            errno = EIO;
        if (n <= 0)
            return file_ops_fail(sink->path, sink->at, "write");
        bytes += n;
        size -= (size_t)n;
        sink->at += (uint64_t)n;
    }
    return STATUS_OK;
}

Status sink_write(Sink *sink, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    while (size) {
        /* Large blocks need no copy where nothing waits before them. */
        if (sink->used == 0 && size >= BUFFER) {
            TRY(put(sink, bytes, BUFFER));
            bytes += BUFFER;
            size -= BUFFER;
            continue;
        }
        size_t n = BUFFER - sink->used < size ? BUFFER - sink->used : size;
        memcpy(sink->buffer + sink->used, bytes, n);
        sink->used += n;
        bytes += n;
        size -= n;
        if (sink->used == BUFFER) {
            sink->used = 0;
            TRY(put(sink, sink->buffer, BUFFER));
        }
    }
    return STATUS_OK;
}

uint64_t sink_position(const Sink *sink)
{
    return sink->at + sink->used;
}

Status sink_finish(Sink *sink, uint8_t digest[SHA256_BYTES])
{
    Status status = put(sink, sink->buffer, sink->used);
    sink->used = 0;
    if (status == STATUS_OK && sink->ops->sync(sink->fd) != 0)
        status = file_ops_fail(sink->path, sink->at, "sync");
    if (status != STATUS_OK) {
        sink_abandon(sink);
        return status;
    }
    /* A close may report what the writes did not (a quota, a network); the descriptor is gone
     * either way. */
    int fd = sink->fd;
    sink->fd = -1;
    if (sink->ops->close(fd) != 0) {
        status = file_ops_fail(sink->path, sink->at, "close");
        sink->ops->remove(sink->path);
    }
    free(sink->buffer);
    sink->buffer = NULL;
    if (digest)
        sha256_end(&sink->sha, digest);
    return status;
}

void sink_abandon(Sink *sink)
{
    /* -1: sink_finish has closed it, and removed the file where that failed. */
    if (sink->fd >= 0) {
        sink->ops->close(sink->fd);
        sink->ops->remove(sink->path);
    }
    sink->fd = -1;
    free(sink->buffer);
    sink->buffer = NULL;
}
