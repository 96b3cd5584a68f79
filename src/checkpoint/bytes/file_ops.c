/* The system's file operations. A rename is on the disk only once its folder is: hence
 * file_publish. */
#include "checkpoint/bytes/file_ops.h"

#include "base/arena.h"
#include "base/moves.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Truncates: whoever writes has chosen a name that is his own, or one that a killed run of his
 * left. */
static int create_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

/* The name of a new file is kept in its folder: that has to reach the disk too. */
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

static ssize_t write_bytes(int fd, const void *bytes, size_t size)
{
    ssize_t written = write(fd, bytes, size);
    if (written > 0)
        moves_count();
    return written;
}

const FileOps file_ops_system = {create_file, write_bytes, fsync,   close,
                                 rename,      unlink,      symlink, sync_folder};

Status file_ops_fail(const char *path, uint64_t at, const char *what)
{
    int error = errno;
    /* What a user can do about it, where the reason is one of the usual ones. */
    const char *hint = error == ENOSPC || error == EDQUOT
                           ? ". Make room and run again; older checkpoints "
                             "are untouched"
                       : error == EFBIG ? " (ulimit -f)"
                                        : "";
    return status_fail(STATUS_IO, "%s: file@%llu: cannot %s: %s%s", path, (unsigned long long)at,
                       what, strerror(error), hint);
}

/* Some file systems have nothing to sync in a folder (SMB, FUSE): a rename is all they promise. */
static bool cannot_sync(int error)
{
    return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == ENOTSUP;
}

Status file_publish(const FileOps *ops, const char *from, const char *to)
{
    char *folder = mem_string(to), *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    /* The folder is the path up to its last slash; "/x" lies in "/", and "x" where the program
     * runs. */
    Status status = STATUS_OK;
    if (ops->rename(from, to) != 0) {
        status = file_ops_fail(to, 0, "rename");
        ops->remove(from);
    } else if (ops->sync_folder(slash ? folder : ".") != 0 && !cannot_sync(errno)) {
        status = file_ops_fail(to, 0, "sync the folder");
    }
    free(folder);
    return status;
}
