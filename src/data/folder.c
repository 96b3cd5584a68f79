/* A folder per class: the folders in the order of their names are the classes, the images below
 * each (by their names' endings, those of torchvision) are its images, in the order of their paths.
 * Other files and hidden folders are passed over with a warning, hidden files without. And images
 * without classes, in files and folders. */
#define _DEFAULT_SOURCE /* d_type */
#include "base/file.h"
#include "base/log.h"
#include "data/kinds.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 16 }; /* folders within folders, so that a loop of links ends */

/* What was passed over. */
typedef struct Passed {
    int64_t files;  /* that are no images */
    int64_t hidden; /* folders whose name begins with a dot */
} Passed;

/* Names that grow; the texts belong to the arena of the data set. */
typedef struct Names {
    const char **list;
    int64_t count, room;
} Names;

static void names_add(Names *names, const char *name)
{
    if (names->count == names->room) {
        names->room = names->room ? names->room * 2 : 64;
        names->list = mem_grow(names->list, (size_t)names->room * sizeof *names->list);
    }
    names->list[names->count++] = name;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Folder first, then file, so that a folder's own files stay together. */
static int by_folder(const void *a, const void *b)
{
    const char *p = *(const char *const *)a, *q = *(const char *const *)b;
    size_t m = (size_t)(file_name(p) - p), n = (size_t)(file_name(q) - q);
    int order = memcmp(p, q, m < n ? m : n);
    if (order == 0)
        order = m < n ? -1 : m > n;
    return order ? order : strcmp(p + m, q + n);
}

static void names_sort(Names *names, int (*compare)(const void *, const void *))
{
    if (names->count > 1)
        qsort(names->list, (size_t)names->count, sizeof *names->list, compare);
}

static bool is_image(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".webp",
                                          ".bmp", ".tif",  ".tiff"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

static bool is_folder(const char *path, const struct dirent *entry)
{
    struct stat st;
    /* Links are followed, as everything that opens the images does. */
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
        return entry->d_type == DT_DIR;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Adds what root/below holds: folders to `folders`, images to `images`, as paths from root. */
static Status scan(Arena *arena, const char *root, const char *below, Names *folders, Names *images,
                   Passed *passed)
{
    char *path = file_join(root, below);
    DIR *dir = opendir(path);
    if (!dir) {
        Status status = status_fail(STATUS_IO, "%s: %s", path, strerror(errno));
        free(path);
        return status;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        char *full = file_join(path, entry->d_name);
        const char *name = *below ? arena_printf(arena, "%s/%s", below, entry->d_name)
                                  : arena_printf(arena, "%s", entry->d_name);
        bool hidden = entry->d_name[0] == '.', folder = is_folder(full, entry);
        if (hidden) /* what editors and systems leave: .ipynb_checkpoints, ._photo.jpg */
            passed->hidden += folder;
        else if (folder)
            names_add(folders, name);
        else if (images && is_image(name))
            names_add(images, name);
        else
            passed->files++;
        free(full);
    }
    closedir(dir);
    free(path);
    return STATUS_OK;
}

/* Every image at or below root/folder. */
static Status scan_class(Arena *arena, const char *root, const char *folder, Names *images,
                         Passed *passed)
{
    Names level = {0}, next = {0};
    Status status = STATUS_OK;
    names_add(&level, folder);
    /* Level by level, so that no depth of folders needs a deeper stack. */
    for (int depth = 0; level.count > 0 && status == STATUS_OK; depth++) {
        if (depth == DEPTH_MAX) {
            status = status_fail(STATUS_INPUT, "%s/%s: folders nested deeper than %d", root,
                                 level.list[0], DEPTH_MAX);
            break;
        }
        next.count = 0;
        for (int64_t i = 0; i < level.count && status == STATUS_OK; i++)
            status = scan(arena, root, level.list[i], &next, images, passed);
        Names done = level;
        level = next;
        next = done;
    }
    free(level.list);
    free(next.list);
    return status;
}

static Status scan_classes(Dataset *d, const Names *classes, Names *images, Passed *passed)
{
    int64_t room = 0;
    for (int64_t c = 0; c < classes->count; c++) {
        Names found = {0};
        Status status = scan_class(&d->arena, d->source, classes->list[c], &found, passed);
        names_sort(&found, by_folder);
        for (int64_t i = 0; i < found.count && status == STATUS_OK; i++) {
            names_add(images, found.list[i]);
            if (images->room != room) {
                room = images->room;
                d->labels = mem_grow(d->labels, (size_t)room * sizeof *d->labels);
            }
            d->labels[images->count - 1] = (int32_t)c;
        }
        free(found.list);
        TRY(status);
    }
    return STATUS_OK;
}

/* Labels come from the order of the folders, so they must be just those that are known: the first
 * difference is told. A name that is missing here, or one too many, shifts all behind it. */
static Status check_known(const Dataset *d, const Names *classes, const ClassNames *known)
{
    int c = 0;
    while (c < known->count && c < classes->count &&
           strcmp(known->list[c], classes->list[c]) == 0)
        c++;
    if (c == known->count && c == classes->count)
        return STATUS_OK;
    if (classes->count == known->count)
        return status_fail(STATUS_INPUT,
                           "%s: class folder %d differs from that of %s ('%.60s' vs '%.60s')",
                           d->source, c, known->source, classes->list[c], known->list[c]);
    if (classes->count < known->count)
        return status_fail(STATUS_INPUT,
                           "%s: there is no folder '%.60s', as %s has (%lld vs %d class folders)",
                           d->source, known->list[c], known->source, (long long)classes->count,
                           known->count);
    return status_fail(STATUS_INPUT,
                       "%s: folder '%.60s' is no class of %s (%lld vs %d class folders)", d->source,
                       classes->list[c], known->source, (long long)classes->count, known->count);
}

static void warn_passed(const char *root, int64_t files, int64_t hidden)
{
    if (files > 0)
        log_warn("%s: passed over %lld files whose names are not those of images", root,
                 (long long)files);
    if (hidden > 0)
        log_warn("%s: passed over %lld hidden folders (their names begin with a dot)", root,
                 (long long)hidden);
}

static Status fill(const DatasetSpec *spec, Dataset *d, Names *classes, Names *images)
{
    Passed passed = {0}, loose = {0};
    TRY(scan(&d->arena, d->source, "", classes, NULL, &loose));
    if (classes->count == 0)
        return status_fail(STATUS_INPUT, "%s: no folders. Expected a folder per class", d->source);
    names_sort(classes, by_name);
    if (spec->known.list)
        TRY(check_known(d, classes, &spec->known));
    if (classes->count > DATASET_CLASSES_MAX || (spec->classes && classes->count != spec->classes))
        return status_fail(STATUS_INPUT, "%s: wrong number of class folders (%lld vs %d)",
                           d->source, (long long)classes->count,
                           spec->classes ? spec->classes : DATASET_CLASSES_MAX);
    TRY(scan_classes(d, classes, images, &passed));
    if (images->count == 0)
        return status_fail(STATUS_INPUT,
                           "%s: no images (.jpg, .png, .webp, ...) in its %lld folders", d->source,
                           (long long)classes->count);
    warn_passed(d->source, passed.files, passed.hidden + loose.hidden);
    d->count = images->count;
    d->classes = (int)classes->count;
    d->class_names =
        arena_copy(&d->arena, classes->list, (size_t)classes->count * sizeof *classes->list);
    return STATUS_OK;
}

Status folder_open(const DatasetSpec *spec, Dataset *d)
{
    Names classes = {0}, images = {0};
    d->root = d->source;
    Status status = fill(spec, d, &classes, &images);
    free(classes.list);
    d->names = images.list;
    return status;
}

/* The images of a folder; a file is one, whatever its name. */
static Status find_at(Dataset *d, const char *path, Names *images)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return status_fail(STATUS_IO, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) {
        names_add(images, arena_printf(&d->arena, "%s", path));
        return STATUS_OK;
    }
    Names found = {0};
    Passed passed = {0};
    Status status = scan_class(&d->arena, path, "", &found, &passed);
    names_sort(&found, by_folder);
    for (int64_t i = 0; i < found.count && status == STATUS_OK; i++) {
        char *name = file_join(path, found.list[i]);
        names_add(images, arena_printf(&d->arena, "%s", name));
        free(name);
    }
    free(found.list);
    if (status == STATUS_OK)
        warn_passed(path, passed.files, passed.hidden);
    return status;
}

Status found_open(const char *const *paths, int count, Dataset *d)
{
    Names images = {0};
    Status status = STATUS_OK;
    for (int i = 0; i < count && status == STATUS_OK; i++)
        status = find_at(d, paths[i], &images);
    d->names = images.list;
    d->count = images.count;
    TRY(status);
    if (images.count == 0)
        return status_fail(STATUS_INPUT, "%s: no images (.jpg, .png, .webp, ...) in this folder%s",
                           paths[0], count > 1 ? " or the others" : "");
    d->labels = mem_zero((size_t)images.count, sizeof *d->labels);
    return STATUS_OK;
}
