/* Matrices in files, byte for byte as the formats say, without NumPy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "checkpoint/rows_file.h"
#include "support_aborts.h"
#include "support_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const int32_t labels[3] = {7, 0, 70000};
static const RowsSpec spec = {"logits", 3, 2, labels};
static const float values[3][2] = {{1, -2}, {0.5f, 0}, {3, 1e-30f}};
/* They, little-endian. */
static const uint8_t elements[24] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f, 0, 0, 0, 0,
                                     0, 0, 0x40, 0x40, 0x60, 0x42, 0xa2, 0x0d};

static void write_all(const char *path)
{
    RowsFile *file;
    assert_int_equal(rows_file_open(path, &spec, &file), STATUS_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rows_file_put(file, i, values[i]), STATUS_OK);
    assert_int_equal(rows_file_close(file), STATUS_OK);
}

static void read_all(const char *path, uint8_t **bytes, size_t *size)
{
    assert_int_equal(file_read(path, 1 << 20, bytes, size), STATUS_OK);
}

static void npy(void **state)
{
    (void)state;
    static const char text[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }";
    uint8_t *bytes;
    size_t size;
    write_all(test_path("m.npy"));
    read_all(test_path("m.npy"), &bytes, &size);
    assert_int_equal(size, 128 + sizeof elements);
    assert_memory_equal(bytes, "\x93NUMPY\1\0\x76\0", 10); /* 118 more bytes of header */
    assert_memory_equal(bytes + 10, text, sizeof text - 1);
    for (size_t i = 10 + sizeof text - 1; i < 127; i++)
        assert_int_equal(bytes[i], ' ');
    assert_int_equal(bytes[127], '\n');
    assert_memory_equal(bytes + 128, elements, sizeof elements);
    free(bytes);
}

static void safetensors(void **state)
{
    (void)state;
    static const char text[] =
        "{\"labels\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[0,24]},"
        "\"logits\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[24,48]}}";
    static const uint8_t numbers[24] = {7, [16] = 0x70, 0x11, 1};
    uint8_t *bytes;
    size_t size, header = (sizeof text - 1 + 7) / 8 * 8;
    write_all(test_path("m.safetensors"));
    read_all(test_path("m.safetensors"), &bytes, &size);
    assert_int_equal(size, 8 + header + 48);
    uint8_t length[8] = {(uint8_t)header};
    assert_memory_equal(bytes, length, 8);
    assert_memory_equal(bytes + 8, text, sizeof text - 1);
    for (size_t i = 8 + sizeof text - 1; i < 8 + header; i++)
        assert_int_equal(bytes[i], ' ');
    assert_memory_equal(bytes + 8 + header, numbers, 24);
    assert_memory_equal(bytes + 8 + header + 24, elements, sizeof elements);
    free(bytes);
}

static void put_first(void *file)
{
    rows_file_put(file, 0, values[0]);
}

/* Rows passed over, in the middle and at the end. */
static void rows_left_out(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    RowsFile *file;
    float rows[3][2];
    RowsSpec four = {"features", 4, 2, (int32_t[]){0, 0, 0, 0}};
    assert_int_equal(rows_file_open(test_path("gaps.npy"), &four, &file), STATUS_OK);
    assert_int_equal(rows_file_put(file, 0, values[0]), STATUS_OK);
    assert_int_equal(rows_file_put(file, 2, values[2]), STATUS_OK);
    assert_aborts(put_first, file, "checkpoint/rows_file.c", "row 0");
    assert_int_equal(rows_file_close(file), STATUS_OK);
    read_all(test_path("gaps.npy"), &bytes, &size);
    assert_int_equal(size, 128 + 32);
    assert_memory_equal(bytes + 128, elements, 8);
    assert_memory_equal(bytes + 144, elements + 16, 8);
    for (int gap = 0; gap < 2; gap++) {
        memcpy(rows[gap], bytes + 136 + 16 * gap, 8);
        assert_true(rows[gap][0] != rows[gap][0] && rows[gap][1] != rows[gap][1]);
    }
    free(bytes);
}

/* Whole files or none. */
static void none_where_it_fails(void **state)
{
    (void)state;
    RowsFile *file;
    assert_int_equal(rows_file_open(test_path("given up.npy"), &spec, &file), STATUS_OK);
    assert_int_equal(rows_file_put(file, 0, values[0]), STATUS_OK);
    rows_file_abandon(file);
    rows_file_abandon(NULL);
    assert_false(file_exists(test_path("given up.npy")));
    char nowhere[4096];
    snprintf(nowhere, sizeof nowhere, "%s/no folder/m.npy", test_folder());
    assert_int_equal(rows_file_open(nowhere, &spec, &file), STATUS_IO);
    mkdir(test_path("taken.npy"), 0777);
    assert_int_equal(rows_file_open(test_path("taken.npy"), &spec, &file), STATUS_IO);
    assert_int_equal(test_files_ending(test_folder(), ".tmp"), 0);
}

static void a_full_disk_is_said(void **state)
{
    (void)state;
    enum { ROWS = 4000 };
    RowsFile *file;
    int32_t many[ROWS] = {0};
    RowsSpec long_one = {"logits", ROWS, 2, many};
    const char *path = test_path("full.npy");
    if (symlink("/dev/full", path) != 0)
        test_skip("no symbolic links");
    assert_int_equal(rows_file_open(path, &long_one, &file), STATUS_OK);
    Status status = STATUS_OK;
    for (int i = 0; i < ROWS && status == STATUS_OK; i++)
        status = rows_file_put(file, i, values[0]);
    assert_int_equal(status, STATUS_IO);
    assert_non_null(strstr(status_text(), "full.npy: cannot write: "));
    rows_file_abandon(file);
}

static void endings(void **state)
{
    (void)state;
    static const char *const good[] = {"a.npy", "b/c.safetensors"};
    static const char *const bad[] = {"a.npz", "npy", ".npy", "a.npy.gz", "safetensors", "a.NPY"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(rows_file_check("save-logits", good[i]), STATUS_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(rows_file_check("save-logits", bad[i]), STATUS_USAGE);
        assert_non_null(strstr(status_text(), "--save-logits "));
        assert_non_null(strstr(status_text(), "ends in .npy or .safetensors"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(npy),
        cmocka_unit_test(safetensors),
        cmocka_unit_test(rows_left_out),
        cmocka_unit_test(none_where_it_fails),
        cmocka_unit_test(a_full_disk_is_said),
        cmocka_unit_test(endings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
