/* Fuzz targets. CRCs and checksums would stop a fuzzer at the door; so `zip` gets bytes whose
 * CRCs are set to zero, which the reader takes as "none", and `pickle` gets a sound zip put
 * around it. */
#include "fuzz.h"

#include "base/check.h"
#include "checkpoint/checkpoint.h"
#include "data/dataset.h"
#include "support_uses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_LIMIT = 1 << 20 }; /* tensors larger than this are not read: a view may be 64 MiB */

static int open_and_read(const char *name, const uint8_t *bytes, size_t size)
{
    CheckpointOptions options = {.quiet = true};
    Checkpoint *c;
    if (checkpoint_open_memory(name, bytes, size, &options, &c) != STATUS_OK)
        return 0;
    for (uint32_t i = 0; i < checkpoint_count(c) && i < 64; i++) {
        const CheckpointTensor *t = checkpoint_tensor(c, i);
        ElementType type = t->tensor ? t->tensor->type : ELEMENT_FLOAT32;
        if (checkpoint_tensor_bytes(t, ELEMENT_FLOAT64) > READ_LIMIT)
            continue;
        double *values = malloc(checkpoint_tensor_bytes(t, ELEMENT_FLOAT64) + 16);
        checkpoint_read(c, t, type, values);
        if (t->tensor && element_converts(type, ELEMENT_FLOAT64))
            checkpoint_read(c, t, ELEMENT_FLOAT64, values);
        free(values);
        checkpoint_object(c, t->key);
    }
    checkpoint_verify(c);
    use_checkpoint(c);
    checkpoint_close(c);
    return 0;
}

static uint8_t *put(uint8_t *to, const void *from, size_t size)
{
    if (size)
        memcpy(to, from, size);
    return to + size;
}

/* Zeroes the CRC of whatever looks like a record of a zip. */
static void clear_crcs(uint8_t *bytes, size_t size)
{
    static const struct {
        char signature[5];
        size_t crc;
    } records[] = {{"PK\3\4", 14}, {"PK\1\2", 16}, {"PK\7\10", 4}};
    for (size_t i = 0; i + 20 <= size; i++)
        for (size_t r = 0; r < 3; r++)
            if (memcmp(bytes + i, records[r].signature, 4) == 0)
                memset(bytes + i + records[r].crc, 0, 4);
}

int fuzz_target_zip(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = calloc(size + 1, 1);
    put(copy, bytes, size);
    open_and_read("fuzz", copy, size);
    clear_crcs(copy, size);
    open_and_read("fuzz", copy, size);
    free(copy);
    return 0;
}

static uint8_t *put_number(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *to++ = (uint8_t)(i < 8 ? value >> 8 * i : 0);
    return to;
}

typedef struct Entry {
    const char *name;
    const void *bytes;
    size_t size;
} Entry;

/* Local header or directory entry, without CRC. */
static uint8_t *put_header(uint8_t *to, const Entry *e, int central, size_t offset)
{
    to = put(to, central ? "PK\1\2" : "PK\3\4", 4);
    to = put_number(to, 20, central ? 4 : 2);
    to = put_number(to, 0, 12); /* flags, method, time, date, crc */
    to = put_number(to, e->size, 4);
    to = put_number(to, e->size, 4);
    to = put_number(to, strlen(e->name), 2);
    to = put_number(to, 0, central ? 8 : 2);
    to = put_number(to, 0, central ? 4 : 0);
    to = put_number(to, offset, central ? 4 : 0);
    return put(to, e->name, strlen(e->name));
}

int fuzz_target_pickle(const uint8_t *bytes, size_t size)
{
    static const uint8_t data[64] = {1, 2, 3};
    const Entry entries[] = {{"a/data.pkl", bytes, size},
                             {"a/data/0", data, 16},
                             {"a/data/1", data, 64},
                             {"a/version", "3\n", 2}};
    enum { COUNT = sizeof entries / sizeof *entries };
    size_t offsets[COUNT];
    uint8_t *zip = malloc(size + 2048), *to = zip;
    for (int i = 0; i < COUNT; i++) {
        offsets[i] = (size_t)(to - zip);
        to = put_header(to, &entries[i], 0, 0);
        to = put(to, entries[i].bytes, entries[i].size);
    }
    uint8_t *directory = to;
    for (int i = 0; i < COUNT; i++)
        to = put_header(to, &entries[i], 1, offsets[i]);
    uint8_t *end = to;
    to = put(to, "PK\5\6", 4);
    to = put_number(to, 0, 4);
    to = put_number(to, COUNT, 2);
    to = put_number(to, COUNT, 2);
    to = put_number(to, (uint64_t)(end - directory), 4);
    to = put_number(to, (uint64_t)(directory - zip), 4);
    to = put_number(to, 0, 2);
    open_and_read("fuzz", zip, (size_t)(to - zip));
    free(zip);
    return 0;
}

/* The preamble is put in front: a fuzzer hardly finds fifteen exact bytes. */
int fuzz_target_legacy(const uint8_t *bytes, size_t size)
{
    static const char preamble[] =
        "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.";
    uint8_t *file = malloc(size + sizeof preamble), *to = put(file, preamble, sizeof preamble - 1);
    put(to, bytes, size);
    open_and_read("fuzz", bytes, size);
    open_and_read("fuzz", file, size + sizeof preamble - 1);
    free(file);
    return 0;
}

/* Header checksums are put right. */
int fuzz_target_tar(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = calloc(size + 1, 1);
    put(copy, bytes, size);
    for (size_t at = 0; at + 512 <= size; at += 512) {
        unsigned sum = 0;
        if (memcmp(copy + at + 257, "ustar", 5) != 0)
            continue;
        for (size_t i = 0; i < 512; i++)
            sum += i >= 148 && i < 156 ? ' ' : copy[at + i];
        for (int i = 5; i >= 0; i--, sum >>= 3)
            copy[at + 148 + (size_t)i] = (uint8_t)('0' + (sum & 7));
        copy[at + 154] = 0;
        copy[at + 155] = ' ';
    }
    open_and_read("fuzz", copy, size);
    free(copy);
    return 0;
}

int fuzz_target_safetensors(const uint8_t *bytes, size_t size)
{
    return open_and_read("fuzz.safetensors", bytes, size);
}

/* Accepted whole or refused with a text; what is accepted is in range. */
static void open_list(const DatasetSpec *spec)
{
    Dataset *data = NULL;
    Status status = dataset_open(spec, &data);
    CHECK(status == STATUS_OK || status_text()[0]);
    if (status != STATUS_OK)
        return;
    for (int64_t i = 0; i < data->count; i++)
        CHECK(data->names[i][0] && data->labels[i] >= 0 && data->labels[i] < data->classes);
    for (int c = 0; data->named && c < data->classes; c++)
        CHECK(data->class_names[c][0]);
    dataset_close(data);
}

static void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

/* A list file, with and without a number of classes, and a file of class names that a list of names
 * goes by. */
int fuzz_target_list(const uint8_t *bytes, size_t size)
{
    char path[64];
    Arena arena = {0};
    snprintf(path, sizeof path, "/tmp/fuzz_list.%d", (int)getpid());
    write_file(path, bytes, size);
    DatasetSpec spec = {.kind = DATASET_LIST, .train = true, .list = path};
    open_list(&spec);
    spec.classes = 10;
    open_list(&spec);
    spec.classes = 0;
    if (class_names_read(path, &arena, &spec.known) == STATUS_OK)
        open_list(&spec);
    arena_free(&arena);
    unlink(path);
    return 0;
}

/* Annotations in COCO's form, with and without a number of classes, and as names of classes. */
int fuzz_target_coco(const uint8_t *bytes, size_t size)
{
    char path[64];
    Arena arena = {0};
    ClassNames names;
    snprintf(path, sizeof path, "/tmp/fuzz_coco.%d", (int)getpid());
    write_file(path, bytes, size);
    for (int classes = 0; classes <= 2; classes += 2) {
        Dataset *data = NULL;
        Status status = dataset_coco(path, classes, &data);
        CHECK(status == STATUS_OK || status_text()[0]);
        for (int64_t i = 0; data && i < data->count; i++)
            CHECK(data->names[i] && data->labels[i] >= 0 && data->labels[i] < data->classes);
        dataset_close(data);
    }
    Status status = coco_class_names(path, &arena, &names);
    CHECK(status == STATUS_OK || status_text()[0]);
    arena_free(&arena);
    unlink(path);
    return 0;
}

/* CIFAR-100's pickled training half. */
int fuzz_target_cifar(const uint8_t *bytes, size_t size)
{
    char folder[64], path[80];
    snprintf(folder, sizeof folder, "/tmp/fuzz_cifar.%d", (int)getpid());
    snprintf(path, sizeof path, "%s/train", folder);
    mkdir(folder, 0700);
    write_file(path, bytes, size);
    Dataset *data = NULL;
    DatasetSpec spec = {.kind = DATASET_CIFAR100, .train = true, .root = folder};
    Status status = dataset_open(&spec, &data);
    CHECK(status == STATUS_OK || status_text()[0]);
    for (int64_t i = 0; status == STATUS_OK && i < data->count; i++)
        CHECK(data->labels[i] >= 0 && data->labels[i] < data->classes);
    if (status == STATUS_OK)
        dataset_close(data);
    unlink(path);
    rmdir(folder);
    return 0;
}
