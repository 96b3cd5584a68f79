/* pread with retries; bytes in memory stand in for a file in tests and harnesses. */
#include "checkpoint/bytes/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
    /* Not to wait for the other end of a pipe: it is refused below. */
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

/* Offsets have been compared with `size` by whoever reads: nothing is checked again. */
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
        /* A read may give less than asked for, and a signal may end it. */
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
