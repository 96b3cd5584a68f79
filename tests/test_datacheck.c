/* Data check: every kind of damage is counted and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "data/datacheck.h"
#include "support_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static Dataset *open_text(const char *name, const char *text, const char *root, int classes)
{
    Dataset *d;
    DatasetSpec spec = {.kind = DATASET_LIST, .list = test_write_text(name, text), .root = root,
                        .classes = classes};
    test_stderr_begin();
    Status status = dataset_open(&spec, &d);
    free(test_stderr_end());
    assert_int_equal(status, STATUS_OK);
    return d;
}

/* Runs a check; *said is what it printed of bad files. */
static DataCheck check(const Dataset *d, bool decode, int64_t lines, char **said)
{
    DataCheck result;
    size_t size;
    FILE *out = open_memstream(said, &size);
    test_stderr_begin();
    datacheck_run(d, decode, lines, out, &result);
    free(test_stderr_end());
    fclose(out);
    return result;
}

static void damage_is_counted(void **state)
{
    (void)state;
    const char *root = test_data("data/photos_lt");
    char text[1024], *said;
    test_write_text("junk.jpg", "junk");
    snprintf(
        text, sizeof text,
        "train/astronaut/0000.jpg 0\ntrain/astronaut/0001.jpg 0\n"
        "train/astronaut/0000.jpg 1\ngone.jpg 0\n%s/junk.jpg 3\nalso gone.jpg 0\n%s/same.jpg 0\n",
        test_folder(), test_folder());
    uint8_t bytes[1 << 16];
    char path[4096];
    snprintf(path, sizeof path, "%s/train/astronaut/0001.jpg", root);
    FILE *file = fopen(path, "rb");
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    test_write("same.jpg", bytes, n);

    Dataset *d = open_text("damage.txt", text, root, 6);
    DataCheck c = check(d, true, 2, &said);
    assert_int_equal(c.images, 7);
    assert_int_equal(c.missing, 2);
    assert_int_equal(c.unreadable, 1);
    assert_int_equal(c.status, STATUS_IO);
    assert_int_equal(c.duplicates, 1);
    assert_int_equal(c.conflicts, 1);
    assert_true(c.compared);
    assert_int_equal(c.copies, 1);
    assert_int_equal(c.largest, 5);
    assert_int_equal(c.smallest, 1);
    assert_int_equal(c.empty_classes, 3);
    char *second = strchr(said, '\n') + 1;
    assert_non_null(strstr(said, "gone.jpg: listed by"));
    assert_non_null(strstr(second, "junk.jpg: "));
    assert_true(strstr(said, "also gone") == NULL);
    free(said);
    datacheck_free(&c);

    c = check(d, false, 0, &said); /* looks without reading */
    assert_int_equal(c.missing, 2);
    assert_int_equal(c.unreadable, 0);
    assert_int_equal(c.conflicts, 1);
    assert_int_equal(c.copies, 0);
    assert_true(!c.compared);
    for (int i = 0; i < 7; i++)
        assert_true(c.contents[i] == 0);
    assert_string_equal(said, "");
    free(said);
    datacheck_free(&c);
    dataset_close(d);
}

/* Only what is not there is missing; the status is that of reading the image. */
static void kinds_of_damage(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool decode;
        int missing, unreadable;
        Status status;
    } cases[] = {
        {"folder 0\n", true, 0, 1, STATUS_IO},      {"folder 0\n", false, 0, 1, STATUS_IO},
        {"large.jpg 0\n", true, 0, 1, STATUS_LIMIT}, {"large.jpg 0\n", false, 0, 1, STATUS_LIMIT},
        {"gone.jpg 0\n", true, 1, 0, STATUS_IO},    {"text/gone.jpg 0\n", false, 1, 0, STATUS_IO},
        {"dangling 0\n", true, 1, 0, STATUS_IO},    {"loop 0\n", true, 0, 1, STATUS_IO},
        {"text 0\n", true, 0, 1, STATUS_INPUT},     {"text 0\n", false, 0, 0, STATUS_OK},
        {"text 0\nlarge.jpg 0\n", true, 0, 2, STATUS_INPUT},
        {"large.jpg 0\ntext 0\n", true, 0, 2, STATUS_LIMIT},
        {"large.jpg 0\ngone.jpg 0\n", true, 1, 1, STATUS_IO},
    };
    test_write_text("text", "no image");
    test_write_text("large.jpg", "");
    assert_int_equal(truncate(test_path("large.jpg"), (off_t)DATASET_FILE_MAX + 1), 0);
    assert_int_equal(mkdir(test_path("folder"), 0777), 0);
    assert_int_equal(symlink("nothing", test_path("dangling")), 0);
    assert_int_equal(symlink("loop", test_path("loop")), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *said;
        print_message("%s", cases[i].text);
        Dataset *d = open_text("kinds.txt", cases[i].text, test_folder(), 0);
        DataCheck c = check(d, cases[i].decode, 9, &said);
        assert_int_equal(c.missing, cases[i].missing);
        assert_int_equal(c.unreadable, cases[i].unreadable);
        assert_int_equal(c.status, cases[i].status);
        free(said);
        datacheck_free(&c);
        dataset_close(d);
    }
}

static void leaks_are_found(void **state)
{
    (void)state;
    const char *root = test_data("data/photos_lt");
    char text[1024], path[4096], *said;
    uint8_t bytes[1 << 16];
    snprintf(path, sizeof path, "%s/train/astronaut/0002.jpg", root);
    FILE *file = fopen(path, "rb");
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    test_write("leak.jpg", bytes, n);
    snprintf(text, sizeof text,
             "train/astronaut/0001.jpg 0\n%s/leak.jpg 0\ntrain/astronaut/0009.jpg 0\n",
             test_folder());
    Dataset *train =
        open_text("train.txt", "train/astronaut/0001.jpg 0\ntrain/astronaut/0002.jpg 0\n", root, 0);
    Dataset *test = open_text("test.txt", text, root, 0);
    DataCheck a = check(train, true, 9, &said);
    free(said);
    DataCheck b = check(test, true, 9, &said);
    free(said);
    int64_t names, contents;
    datacheck_overlap(&a, &b, &names, &contents);
    assert_int_equal(names, 1);
    assert_int_equal(contents, 1);
    datacheck_free(&a);
    datacheck_free(&b);
    dataset_close(train);
    dataset_close(test);
}

/* CIFAR files of noise, with the second training image as the third test image. */
static const char *cifar_files(void)
{
    enum { RECORD = 3073, IMAGES = 4 };
    static uint8_t batch[IMAGES * RECORD], second[RECORD];
    Rng rng = rng_stream(1, 0, 0, RNG_TEST);
    for (int f = 1; f <= 6; f++) {
        char name[64];
        for (int i = 0; i < IMAGES * RECORD; i++)
            batch[i] = i % RECORD == 0 ? (uint8_t)(i / RECORD) : (uint8_t)rng_bits(&rng);
        if (f == 1)
            memcpy(second, batch + RECORD, RECORD);
        if (f == 6)
            memcpy(batch + 2 * RECORD, second, RECORD);
        snprintf(name, sizeof name, f < 6 ? "cifar/data_batch_%d.bin" : "cifar/test_batch.bin", f);
        test_write(name, batch, sizeof batch);
    }
    return test_path("cifar");
}

/* Images without files are told apart by their half: only a true copy is a leak. */
static void cifar_leaks_by_content_alone(void **state)
{
    (void)state;
    DatasetSpec spec = {.kind = DATASET_CIFAR10, .root = cifar_files(), .train = true};
    Dataset *train, *test;
    char *said, name[4096];
    test_stderr_begin(); /* of classes without images */
    assert_int_equal(dataset_open(&spec, &train), STATUS_OK);
    spec.train = false;
    assert_int_equal(dataset_open(&spec, &test), STATUS_OK);
    free(test_stderr_end());
    for (int decode = 0; decode < 2; decode++) {
        int64_t names, contents;
        DataCheck a = check(train, decode, 9, &said);
        free(said);
        DataCheck b = check(test, decode, 9, &said);
        free(said);
        datacheck_overlap(&a, &b, &names, &contents);
        assert_int_equal(a.images, 20);
        assert_int_equal(names, 0);
        assert_int_equal(contents, 1);
        assert_true(a.compared && b.compared);
        b.contents[2] ^= 1; /* the copy gone */
        datacheck_overlap(&a, &b, &names, &contents);
        assert_int_equal(names, 0);
        assert_int_equal(contents, 0);
        datacheck_free(&a);
        datacheck_free(&b);
    }
    assert_non_null(strstr(dataset_name(train, 3, name, sizeof name), "cifar: training image 3"));
    assert_non_null(strstr(dataset_name(test, 3, name, sizeof name), "cifar: test image 3"));
    dataset_close(train);
    dataset_close(test);
}

/* Real images decode, and are all different; the procedural set has no files at all. */
static void sound_sets_pass(void **state)
{
    (void)state;
    char *text = NULL, *said;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; i < TEST_PHOTOS; i++)
        fprintf(out, "%s %d\n", test_photo(i), i % 10 / 9);
    fclose(out);
    Dataset *d = open_text("sound.txt", text, NULL, 0);
    free(text);
    DataCheck c = check(d, true, 9, &said);
    assert_string_equal(said, "");
    free(said);
    assert_int_equal(c.images, TEST_PHOTOS);
    assert_int_equal(c.missing + c.unreadable + c.duplicates + c.copies + c.empty_classes, 0);
    assert_int_equal(c.largest, TEST_PHOTOS - TEST_PHOTOS / 10);
    assert_int_equal(c.smallest, TEST_PHOTOS / 10);
    datacheck_free(&c);
    dataset_close(d);

    DatasetSpec spec = {.kind = DATASET_SYNTHETIC, .train = true};
    assert_int_equal(dataset_open(&spec, &d), STATUS_OK);
    c = check(d, true, 9, &said);
    free(said);
    assert_int_equal(c.missing + c.unreadable + c.duplicates + c.copies, 0);
    datacheck_free(&c);
    dataset_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_counted), cmocka_unit_test(leaks_are_found),
        cmocka_unit_test(kinds_of_damage), cmocka_unit_test(cifar_leaks_by_content_alone),
        cmocka_unit_test(sound_sets_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
