/* CIFAR-10 and CIFAR-100 in their binary form, records of one or two label bytes and 3 planes of
 * 32x32 bytes, or in their Python form, which torchvision downloads: pickles of the same planes.
 * The folder may be the one with the files or its parent. A training set may be cut to the
 * published long-tailed subset; its images are then in the published order. */
#include "base/file.h"
#include "checkpoint/pickle_file.h"
#include "data/kinds.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, PIXELS = 3 * PLANE, FILE_MAX = 1 << 30 };

/* One of the two forms of a data set, and its files. */
typedef struct Form {
    const char *folder; /* as the archive names it */
    const char *names;  /* file of class names, or pickle with them */
    const char *train[6], *test[2];
} Form;

typedef struct Variant {
    Form binary, python;
    int label_bytes;       /* of a binary record: the class is the last of them */
    const char *labels, *class_names; /* keys of the pickles */
} Variant;

static const Variant cifar10 = {
    .binary = {"cifar-10-batches-bin", "batches.meta.txt",
               {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                "data_batch_5.bin"},
               {"test_batch.bin"}},
    .python = {"cifar-10-batches-py", "batches.meta",
               {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"},
               {"test_batch"}},
    .label_bytes = 1,
    .labels = "labels",
    .class_names = "label_names",
};
static const Variant cifar100 = {
    .binary = {"cifar-100-binary", "fine_label_names.txt", {"train.bin"}, {"test.bin"}},
    .python = {"cifar-100-python", "meta", {"train"}, {"test"}},
    .label_bytes = 2,
    .labels = "fine_labels",
    .class_names = "fine_label_names",
};

/* The folder with this form's files, root itself or the archive's folder in it, malloc'd; NULL
 * where the half's first file is in neither. */
static char *find_form(const Form *form, const char *root, bool train)
{
    const char *first = train ? form->train[0] : form->test[0];
    char *folders[2] = {mem_string(root), file_join(root, form->folder)}, *found = NULL;
    for (int i = 0; i < 2; i++) {
        char *path = file_join(folders[i], first);
        if (!found && file_exists(path))
            found = folders[i];
        else
            free(folders[i]);
        free(path);
    }
    return found;
}

static Status missing(const Variant *v, const char *root, bool train)
{
    char *path = file_join(root, train ? v->binary.train[0] : v->binary.test[0]);
    Status status = status_fail(STATUS_IO,
                                "%s: No such file or directory. --data must be the folder of the "
                                "files, %s or %s, or the one above it",
                                path, v->binary.folder, v->python.folder);
    free(path);
    return status;
}

/* From planes to pixels. */
static void add_planes(Dataset *d, const uint8_t *from)
{
    uint8_t *to = d->pixels + (size_t)d->count * PIXELS;
    for (int p = 0; p < PLANE; p++)
        for (int c = 0; c < 3; c++)
            to[3 * p + c] = from[c * PLANE + p];
}

static void make_room(Dataset *d, size_t n)
{
    d->labels = mem_grow(d->labels, ((size_t)d->count + n) * sizeof *d->labels);
    d->pixels = mem_grow(d->pixels, ((size_t)d->count + n) * PIXELS);
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
    make_room(d, n);
    for (size_t i = 0; i < n; i++, d->count++) {
        const uint8_t *from = bytes + i * record + v->label_bytes;
        if (from[-1] >= d->classes)
            return status_fail(STATUS_INPUT, "%s: image %zu: label out of range (%d vs 0 to %d)",
                               path, i, from[-1], d->classes - 1);
        d->labels[d->count] = from[-1];
        add_planes(d, from);
    }
    return STATUS_OK;
}

static Status add_binary(const Variant *v, Dataset *d, const char *path)
{
    uint8_t *bytes;
    size_t size;
    TRY(file_read(path, FILE_MAX, &bytes, &size));
    Status status = add_records(v, d, path, bytes, size);
    free(bytes);
    return status;
}

/* The labels of a pickle's images. */
static Status add_labels(const Variant *v, Dataset *d, const char *path, const Object *labels,
                         int64_t n)
{
    if (!labels || labels->kind != OBJECT_LIST)
        return status_fail(STATUS_INPUT, "%s: '%s' is %s (expected a list of %lld numbers)", path,
                           v->labels, labels ? object_kind_name(labels) : "not there",
                           (long long)n);
    if ((int64_t)labels->count != n)
        return status_fail(STATUS_INPUT, "%s: another number of labels than of images (%u vs %lld)",
                           path, labels->count, (long long)n);
    for (int64_t i = 0; i < n; i++) {
        const Object *label = labels->items[i];
        if (label->kind != OBJECT_INT)
            return status_fail(STATUS_INPUT, "%s: image %lld: label is %s (expected 0 to %d)", path,
                               (long long)i, object_kind_name(label), d->classes - 1);
        if (label->integer < 0 || label->integer >= d->classes)
            return status_fail(STATUS_INPUT, "%s: image %lld: label out of range (%lld vs 0 to %d)",
                               path, (long long)i, (long long)label->integer, d->classes - 1);
        d->labels[d->count + i] = (int32_t)label->integer;
    }
    return STATUS_OK;
}

static Status add_arrays(const Variant *v, Dataset *d, const char *path, const PickleFile *file)
{
    const Object *root = pickle_file_root(file);
    uint8_t *planes;
    int64_t n;
    TRY(pickle_file_bytes(file, object_get(root, "data"), "data", PIXELS, &n, &planes));
    make_room(d, (size_t)n);
    Status status = add_labels(v, d, path, object_get(root, v->labels), n);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++, d->count++)
        add_planes(d, planes + i * PIXELS);
    free(planes);
    return status;
}

static Status add_python(const Variant *v, Dataset *d, const char *path)
{
    PickleFile *file;
    TRY(pickle_file_open(path, FILE_MAX, &file));
    Status status = add_arrays(v, d, path, file);
    pickle_file_close(file);
    return status;
}

/* ------------------------------------------------------------------------------------ names */

/* Class names, where the text file beside the images is there and has one line per class. */
static void read_names(Dataset *d, const char *path)
{
    char *at, *line;
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
}

static void pickled_names(const Variant *v, Dataset *d, const char *path)
{
    PickleFile *file;
    if (!file_exists(path) || pickle_file_open(path, 1 << 20, &file) != STATUS_OK)
        return;
    const Object *list = object_get(pickle_file_root(file), v->class_names);
    const char **names = arena_alloc(&d->arena, (size_t)d->classes * sizeof *names);
    bool good = list && list->kind == OBJECT_LIST && (int)list->count == d->classes;
    for (int c = 0; good && c < d->classes; c++) {
        good = list->items[c]->kind == OBJECT_TEXT || list->items[c]->kind == OBJECT_BYTES;
        names[c] = good ? arena_printf(&d->arena, "%s", list->items[c]->text) : "";
    }
    if (good)
        d->class_names = names;
    pickle_file_close(file);
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

/* All files of a half, and the names. */
static Status read_form(const Variant *v, const Form *form, const char *folder, bool train,
                        Dataset *d)
{
    bool python = form == &v->python;
    Status status = STATUS_OK;
    for (const char *const *name = train ? form->train : form->test; *name && status == STATUS_OK;
         name++) {
        char *path = file_join(folder, *name);
        status = python ? add_python(v, d, path) : add_binary(v, d, path);
        free(path);
    }
    char *names = file_join(folder, form->names);
    if (status == STATUS_OK && !d->class_names && python)
        pickled_names(v, d, names);
    else if (status == STATUS_OK && !d->class_names)
        read_names(d, names);
    free(names);
    return status;
}

static Status open_variant(const Variant *v, const DatasetSpec *spec, Dataset *d)
{
    d->side = SIDE;
    const Form *forms[] = {&v->binary, &v->python};
    char *folder = NULL;
    Status status = STATUS_OK;
    for (int i = 0; i < 2 && !folder; i++)
        if ((folder = find_form(forms[i], d->source, spec->train)))
            status = read_form(v, forms[i], folder, spec->train, d);
    if (!folder)
        return missing(v, d->source, spec->train);
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
