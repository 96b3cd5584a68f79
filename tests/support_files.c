/* Temporary files of tests. */
#define _XOPEN_SOURCE 700
#include "support_files.h"

#include "base/arena.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[256];
static Arena paths;
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static void remove_folder(void)
{
    if (getpid() == owner)
        nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    arena_free(&paths);
}

const char *test_folder(void)
{
    if (!*folder) {
        const char *base = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/paco-test-XXXXXX", base ? base : "/tmp");
        if (!mkdtemp(folder))
            abort();
        owner = getpid();
        atexit(remove_folder);
    }
    return folder;
}

const char *test_path(const char *name)
{
    char *path = arena_printf(&paths, "%s/%s", test_folder(), name);
    char *slash = strrchr(path, '/');
    *slash = 0;
    if (file_make_folder(path) != STATUS_OK)
        abort();
    *slash = '/';
    return path;
}

const char *test_write(const char *name, const void *bytes, size_t size)
{
    const char *path = test_path(name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        abort();
    return path;
}

const char *test_write_text(const char *name, const char *text)
{
    return test_write(name, text, strlen(text));
}

char *test_read_text(const char *path)
{
    uint8_t *bytes;
    size_t size;
    return file_read(path, 1 << 28, &bytes, &size) == STATUS_OK ? (char *)bytes : NULL;
}

int test_files_ending(const char *where, const char *ending)
{
    DIR *dir = opendir(where);
    int n = 0;
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        size_t a = strlen(e->d_name), b = strlen(ending);
        n += a >= b && strcmp(e->d_name + a - b, ending) == 0;
    }
    if (dir)
        closedir(dir);
    return n;
}

const char *test_shared(const char *name)
{
    const char *base = getenv("PACO_SHARED");
    char *path = arena_printf(&paths, "%s/%s", base ? base : "../shared", name);
    if (!file_exists(path)) {
        print_message("%s is absent: set PACO_SHARED\n", path);
        skip();
    }
    return path;
}

const char *test_cifar10_lt(void)
{
    static const char *unpacked;
    if (unpacked)
        return unpacked;
    const char *archive = test_shared("data/cifar10_lt.tar.xz");
    char *command = arena_printf(&paths, "tar -xJf '%s' -C '%s' --wildcards 'cifar10_lt/*.txt' "
                                 "'cifar10_lt/train/airplane/0[0-2]*'", archive, test_folder());
    int status = system(command);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        abort();
    return unpacked = arena_printf(&paths, "%s/cifar10_lt", test_folder());
}

static int saved_stderr = -1;

void test_stderr_begin(void)
{
    fflush(stderr);
    saved_stderr = dup(STDERR_FILENO);
    if (!freopen(test_path("stderr.txt"), "w", stderr))
        abort();
}

char *test_stderr_end(void)
{
    fflush(stderr);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    return test_read_text(test_path("stderr.txt"));
}
