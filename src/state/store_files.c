/* Files of the store. Nothing is believed to be on the disk before it has been synced and read
 * back; nothing gets its name before that. */
#define _DEFAULT_SOURCE /* flock */
#include "state/store_files.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* path + ending, malloc'd. */
static char *with_ending(const char *path, const char *ending)
{
    char *text = mem_alloc(strlen(path) + strlen(ending) + 1);
    sprintf(text, "%s%s", path, ending);
    return text;
}

bool store_file_absent(const char *path)
{
    struct stat st;
    return lstat(path, &st) != 0 && errno == ENOENT;
}

Status store_file_sum(const char *path, FileSum *sum)
{
    enum { CHUNK = 256 * 1024 };
    uint8_t digest[SHA256_BYTES], *buffer;
    Sha256 sha;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = 0;
    if (fd < 0)
        return status_fail(STATUS_IO, "%s: file@0: cannot open: %s", path, strerror(errno));
    /* What counts is what the disk has, not what is still in memory. */
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    buffer = mem_alloc(CHUNK);
    sha256_begin(&sha);
    for (sum->bytes = 0; (n = read(fd, buffer, CHUNK)) > 0; sum->bytes += (uint64_t)n)
        sha256_add(&sha, buffer, (size_t)n);
    int error = errno;
    free(buffer);
    close(fd);
    if (n < 0)
        return status_fail(STATUS_IO, "%s: file@%llu: cannot read: %s", path,
                           (unsigned long long)sum->bytes, strerror(error));
    sha256_end(&sha, digest);
    sha256_text(digest, sum->sha);
    return STATUS_OK;
}

Status store_file_check(const char *path, const FileSum *expected)
{
    FileSum have;
    TRY(store_file_sum(path, &have));
    if (have.bytes != expected->bytes || strcmp(have.sha, expected->sha) != 0)
        return status_fail(STATUS_INPUT,
                           "%s: file@0: damaged: sha256 %.16s... of %llu bytes (expected "
                           "%.16s... of %llu)",
                           path, have.sha, (unsigned long long)have.bytes, expected->sha,
                           (unsigned long long)expected->bytes);
    return STATUS_OK;
}

/* Writes a file of this very name, and looks at what is then on the disk. */
static Status write_and_check(const FileOps *ops, const char *path,
                              Status (*write)(Sink *sink, void *context), void *context,
                              FileSum *sum)
{
    uint8_t digest[SHA256_BYTES];
    Sink sink;
    TRY(sink_open(&sink, ops, path));
    Status status = write(&sink, context);
    if (status != STATUS_OK) {
        sink_abandon(&sink);
        return status;
    }
    TRY(sink_finish(&sink, digest));
    /* All that was written, and its hash, against what the disk gives back. */
    sum->bytes = sink.at;
    sha256_text(digest, sum->sha);
    status = store_file_check(path, sum);
    if (status != STATUS_OK)
        ops->remove(path);
    return status;
}

Status store_file_write(const FileOps *ops, const char *path,
                        Status (*write)(Sink *sink, void *context), void *context, FileSum *sum)
{
    char *temporary = with_ending(path, STORE_UNFINISHED);
    Status status = write_and_check(ops, temporary, write, context, sum);
    if (status == STATUS_OK)
        status = file_publish(ops, temporary, path);
    free(temporary);
    return status;
}

static Status write_copy(Sink *sink, void *context)
{
    enum { CHUNK = 256 * 1024 };
    const char *path = context;
    FILE *from = fopen(path, "rb");
    if (!from)
        return status_fail(STATUS_IO, "%s: file@0: cannot open: %s", path, strerror(errno));
    char *buffer = mem_alloc(CHUNK);
    Status status = STATUS_OK;
    for (size_t n; status == STATUS_OK && (n = fread(buffer, 1, CHUNK, from)) > 0;)
        status = sink_write(sink, buffer, n);
    if (status == STATUS_OK && ferror(from))
        status = status_fail(STATUS_IO, "%s: cannot read: %s", path, strerror(errno));
    free(buffer);
    fclose(from);
    return status;
}

static void copy_instead(const FileOps *ops, const char *folder, const char *path,
                         const char *target, int error)
{
    static bool told;
    char *from = file_join(folder, target);
    FileSum sum;
    if (!told)
        log_warn("%s: symbolic links cannot be made here (%s): a copy takes the place of each",
                 folder, strerror(error));
    told = true;
    if (store_file_write(ops, path, write_copy, from, &sum) != STATUS_OK)
        log_warn("%s", status_text());
    free(from);
}

static bool has_no_links(int error)
{
    return error == EPERM || error == ENOSYS || error == EOPNOTSUPP || error == ENOTSUP ||
           error == EINVAL;
}

Status store_file_link(const FileOps *ops, const char *folder, const char *name, const char *target)
{
    char *path = file_join(folder, name), *temporary = with_ending(path, STORE_UNFINISHED);
    Status status = STATUS_OK;
    /* One that a killed save left would be in the way. */
    ops->remove(temporary);
    if (ops->symlink(target, temporary) == 0)
        status = file_publish(ops, temporary, path);
    else if (has_no_links(errno))
        copy_instead(ops, folder, path, target, errno);
    else
        status = status_fail(STATUS_IO, "%s: link: cannot create: %s", temporary, strerror(errno));
    free(temporary);
    free(path);
    return status;
}

bool store_file_linked(const char *folder, const char *name, const char *target,
                       const FileSum *sum)
{
    char *path = file_join(folder, name), to[256];
    ssize_t n = readlink(path, to, sizeof to - 1);
    bool same = n > 0 ? (size_t)n == strlen(target) && memcmp(to, target, (size_t)n) == 0
                      : !store_file_absent(path) && store_file_check(path, sum) == STATUS_OK;
    free(path);
    return same;
}

void store_file_set_aside(const char *path)
{
    char *aside = with_ending(path, STORE_DAMAGED);
    if (rename(path, aside) != 0 && errno != ENOENT)
        log_warn("%s: cannot be renamed: %s", path, strerror(errno));
    free(aside);
}

/* For the message to another process. It is no lock by itself: that ends with its process. */
static void name_holder(const char *path, int fd)
{
    char holder[32];
    int n = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, holder, (size_t)n, 0) != n)
        log_debug(1, "%s: the lock does not name this process", path);
}

Status store_lock(const char *folder, int *fd)
{
    char *path = file_join(folder, "lock"), holder[32] = "";
    Status status = STATUS_OK;
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*fd < 0) {
        status = status_fail(STATUS_IO, "%s: lock: cannot create: %s", path, strerror(errno));
    } else if (flock(*fd, LOCK_EX | LOCK_NB) == 0) {
        name_holder(path, *fd);
    } else if (errno != EWOULDBLOCK) {
        /* Lustre without its option, NFS without its daemon. */
        log_warn("%s: this file system gives no lock (%s): start no second run that writes here",
                 path, strerror(errno));
    } else {
        ssize_t n = pread(*fd, holder, sizeof holder - 1, 0);
        /* Its number, where it is one: the file may hold anything. */
        holder[n > 0 ? strspn(holder, "0123456789") : 0] = 0;
        status =
            status_fail(STATUS_IO, "%s: lock: another process%s%s writes here. One run per folder",
                        folder, holder[0] ? ", " : "", holder);
    }
    free(path);
    return status;
}
