/* Files: whole reads with limits, and paths. */
#include "base/file.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static Status read_all(int fd, const char *path, uint8_t *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, to + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return status_fail(STATUS_IO, "%s: %s", path, strerror(errno));
        if (n == 0)
            return status_fail(STATUS_IO,
                               "%s: offset %zu: the file shrank while it was read (%zu vs "
                               "%zu bytes)",
                               path, done, done, size);
        done += (size_t)n;
    }
    return STATUS_OK;
}

Status file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return status_fail(STATUS_IO, "%s: %s", path, strerror(errno));
    Status status = STATUS_OK;
    uint8_t *buffer = NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        status = status_fail(STATUS_IO, "%s: not a regular file", path);
    else if ((uint64_t)st.st_size > limit)
        status = status_fail(STATUS_LIMIT, "%s: file too large (%lld vs at most %zu bytes)", path,
                             (long long)st.st_size, limit);
    else if (!(buffer = malloc((size_t)st.st_size + 1)))
        status = status_fail(STATUS_LIMIT, "%s: out of memory for %lld bytes", path,
                             (long long)st.st_size);
    else
        status = read_all(fd, path, buffer, (size_t)st.st_size);
    close(fd);
    if (status != STATUS_OK) {
        free(buffer);
        return status;
    }
    buffer[st.st_size] = 0;
    *bytes = buffer;
    *size = (size_t)st.st_size;
    return STATUS_OK;
}

char *file_join(const char *folder, const char *name)
{
    if (!folder || !*folder || name[0] == '/')
        return mem_string(name);
    size_t n = strlen(folder) + strlen(name) + 2;
    char *path = mem_alloc(n);
    snprintf(path, n, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
    return path;
}

char *file_cache_folder(const char *chosen)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (chosen)
        return mem_string(chosen);
    if (xdg && *xdg)
        return file_join(xdg, "openpaco");
    return home && *home ? file_join(home, ".cache/openpaco") : NULL;
}

const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

Status file_make_folder(const char *path)
{
    char *copy = mem_string(path);
    for (char *s = copy + 1;; s++) {
        if (*s != '/' && *s)
            continue;
        char end = *s;
        *s = 0;
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) {
            Status status =
                status_fail(STATUS_IO, "%s: cannot make the folder: %s", copy, strerror(errno));
            free(copy);
            return status;
        }
        if (!end)
            break;
        *s = end;
    }
    free(copy);
    return STATUS_OK;
}
