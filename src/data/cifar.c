/* CIFAR-10 and CIFAR-100 in their binary form: records of one or two label bytes and 3 planes of
 * 32x32 bytes. The folder may be the one with the files or its parent. A training set may be cut to
 * the published long-tailed subset; its images are then in the published order. */
#include "base/file.h"
#include "data/kinds.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, PIXELS = 3 * PLANE, FILE_MAX = 1 << 30 };

typedef struct Variant {
    const char *folder;       /* as the archive names it */
    const char *pickle;       /* a file that only the Python version has */
    const char *names;        /* text file of class names */
    int label_bytes;          /* the class is the last of them */
    const char *train[6], *test[2];
} Variant;

static const Variant cifar10 = {
    "cifar-10-batches-bin", "data_batch_1", "batches.meta.txt", 1,
    {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
     "data_batch_5.bin"},
    {"test_batch.bin"},
};
static const Variant cifar100 = {
    "cifar-100-binary", "train", "fine_label_names.txt", 2, {"train.bin"}, {"test.bin"},
};

/* The folder with the files: root itself or root/<archive's folder>. malloc'd. */
static char *find_folder(const Variant *v, const char *root)
{
    char *inner = file_join(root, v->folder);
    if (file_exists(inner))
        return inner;
    free(inner);
    return mem_string(root);
}

static Status missing(const Variant *v, const char *folder, const char *path)
{
    char *pickle = file_join(folder, v->pickle);
    bool python = file_exists(pickle);
    free(pickle);
    return status_fail(STATUS_IO, "%s: No such file or directory. %s", path,
                       python ? "This is the Python version; the binary version is needed"
                              : "--data must be the folder of the binary version's .bin files");
}

/* Appends the records of one file. */
static Status add_records(const Variant *v, Dataset *d, const char *path, const uint8_t *bytes,
                          size_t size)
{
    size_t record = (size_t)v->label_bytes + PIXELS, n = size / record;
    /* Records have no mark of their own: a size that does not fit is what shows a wrong file. */
    if (size == 0 || size % record)
        return status_fail(STATUS_INPUT,
                           "%s: size is no multiple of a record (%zu vs n x %zu bytes). Is it "
                           "the unpacked binary version?",
                           path, size, record);
    d->labels = mem_grow(d->labels, ((size_t)d->count + n) * sizeof *d->labels);
    d->pixels = mem_grow(d->pixels, ((size_t)d->count + n) * PIXELS);
    for (size_t i = 0; i < n; i++, d->count++) {
        const uint8_t *from = bytes + i * record + v->label_bytes;
        uint8_t *to = d->pixels + (size_t)d->count * PIXELS;
        if (from[-1] >= d->classes)
            return status_fail(STATUS_INPUT, "%s: image %zu: label out of range (%d vs 0 to %d)",
                               path, i, from[-1], d->classes - 1);
        d->labels[d->count] = from[-1];
        /* From planes to pixels. */
        for (int p = 0; p < PLANE; p++)
            for (int c = 0; c < 3; c++)
                to[3 * p + c] = from[c * PLANE + p];
    }
    return STATUS_OK;
}

static Status add_file(const Variant *v, Dataset *d, const char *folder, const char *name)
{
    uint8_t *bytes;
    size_t size;
    char *path = file_join(folder, name);
    Status status = file_exists(path) ? file_read(path, FILE_MAX, &bytes, &size)
                                      : missing(v, folder, path);
    if (status == STATUS_OK) {
        status = add_records(v, d, path, bytes, size);
        free(bytes);
    }
    free(path);
    return status;
}

/* Class names, where the text file beside the images is there and has one line per class. */
static void read_names(const Variant *v, Dataset *d, const char *folder)
{
    char *path = file_join(folder, v->names), *at, *line;
    uint8_t *bytes = NULL;
    size_t size;
    int n = 0;
    if (file_exists(path) && file_read(path, 1 << 20, &bytes, &size) == STATUS_OK) {
        const char **names = arena_alloc(&d->arena, (size_t)d->classes * sizeof *names);
        for (line = strtok_r((char *)bytes, "\r\n", &at); line && n < d->classes;
             line = strtok_r(NULL, "\r\n", &at))
            names[n++] = arena_printf(&d->arena, "%s", line);
        /* Fewer, or more, are names of something else. */
        if (n == d->classes)
            d->class_names = names;
    }
    free(bytes);
    free(path);
}

/* Cuts the data set to its long-tailed subset. */
static Status cut_tail(const LongTail *tail, Dataset *d)
{
    uint32_t *chosen;
    int64_t n;
    TRY(longtail_draw(tail, d->source, d->labels, d->count, d->classes, &chosen, &n));
    int32_t *labels = mem_alloc((size_t)n * sizeof *labels);
    uint8_t *pixels = mem_alloc((size_t)n * PIXELS);
    for (int64_t i = 0; i < n; i++) {
        labels[i] = d->labels[chosen[i]];
        memcpy(pixels + (size_t)i * PIXELS, d->pixels + (size_t)chosen[i] * PIXELS, PIXELS);
    }
    free(chosen);
    free(d->labels);
    free(d->pixels);
    d->labels = labels;
    d->pixels = pixels;
    d->count = n;
    return STATUS_OK;
}

static Status open_variant(const Variant *v, const DatasetSpec *spec, Dataset *d)
{
    d->side = SIDE;
    char *folder = find_folder(v, d->source);
    Status status = STATUS_OK;
    for (const char *const *name = spec->train ? v->train : v->test; *name && status == STATUS_OK;
         name++)
        status = add_file(v, d, folder, *name);
    if (status == STATUS_OK)
        read_names(v, d, folder);
    free(folder);
    if (status == STATUS_OK && spec->train && spec->tail.factor > 0)
        status = cut_tail(&spec->tail, d);
    return status;
}

Status cifar10_open(const DatasetSpec *spec, Dataset *d)
{
    return open_variant(&cifar10, spec, d);
}

Status cifar100_open(const DatasetSpec *spec, Dataset *d)
{
    return open_variant(&cifar100, spec, d);
}
