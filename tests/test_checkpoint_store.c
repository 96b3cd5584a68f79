/* The store: keep, best, links, lock, fallback; what is damaged, lost, cut or written by another
 * version. Failing disks and kills have test_checkpoint_faults.c. In no case is a checkpoint lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "support_checkpoint.h"
#include "support_files.h"
#include "support_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORMAT_AT = 13 /* of the digit in manifest.json */ };

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

/* ---- plain life */

static void keeps_last_and_best(void **state)
{
    (void)state;
    char path[4096], *best;
    Store *store = open_store(2, NULL);
    assert_int_equal(last_step(), -1);
    for (int64_t step = 1; step <= 6; step++) {
        assert_int_equal(save_step(store, step, step == 2), STATUS_OK);
        assert_int_equal(last_step(), step);
    }
    store_close(store);
    in_folder("last.pth.tar", path);
    assert_int_equal(step_of(path), 6);
    in_folder("best.pth.tar", path);
    assert_int_equal(step_of(path), 2);
    assert_int_equal(files_ending(".pth.tar"), 5); /* steps 2, 5, 6 and two links */
    assert_int_equal(files_ending(".tmp"), 0);
    assert_int_equal(store_best(store_folder, &best), STATUS_OK);
    assert_int_equal(step_of(best), 2);
    assert_int_equal(unlink(best), 0);
    free(best);
    assert_int_equal(store_best(store_folder, &best), STATUS_IO);
    assert_non_null(strstr(status_text(), "step-000000000002.pth.tar: file@0: cannot open"));
    assert_non_null(strstr(status_text(), ". The newest is "));
    assert_non_null(strstr(status_text(), "/last.pth.tar"));
}

static void one_writer(void **state)
{
    (void)state;
    StoreOptions options = {.keep = 1};
    Store *first = open_store(1, NULL), *second;
    assert_int_equal(store_open(store_folder, &options, &second), STATUS_IO);
    assert_non_null(strstr(status_text(), "another process"));
    store_close(first);
    assert_int_equal(store_open(store_folder, &options, &second), STATUS_OK);
    store_close(second);
}

static void damaged_last_falls_back(void **state)
{
    (void)state;
    char *path;
    Store *store = open_store(3, NULL);
    for (int64_t step = 1; step <= 3; step++)
        assert_int_equal(save_step(store, step, false), STATUS_OK);
    flip_byte("step-000000000003.pth.tar", 5000);
    assert_int_equal(last_step(), 2);
    assert_int_equal(store_resume(store, &path), STATUS_OK);
    assert_int_equal(step_of(path), 2);
    free(path);
    assert_int_equal(files_ending(".damaged"), 1);
    assert_int_equal(save_step(store, 3, false), STATUS_OK);
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
    Status status = store_last(store_folder, &path);
    if (!manifest && generations == 1 ? status != STATUS_INPUT : status != STATUS_OK)
        fail_msg("%s, %d saved, bit %llu: status %d: %s", name, generations, (unsigned long long)bit, status,
                 status_text());
    if (path && step_of(path) != (manifest ? 2 : 1))
        fail_msg("%s, %d saved, bit %llu: %s was taken", name, generations, (unsigned long long)bit, path);
    free(path);
    assert_int_equal(store_best(store_folder, &best), !manifest && generations == 1 ? STATUS_INPUT : STATUS_OK);
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
        Status status = save_step(store, step, false);
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
    store_elements = 200; /* small files: their structure is as likely hit as their elements */
    int before = divert_stderr("/dev/null");
    for (int generations = 1; generations <= 2; generations++) {
        fresh_folder(NULL);
        Store *store = open_store(2, NULL);
        for (int64_t step = 3 - generations; step <= 2; step++)
            assert_int_equal(save_step(store, step, step == 3 - generations), STATUS_OK);
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
    store_elements = STORE_VALUES;
}

static void all_damaged_is_an_error(void **state)
{
    (void)state;
    char *path;
    Store *store = open_store(2, NULL);
    assert_int_equal(save_step(store, 1, true), STATUS_OK);
    assert_int_equal(save_step(store, 2, false), STATUS_OK);
    flip_byte("step-000000000001.pth.tar", 3000);
    flip_byte("step-000000000002.pth.tar", 4000);
    assert_int_equal(store_last(store_folder, &path), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "none of its 2 checkpoints is intact"));
    assert_null(path);
    assert_int_equal(store_best(store_folder, &path), STATUS_INPUT);
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
        fresh_folder(NULL);
        store = open_store(2, NULL);
        assert_int_equal(save_step(store, 1, true), STATUS_OK);
        assert_int_equal(save_step(store, 2, false), STATUS_OK);
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
    fresh_folder(NULL);
    store_close(open_store(2, NULL));
    in_folder("step-000000000002.pth.tar.damaged", path);
    bytes_write(path, "PK", 2);
    assert_int_equal(store_last(store_folder, &none), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "no checkpoint beside 1 damaged"));
    assert_int_equal(store_best(store_folder, &none), STATUS_INPUT);
    assert_int_equal(store_open(store_folder, &options, &store), STATUS_INPUT);
    in_folder("notes.damaged", path); /* of somebody else */
    fresh_folder(NULL);
    store_close(open_store(2, NULL));
    bytes_write(path, "PK", 2);
    assert_int_equal(last_step(), -1);
}

/* What could not be read is not damaged: no step back, no other name, and the status says so. */
static void assert_refused(Store *store, Status wanted, const char *text)
{
    char *path;
    for (int i = 0; i < 2; i++) {
        Status status = i ? store_resume(store, &path) : store_last(store_folder, &path);
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
        assert_int_equal(save_step(store, step, false), STATUS_OK);
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
    assert_int_equal(store_last(store_folder, &path), STATUS_IO);
    assert_int_equal(store_best(store_folder, &path), STATUS_IO);
    assert_int_equal(store_open(store_folder, &options, &store), STATUS_IO);
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
    assert_int_equal(save_step(store, 1, false), STATUS_OK);
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
    assert_int_equal(save_step(store, 1, false), STATUS_OK);
    assert_int_equal(save_step(store, 2, false), STATUS_OK);
    store_close(store);
    in_folder("step-000000000002.pth.tar", path);
    for (off_t size = STORE_VALUES * 4 / 4096 * 4096; size >= 0; size -= 4096) {
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
        assert_int_equal(save_step(store, step, false), STATUS_OK);
    store_close(store);
    in_folder("manifest.json", path);
    assert_int_equal(remove(path), 0);
    assert_int_equal(last_step(), 3);
    flip_byte("step-000000000003.pth.tar", 5000);
    assert_int_equal(last_step(), 2);
    bytes_write(path, "{]", 2);
    assert_int_equal(last_step(), 2);
    store = open_store(3, NULL);
    assert_int_equal(save_step(store, 4, false), STATUS_OK);
    store_close(store);
    assert_int_equal(last_step(), 4);
}

/* Writes the manifest with this format, and with a hash of its own that is right, or without one.
 */
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
        fresh_folder(NULL);
        Store *store = open_store(2, NULL);
        assert_int_equal(save_step(store, 1, true), STATUS_OK);
        store_close(store);
        rewrite_manifest('3', sealed);
        Bytes before = bytes_read(manifest);
        for (int i = 0; i < 3; i++) {
            Status status = i == 0 ? store_last(store_folder, &path) : i == 1 ? store_best(store_folder, &path)
                                                                       : store_open(store_folder, &options, &store);
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
        assert_int_equal(save_step(store, step, step == 1), STATUS_OK);
    store_close(store);
    rewrite_manifest('1', false);
    assert_int_equal(last_step(), 4);
    flip_byte("step-000000000004.pth.tar", 5000);
    assert_int_equal(last_step(), 3);
    assert_int_equal(store_best(store_folder, &best), STATUS_OK);
    assert_int_equal(step_of(best), 1);
    free(best);
    store = open_store(2, NULL);
    assert_int_equal(save_step(store, 5, false), STATUS_OK);
    store_close(store);
    in_folder("manifest.json", manifest);
    Bytes text = bytes_read(manifest);
    assert_memory_equal(text.data + FORMAT_AT - 10, "\"format\": 2,", 12);
    bytes_free(&text);
    assert_int_equal(last_step(), 5);
}

/* One hexadecimal digit of a hash: the checkpoint is intact, so it is used, and the best one stays.
 */
static void damaged_manifest_spoils_nothing(void **state)
{
    (void)state;
    char manifest[4096], *path;
    in_folder("manifest.json", manifest);
    for (int keep = 1; keep <= 2; keep++) {
        fresh_folder(NULL);
        Store *store = open_store(keep, NULL);
        for (int64_t step = 1; step <= 3; step++)
            assert_int_equal(save_step(store, step, step == 1), STATUS_OK);
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
        assert_int_equal(save_step(store, 4, false), STATUS_OK);
        assert_int_equal(save_step(store, 5, false), STATUS_OK);
        store_close(store);
        assert_int_equal(last_step(), 5);
        assert_int_equal(store_best(store_folder, &path), STATUS_OK);
        assert_int_equal(step_of(path), 1);
        free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(keeps_last_and_best, fresh_folder),
        cmocka_unit_test_setup(one_writer, fresh_folder),
        cmocka_unit_test_setup(damaged_last_falls_back, fresh_folder),
        cmocka_unit_test_setup(any_flipped_bit_is_noticed, fresh_folder),
        cmocka_unit_test_setup(going_backwards_is_said, fresh_folder),
        cmocka_unit_test_setup(all_damaged_is_an_error, fresh_folder),
        cmocka_unit_test_setup(all_damaged_stays_an_error, fresh_folder),
        cmocka_unit_test_setup(unreadable_is_not_damaged, fresh_folder),
        cmocka_unit_test_setup(limit_is_not_damage, fresh_folder),
        cmocka_unit_test_setup(truncated_last_falls_back, fresh_folder),
        cmocka_unit_test_setup(lost_manifest, fresh_folder),
        cmocka_unit_test_setup(newer_format_is_refused, fresh_folder),
        cmocka_unit_test_setup(earlier_format_is_read, fresh_folder),
        cmocka_unit_test_setup(damaged_manifest_spoils_nothing, fresh_folder),
    };
    store_folder = temporary_folder();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_folder(store_folder);
    free(store_folder);
    return failed;
}
