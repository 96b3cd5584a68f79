/* Small files made to cost much: deep or exponential keys, aliases, long keys, expanded tensors, deflated records. Each
 * is read, inspected and converted in at most a second and 64 MiB (support_malformed.h), or refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "state/convert.h"
#include "state/inspect.h"
#include "support_files.h"
#include "support_malformed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char *folder;

static void repeat(Bytes *p, const char *text, size_t size, int times)
{
    for (int i = 0; i < times; i++)
        bytes_add(p, text, size);
}

/* Begins {'w': float [4] on record 0, ... */
static Bytes begin_dict(void)
{
    Bytes p = {0};
    begin(&p);
    bytes_text(&p, "}(");
    pickle_text(&p, "w");
    pickle_tensor(&p, "Float", "0", 4, 0, 1, D(4), D(1), false);
    return p;
}

static Bytes end_dict(Bytes p)
{
    bytes_text(&p, "u.");
    return zip_of(p, ramp, 16);
}

/* What converting these bytes says; they are read first, and freed. */
static void expect_convert(const char *id, Bytes b, CheckpointFormat format, Status wanted, const char *part)
{
    char from[4096], to[4096];
    ConvertOptions options = {.format = format, .open.quiet = true};
    snprintf(from, sizeof from, "%s/from.pth", folder);
    snprintf(to, sizeof to, "%s/to.pth", folder);
    bytes_write(from, b.data, b.size);
    expect(id, b, STATUS_OK, NULL, NULL);
    Status status = convert_file(from, to, &options, &file_ops_system);
    if (status != wanted || (part && !strstr(status_text(), part)))
        fail_msg("%s: converting: status %d (expected %d, '%s'): %s", id, status, wanted, part, status_text());
    assert_int_equal(remove(to), status == STATUS_OK ? 0 : -1);
}

static void keys_of_dicts(void **state)
{
    (void)state;
    Bytes deep = begin_dict(), doubled = begin_dict(), plain = begin_dict(), longest = {0};
    bytes_text(&deep, "N");
    repeat(&deep, "\x85", 1, 250000);
    bytes_text(&deep, "N");
    expect_convert("deep key", end_dict(deep), CHECKPOINT_ZIP, STATUS_INPUT, "key is a tuple");
    bytes_text(&doubled, "N");
    repeat(&doubled, "2\x86", 2, 60);
    bytes_text(&doubled, "N");
    expect_convert("doubled key", end_dict(doubled), CHECKPOINT_LEGACY, STATUS_INPUT, "key is a tuple");
    bytes_add(&plain, "NK\1K\5K\2G\x3f\xf0\0\0\0\0\0\0K\3\x88K\4", 21);
    expect_convert("plain keys", end_dict(plain), CHECKPOINT_ZIP, STATUS_OK, NULL);
    char *text = malloc(500001);
    memset(text, 'x', 500000);
    text[500000] = 0;
    begin(&longest);
    pickle_text(&longest, text);
    bytes_text(&longest, "q");
    bytes_byte(&longest, 0);
    bytes_text(&longest, "0}(");
    repeat(&longest, "h\0N", 3, 170000);
    expect("long keys", end_dict(longest), STATUS_LIMIT, "key of 500000 bytes", NULL);
    free(text);
}

/* Lists of ten times the list before: more visits than objects. */
static void shared_lists(void **state)
{
    (void)state;
    Bytes p = {0};
    begin(&p);
    repeat(&p, ")0", 2, 480000);
    bytes_text(&p, "]q");
    bytes_byte(&p, 0);
    for (int i = 0; i < 6; i++) {
        char get[2] = {'h', (char)i};
        bytes_text(&p, "0](");
        repeat(&p, get, 2, 10);
        bytes_text(&p, "eq");
        bytes_byte(&p, i + 1);
    }
    bytes_text(&p, "0}(");
    pickle_text(&p, "k");
    bytes_text(&p, "h\6u.");
    expect_convert("shared lists", zip_of(p, ramp, 16), CHECKPOINT_ZIP, STATUS_LIMIT, "too much memory");
}

static Bytes aliases(void)
{
    Bytes p = {0};
    begin(&p);
    bytes_text(&p, "}(");
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        pickle_text(&p, key);
        if (i == 0)
            pickle_tensor(&p, "Float", "0", 4, 0, 1, D(1 << 20), D(0), false);
        bytes_text(&p, i == 0 ? "q" : "h");
        bytes_byte(&p, 7);
    }
    return end_dict(p);
}

/* One tensor of 4 MiB under a hundred keys; one text of 500 kB under a hundred. */
static void aliases_are_written_once(void **state)
{
    (void)state;
    expect_convert("aliases", aliases(), CHECKPOINT_ZIP, STATUS_OK, NULL);
    expect_convert("aliases", aliases(), CHECKPOINT_SAFETENSORS, STATUS_LIMIT, "expand to more than 67108864");
    Bytes p = begin_dict();
    char *text = malloc(500001);
    memset(text, 'x', 500000);
    text[500000] = 0;
    for (int i = 0; i < 150; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        pickle_text(&p, key);
        if (i == 0)
            pickle_text(&p, text);
        bytes_text(&p, i == 0 ? "q" : "h");
        bytes_byte(&p, 7);
    }
    free(text);
    Bytes zip = end_dict(p), again = {0};
    bytes_add(&again, zip.data, zip.size);
    expect_convert("text", zip, CHECKPOINT_SAFETENSORS, STATUS_LIMIT, "too much memory");
    expect_convert("text", again, CHECKPOINT_ZIP, STATUS_LIMIT, "objects take more than 24 MiB");
}

/* Views of one storage are views of one storage afterwards. */
static void views_stay_views(void **state)
{
    (void)state;
    char from[4096], to[4096];
    Bytes p = {0};
    begin(&p);
    bytes_text(&p, "}(");
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        pickle_text(&p, names[i]);
        pickle_tensor(&p, "Float", "0", 16, i, 2, D(3, 2), i ? D(1, 4) : D(4, 1), false);
    }
    bytes_text(&p, "u.");
    Bytes b = zip_of(p, ramp, 64);
    snprintf(from, sizeof from, "%s/from.pth", folder);
    snprintf(to, sizeof to, "%s/to.pth", folder);
    bytes_write(from, b.data, b.size);
    bytes_free(&b);
    for (CheckpointFormat format = CHECKPOINT_ZIP; format <= CHECKPOINT_LEGACY; format++) {
        ConvertOptions options = {.format = format};
        Checkpoint *c;
        assert_int_equal(convert_file(from, to, &options, &file_ops_system), STATUS_OK);
        assert_int_equal(checkpoint_open(to, NULL, &c), STATUS_OK);
        const Storage *first = checkpoint_find(c, "a")->tensor->storage->same;
        assert_int_equal(first->count, 16);
        for (int i = 0; i < 3; i++) {
            float values[6];
            const CheckpointTensor *t = checkpoint_find(c, names[i]);
            assert_ptr_equal(t->tensor->storage->same, first);
            assert_int_equal(checkpoint_read(c, t, ELEMENT_FLOAT32, values), STATUS_OK);
            for (int k = 0; k < 6; k++)
                assert_int_equal(values[k], 1 + i + (i ? k / 2 + 4 * (k % 2) : 4 * (k / 2) + k % 2));
        }
        checkpoint_close(c);
    }
}

static void expanded_tensors(void **state)
{
    (void)state;
    for (int count = 4; count <= 5; count++) {
        Bytes p = {0};
        begin(&p);
        bytes_text(&p, "}(");
        for (int i = 0; i < count; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%d", i);
            pickle_text(&p, key);
            pickle_tensor(&p, "Float", "0", 4, 0, 1, D(4 << 20), D(0), false);
        }
        expect("expanded", end_dict(p), count == 4 ? STATUS_OK : STATUS_LIMIT,
               count == 4 ? NULL : "tensors expand to more than", count == 4 ? NULL : "key 'k4'");
    }
}

/* `views` small views, in turn of each of `records` deflated records of so many MiB; `beside` are in no tensor. */
static Bytes deflated_records(int mib, int records, int beside, int views)
{
    Bytes p = {0};
    ZipBuild z = {0};
    uint8_t *zeros = calloc(1, (size_t)mib << 20);
    begin(&p);
    bytes_text(&p, "}(");
    for (int i = 0; i < views; i++) {
        char key[16], record[16];
        snprintf(key, sizeof key, "k%d", i);
        snprintf(record, sizeof record, "%d", i % records);
        pickle_text(&p, key);
        pickle_tensor(&p, "Float", record, (int64_t)mib << 18, i, 1, D(4), D(2), false);
    }
    bytes_text(&p, "u.");
    zip_build_entry(&z, "a/data.pkl", p.data, p.size, NULL);
    for (int i = 0; i < records + beside; i++) {
        char name[32];
        snprintf(name, sizeof name, "a/data/%d", i);
        zip_build_entry(&z, name, zeros, (size_t)mib << 20, &(ZipField){.deflate = true});
    }
    zip_build_entry(&z, "a/version", "3\n", 2, NULL);
    zip_build_end(&z, "");
    free(zeros);
    bytes_free(&p);
    bytes_free(&z.central);
    return z.file;
}

static void views_of_deflated_records(void **state)
{
    (void)state;
    expect("one record", deflated_records(30, 1, 0, 200), STATUS_OK, NULL, NULL);
    expect("in turn", deflated_records(30, 2, 0, 200), STATUS_LIMIT, "cost too much", "key 'k8'");
    expect("in no tensor", deflated_records(30, 1, 8, 1), STATUS_LIMIT, "records inflate to more than", "a/data/8");
}

/* Converts or inspects in a process that may take 24 MiB more. */
static int with_little_memory(const char *from, const char *to)
{
    unsigned long pages = 0;
    pid_t child = fork();
    if (child == 0) {
        FILE *file = fopen("/proc/self/statm", "r");
        if (!file || fscanf(file, "%lu", &pages) != 1 || fclose(file) != 0)
            _exit(200);
        rlim_t bytes = pages * (rlim_t)sysconf(_SC_PAGESIZE) + (24 << 20);
        if (setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes}) != 0)
            _exit(201);
        ConvertOptions options = {.format = to ? convert_format(to) : CHECKPOINT_ZIP};
        InspectOptions inspect = {.quiet = true};
        _exit(to ? convert_file(from, to, &options, &file_ops_system) : inspect_file(from, &inspect, stdout));
    }
    int code;
    waitpid(child, &code, 0);
    return WIFEXITED(code) ? WEXITSTATUS(code) : -WTERMSIG(code);
}

static void no_memory_is_an_exit_code(void **state)
{
    (void)state;
    if (SANITIZED)
        test_skip("a limit of memory, which a program with sanitizers cannot have");
    char *from = file_join(folder, "large.pth"), *zip = file_join(folder, "x.pth");
    char *flat = file_join(folder, "x.safetensors");
    Bytes p = {0};
    begin(&p);
    bytes_text(&p, "}(");
    pickle_text(&p, "w");
    pickle_tensor(&p, "Float", "0", 15 << 20, 0, 1, D(15 << 20), D(1), false);
    bytes_text(&p, "u.");
    float *values = calloc(15 << 20, sizeof *values);
    Bytes b = zip_of(p, values, (15 << 20) * sizeof *values);
    bytes_write(from, b.data, b.size);
    bytes_free(&b);
    free(values);
    assert_int_equal(with_little_memory(from, zip), STATUS_LIMIT);
    assert_int_equal(with_little_memory(from, flat), STATUS_LIMIT);
    assert_int_equal(with_little_memory(from, NULL), STATUS_LIMIT);
    /* So many objects that their own memory runs out. */
    b = begin_dict();
    bytes_text(&b, "N](");
    repeat(&b, "}", 1, 500000);
    bytes_text(&b, "e");
    b = end_dict(b);
    bytes_write(from, b.data, b.size);
    bytes_free(&b);
    assert_int_equal(with_little_memory(from, NULL), STATUS_LIMIT);
    char *paths[] = {from, zip, flat};
    for (int i = 0; i < 3; i++)
        free(paths[i]);
}

int main(int argc, char **argv)
{
    int code;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_dicts), cmocka_unit_test(shared_lists),
        cmocka_unit_test(aliases_are_written_once), cmocka_unit_test(views_stay_views),
        cmocka_unit_test(expanded_tensors), cmocka_unit_test(views_of_deflated_records),
        cmocka_unit_test(no_memory_is_an_exit_code),
    };
    if (malformed_child(argc, argv, &code))
        return code;
    folder = temporary_folder();
    int failed = cmocka_run_group_tests(tests, NULL, malformed_report);
    remove_folder(folder);
    free(folder);
    return failed;
}
