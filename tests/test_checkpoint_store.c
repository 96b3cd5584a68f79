/* The store: keep, best, links, lock, fallback; every write, sync, close, rename, link and folder
 * sync failing in turn; a file size limit; kill -9 in the middle of saving. In no case is a
 * checkpoint lost. */
#define _GNU_SOURCE /* unshare */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "state/store.h"
#include "checkpoint/writer.h"
#include "support_checkpoint.h"
#include "support_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VALUES = 40000, FORMAT_AT = 13 /* of the digit in manifest.json */ };

static char *folder;
static float values[VALUES];
static int64_t count = VALUES; /* elements of a checkpoint that is saved */

/* ---- a checkpoint that says which step it is */

static Status write_step(Sink *sink, void *context)
{
    Arena arena = {0};
    Object *root = object_dict(&arena, false);
    int64_t step = *(int64_t *)context;
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)(step * 1000 + i);
    object_set(&arena, root, "step", object_int(&arena, step));
    object_set(&arena, root, "w",
               object_tensor(&arena, ELEMENT_FLOAT32, 1, (int64_t[]){count}, values));
    Status status = torch_write(sink, root, NULL);
    arena_free(&arena);
    return status;
}

static Status save(Store *store, int64_t step, bool best)
{
    return store_save(store, step, best, write_step, &step);
}

/* The step of an intact checkpoint. */
static int64_t step_of(const char *path)
{
    Checkpoint *c;
    int64_t step = -1;
    float have[VALUES];
    assert_non_null(path);
    if (checkpoint_open(path, NULL, &c) != STATUS_OK)
        fail_msg("%s", status_text());
    assert_int_equal(checkpoint_integer(c, "step", &step), STATUS_OK);
    assert_int_equal(checkpoint_read(c, checkpoint_find(c, "w"), ELEMENT_FLOAT32, have), STATUS_OK);
    for (int64_t i = 0; i < count; i++)
        assert_true(have[i] == (float)(step * 1000 + i));
    checkpoint_close(c);
    return step;
}

static int64_t last_step(void)
{
    char *path;
    if (store_last(folder, &path) != STATUS_OK)
        fail_msg("%s", status_text());
    int64_t step = path ? step_of(path) : -1;
    free(path);
    return step;
}

static int files_ending(const char *ending)
{
    return test_files_ending(folder, ending);
}

static void in_folder(const char *name, char path[4096])
{
    snprintf(path, 4096, "%s/%s", folder, name);
}

/* Bit `bit & 7` of byte `bit >> 3`. */
static void flip_bit(const char *name, uint64_t bit)
{
    char path[4096];
    in_folder(name, path);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)(bit >> 3), SEEK_SET), 0);
    int c = fgetc(file);
    assert_int_not_equal(c, EOF);
    fseek(file, (long)(bit >> 3), SEEK_SET);
    fputc(c ^ 1 << (bit & 7), file);
    fclose(file);
}

static void flip_byte(const char *name, long at)
{
    flip_bit(name, (uint64_t)at * 8 + 2);
}

static uint64_t size_of(const char *name)
{
    char path[4096];
    struct stat st;
    in_folder(name, path);
    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

static int fresh(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static Store *open_store(int keep, const FileOps *ops)
{
    StoreOptions options = {.keep = keep, .ops = ops};
    Store *store;
    if (store_open(folder, &options, &store) != STATUS_OK)
        fail_msg("%s", status_text());
    return store;
}

/* ---- plain life */

static void keeps_last_and_best(void **state)
{
    (void)state;
    char path[4096], *best;
    Store *store = open_store(2, NULL);
    assert_int_equal(last_step(), -1);
    for (int64_t step = 1; step <= 6; step++) {
        assert_int_equal(save(store, step, step == 2), STATUS_OK);
        assert_int_equal(last_step(), step);
    }
    store_close(store);
    in_folder("last.pth.tar", path);
    assert_int_equal(step_of(path), 6);
    in_folder("best.pth.tar", path);
    assert_int_equal(step_of(path), 2);
    assert_int_equal(files_ending(".pth.tar"), 5); /* steps 2, 5, 6 and two links */
    assert_int_equal(files_ending(".tmp"), 0);
    assert_int_equal(store_best(folder, &best), STATUS_OK);
    assert_int_equal(step_of(best), 2);
    assert_int_equal(unlink(best), 0);
    free(best);
    assert_int_equal(store_best(folder, &best), STATUS_IO);
    assert_non_null(strstr(status_text(), "step-000000000002.pth.tar: file@0: cannot open"));
    assert_non_null(strstr(status_text(), ". The newest is "));
    assert_non_null(strstr(status_text(), "/last.pth.tar"));
}

static void one_writer(void **state)
{
    (void)state;
    StoreOptions options = {.keep = 1};
    Store *first = open_store(1, NULL), *second;
    assert_int_equal(store_open(folder, &options, &second), STATUS_IO);
    assert_non_null(strstr(status_text(), "another process"));
    store_close(first);
    assert_int_equal(store_open(folder, &options, &second), STATUS_OK);
    store_close(second);
}

static void damaged_last_falls_back(void **state)
{
    (void)state;
    char *path;
    Store *store = open_store(3, NULL);
    for (int64_t step = 1; step <= 3; step++)
        assert_int_equal(save(store, step, false), STATUS_OK);
    flip_byte("step-000000000003.pth.tar", 5000);
    assert_int_equal(last_step(), 2);
    assert_int_equal(store_resume(store, &path), STATUS_OK);
    assert_int_equal(step_of(path), 2);
    free(path);
    assert_int_equal(files_ending(".damaged"), 1);
    assert_int_equal(save(store, 3, false), STATUS_OK);
    assert_int_equal(last_step(), 3);
    store_close(store);
}

/* One bit of one file: of the newest of two checkpoints, of the only one, or of the manifest, which
 * spoils no checkpoint. `bit` counts from the file's begin. */
static void flip_one(int generations, bool manifest, uint64_t bit)
{
    const char *name = manifest ? "manifest.json" : "step-000000000002.pth.tar";
    char *path, *best;
    flip_bit(name, bit);
    Status status = store_last(folder, &path);
    if (!manifest && generations == 1 ? status != STATUS_INPUT : status != STATUS_OK)
        fail_msg("%s, %d saved, bit %llu: status %d: %s", name, generations, (unsigned long long)bit, status,
                 status_text());
    if (path && step_of(path) != (manifest ? 2 : 1))
        fail_msg("%s, %d saved, bit %llu: %s was taken", name, generations, (unsigned long long)bit, path);
    free(path);
    assert_int_equal(store_best(folder, &best), !manifest && generations == 1 ? STATUS_INPUT : STATUS_OK);
    free(best);
    flip_bit(name, bit);
}

/* What is written to stderr goes to this file until it is given back. */
static int divert_stderr(const char *path)
{
    int before = dup(2);
    fflush(stderr);
    assert_non_null(freopen(path, "w", stderr));
    return before;
}

static void restore_stderr(int before)
{
    fflush(stderr);
    dup2(before, 2);
    close(before);
}

/* A run that went back and saves again says so. */
static void going_backwards_is_said(void **state)
{
    (void)state;
    char path[4096];
    Store *store = open_store(5, NULL);
    in_folder("stderr", path);
    for (int64_t step = 4; step >= 3; step--) {
        int before = divert_stderr(path);
        Status status = save(store, step, false);
        restore_stderr(before);
        assert_int_equal(status, STATUS_OK);
        Bytes text = bytes_read(path);
        bool said = strstr((char *)text.data, ": step 3 is saved after step 4\n");
        assert_true(said == (step == 3));
        bytes_free(&text);
    }
    store_close(store);
    assert_int_equal(last_step(), 3); /* the newest is the one saved last */
}

/* Random bits over all of each file, its end included; and every bit of a manifest. */
static void any_flipped_bit_is_noticed(void **state)
{
    (void)state;
    Rng rng = rng_stream(5, 0, 0, RNG_TEST);
    int flips = full_mode() ? 10000 : 4000;
    count = 200; /* small files: their structure is as likely hit as their elements */
    int before = divert_stderr("/dev/null");
    for (int generations = 1; generations <= 2; generations++) {
        fresh(NULL);
        Store *store = open_store(2, NULL);
        for (int64_t step = 3 - generations; step <= 2; step++)
            assert_int_equal(save(store, step, step == 3 - generations), STATUS_OK);
        store_close(store);
        uint64_t bits = 8 * size_of("step-000000000002.pth.tar");
        for (int i = 0; i < flips / 2; i++)
            flip_one(generations, false, rng_below(&rng, (uint32_t)bits));
        for (uint64_t bit = bits - 64; bit < bits; bit++)
            flip_one(generations, false, bit);
        bits = 8 * size_of("manifest.json");
        for (uint64_t bit = 0; bit < bits; bit += full_mode() ? 1 : 7)
            flip_one(generations, true, bit);
        assert_int_equal(last_step(), 2); /* all bits are back */
    }
    restore_stderr(before);
    count = VALUES;
}

static void all_damaged_is_an_error(void **state)
{
    (void)state;
    char *path;
    Store *store = open_store(2, NULL);
    assert_int_equal(save(store, 1, true), STATUS_OK);
    assert_int_equal(save(store, 2, false), STATUS_OK);
    flip_byte("step-000000000001.pth.tar", 3000);
    flip_byte("step-000000000002.pth.tar", 4000);
    assert_int_equal(store_last(folder, &path), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "none of its 2 checkpoints is intact"));
    assert_null(path);
    assert_int_equal(store_best(folder, &path), STATUS_INPUT);
    assert_int_equal(store_resume(store, &path), STATUS_INPUT);
    store_close(store);
}

/* However often it is tried, and whether or not the manifest is there: nothing intact, so no new
 * names, and never a folder that looks fresh. */
static void all_damaged_stays_an_error(void **state)
{
    (void)state;
    char path[4096], *none;
    Store *store;
    StoreOptions options = {.keep = 2};
    for (int manifest = 0; manifest < 2; manifest++) {
        fresh(NULL);
        store = open_store(2, NULL);
        assert_int_equal(save(store, 1, true), STATUS_OK);
        assert_int_equal(save(store, 2, false), STATUS_OK);
        flip_byte("step-000000000001.pth.tar", 3000);
        flip_byte("step-000000000002.pth.tar", 4000);
        in_folder("manifest.json", path);
        assert_int_equal(manifest ? 0 : unlink(path), 0);
        store_close(store);
        for (int attempt = 0; attempt < 3; attempt++) {
            store = open_store(2, NULL);
            assert_int_equal(store_resume(store, &none), STATUS_INPUT);
            assert_null(none);
            store_close(store);
        }
        assert_int_equal(files_ending(".damaged"), 0);
    }
    /* An earlier version renamed them in any case. */
    fresh(NULL);
    store_close(open_store(2, NULL));
    in_folder("step-000000000002.pth.tar.damaged", path);
    bytes_write(path, "PK", 2);
    assert_int_equal(store_last(folder, &none), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "no checkpoint beside 1 damaged"));
    assert_int_equal(store_best(folder, &none), STATUS_INPUT);
    assert_int_equal(store_open(folder, &options, &store), STATUS_INPUT);
    in_folder("notes.damaged", path); /* of somebody else */
    fresh(NULL);
    store_close(open_store(2, NULL));
    bytes_write(path, "PK", 2);
    assert_int_equal(last_step(), -1);
}

/* What could not be read is not damaged: no step back, no other name, and the status says so. */
static void assert_refused(Store *store, Status wanted, const char *text)
{
    char *path;
    for (int i = 0; i < 2; i++) {
        Status status = i ? store_resume(store, &path) : store_last(folder, &path);
        if (status != wanted || !strstr(status_text(), text))
            fail_msg("status %d (expected %d, '%s'): %s", status, wanted, text, status_text());
        assert_null(path);
    }
    assert_int_equal(files_ending(".damaged"), 0);
}

static void unreadable_is_not_damaged(void **state)
{
    (void)state;
    char last[4096], kept[4096], manifest[4096], *path;
    StoreOptions options = {.keep = 3};
    Store *store = open_store(3, NULL);
    for (int64_t step = 1; step <= 3; step++)
        assert_int_equal(save(store, step, false), STATUS_OK);
    in_folder("step-000000000003.pth.tar", last);
    in_folder("kept", kept);
    in_folder("manifest.json", manifest);
    assert_int_equal(rename(last, kept), 0);
    assert_int_equal(symlink(file_name(last), last), 0); /* cannot be opened, also by root */
    assert_refused(store, STATUS_IO, "Too many levels of symbolic links");
    assert_int_equal(unlink(last), 0);
    assert_int_equal(mkdir(last, 0700), 0); /* can be opened, not read */
    assert_refused(store, STATUS_IO, "Is a directory");
    assert_int_equal(rmdir(last), 0);
    assert_int_equal(rename(kept, last), 0);
    if (geteuid() != 0) {
        assert_int_equal(chmod(last, 0), 0);
        assert_refused(store, STATUS_IO, "Permission denied");
        assert_int_equal(chmod(last, 0600), 0);
    }
    store_close(store);
    assert_int_equal(last_step(), 3);
    /* The same of the manifest. */
    assert_int_equal(rename(manifest, kept), 0);
    assert_int_equal(mkdir(manifest, 0700), 0);
    assert_int_equal(store_last(folder, &path), STATUS_IO);
    assert_int_equal(store_best(folder, &path), STATUS_IO);
    assert_int_equal(store_open(folder, &options, &store), STATUS_IO);
    assert_int_equal(rmdir(manifest), 0);
    assert_int_equal(rename(kept, manifest), 0);
    /* One that is gone is no obstacle. */
    assert_int_equal(unlink(last), 0);
    assert_int_equal(last_step(), 2);
}

/* A checkpoint that the manifest does not know and that exceeds a limit of the reader. */
static void limit_is_not_damage(void **state)
{
    (void)state;
    char path[4096];
    ZipBuild zip = {0};
    Bytes pickle = {0};
    Store *store = open_store(3, NULL);
    assert_int_equal(save(store, 1, false), STATUS_OK);
    bytes_text(&pickle, "\x80\x02");
    for (int i = 0; i < 300; i++)
        bytes_text(&pickle, "]");
    for (int i = 0; i < 299; i++)
        bytes_text(&pickle, "a");
    bytes_text(&pickle, ".");
    zip_build_entry(&zip, "a/data.pkl", pickle.data, pickle.size, NULL);
    zip_build_entry(&zip, "a/version", "3\n", 2, NULL);
    zip_build_end(&zip, "");
    in_folder("step-000000000002.pth.tar", path);
    bytes_write(path, zip.file.data, zip.file.size);
    store_close(store);
    store = open_store(3, NULL);
    assert_refused(store, STATUS_LIMIT, "nesting > 256");
    store_close(store);
    zip_build_free(&zip);
    bytes_free(&pickle);
}

/* Truncated at every 4 KiB boundary. */
static void truncated_last_falls_back(void **state)
{
    (void)state;
    char path[4096];
    Store *store = open_store(2, NULL);
    assert_int_equal(save(store, 1, false), STATUS_OK);
    assert_int_equal(save(store, 2, false), STATUS_OK);
    store_close(store);
    in_folder("step-000000000002.pth.tar", path);
    for (off_t size = VALUES * 4 / 4096 * 4096; size >= 0; size -= 4096) {
        assert_int_equal(truncate(path, size), 0);
        assert_int_equal(last_step(), 1);
    }
}

/* Without a manifest the checkpoints speak for themselves. */
static void lost_manifest(void **state)
{
    (void)state;
    char path[4096];
    Store *store = open_store(3, NULL);
    for (int64_t step = 1; step <= 3; step++)
        assert_int_equal(save(store, step, false), STATUS_OK);
    store_close(store);
    in_folder("manifest.json", path);
    assert_int_equal(remove(path), 0);
    assert_int_equal(last_step(), 3);
    flip_byte("step-000000000003.pth.tar", 5000);
    assert_int_equal(last_step(), 2);
    bytes_write(path, "{]", 2);
    assert_int_equal(last_step(), 2);
    store = open_store(3, NULL);
    assert_int_equal(save(store, 4, false), STATUS_OK);
    store_close(store);
    assert_int_equal(last_step(), 4);
}

/* Writes the manifest with this format, and with a hash of its own that is right, or without one. */
static void rewrite_manifest(char format, bool sealed)
{
    char path[4096], hash[SHA256_TEXT];
    uint8_t digest[SHA256_BYTES];
    Sha256 sha;
    in_folder("manifest.json", path);
    Bytes text = bytes_read(path);
    char *seal = strstr((char *)text.data, ",\n \"sha256\"");
    assert_non_null(seal);
    assert_memory_equal(text.data + FORMAT_AT - 10, "\"format\": 2,", 12);
    text.data[FORMAT_AT] = (uint8_t)format;
    text.size = (size_t)(seal - (char *)text.data);
    sha256_begin(&sha);
    sha256_add(&sha, text.data, text.size);
    sha256_end(&sha, digest);
    sha256_text(digest, hash);
    if (sealed) {
        bytes_text(&text, ",\n \"sha256\": \"");
        bytes_text(&text, hash);
        bytes_text(&text, "\"");
    }
    bytes_text(&text, "\n}\n");
    bytes_write(path, text.data, text.size);
    bytes_free(&text);
}

/* A manifest of a newer program is not taken for damage: nothing is read, resumed or replaced. */
static void newer_format_is_refused(void **state)
{
    (void)state;
    char manifest[4096], *path;
    StoreOptions options = {.keep = 2};
    in_folder("manifest.json", manifest);
    for (int sealed = 0; sealed < 2; sealed++) {
        fresh(NULL);
        Store *store = open_store(2, NULL);
        assert_int_equal(save(store, 1, true), STATUS_OK);
        store_close(store);
        rewrite_manifest('3', sealed);
        Bytes before = bytes_read(manifest);
        for (int i = 0; i < 3; i++) {
            Status status = i == 0 ? store_last(folder, &path) : i == 1 ? store_best(folder, &path)
                                                                       : store_open(folder, &options, &store);
            assert_int_equal(status, STATUS_INPUT);
            assert_non_null(
                strstr(status_text(), "manifest.json: format: written by a newer program (3 vs at most 2)"));
        }
        Bytes after = bytes_read(manifest);
        assert_int_equal(after.size, before.size);
        assert_memory_equal(after.data, before.data, before.size);
        assert_int_equal(files_ending(".pth.tar"), 3);
        bytes_free(&after);
        bytes_free(&before);
    }
}

/* Format 1 had no hash of its own; the next save writes one. */
static void earlier_format_is_read(void **state)
{
    (void)state;
    char manifest[4096], *best;
    Store *store = open_store(2, NULL);
    for (int64_t step = 1; step <= 4; step++)
        assert_int_equal(save(store, step, step == 1), STATUS_OK);
    store_close(store);
    rewrite_manifest('1', false);
    assert_int_equal(last_step(), 4);
    flip_byte("step-000000000004.pth.tar", 5000);
    assert_int_equal(last_step(), 3);
    assert_int_equal(store_best(folder, &best), STATUS_OK);
    assert_int_equal(step_of(best), 1);
    free(best);
    store = open_store(2, NULL);
    assert_int_equal(save(store, 5, false), STATUS_OK);
    store_close(store);
    in_folder("manifest.json", manifest);
    Bytes text = bytes_read(manifest);
    assert_memory_equal(text.data + FORMAT_AT - 10, "\"format\": 2,", 12);
    bytes_free(&text);
    assert_int_equal(last_step(), 5);
}

/* One hexadecimal digit of a hash: the checkpoint is intact, so it is used, and the best one stays. */
static void damaged_manifest_spoils_nothing(void **state)
{
    (void)state;
    char manifest[4096], *path;
    in_folder("manifest.json", manifest);
    for (int keep = 1; keep <= 2; keep++) {
        fresh(NULL);
        Store *store = open_store(keep, NULL);
        for (int64_t step = 1; step <= 3; step++)
            assert_int_equal(save(store, step, step == 1), STATUS_OK);
        store_close(store);
        Bytes text = bytes_read(manifest);
        char *hash = strstr((char *)text.data, "\"step\": 3, ");
        hash = strstr(hash, "\"sha256\": \"") + 11;
        flip_byte("manifest.json", hash + 5 - (char *)text.data);
        bytes_free(&text);
        store = open_store(keep, NULL);
        assert_int_equal(store_resume(store, &path), STATUS_OK);
        assert_int_equal(step_of(path), 3);
        free(path);
        assert_int_equal(files_ending(".damaged"), 0);
        assert_int_equal(save(store, 4, false), STATUS_OK);
        assert_int_equal(save(store, 5, false), STATUS_OK);
        store_close(store);
        assert_int_equal(last_step(), 5);
        assert_int_equal(store_best(folder, &path), STATUS_OK);
        assert_int_equal(step_of(path), 1);
        free(path);
    }
}

/* ---- faults */

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
        remove_folder(folder);
        fail_at = 0;
        Store *store = open_store(2, &faulty);
        assert_int_equal(save(store, 1, true), STATUS_OK);
        assert_int_equal(save(store, 2, false), STATUS_OK);
        calls = 0;
        fail_at = n;
        fail_errno = errors[n % 2];
        Status status = save(store, 3, true);
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
        assert_non_null(strstr(status_text(), folder));
        /* What was there is there; the new one may be there too when only its listing failed. */
        int64_t step = last_step();
        assert_true(step == 2 || step == 3);
        char path[4096];
        in_folder("step-000000000001.pth.tar", path);
        assert_int_equal(step_of(path), 1);
        in_folder("step-000000000002.pth.tar", path);
        assert_int_equal(step_of(path), 2);
        /* The run goes on once there is room again. */
        assert_int_equal(save(store, 4, false), STATUS_OK);
        assert_int_equal(last_step(), 4);
        store_close(store);
        assert_int_equal(files_ending(".tmp"), 0);
    }
    print_message("%d operations failed in turn\n", failures);
    assert_true(failures >= 12);
}

/* The shell's `ulimit -f`: the write fails, the process lives. */
static void file_size_limit(void **state)
{
    (void)state;
    Store *store = open_store(2, NULL);
    assert_int_equal(save(store, 1, false), STATUS_OK);
    store_close(store);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {100000, 100000};
        StoreOptions options = {.keep = 2};
        signal(SIGXFSZ, SIG_IGN); /* as main does */
        setrlimit(RLIMIT_FSIZE, &limit);
        if (store_open(folder, &options, &store) != STATUS_OK)
            _exit(99);
        Status status = save(store, 2, false);
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
        mkdir(folder, 0700);
        if ((geteuid() != 0 && unshare(CLONE_NEWUSER) != 0) || unshare(CLONE_NEWNS) != 0 ||
            mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("none", folder, "tmpfs", 0, "size=400k") != 0)
            _exit(77);
        Status status = store_open(folder, &options, &store);
        if (status != STATUS_OK || save(store, 1, true) != STATUS_OK ||
            save(store, 2, false) != STATUS_OK)
            _exit(90);
        if (save(store, 3, false) != STATUS_IO || !strstr(status_text(), "No space left on device"))
            _exit(91);
        if (store_last(folder, &path) != STATUS_OK || step_of(path) != 2 ||
            files_ending(".tmp") != 0)
            _exit(92);
        free(path);
        if (store_best(folder, &path) != STATUS_OK || step_of(path) != 1)
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
    remove_folder(folder);
    for (int i = 0; i < kills; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            StoreOptions options = {.keep = 2};
            Store *store;
            if (store_open(folder, &options, &store) != STATUS_OK)
                _exit(1);
            for (int64_t step = confirmed + 1;; step++) {
                if (save(store, step, step % 3 == 0) != STATUS_OK || write(ends[1], &step, 8) != 8)
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
        cmocka_unit_test_setup(keeps_last_and_best, fresh),
        cmocka_unit_test_setup(one_writer, fresh),
        cmocka_unit_test_setup(damaged_last_falls_back, fresh),
        cmocka_unit_test_setup(any_flipped_bit_is_noticed, fresh),
        cmocka_unit_test_setup(going_backwards_is_said, fresh),
        cmocka_unit_test_setup(all_damaged_is_an_error, fresh),
        cmocka_unit_test_setup(all_damaged_stays_an_error, fresh),
        cmocka_unit_test_setup(unreadable_is_not_damaged, fresh),
        cmocka_unit_test_setup(limit_is_not_damage, fresh),
        cmocka_unit_test_setup(truncated_last_falls_back, fresh),
        cmocka_unit_test_setup(lost_manifest, fresh),
        cmocka_unit_test_setup(newer_format_is_refused, fresh),
        cmocka_unit_test_setup(earlier_format_is_read, fresh),
        cmocka_unit_test_setup(damaged_manifest_spoils_nothing, fresh),
        cmocka_unit_test_setup(every_operation_failing, fresh),
        cmocka_unit_test_setup(file_size_limit, fresh),
        cmocka_unit_test_setup(full_disk, fresh),
        cmocka_unit_test_setup(killed_while_saving, fresh),
    };
    folder = temporary_folder();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_folder(folder);
    free(folder);
    return failed;
}
