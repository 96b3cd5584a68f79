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

const char *test_data(const char *name)
{
    char *path = arena_printf(&paths, "%s/%s", PACO_TESTS, name);
    if (!file_exists(path)) {
        fprintf(stderr, "%s is absent: the repository is not whole\n", path);
        abort();
    }
    return path;
}

const char *test_shared(const char *name)
{
    const char *base = getenv("PACO_SHARED");
    if (!base || !*base)
        base = PACO_TESTS "/../../shared";
    char *path = arena_printf(&paths, "%s/%s", base, name);
    return file_exists(path) ? path : NULL;
}

int test_checkpoints(const char *at[2])
{
    at[0] = test_data("data/checkpoints");
    at[1] = test_shared("data/checkpoints");
    return at[1] ? 2 : 1;
}

const char *test_photo(int i)
{
    static char *lines[TEST_PHOTOS];
    if (!lines[0]) {
        char *text = test_read_text(test_data("data/photos_lt/train.txt")), *line = text;
        for (int n = 0; n < TEST_PHOTOS; n++, line = strchr(line, '\n') + 1)
            lines[n] = arena_printf(&paths, PACO_TESTS "/data/photos_lt/%.*s",
                                    (int)strcspn(line, " "), line);
        free(text);
    }
    return lines[i % TEST_PHOTOS];
}

/* Every photograph of the repository, then some of its small ones: one list, made once. */
static const char *list_photographs(void)
{
    static const char *list;
    char *text = NULL, *given = list ? NULL : test_read_text(test_data("data/photos/list.txt"));
    size_t size;
    FILE *out = list ? NULL : open_memstream(&text, &size);
    for (char *line = given ? strtok(given, "\n") : NULL; line; line = strtok(NULL, "\n"))
        fprintf(out, "%s/%s\n", test_data("data/photos"), line);
    for (int i = 0; out && i < 50; i++)
        fprintf(out, "%s %d\n", test_photo(i), i % 10);
    if (out)
        fclose(out);
    if (text)
        list = test_write_text("photographs.txt", text);
    free(text);
    free(given);
    return list;
}

int test_photographs(DatasetSpec spec[2])
{
    const char *samples = test_shared("data/imagenet_samples");
    spec[0] = (DatasetSpec){.kind = DATASET_LIST, .list = list_photographs()};
    if (samples)
        spec[1] = (DatasetSpec){.kind = DATASET_LIST, .root = samples, .classes = 1000,
                                .list = test_shared("data/imagenet_samples/list.txt")};
    return samples ? 2 : 1;
}

void test_skip(const char *reason)
{
    print_message("skipped: %s\n", reason);
    skip();
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
