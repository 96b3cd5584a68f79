/* The store on a disk that fails: every write, sync, close, rename, link and sync of the folder
 * failing in turn; a file size limit; a full disk; kill -9 in the middle of saving. In no case is a
 * checkpoint lost. */
#define _GNU_SOURCE /* unshare */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "support_checkpoint.h"
#include "support_files.h"
#include "support_store.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int calls, fail_at, fail_errno;

static bool fault(void)
{
    if (++calls != fail_at)
        return false;
    errno = fail_errno;
    return true;
}

static int faulty_create(const char *path) { return fault() ? -1 : file_ops_system.create(path); }
static int faulty_sync(int fd) { return fault() ? -1 : file_ops_system.sync(fd); }
static int faulty_close(int fd)
{
    return fault() ? (close(fd), errno = fail_errno, -1) : close(fd);
}
static int faulty_rename(const char *a, const char *b) { return fault() ? -1 : rename(a, b); }
static int faulty_symlink(const char *a, const char *b) { return fault() ? -1 : symlink(a, b); }
static int faulty_folder(const char *path)
{
    return fault() ? -1 : file_ops_system.sync_folder(path);
}

/* A failing write is short first, as on a disk that fills up. */
static ssize_t faulty_write(int fd, const void *bytes, size_t size)
{
    if (calls + 1 == fail_at && size > 1)
        return write(fd, bytes, size / 2) < 0 ? -1 : (calls++, fail_at++, (ssize_t)(size / 2));
    return fault() ? -1 : write(fd, bytes, size);
}

static const FileOps faulty = {faulty_create, faulty_write, faulty_sync,    faulty_close,
                               faulty_rename, unlink,       faulty_symlink, faulty_folder};

static void every_operation_failing(void **state)
{
    (void)state;
    static const int errors[] = {ENOSPC, EIO};
    int failures = 0;
    for (int n = 1; n < 1000; n++) {
        remove_folder(store_folder);
        fail_at = 0;
        Store *store = open_store(2, &faulty);
        assert_int_equal(save_step(store, 1, true), STATUS_OK);
        assert_int_equal(save_step(store, 2, false), STATUS_OK);
        calls = 0;
        fail_at = n;
        fail_errno = errors[n % 2];
        Status status = save_step(store, 3, true);
        bool reached = calls >= n;
        fail_at = 0;
        if (!reached) {
            assert_int_equal(status, STATUS_OK);
            store_close(store);
            break;
        }
        failures++;
        if (status != STATUS_IO)
            fail_msg("operation %d: %s", n, status_text());
        assert_non_null(strstr(status_text(), strerror(fail_errno)));
        assert_non_null(strstr(status_text(), store_folder));
        /* What was there is there; the new one may be there too when only its listing failed. */
        int64_t step = last_step();
        assert_true(step == 2 || step == 3);
        char path[4096];
        in_folder("step-000000000001.pth.tar", path);
        assert_int_equal(step_of(path), 1);
        in_folder("step-000000000002.pth.tar", path);
        assert_int_equal(step_of(path), 2);
        /* The run goes on once there is room again. */
        assert_int_equal(save_step(store, 4, false), STATUS_OK);
        assert_int_equal(last_step(), 4);
        store_close(store);
        assert_int_equal(files_ending(".tmp"), 0);
    }
    print_message("%d operations failed in turn\n", failures);
    assert_true(failures >= 12);
}

static int64_t flip_at; /* of all bytes written, the one to spoil; -1: none */

static ssize_t lying_write(int fd, const void *bytes, size_t size)
{
    if (flip_at < 0 || flip_at >= (int64_t)size) {
        flip_at -= flip_at < 0 ? 0 : (int64_t)size;
        return write(fd, bytes, size);
    }
    char *copy = malloc(size);
    memcpy(copy, bytes, size);
    copy[flip_at] ^= 4;
    flip_at = -1;
    ssize_t written = write(fd, copy, size);
    free(copy);
    return written;
}

/* A disk that says it has written and has other bytes: seen before the checkpoint, or the manifest,
 * gets its name. */
static void disk_that_lies(void **state)
{
    (void)state;
    FileOps lying = file_ops_system;
    lying.write = lying_write;
    flip_at = -1;
    Store *store = open_store(3, &lying);
    assert_int_equal(save_step(store, 1, true), STATUS_OK);
    char path[4096];
    struct stat st;
    in_folder("step-000000000001.pth.tar", path);
    assert_int_equal(stat(path, &st), 0);
    /* In the checkpoint, then in the manifest that is written behind it. */
    const int64_t places[] = {0, st.st_size / 2, st.st_size - 1, st.st_size + 20};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        flip_at = places[i];
        assert_int_equal(save_step(store, 2, true), STATUS_INPUT);
        assert_non_null(strstr(status_text(), "damaged: sha256"));
        assert_int_equal(flip_at, -1);
        assert_int_equal(files_ending(".tmp"), 0);
        assert_int_equal(step_of(path), 1);
    }
    assert_int_equal(save_step(store, 3, false), STATUS_OK);
    assert_int_equal(last_step(), 3);
    store_close(store);
}

/* The shell's `ulimit -f`: the write fails, the process lives. */
static void file_size_limit(void **state)
{
    (void)state;
    Store *store = open_store(2, NULL);
    assert_int_equal(save_step(store, 1, false), STATUS_OK);
    store_close(store);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {100000, 100000};
        StoreOptions options = {.keep = 2};
        signal(SIGXFSZ, SIG_IGN); /* as main does */
        setrlimit(RLIMIT_FSIZE, &limit);
        if (store_open(store_folder, &options, &store) != STATUS_OK)
            _exit(99);
        Status status = save_step(store, 2, false);
        _exit(strstr(status_text(), "File too large") ? (int)status : 98);
    }
    int code;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), STATUS_IO);
    assert_int_equal(last_step(), 1);
    assert_int_equal(files_ending(".tmp"), 0);
}

/* A real full disk: a small tmpfs of this test's own, where the system lets it have one. */
static void full_disk(void **state)
{
    (void)state;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        StoreOptions options = {.keep = 3};
        Store *store;
        char *path;
        mkdir(store_folder, 0700);
        if ((geteuid() != 0 && unshare(CLONE_NEWUSER) != 0) || unshare(CLONE_NEWNS) != 0 ||
            mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("none", store_folder, "tmpfs", 0, "size=400k") != 0)
            _exit(77);
        Status status = store_open(store_folder, &options, &store);
        if (status != STATUS_OK || save_step(store, 1, true) != STATUS_OK ||
            save_step(store, 2, false) != STATUS_OK)
            _exit(90);
        if (save_step(store, 3, false) != STATUS_IO || !strstr(status_text(), "No space left on device"))
            _exit(91);
        if (store_last(store_folder, &path) != STATUS_OK || step_of(path) != 2 ||
            files_ending(".tmp") != 0)
            _exit(92);
        free(path);
        if (store_best(store_folder, &path) != STATUS_OK || step_of(path) != 1)
            _exit(93);
        _exit(0);
    }
    int code;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    if (WEXITSTATUS(code) == 77)
        test_skip("no rights to mount a tmpfs");
    assert_int_equal(WEXITSTATUS(code), 0);
}

/* A child saves step after step and reports each finished one; it is killed at a random moment. */
static void killed_while_saving(void **state)
{
    (void)state;
    int kills = full_mode() ? 500 : 20, between = 0;
    Rng rng = rng_stream((uint64_t)getpid(), 0, 0, RNG_TEST);
    int64_t confirmed = -1;
    remove_folder(store_folder);
    for (int i = 0; i < kills; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            StoreOptions options = {.keep = 2};
            Store *store;
            if (store_open(store_folder, &options, &store) != STATUS_OK)
                _exit(1);
            for (int64_t step = confirmed + 1;; step++) {
                if (save_step(store, step, step % 3 == 0) != STATUS_OK || write(ends[1], &step, 8) != 8)
                    _exit(1);
            }
        }
        close(ends[1]);
        int64_t step;
        /* Some kills hit the very first save, most a later one. */
        if (rng_below(&rng, 4))
            while (read(ends[0], &step, 8) == 8 && (confirmed = step, rng_below(&rng, 3)))
                ;
        usleep(rng_below(&rng, 3000));
        kill(child, SIGKILL);
        int code;
        waitpid(child, &code, 0);
        assert_true(WIFSIGNALED(code));
        while (read(ends[0], &step, 8) == 8)
            confirmed = step;
        close(ends[0]);
        int64_t last = last_step();
        between += last > confirmed;
        if (last < confirmed)
            fail_msg("kill %d: step %lld was saved, %lld is there", i, (long long)confirmed,
                     (long long)last);
        confirmed = last;
    }
    print_message("%d kills, %d of them behind the rename, 0 lost\n", kills, between);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_operation_failing, fresh_folder),
        cmocka_unit_test_setup(disk_that_lies, fresh_folder),
        cmocka_unit_test_setup(file_size_limit, fresh_folder),
        cmocka_unit_test_setup(full_disk, fresh_folder),
        cmocka_unit_test_setup(killed_while_saving, fresh_folder),
    };
    store_folder = temporary_folder();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_folder(store_folder);
    free(store_folder);
    return failed;
}
