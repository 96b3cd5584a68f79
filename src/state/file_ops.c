/* The system's file operations, and the sink. */
#include "state/file_ops.h"

#include "base/arena.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024 };

static int create_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

static int sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd), error = errno;
    close(fd);
    errno = error;
    return result;
}

const FileOps file_ops_system = {create_file, write,  fsync,   close,
                                 rename,      unlink, symlink, sync_folder};

static Status failed(const char *path, uint64_t at, const char *what)
{
    int error = errno;
    const char *hint = error == ENOSPC || error == EDQUOT
                           ? ". Make room and run again; older checkpoints "
                             "are untouched"
                       : error == EFBIG ? " (ulimit -f)"
                                        : "";
    return status_fail(STATUS_IO, "%s: file@%llu: cannot %s: %s%s", path, (unsigned long long)at,
                       what, strerror(error), hint);
}

Status sink_open(Sink *sink, const FileOps *ops, const char *path)
{
    *sink = (Sink){.ops = ops, .path = path};
    sink->fd = ops->create(path);
    if (sink->fd < 0)
        return failed(path, 0, "create");
    sink->buffer = mem_alloc(BUFFER);
    sha256_begin(&sink->sha);
    return STATUS_OK;
}

/* Writes all of it; a short write is followed by another, which says what is wrong. */
static Status put(Sink *sink, const uint8_t *bytes, size_t size)
{
    sha256_add(&sink->sha, bytes, size);
    while (size) {
        ssize_t n = sink->ops->write(sink->fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO;
        if (n <= 0)
            return failed(sink->path, sink->at, "write");
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

Status sink_finish(Sink *sink, uint8_t digest[SHA256_BYTES])
{
    Status status = put(sink, sink->buffer, sink->used);
    sink->used = 0;
    if (status == STATUS_OK && sink->ops->sync(sink->fd) != 0)
        status = failed(sink->path, sink->at, "sync");
    if (status != STATUS_OK) {
        sink_abandon(sink);
        return status;
    }
    int fd = sink->fd;
    sink->fd = -1;
    if (sink->ops->close(fd) != 0) {
        status = failed(sink->path, sink->at, "close");
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
    if (sink->fd >= 0) {
        sink->ops->close(sink->fd);
        sink->ops->remove(sink->path);
    }
    sink->fd = -1;
    free(sink->buffer);
    sink->buffer = NULL;
}

Status file_publish(const FileOps *ops, const char *from, const char *to)
{
    char *folder = mem_string(to), *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    Status status = STATUS_OK;
    if (ops->rename(from, to) != 0) {
        status = failed(to, 0, "rename");
        ops->remove(from);
    } else if (ops->sync_folder(slash ? folder : ".") != 0) {
        status = failed(to, 0, "sync the folder");
    }
    free(folder);
    return status;
}
