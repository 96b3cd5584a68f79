/* What the process makes of malformed files: `paco inspect` and `paco eval` end with the exit code of
 * the contract, not by a signal, and say so in just one error line, which names the file. A file or
 * more of each family; the families are gone through in test_checkpoint_malformed_*.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "support_malformed.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANG = 60 /* seconds */ };

static char *folder;
static const char *program;
static int tried;

/* ---- running the program */

/* Its exit code; what it says on stderr goes to the file stderr of the folder. */
static int run_paco(const char *const *arguments)
{
    char *said = file_join(folder, "stderr");
    int code;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int out = open("/dev/null", O_WRONLY), err = open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        alarm(HANG);
        if (dup2(out, 1) == 1 && dup2(err, 2) == 2)
            execv(program, (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    free(said);
    assert_int_equal(waitpid(child, &code, 0), child);
    return WIFEXITED(code) ? WEXITSTATUS(code) : -WTERMSIG(code);
}

/* Number of error lines, and whether each names the file. */
static int error_lines(const char *path, bool *named)
{
    char *said = file_join(folder, "stderr"), line[4096];
    int count = 0;
    FILE *file = fopen(said, "r");
    assert_non_null(file);
    for (*named = true; fgets(line, sizeof line, file);) {
        if (strncmp(line, "paco: error: ", 13) != 0)
            continue;
        count++;
        *named = *named && strstr(line, path);
    }
    fclose(file);
    free(said);
    return count;
}

static void check(const char *id, const char *path, int wanted, const char *const *arguments)
{
    bool named;
    int code = run_paco(arguments), errors = error_lines(path, &named);
    if (code != wanted || errors != (wanted != 0) || !named)
        fail_msg("%s: paco %s: exit %d (expected %d), %d error lines, file %snamed", id, arguments[1], code, wanted,
                 errors, named ? "" : "not ");
    tried++;
}

static void expect_path(const char *id, const char *path, int inspect, int eval)
{
    check(id, path, inspect, (const char *const[]){program, "inspect", path, "--strict-finite", NULL});
    check(id, path, eval, (const char *const[]){program, "eval", "--checkpoint", path, "--list", "none.txt", "--data",
                                                folder, NULL});
}

/* Writes the bytes, which are freed, to a file of this name. */
static void expect_exit(const char *id, const char *name, Bytes bytes, int inspect, int eval)
{
    char *path = file_join(folder, name);
    bytes_write(path, bytes.data, bytes.size);
    bytes_free(&bytes);
    expect_path(id, path, inspect, eval);
    free(path);
}

/* Malformed for both. */
static void refused(const char *id, Bytes bytes)
{
    expect_exit(id, "file.pth", bytes, STATUS_INPUT, STATUS_INPUT);
}

/* ---- the files */

static Bytes cut(Bytes bytes, size_t size)
{
    bytes.size = size;
    return bytes;
}

static Bytes with(Bytes bytes, const char *tail)
{
    bytes_text(&bytes, tail);
    return bytes;
}

static Bytes text(const char *bytes)
{
    return with((Bytes){0}, bytes);
}

/* The sound zip with its only tensor's record written so, and another entry where `extra` is given. */
static Bytes spoilt(const char *extra, ZipField field)
{
    ZipBuild z = {0};
    Bytes p = good_pickle(false);
    zip_build_entry(&z, "a/data.pkl", p.data, p.size, NULL);
    zip_build_entry(&z, "a/data/0", ramp, 16, &field);
    if (extra)
        zip_build_entry(&z, extra, "x", 1, NULL);
    zip_build_entry(&z, "a/version", "3\n", 2, NULL);
    zip_build_end(&z, "");
    bytes_free(&p);
    bytes_free(&z.central);
    return z.file;
}

static Bytes tensor_zip(int64_t numel, int64_t size, int64_t stride, bool record)
{
    Bytes p = {0};
    begin(&p);
    bytes_text(&p, "}");
    pickle_text(&p, "w");
    pickle_tensor(&p, "Float", "0", numel, 0, 1, D(size), D(stride), false);
    bytes_text(&p, "s.");
    return zip_of(p, record ? ramp : NULL, 16);
}

static Bytes safetensors(const char *header, size_t data)
{
    Bytes b = {0};
    bytes_little(&b, strlen(header), 8);
    bytes_text(&b, header);
    for (size_t i = 0; i < data; i++)
        bytes_byte(&b, 0);
    return b;
}

static Bytes nested(int depth)
{
    Bytes p = {0};
    begin(&p);
    for (int i = 0; i < depth; i++)
        bytes_text(&p, "]");
    for (int i = 1; i < depth; i++)
        bytes_text(&p, "a");
    bytes_text(&p, ".");
    return zip_of(p, NULL, 0);
}

/* The sound file as a legacy stream, which the program itself writes. */
static Bytes legacy(void)
{
    char *from = file_join(folder, "sound.pth"), *to = file_join(folder, "legacy.pth");
    Bytes zip = good_zip();
    bytes_write(from, zip.data, zip.size);
    bytes_free(&zip);
    assert_int_equal(run_paco((const char *const[]){program, "convert", from, to, "--format", "legacy", NULL}), 0);
    Bytes bytes = bytes_read(to);
    free(from);
    free(to);
    return bytes;
}

/* ---- the families */

static void sound_file(void **state)
{
    (void)state;
    expect_exit("sound", "file.pth", good_zip(), STATUS_OK, STATUS_INPUT); /* no network to evaluate */
}

static void family_a(void **state)
{
    (void)state;
    Bytes zip = good_zip(), front = text("MZ\x90");
    size_t size = zip.size;
    bytes_add(&front, zip.data, size);
    bytes_free(&zip);
    refused("A01", cut(text("x"), 0));
    refused("A02", text("PK\3"));
    refused("A03", cut(good_zip(), size / 2));
    refused("A04", cut(good_zip(), size - 22));
    refused("A06", with(good_zip(), "junk"));
    refused("A07", front);
    refused("A16", spoilt(NULL, (ZipField){.local_signature = 0x04034b51}));
    refused("A17", spoilt(NULL, (ZipField){.local_name = "a/data/1"}));
    refused("A18", spoilt("a/data/0", (ZipField){0}));
    refused("A21", spoilt("../../etc/x", (ZipField){0}));
    refused("A22", spoilt(NULL, (ZipField){.flags = 1}));
    refused("A24", spoilt(NULL, (ZipField){.deflate = true, .size_change = 1 << 20}));
    refused("A27", spoilt(NULL, (ZipField){.bad_crc = true}));
    refused("A34", spoilt("a/constants.pkl", (ZipField){0}));
}

static void no_files(void **state)
{
    (void)state;
    char *fifo = file_join(folder, "fifo"), *empty = file_join(folder, "empty"), *absent = file_join(folder, "absent");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(mkdir(empty, 0700), 0);
    expect_path("A36 FIFO", fifo, STATUS_IO, STATUS_IO);
    expect_path("A36 folder", empty, STATUS_IO, STATUS_IO);
    expect_path("A36 device", "/dev/zero", STATUS_IO, STATUS_IO);
    expect_path("absent", absent, STATUS_IO, STATUS_IO);
    free(fifo);
    free(empty);
    free(absent);
}

static void family_b(void **state)
{
    (void)state;
    refused("B01", OPS(""));
    refused("B03", OPS("}.x"));
    refused("B08", OPS("cos\nsystem\n(X\2\0\0\0idtR."));
    refused("B12", OPS("a."));
    refused("B28", OPS("}(X\1\0\0\0kNX\1\0\0\0kNu."));
    expect_exit("B23", "file.pth", nested(100000), STATUS_LIMIT, STATUS_LIMIT);
}

static void family_c(void **state)
{
    (void)state;
    const float bad[4] = {1, INFINITY, 2, 3};
    refused("C01", tensor_zip(64, 64, 1, true));
    refused("C04", tensor_zip(4, 4, 1, false));
    refused("C05", tensor_zip(4, -4, 1, true));
    expect_exit("C10", "file.pth", tensor_zip(4, (int64_t)1 << 40, 0, true), STATUS_LIMIT, STATUS_LIMIT);
    expect_exit("C17", "file.pth", zip_of(good_pickle(false), bad, 16), STATUS_NAN, STATUS_INPUT);
}

static void families_d_e_f(void **state)
{
    (void)state;
    Bytes stream = legacy(), tar = {0};
    size_t size = stream.size;
    put(&stream, 7, 0xfd, 1);
    refused("D01", stream);
    refused("D06", cut(legacy(), size - 1));
    refused("D06 behind", with(legacy(), "x"));
    refused("D10", text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"));
    for (int i = 0; i < 1024; i++)
        bytes_byte(&tar, i < 100 ? 'n' : 0);
    memcpy(tar.data + 257, "ustar", 6);
    refused("E02", tar);
    expect_exit("F01", "file.safetensors", text("1234567"), STATUS_INPUT, STATUS_INPUT);
    expect_exit("F05", "file.safetensors", cut(safetensors("{}", 0), 9), STATUS_INPUT, STATUS_INPUT);
    expect_exit("F11", "file.safetensors",
                safetensors("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8), STATUS_INPUT,
                STATUS_INPUT);
    expect_exit("F15", "file.safetensors",
                safetensors("{\"w\":{\"dtype\":\"F32x\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4), STATUS_INPUT,
                STATUS_INPUT);
}

static int count(void **state)
{
    (void)state;
    print_message("%d runs of the program\n", tried);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_file), cmocka_unit_test(family_a),       cmocka_unit_test(no_files),
        cmocka_unit_test(family_b),   cmocka_unit_test(family_c),       cmocka_unit_test(families_d_e_f),
    };
    program = getenv("PACO_BIN");
    if (!program || access(program, X_OK) != 0) {
        fprintf(stderr, "skipped: no program in PACO_BIN\n");
        return 77;
    }
    folder = temporary_folder();
    int failed = cmocka_run_group_tests(tests, NULL, count);
    remove_folder(folder);
    free(folder);
    return failed;
}
