/* Replacing a file: written under another name beside it, synced, then renamed. Whatever goes wrong
 * before that, what was there is there still. */
#include "checkpoint/writer.h"

#include "base/arena.h"
#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A name beside `path` that nobody has, and now an empty file. NULL, with a failure, when there is
 * none. */
static char *reserve_temporary(Arena *arena, const char *path)
{
    /* Created here, so that no other process takes the same; a link planted under the name is
     * not followed. */
    for (int i = 0; i < 1000; i++) {
        char *name = arena_printf(arena, "%s.tmp-%ld-%d", path, (long)getpid(), i);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            close(fd);
            return name;
        }
        if (errno != EEXIST)
            break;
    }
    status_fail(STATUS_IO, "%s: file@0: cannot create a temporary file beside it: %s", path,
                strerror(errno));
    return NULL;
}

/* Whether a rename may put a file in this place. It would also replace a device (/dev/null), a
 * pipe, or the link to one (/dev/stdout) by a file. */
static Status check_place(const char *path)
{
    struct stat st;
    char to[6] = "";
    bool other = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    bool stream =
        readlink(path, to, sizeof to) == sizeof to && memcmp(to, "/proc/", sizeof to) == 0;
    if (other || stream)
        return status_fail(STATUS_IO, "%s: file@0: cannot be replaced: not a regular file", path);
    return STATUS_OK;
}

/* A failure that names the temporary file names the one that the user asked for. */
static Status rename_failure(Status status, const char *temporary, const char *path)
{
    char *text = mem_string(status_text());
    size_t n = strlen(temporary);
    if (status != STATUS_OK && strncmp(text, temporary, n) == 0)
        status_fail(status, "%s%s", path, text + n);
    free(text);
    return status;
}

static Status write_as(const char *temporary, CheckpointFormat format, const Object *root,
                       const TensorFetch *fetch, const FileOps *ops)
{
    Sink sink;
    Status status = sink_open(&sink, ops, temporary);
    /* The reserved name holds an empty file, which the sink did not make. */
    if (status != STATUS_OK) {
        unlink(temporary);
        return status;
    }
    status = format == CHECKPOINT_ZIP      ? torch_write(&sink, root, fetch)
             : format == CHECKPOINT_LEGACY ? legacy_write(&sink, root, fetch)
                                           : safetensors_write(&sink, root, fetch);
    if (status == STATUS_OK)
        return sink_finish(&sink, NULL);
    sink_abandon(&sink);
    return status;
}

Status checkpoint_save(const char *path, CheckpointFormat format, const Object *root,
                       const TensorFetch *fetch, const FileOps *ops)
{
    CHECK(format != CHECKPOINT_TAR);
    Arena names = {0};
    Status status = STATUS_IO;
    TRY(check_place(path));
    const char *temporary = reserve_temporary(&names, path);
    if (temporary) {
        status = write_as(temporary, format, root, fetch, ops);
        if (status == STATUS_OK)
            status = file_publish(ops, temporary, path);
        status = rename_failure(status, temporary, path);
    }
    arena_free(&names);
    return status;
}
