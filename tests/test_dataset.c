/* Data sets: list files and what is wrong with them, folders, CIFAR files, procedural images, and
 * the long-tailed draw against numpy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/status.h"
#include "data/dataset.h"
#include "data/longtail.h"
#include "support_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- list files ---- */

static Status open_list(const char *path, int classes, Dataset **d)
{
    DatasetSpec spec = {
        .kind = DATASET_LIST, .train = true, .list = path, .root = "root", .classes = classes};
    return dataset_open(&spec, d);
}

static void list_reads(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf" "a.jpg 0\r\n"
                               "with two  spaces.jpg 1\n"
                               "  lead/ing.png\t2  \n"
                               "\n"
                               "h\xc3\xb8yre/\xe5\x9b\xbe.jpg 1\n"
                               "/absolute.jpg 000\n"
                               "../up.jpg +2\n"
                               "a.jpg 0";
    static const char *const names[] = {"root/a.jpg",        "root/with two  spaces.jpg",
                                        "root/lead/ing.png", "root/h\xc3\xb8yre/\xe5\x9b\xbe.jpg",
                                        "/absolute.jpg",     "root/../up.jpg",
                                        "root/a.jpg"};
    static const int labels[] = {0, 1, 2, 1, 0, 2, 0};
    Dataset *d;
    char name[512];
    assert_int_equal(open_list(test_write_text("good.txt", text), 0, &d), STATUS_OK);
    assert_int_equal(d->count, 7);
    assert_int_equal(d->classes, 3);
    assert_true(d->encoded);
    for (int i = 0; i < 7; i++) {
        assert_string_equal(dataset_name(d, i, name, sizeof name), names[i]);
        assert_int_equal(d->labels[i], labels[i]);
    }
    assert_int_equal(d->counts[0], 3);
    assert_int_equal(d->first[1], 3);
    assert_int_equal(d->members[2], 6);
    assert_int_equal(d->members[6], 5);
    dataset_close(d);
}

static void list_checksum_sees_order_and_labels(void **state)
{
    (void)state;
    static const char *const texts[] = {"a 0\nb 1\n", "b 1\na 0\n", "a 1\nb 0\n", "a 0\nc 1\n"};
    uint64_t sums[4], again;
    for (int i = 0; i < 4; i++) {
        Dataset *d;
        assert_int_equal(open_list(test_write_text("sum.txt", texts[i]), 0, &d), STATUS_OK);
        sums[i] = d->checksum;
        dataset_close(d);
        for (int j = 0; j < i; j++)
            assert_true(sums[i] != sums[j]);
    }
    Dataset *d;
    assert_int_equal(open_list(test_write_text("other name.txt", "a 0\r\nb   1"), 0, &d),
                     STATUS_OK);
    again = d->checksum;
    dataset_close(d);
    assert_true(again == sums[0]);
    static const char *const roots[] = {"/old/place", "/new/"}; /* where the images lie is no matter */
    for (int i = 0; i < 2; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s/a 0\nb 1", roots[i]);
        DatasetSpec spec = {.kind = DATASET_LIST, .list = test_write_text("sum.txt", text), .root = roots[i]};
        assert_int_equal(dataset_open(&spec, &d), STATUS_OK);
        assert_true(d->checksum == sums[0]);
        dataset_close(d);
    }
}

typedef struct BadList {
    const char *text;
    size_t size; /* 0: a string */
    int classes;
    Status status;
    const char *says;
} BadList;

static void list_refuses(void **state)
{
    (void)state;
    static char long_line[5000 + 3];
    memset(long_line, 'x', 5000);
    memcpy(long_line + 5000, " 0", 3);
    const BadList bad[] = {
        {"", 0, 0, STATUS_INPUT, "no lines"},
        {"\n \t\r\n", 0, 0, STATUS_INPUT, "no lines"},
        {"a.jpg 0\nb.jpg\n", 0, 0, STATUS_INPUT, "line 2: path or label missing ('b.jpg')"},
        {"a.jpg 0\n 7 \n", 0, 0, STATUS_INPUT, "line 2: path or label missing ('7')"},
        {"a b.jpg\n", 0, 0, STATUS_INPUT, "line 1: label is no whole number ('b.jpg')"},
        {"a.jpg 0\nb.jpg 1.5\n", 0, 0, STATUS_INPUT, "line 2: label is no whole number ('1.5')"},
        {"a.jpg 0\nb.jpg 0x1\n", 0, 0, STATUS_INPUT, "no whole number"},
        {"a.jpg 0\nb.jpg -\n", 0, 0, STATUS_INPUT, "no whole number"},
        {"a.jpg 0\nb.jpg -1\n", 0, 0, STATUS_INPUT, "line 2: negative label ('-1')"},
        {"a.jpg 0\nb.jpg 2\n", 0, 2, STATUS_INPUT, "line 2: label out of range (2 vs 0 to 1)"},
        {"a.jpg 2147483648\n", 0, 0, STATUS_INPUT, "out of range (2147483648 vs"},
        {"a.jpg 18446744073709551616\n", 0, 3, STATUS_INPUT, "out of range"},
        {"a.jpg 00000000000000000000002\n", 0, 2, STATUS_INPUT, "out of range"},
        {"a.jpg 0\nb\0.jpg 0\n", 17, 0, STATUS_INPUT, "line 2: NUL byte"},
        {"a.jpg 0\n\0", 9, 0, STATUS_INPUT, "line 2: NUL byte"},
        {long_line, 0, 0, STATUS_INPUT, "line 1: line too long (5002 vs at most 4096 bytes)"},
        {"a.jpg 0\nb.jpg 2\n", 0, 0, STATUS_INPUT, "class 1 of 0 to 2 has no images"},
        {"a.jpg 0\na\x1b[2J.jpg x\x1b[2J\n", 0, 0, STATUS_INPUT, "('x\\x1b[2J')"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Dataset *d = NULL;
        const char *path =
            test_write("bad.txt", bad[i].text, bad[i].size ? bad[i].size : strlen(bad[i].text));
        assert_int_equal(open_list(path, bad[i].classes, &d), bad[i].status);
        if (!strstr(status_text(), bad[i].says) || strncmp(status_text(), path, strlen(path)) != 0)
            fail_msg("case %zu: %s", i, status_text());
    }
    char *huge = malloc(1 << 20);
    memset(huge, 'a', 1 << 20);
    Dataset *d;
    assert_int_equal(open_list(test_write("huge.txt", huge, 1 << 20), 0, &d), STATUS_INPUT);
    free(huge);
    assert_int_equal(open_list(test_path("absent.txt"), 0, &d), STATUS_IO);
    assert_non_null(strstr(status_text(), "absent.txt: No such file or directory"));
    assert_int_equal(open_list(test_folder(), 0, &d), STATUS_IO);
    assert_int_equal(open_list(NULL, 0, &d), STATUS_USAGE);
}

/* Mutations of a good list: every outcome is a data set that keeps its promises or one clean line.
 */
static void mutated_lists(void **state)
{
    (void)state;
    static const char good[] = "a b/c.jpg 0\nd.jpg\t1\r\ne.png 2\n\nf 1\n";
    int opened = 0, refused = 0;
    for (uint64_t i = 0; i < 1500; i++) {
        char bytes[sizeof good + 8];
        size_t n = sizeof good - 1;
        Rng rng = rng_stream(1, 0, i, RNG_TEST);
        memcpy(bytes, good, n);
        for (uint32_t k = rng_below(&rng, 5); k > 0; k--) {
            size_t at = rng_below(&rng, (uint32_t)n);
            static const char likely[] = " \t\r\n\0-+0123456789/\xef\xbb\xbf\xff";
            char byte = likely[rng_below(&rng, sizeof likely - 1)];
            if (rng_below(&rng, 2) && n < sizeof bytes)
                memmove(bytes + at + 1, bytes + at, n++ - at);
            bytes[at] = byte;
        }
        Dataset *d;
        const char *path = test_write("mutated.txt", bytes, rng_below(&rng, (uint32_t)n + 1));
        test_stderr_begin();
        Status status = open_list(path, 0, &d);
        free(test_stderr_end());
        assert_true(status == STATUS_OK || status == STATUS_INPUT);
        opened += status == STATUS_OK;
        refused += status != STATUS_OK;
        if (status != STATUS_OK)
            continue;
        for (int64_t k = 0; k < d->count; k++) {
            char name[64];
            assert_in_range(d->labels[k], 0, d->classes - 1);
            assert_true(strlen(dataset_name(d, k, name, sizeof name)) > strlen("root/"));
        }
        dataset_close(d);
    }
    assert_true(opened > 100 && refused > 300);
}

static void list_warns_of_empty_classes(void **state)
{
    (void)state;
    Dataset *d;
    test_stderr_begin();
    Status status = open_list(test_write_text("holes.txt", "a 4\nb 0\n"), 6, &d);
    char *said = test_stderr_end();
    assert_int_equal(status, STATUS_OK);
    assert_non_null(
        strstr(said, "holes.txt: 4 of 6 classes have no images (class 1 is the first)"));
    assert_int_equal(d->classes, 6);
    assert_int_equal(d->counts[3], 0);
    dataset_close(d);
    free(said);
}

static void missing_image_is_named(void **state)
{
    (void)state;
    Dataset *d;
    Image image;
    test_write("images/text.jpg", "no image", 8);
    mkdir(test_path("images/folder.jpg"), 0777);
    DatasetSpec spec = {.kind = DATASET_LIST, .root = test_path("images")};
    spec.list = test_write_text("three.txt", "gone.jpg 0\ntext.jpg 0\nfolder.jpg 0\n");
    assert_int_equal(dataset_open(&spec, &d), STATUS_OK);
    assert_int_equal(dataset_fetch(d, 0, &image), STATUS_IO);
    assert_non_null(strstr(status_text(), "images/gone.jpg: listed by"));
    assert_int_equal(dataset_fetch(d, 1, &image), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "images/text.jpg: "));
    assert_int_equal(dataset_fetch(d, 2, &image), STATUS_IO);
    dataset_close(d);
}

static void real_images_arrive(void **state)
{
    (void)state;
    Dataset *d;
    Image image;
    DatasetSpec spec[2];
    int lists = test_photographs(spec);
    for (int k = 0; k < lists; k++) {
        test_stderr_begin();
        Status status = dataset_open(&spec[k], &d);
        free(test_stderr_end());
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(d->count, k ? 120 : 63);
        for (int i = 0; i < d->count; i += k ? 17 : 1) {
            assert_int_equal(dataset_fetch(d, i, &image), STATUS_OK);
            assert_true(image.width > 0 && image.height > 0);
            image_free(&image);
        }
        dataset_close(d);
    }
}

/* A long-tailed list of ten classes and its balanced test list. */
static void list_opens(const char *path, int64_t count, const int64_t counts[10])
{
    Dataset *d;
    DatasetSpec spec = {.kind = DATASET_LIST, .list = path};
    assert_int_equal(dataset_open(&spec, &d), STATUS_OK);
    assert_int_equal(d->count, count);
    assert_int_equal(d->classes, 10);
    for (int c = 0; c < 10; c++)
        assert_int_equal(d->counts[c], counts[c]);
    dataset_close(d);
}

static void real_lists_open(void **state)
{
    (void)state;
    list_opens(test_data("data/photos_lt/train.txt"), TEST_PHOTOS,
               (int64_t[]){120, 71, 43, 25, 15, 9, 5, 3, 2, 1});
    list_opens(test_data("data/photos_lt/test.txt"), 50,
               (int64_t[]){5, 5, 5, 5, 5, 5, 5, 5, 5, 5});
    const char *archive = test_shared("data/cifar10_lt.tar.xz");
    char command[8192], path[4096];
    if (!archive)
        return;
    snprintf(command, sizeof command, "tar -xJf '%s' -C '%s' --wildcards 'cifar10_lt/*.txt'",
             archive, test_folder());
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/cifar10_lt/cifar10_lt_train.txt", test_folder());
    list_opens(path, 12406, (int64_t[]){5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50});
    snprintf(path, sizeof path, "%s/cifar10_lt/cifar10_test.txt", test_folder());
    list_opens(path, 10000, (int64_t[]){1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000});
}

/* ---- a folder per class ---- */

static void folders_are_sorted(void **state)
{
    (void)state;
    static const char *const files[] = {"set/b/2.jpg",     "set/b/10.JPEG",       "set/a z/x.png",
                                        "set/a/sub/1.jpg", "set/a/9.jpg",         "set/a/notes.txt",
                                        "set/README",      "set/a/sub/deep/0.jpg"};
    static const char *const expected[] = {"a/9.jpg",   "a/sub/1.jpg", "a/sub/deep/0.jpg",
                                           "a z/x.png", "b/10.JPEG",   "b/2.jpg"};
    static const int labels[] = {0, 0, 0, 1, 2, 2};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        test_write(files[i], "x", 1);
    DatasetSpec spec = {.kind = DATASET_FOLDER, .root = test_path("set")};
    Dataset *d;
    char name[512];
    test_stderr_begin();
    Status status = dataset_open(&spec, &d);
    char *said = test_stderr_end();
    assert_int_equal(status, STATUS_OK);
    assert_non_null(strstr(said, "passed over 1 files"));
    free(said);
    assert_int_equal(d->count, 6);
    assert_int_equal(d->classes, 3);
    assert_string_equal(d->class_names[1], "a z");
    for (int i = 0; i < 6; i++) {
        assert_string_equal(dataset_name(d, i, name, sizeof name) + strlen(test_path("set/")),
                            expected[i]);
        assert_int_equal(d->labels[i], labels[i]);
    }
    dataset_close(d);
}

static void folders_refuse(void **state)
{
    (void)state;
    Dataset *d;
    mkdir(test_path("none"), 0777);
    mkdir(test_path("empty"), 0777);
    mkdir(test_path("empty/class"), 0777);
    test_write("three/a/1.jpg", "x", 1);
    assert_int_equal(symlink("..", test_path("three/a/loop")), 0);
    DatasetSpec spec = {.kind = DATASET_FOLDER, .root = test_path("none")};
    assert_int_equal(dataset_open(&spec, &d), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "Expected a folder per class"));
    spec.root = test_path("empty");
    assert_int_equal(dataset_open(&spec, &d), STATUS_INPUT);
    spec.root = test_path("not there");
    assert_int_equal(dataset_open(&spec, &d), STATUS_IO);
    spec.root = test_path("three");
    assert_int_equal(dataset_open(&spec, &d), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "nested deeper"));
    unlink(test_path("three/a/loop"));
    spec.classes = 2;
    assert_int_equal(dataset_open(&spec, &d), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "wrong number of class folders (1 vs 2)"));
}

/* ---- CIFAR ---- */

enum { RECORD10 = 3073, RECORD100 = 3074 };

/* n records whose pixels tell their number: plane c of image i is filled with i + 50 c. */
static uint8_t *cifar_bytes(int n, int record, int classes)
{
    uint8_t *bytes = calloc((size_t)n, (size_t)record);
    for (int i = 0; i < n; i++) {
        uint8_t *at = bytes + (size_t)i * (size_t)record;
        if (record == RECORD100)
            at[0] = 19;
        at[record - RECORD10] = (uint8_t)(i % classes);
        for (int c = 0; c < 3; c++)
            memset(at + (record - 3072) + 1024 * c, i + 50 * c, 1024);
    }
    return bytes;
}

static void cifar_reads(void **state)
{
    (void)state;
    Dataset *d;
    Image image;
    uint8_t *bytes = cifar_bytes(200, RECORD100, 100);
    test_write("c100/cifar-100-binary/train.bin", bytes, 200 * RECORD100);
    test_write("c100/cifar-100-binary/test.bin", bytes, 100 * RECORD100);
    free(bytes);
    DatasetSpec spec = {.kind = DATASET_CIFAR100, .train = true, .root = test_path("c100")};
    assert_int_equal(dataset_open(&spec, &d), STATUS_OK);
    assert_int_equal(d->count, 200);
    assert_int_equal(d->classes, 100);
    assert_int_equal(d->labels[150], 50);
    assert_int_equal(dataset_fetch(d, 33, &image), STATUS_OK);
    assert_int_equal(image.width, 32);
    assert_int_equal(image.pixels[3 * 700], 33);
    assert_int_equal(image.pixels[3 * 700 + 1], 83);
    assert_int_equal(image.pixels[3 * 700 + 2], 133);
    image_free(&image);
    dataset_close(d);

    bytes = cifar_bytes(20, RECORD10, 10);
    for (int i = 1; i <= 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "c10/data_batch_%d.bin", i);
        test_write(name, bytes, (size_t)(4 * i) * RECORD10);
    }
    free(bytes);
    test_write_text("c10/batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
    spec = (DatasetSpec){.kind = DATASET_CIFAR10, .train = true, .root = test_path("c10")};
    assert_int_equal(dataset_open(&spec, &d), STATUS_OK);
    assert_int_equal(d->count, 60);
    assert_int_equal(d->labels[4], 0);
    assert_string_equal(d->class_names[9], "j");
    dataset_close(d);
    static const char *const given[10] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "given"};
    spec.known = (ClassNames){given, 10, "names.txt"}; /* before those of the files */
    assert_int_equal(dataset_open(&spec, &d), STATUS_OK);
    assert_string_equal(d->class_names[9], "given");
    dataset_close(d);
    spec.known.count = 9;
    assert_int_equal(dataset_open(&spec, &d), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "names.txt: another number of class names"));
}

static void cifar_refuses(void **state)
{
    (void)state;
    Dataset *d;
    uint8_t *bytes = cifar_bytes(3, RECORD10, 10);
    DatasetSpec spec = {.kind = DATASET_CIFAR10, .train = false, .root = test_path("bad10")};
    mkdir(spec.root, 0777);
    assert_int_equal(dataset_open(&spec, &d), STATUS_IO);
    assert_non_null(strstr(status_text(), "test_batch.bin: No such file"));
    test_write_text("bad10/test_batch", "pickle");
    assert_int_equal(dataset_open(&spec, &d), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "test_batch: pickle@0: pickle does not begin with its protocol"));
    test_write("bad10/test_batch.bin", bytes, 3 * RECORD10 - 1);
    assert_int_equal(dataset_open(&spec, &d), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "(9218 vs n x 3073 bytes)"));
    test_write("bad10/test_batch.bin", bytes, 0);
    assert_int_equal(dataset_open(&spec, &d), STATUS_INPUT);
    bytes[2 * RECORD10] = 10;
    test_write("bad10/test_batch.bin", bytes, 3 * RECORD10);
    assert_int_equal(dataset_open(&spec, &d), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "image 2: label out of range (10 vs 0 to 9)"));
    spec.classes = 100;
    assert_int_equal(dataset_open(&spec, &d), STATUS_USAGE);
    free(bytes);

    bytes = cifar_bytes(3, RECORD100, 100);
    spec = (DatasetSpec){.kind = DATASET_CIFAR100, .train = false, .root = test_path("bad100")};
    bytes[RECORD100 + 1] = 100;
    test_write("bad100/test.bin", bytes, 3 * RECORD100);
    assert_int_equal(dataset_open(&spec, &d), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "image 1: label out of range (100 vs 0 to 99)"));
    free(bytes);
}

/* Pickles that are cut, or have flipped bits: one line, or data that keep their promises. */
static void cifar_pickles_damaged(void **state)
{
    (void)state;
    uint8_t *good;
    size_t size;
    int opened = 0, refused = 0;
    assert_int_equal(file_read(test_data("data/field/cifarpy_a/cifar-10-batches-py/data_batch_1"), 1 << 20, &good, &size),
                     STATUS_OK);
    DatasetSpec spec = {.kind = DATASET_CIFAR10, .train = true, .root = test_path("pickled")};
    mkdir(spec.root, 0777);
    for (int b = 2; b <= 5; b++) {
        char name[64];
        snprintf(name, sizeof name, "pickled/data_batch_%d", b);
        test_write(name, good, size);
    }
    for (uint64_t i = 0; i < 3000; i++) {
        Rng rng = rng_stream(6, 0, i, RNG_TEST);
        uint8_t *bytes = malloc(size);
        Dataset *d;
        memcpy(bytes, good, size);
        size_t n = rng_below(&rng, 4) ? size : 1 + rng_below(&rng, (uint32_t)size);
        for (uint32_t k = rng_below(&rng, 4); k > 0; k--) /* mostly where the structure is */
            bytes[rng_below(&rng, rng_below(&rng, 4) ? 230 : (uint32_t)size)] ^= (uint8_t)(1 << rng_below(&rng, 8));
        test_write("pickled/data_batch_1", bytes, n);
        test_stderr_begin();
        Status status = dataset_open(&spec, &d);
        free(test_stderr_end());
        assert_true(status == STATUS_OK || status == STATUS_INPUT || status == STATUS_LIMIT);
        opened += status == STATUS_OK;
        refused += status != STATUS_OK;
        if (status == STATUS_OK) {
            for (int64_t k = 0; k < d->count; k++)
                assert_in_range(d->labels[k], 0, 9);
            dataset_close(d);
        } else if (!strstr(status_text(), "data_batch_1")) {
            fail_msg("%s", status_text());
        }
        free(bytes);
    }
    assert_true(opened > 300 && refused > 300);
    free(good);
}

/* The archive, or the half of it that a broken download left, where a folder or its file belongs. */
static void cifar_is_not_its_archive(void **state)
{
    (void)state;
    Dataset *d;
    static const uint8_t gzip[20000] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3};
    DatasetSpec spec = {.kind = DATASET_CIFAR100, .train = false, .root = test_path("packed")};
    test_write("packed/test.bin", gzip, sizeof gzip);
    assert_int_equal(dataset_open(&spec, &d), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "(20000 vs n x 3074 bytes). Is it the unpacked binary version?"));
    test_write("packed/cifar-100-binary.tar.gz", gzip, sizeof gzip);
    spec.root = test_path("packed/cifar-100-binary.tar.gz");
    assert_int_equal(dataset_open(&spec, &d), STATUS_IO);
    assert_non_null(strstr(status_text(), "--data must be the folder of the files, cifar-100-binary or cifar-100-python"));
}

/* ---- the long tail ---- */

static uint64_t sum_of(const uint32_t *values, int64_t n)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < 32; k += 8)
            h = (h ^ (values[i] >> k & 255)) * 0x100000001B3u;
    return h;
}

/* numpy.random.seed(0); a = numpy.arange(10); numpy.random.shuffle(a) */
static void shuffle_is_numpys(void **state)
{
    (void)state;
    static const uint32_t expected[10] = {2, 8, 4, 9, 1, 6, 7, 3, 0, 5};
    uint32_t values[10];
    LegacyRandom random;
    for (uint32_t i = 0; i < 10; i++)
        values[i] = i;
    legacy_seed(&random, 0);
    legacy_shuffle(&random, values, 10);
    assert_memory_equal(values, expected, sizeof expected);
}

/* Made-up labels, image i of class ((48271 i + 7) mod 50000) mod C; counts and FNV-1a sums (four
 * bytes of each number, lowest first) of the published draw with numpy 1.24. */
static void longtail_is_the_published_one(void **state)
{
    (void)state;
    static const struct { int classes; LongTail tail; int64_t n; uint64_t sum; } cases[] = {
        {10, {LONGTAIL_EXP, 0.01}, 12406, 0xdfa7dddaed1158e},
        {10, {LONGTAIL_STEP, 0.01}, 25250, 0x3d912d35116f0f7},
        {10, {LONGTAIL_EXP, 0.02}, 13996, 0x2a69d5659603236d},
        {10, {LONGTAIL_STEP, 0.02}, 25500, 0xf04876e5131d6fd9},
        {10, {LONGTAIL_EXP, 0.1}, 20431, 0xcbec2339fdeb5a7},
        {10, {LONGTAIL_STEP, 0.1}, 27500, 0x3d4f10ed78e7c523},
        {100, {LONGTAIL_EXP, 0.01}, 10847, 0x5c8db61811f568cf},
        {100, {LONGTAIL_STEP, 0.01}, 25250, 0x9652756a6ab6d9ec},
        {100, {LONGTAIL_EXP, 0.02}, 12608, 0xe87b3f979bef96f5},
        {100, {LONGTAIL_STEP, 0.02}, 25500, 0x5a68e8b3e312e665},
        {100, {LONGTAIL_EXP, 0.1}, 19573, 0x9a598820e99bcf1e},
        {100, {LONGTAIL_STEP, 0.1}, 27500, 0xeaa34e0b5e8e194},
    };
    int32_t *labels = malloc(50000 * sizeof *labels);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        uint32_t *chosen;
        int64_t n;
        for (int64_t i = 0; i < 50000; i++)
            labels[i] = (int32_t)((i * 48271 + 7) % 50000 % cases[k].classes);
        assert_int_equal(
            longtail_draw(&cases[k].tail, "made up", labels, 50000, cases[k].classes, &chosen, &n),
            STATUS_OK);
        assert_int_equal(n, cases[k].n);
        assert_true(sum_of(chosen, n) == cases[k].sum);
        free(chosen);
    }
    free(labels);
}

static void longtail_refuses_a_class_too_small(void **state)
{
    (void)state;
    static const int32_t labels[8] = {0, 1, 1, 1, 1, 0, 1, 0};
    uint32_t *chosen;
    int64_t n;
    assert_int_equal(
        longtail_draw(&(LongTail){LONGTAIL_EXP, 0.5}, "made up", labels, 8, 2, &chosen, &n),
        STATUS_INPUT);
    assert_string_equal(status_text(),
                        "made up: class 0: too few images for the long-tailed subset (3 vs 4)");
}

static void cifar_is_cut(void **state)
{
    (void)state;
    Dataset *d;
    uint8_t *bytes = cifar_bytes(200, RECORD100, 4);
    test_write("cut/train.bin", bytes, 200 * RECORD100);
    free(bytes);
    DatasetSpec spec = {.kind = DATASET_CIFAR100, .train = true, .root = test_path("cut"),
                        .tail = {LONGTAIL_EXP, 0.01}};
    assert_int_equal(dataset_open(&spec, &d),
                     STATUS_INPUT); /* classes 4 to 99 have no image to keep */
    bytes = cifar_bytes(200, RECORD100, 100);
    test_write("cut/train.bin", bytes, 200 * RECORD100);
    free(bytes);
    test_stderr_begin();
    Status status = dataset_open(&spec, &d); /* 2 per class: int(2 x 0.01^(c / 99)) */
    free(test_stderr_end());
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(d->counts[0], 2);
    assert_int_equal(d->counts[1], 1);
    assert_int_equal(d->counts[14], 1);
    assert_int_equal(d->counts[15], 0);
    for (int64_t i = 0; i < d->count; i++) {
        Image image;
        assert_int_equal(dataset_fetch(d, i, &image), STATUS_OK);
        assert_int_equal(image.pixels[0] % 100, d->labels[i]);
        image_free(&image);
    }
    dataset_close(d);
}

/* ---- procedural images ---- */

static void synthetic_is_fixed(void **state)
{
    (void)state;
    Dataset *train, *test, *again;
    DatasetSpec spec = {.kind = DATASET_SYNTHETIC, .train = true};
    assert_int_equal(dataset_open(&spec, &train), STATUS_OK);
    assert_int_equal(dataset_open(&spec, &again), STATUS_OK);
    spec.train = false;
    assert_int_equal(dataset_open(&spec, &test), STATUS_OK);
    int many = 0, few = 0;
    for (int c = 0; c < train->classes; c++) {
        many += train->counts[c] > 100;
        few += train->counts[c] < 20;
        assert_int_equal(test->counts[c], 50);
    }
    assert_true(many >= 3 && few >= 2 && many + few < 10);
    assert_true(train->checksum == again->checksum);
    assert_true(train->checksum == 0x228ee35bd56ff3a0); /* the same on every machine */
    assert_true(memcmp(train->pixels, test->pixels, 3072) != 0);
    dataset_close(train);
    dataset_close(test);
    dataset_close(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_reads), cmocka_unit_test(list_checksum_sees_order_and_labels),
        cmocka_unit_test(list_refuses), cmocka_unit_test(mutated_lists),
        cmocka_unit_test(list_warns_of_empty_classes),
        cmocka_unit_test(missing_image_is_named), cmocka_unit_test(real_images_arrive),
        cmocka_unit_test(real_lists_open),
        cmocka_unit_test(folders_are_sorted), cmocka_unit_test(folders_refuse),
        cmocka_unit_test(cifar_reads), cmocka_unit_test(cifar_refuses), cmocka_unit_test(cifar_is_not_its_archive),
        cmocka_unit_test(cifar_pickles_damaged),
        cmocka_unit_test(shuffle_is_numpys), cmocka_unit_test(longtail_is_the_published_one),
        cmocka_unit_test(longtail_refuses_a_class_too_small),
        cmocka_unit_test(cifar_is_cut), cmocka_unit_test(synthetic_is_fixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
