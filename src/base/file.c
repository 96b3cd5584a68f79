/* Files: whole reads with limits, whole writes, and paths.
 *
 * Whole writes follow the usual order: a temporary in the same folder, its contents on the disk,
 * then a rename, which replaces a file in one step or not at all. */
#include "base/file.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads as much as the file held when it was opened; one that grows meanwhile is read so far. */
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

/* Opens a regular file of at most `limit` bytes. */
static Status open_regular(const char *path, size_t limit, int flags, int *fd, size_t *size)
{
    struct stat st;
    /* Without O_NONBLOCK, opening a pipe would wait for whoever writes to it. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
    if (*fd < 0)
        return status_fail(STATUS_IO, "%s: %s", path, strerror(errno));
    Status status = STATUS_OK;
    if (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode))
        status = status_fail(STATUS_IO, "%s: not a regular file", path);
    else if ((uint64_t)st.st_size > limit)
        status = status_fail(STATUS_LIMIT, "%s: file too large (%lld vs at most %zu bytes)", path,
                             (long long)st.st_size, limit);
    if (status != STATUS_OK)
        close(*fd);
    else
        *size = (size_t)st.st_size;
    return status;
}

Status file_look(const char *path, size_t limit, uint8_t *head, size_t room, size_t *length)
{
    int fd;
    size_t size = 0;
    TRY(open_regular(path, limit, 0, &fd, &size));
    *length = size < room ? size : room;
    Status status = read_all(fd, path, head, *length);
    close(fd);
    return status;
}

static Status read_open(int fd, const char *path, size_t length, uint8_t **bytes, size_t *size)
{
    uint8_t *buffer = malloc(length + 1);
    Status status =
        buffer ? read_all(fd, path, buffer, length)
               : status_fail(STATUS_LIMIT, "%s: out of memory for %zu bytes", path, length);
    close(fd);
    if (status != STATUS_OK) {
        free(buffer);
        return status;
    }
    buffer[length] = 0;
    *bytes = buffer;
    *size = length;
    return STATUS_OK;
}

Status file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size)
{
    int fd;
    size_t length = 0;
    TRY(open_regular(path, limit, 0, &fd, &length));
    return read_open(fd, path, length, bytes, size);
}

Status file_read_own(const char *path, size_t limit, uint8_t **bytes, size_t *size)
{
    int fd;
    size_t length = 0;
    struct stat st;
    TRY(open_regular(path, limit, O_NOFOLLOW, &fd, &length));
    if (fstat(fd, &st) != 0 || st.st_uid != geteuid()) {
        close(fd);
        return status_fail(STATUS_IO, "%s: belongs to another user", path);
    }
    return read_open(fd, path, length, bytes, size);
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

Status file_make_cache(const char *path)
{
    struct stat st;
    TRY(file_make_folder(path));
    if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return status_fail(STATUS_IO, "%s: no folder of this user's own", path);
    if ((st.st_mode & 077) && chmod(path, 0700) != 0)
        return status_fail(STATUS_IO, "%s: others may write there: %s", path, strerror(errno));
    return STATUS_OK;
}

char *file_program_folder(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        return NULL;
    path[length] = 0;
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = 0;
    return mem_string(path);
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

bool file_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool file_missing(const char *path)
{
    return access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

Status file_make_folder(const char *path)
{
    char *copy = mem_string(path);
    for (char *s = copy + 1;; s++) { /* from the outermost folder to the path itself */
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
    return file_is_folder(path) ? STATUS_OK
                                : status_fail(STATUS_IO, "%s: a file, not a folder", path);
}

Status file_output_open(FileOutput *out, const char *path)
{
    struct stat st;
    size_t n = strlen(path) + 20;
    *out = (FileOutput){.path = path};
    /* A rename would replace a device or a link. Processes may share a cache folder: hence the
     * number of this one in the name. */
    if (lstat(path, &st) != 0 || S_ISREG(st.st_mode)) {
        out->temporary = mem_alloc(n);
        snprintf(out->temporary, n, "%s.%d.tmp", path, (int)getpid());
    }
    if (out->temporary)
        unlink(out->temporary); /* one that a killed process of this number left */
    /* x: not through a link that someone put where the temporary goes. */
    out->file = out->temporary ? fopen(out->temporary, "wx") : fopen(path, "w");
    if (out->file)
        return STATUS_OK;
    Status status = status_fail(STATUS_IO, "%s: cannot create: %s", path, strerror(errno));
    free(out->temporary);
    return status;
}

/* Everything written and, where it is a file of its own, on the disk; else errno, EIO where it was
 * an earlier write that failed. */
static bool is_written(const FileOutput *out)
{
    errno = EIO;
    return fflush(out->file) == 0 && !ferror(out->file) &&
           (!out->temporary || fsync(fileno(out->file)) == 0);
}

Status file_output_close(FileOutput *out)
{
    bool good = is_written(out);
    int error = errno;
    if (fclose(out->file) != 0 && good)
        good = false, error = errno;
    if (good && out->temporary && rename(out->temporary, out->path) != 0)
        good = false, error = errno;
    if (!good && out->temporary)
        unlink(out->temporary);
    free(out->temporary);
    return good ? STATUS_OK
                : status_fail(STATUS_IO, "%s: cannot write: %s", out->path, strerror(error));
}

void file_output_abandon(FileOutput *out)
{
    fclose(out->file);
    if (out->temporary)
        unlink(out->temporary);
    free(out->temporary);
}
