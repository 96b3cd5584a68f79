/* Data sets: what all kinds share. Opening builds the index by class and the checksum. */
#include "data/dataset.h"

#include "base/check.h"
#include "base/file.h"
#include "base/fnv.h"
#include "base/log.h"
#include "base/threads.h"
#include "data/kinds.h"
#include "image/decode.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sorts the images by class (a counting sort: ascending within a class). */
static void index_classes(Dataset *d)
{
    d->counts = mem_zero((size_t)d->classes, sizeof *d->counts);
    d->first = mem_zero((size_t)d->classes + 1, sizeof *d->first);
    d->members = mem_alloc((size_t)d->count * sizeof *d->members);
    for (int64_t i = 0; i < d->count; i++)
        d->counts[d->labels[i]]++;
    for (int c = 0; c < d->classes; c++)
        d->first[c + 1] = d->first[c] + d->counts[c];
    /* Where the next image of each class goes. */
    int64_t *at = mem_alloc((size_t)d->classes * sizeof *at);
    memcpy(at, d->first, (size_t)d->classes * sizeof *at);
    for (int64_t i = 0; i < d->count; i++)
        d->members[at[d->labels[i]]++] = (uint32_t)i;
    free(at);
}

/* The path of an image from the root on, also where a list spells the root out: the sum of a data
 * set does not change when its folder moves. */
static const char *name_below_root(const Dataset *d, int64_t i)
{
    const char *name = d->names[i];
    size_t n = d->root ? strlen(d->root) : 0;
    if (n == 0 || name[0] != '/' || strncmp(name, d->root, n) != 0 ||
        (d->root[n - 1] != '/' && name[n] != '/'))
        return name;
    return name + n + strspn(name + n, "/");
}

static uint64_t sum_of(const Dataset *d)
{
    uint64_t h = FNV_BEGIN;
    size_t bytes = (size_t)d->side * (size_t)d->side * 3;
    for (int64_t i = 0; i < d->count; i++) {
        uint32_t label = (uint32_t)d->labels[i];
        unsigned char four[4] = {(unsigned char)label, (unsigned char)(label >> 8),
                                 (unsigned char)(label >> 16), (unsigned char)(label >> 24)};
        if (d->names) {
            const char *name = name_below_root(d, i);
            /* With its end, so that no two lists of names run together alike. */
            h = fnv_add(h, name, strlen(name) + 1);
        } else {
            h = fnv_add(h, d->pixels + (size_t)i * bytes, bytes);
        }
        h = fnv_add(h, four, sizeof four);
    }
    return h;
}

static void warn_empty_classes(const Dataset *d)
{
    int empty = 0, example = -1;
    /* Backwards: the example left over is the first. */
    for (int c = d->classes - 1; c >= 0; c--)
        if (d->counts[c] == 0)
            empty++, example = c;
    if (empty > 0)
        log_warn("%s: %d of %d classes have no images (class %d%s)", d->source, empty, d->classes,
                 example, empty > 1 ? " is the first" : "");
}

typedef struct Kind {
    DatasetRow row;
    Status (*open)(const DatasetSpec *spec, Dataset *dataset);
} Kind;

enum { NO = false, YES = true };

static const Kind kinds[DATASET_KINDS] = {
#define KIND(name, word, source, classes, tail, pixels)                                            \
    {{#word, DATASET_FROM_##source, classes, tail}, word##_open},
#include "data/kinds.def"
};

const DatasetRow *dataset_row(DatasetKind kind)
{
    CHECKF(kind < DATASET_KINDS, "kind %d", (int)kind);
    return &kinds[kind].row;
}

static char *source_of(const DatasetSpec *spec)
{
    const DatasetRow *row = dataset_row(spec->kind);
    char text[64];
    if (row->source == DATASET_FROM_LISTS)
        return mem_string(spec->list ? spec->list : "");
    if (row->source != DATASET_FROM_MEMORY)
        return mem_string(spec->root ? spec->root : ".");
    snprintf(text, sizeof text, "%s %s set", row->word, spec->train ? "training" : "test");
    return mem_string(text);
}

static void copy_names(const ClassNames *names, Dataset *d)
{
    const char **copy = arena_alloc(&d->arena, (size_t)names->count * sizeof *copy);
    for (int c = 0; c < names->count; c++)
        copy[c] = arena_printf(&d->arena, "%s", names->list[c]);
    d->class_names = copy;
}

static Status open_kind(const DatasetSpec *spec, Dataset *d)
{
    int fixed = dataset_row(spec->kind)->classes;
    if (fixed && spec->classes && spec->classes != fixed)
        return status_fail(STATUS_USAGE, "--classes: does not fit the data set (%d vs %d)",
                           spec->classes, fixed);
    int classes = fixed ? fixed : spec->classes;
    d->classes = fixed;
    if (spec->known.list && classes && classes != spec->known.count)
        return status_fail(STATUS_INPUT, "%s: another number of class names than of classes (%d "
                           "vs %d)", spec->known.source, spec->known.count, classes);
    if (spec->known.list)
        copy_names(&spec->known, d);
    return kinds[spec->kind].open(spec, d);
}

/* What all kinds have, once the kind has opened it; else it is closed. */
static Status complete(Dataset *d, Status status, Dataset **out)
{
    if (status != STATUS_OK) {
        dataset_close(d);
        return status;
    }
    d->encoded = d->names != NULL;
    index_classes(d);
    d->checksum = sum_of(d);
    warn_empty_classes(d);
    *out = d;
    return STATUS_OK;
}

Status dataset_open(const DatasetSpec *spec, Dataset **out)
{
    Dataset *d = mem_zero(1, sizeof *d);
    d->kind = spec->kind;
    d->train = spec->train;
    d->source = source_of(spec);
    return complete(d, open_kind(spec, d), out);
}

Status dataset_find(const char *const *paths, int count, Dataset **out)
{
    CHECK(count > 0);
    Dataset *d = mem_zero(1, sizeof *d);
    d->kind = DATASET_FOLDER;
    d->source = mem_string(paths[0]);
    d->classes = 1;
    return complete(d, found_open(paths, count, d), out);
}

Status dataset_coco(const char *path, int classes, Dataset **out)
{
    Dataset *d = mem_zero(1, sizeof *d);
    d->kind = DATASET_LIST;
    d->source = mem_string(path);
    d->classes = classes;
    return complete(d, coco_open(path, d), out);
}

void dataset_close(Dataset *d)
{
    if (!d)
        return;
    free(d->members);
    free(d->first);
    free(d->counts);
    free(d->pixels);
    free(d->names);
    free(d->labels);
    free(d->text);
    free(d->source);
    arena_free(&d->arena);
    free(d);
}

const char *dataset_name(const Dataset *d, int64_t i, char *text, size_t room)
{
    CHECKF(i >= 0 && i < d->count, "image %lld", (long long)i);
    if (!d->names) {
        /* The source of a set made in memory names its half. */
        bool named = dataset_row(d->kind)->source == DATASET_FROM_MEMORY;
        const char *half = named ? "" : d->train ? "training " : "test ";
        snprintf(text, room, "%s: %simage %lld", d->source, half, (long long)i);
        return text;
    }
    char *path = file_join(d->root, d->names[i]);
    snprintf(text, room, "%s", path);
    free(path);
    return text;
}

/* The path of the file of image i, malloc'd. */
static char *path_of(const Dataset *d, int64_t i)
{
    CHECKF(d->encoded && i >= 0 && i < d->count, "image %lld", (long long)i);
    return file_join(d->root, d->names[i]);
}

/* C:/data/a.jpg, as Windows has it. */
static bool has_drive(const char *name)
{
    return isalpha((unsigned char)name[0]) && name[1] == ':' && (name[2] == '/' || name[2] == '\\');
}

static void tell_missing(const Dataset *d, const char *path, const char *name)
{
    if (has_drive(name)) {
        status_fail(STATUS_IO,
                    "%s: listed by %s, but missing. The path begins with a drive of Windows; it "
                    "should begin below --data",
                    name, d->source);
        return;
    }
    if (*name != '/') {
        status_fail(STATUS_IO,
                    "%s: listed by %s, but missing. Is --data the folder that its paths start "
                    "from?",
                    path, d->source);
        return;
    }
    char *below = file_join(d->root ? d->root : ".", name + strspn(name, "/"));
    bool there = file_exists(below);
    status_fail(STATUS_IO,
                "%s: listed by %s, but missing. The path is absolute: --data has no part in it%s%s",
                path, d->source, there ? ", but there is " : "", there ? below : "");
    free(below);
}

/* Adds to a failure who asked for the file; frees the path. */
static Status explain(const Dataset *d, Status status, int64_t i, char *path)
{
    if (status == STATUS_IO && file_missing(path))
        tell_missing(d, path, d->names[i]);
    free(path);
    return status;
}

Status dataset_read(const Dataset *d, int64_t i, uint8_t **bytes, size_t *size)
{
    char *path = path_of(d, i);
    return explain(d, file_read(path, DATASET_FILE_MAX, bytes, size), i, path);
}

/* With `begin` also whether it begins as an image does. */
static Status look(const Dataset *d, int64_t i, bool begin)
{
    uint8_t head[IMAGE_HEAD_BYTES];
    size_t n;
    char *path = path_of(d, i);
    Status status = file_look(path, DATASET_FILE_MAX, head, begin ? sizeof head : 0, &n);
    if (status == STATUS_OK && begin)
        status = image_look(path, head, n, n < sizeof head);
    return explain(d, status, i, path);
}

Status dataset_look(const Dataset *d, int64_t i)
{
    return look(d, i, false);
}

typedef struct Look {
    const Dataset *d;
    _Atomic int64_t first; /* that failed */
} Look;

static void look_at(int64_t i, void *context)
{
    Look *all = context;
    int64_t first = all->first;
    if (i < first && look(all->d, i, true) != STATUS_OK)
        while (i < first && !atomic_compare_exchange_weak(&all->first, &first, i))
            ;
}

Status dataset_look_all(const Dataset *d)
{
    Look all = {d, d->count};
    if (!d->encoded)
        return STATUS_OK;
    threads_for(d->count, look_at, &all);
    return all.first < d->count ? look(d, all.first, true) : STATUS_OK;
}

bool dataset_missing(const Dataset *d, int64_t i)
{
    char *path = path_of(d, i);
    bool missing = file_missing(path);
    free(path);
    return missing;
}

static Status decode_file(const Dataset *d, int64_t i, Image *out)
{
    uint8_t *bytes;
    size_t size;
    TRY(dataset_read(d, i, &bytes, &size));
    char *path = path_of(d, i);
    Status status = image_decode(path, bytes, size, out);
    free(path);
    free(bytes);
    return status;
}

Status dataset_fetch(const Dataset *d, int64_t i, Image *out)
{
    CHECKF(i >= 0 && i < d->count, "image %lld", (long long)i);
    if (d->encoded)
        return decode_file(d, i, out);
    size_t bytes = (size_t)d->side * (size_t)d->side * 3;
    *out = image_new(d->side, d->side);
    memcpy(out->pixels, d->pixels + (size_t)i * bytes, bytes);
    return STATUS_OK;
}
