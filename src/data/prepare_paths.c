/* Where the images of published lists lie. Of the layouts that a list's images may have, the one in
 * which most of a sample are there is taken for all of them: a folder is laid out in one way. */
#include "data/prepare_parts.h"

#include "base/arena.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 1024 };

/* ------------------------------------------------------------------------------------ paths */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What is wrong with a path from the outside, or NULL. A control character could end its line. */
static const char *wrong_path(const char *path)
{
    size_t n = strlen(path);
    if (n == 0 || is_blank(path[0]) || is_blank(path[n - 1]))
        return "is empty, or has blanks around it";
    if (n >= PATH_LAYOUT_MAX)
        return "is too long";
    for (const char *c = path; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return "has a control character";
    if (path[0] == '/')
        return "is absolute";
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length == 1 && part[0] == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.'))
            return "leaves its folder, or has an empty part";
    }
    return NULL;
}

Status prepare_check_paths(const PreparedList *list)
{
    const Dataset *d = list->data;
    for (int64_t i = 0; i < d->count; i++) {
        const char *wrong = wrong_path(d->names[i]);
        if (wrong)
            return status_fail(STATUS_INPUT, "%s: image %lld: the path %s ('%.80s')", d->source,
                               (long long)i, wrong, d->names[i]);
    }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ classes */

typedef struct Folder {
    const char *name;
    int label;
} Folder;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const Folder *)a)->name, ((const Folder *)b)->name);
}

static Status check_folders(const Prepare *p)
{
    Folder *sorted = mem_alloc((size_t)p->classes * sizeof *sorted);
    size_t n = 0;
    Status status = STATUS_OK;
    for (int c = 0; c < p->classes; c++)
        if (p->folders[c])
            sorted[n++] = (Folder){p->folders[c], c};
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 1; i < n && status == STATUS_OK; i++)
        if (strcmp(sorted[i - 1].name, sorted[i].name) == 0)
            status = status_fail(STATUS_INPUT, "%s: folder '%.60s' is class %d and class %d",
                                 p->request->lists, sorted[i].name, sorted[i - 1].label,
                                 sorted[i].label);
    free(sorted);
    return status;
}

static Status learn_of_list(Prepare *p, const Dataset *d)
{
    PathParts parts;
    for (int64_t i = 0; i < d->count; i++) {
        const PathLayout *l = path_layout_of(p->request->set, d->names[i], &parts);
        const char **known = &p->folders[d->labels[i]];
        if (!l || !parts.class_name[0])
            continue;
        if (!*known)
            *known = arena_printf(&p->arena, "%s", parts.class_name);
        else if (strcmp(*known, parts.class_name) != 0)
            return status_fail(STATUS_INPUT,
                               "%s: image %lld: class %d is folder '%.60s', and "
                               "'%.60s' before",
                               d->source, (long long)i, d->labels[i], parts.class_name, *known);
    }
    return STATUS_OK;
}

Status prepare_learn_folders(Prepare *p)
{
    p->folders = arena_alloc(&p->arena, (size_t)p->classes * sizeof *p->folders);
    for (int r = 0; r < SPLIT_COUNT; r++)
        if (p->lists[r].data)
            TRY(learn_of_list(p, p->lists[r].data));
    return check_folders(p);
}

/* ------------------------------------------------------------------------------------ layouts */

/* The path of image i in this layout: to[PATH_LAYOUT_MAX]. As listed where it cannot be said. */
static void path_in(const Prepare *p, const PreparedList *list, int64_t i, const PathLayout *layout,
                    char *to)
{
    PathParts parts;
    const Dataset *d = list->data;
    const PathLayout *listed = path_layout_of(p->request->set, d->names[i], &parts);
    const char *folder = parts.class_name[0] ? parts.class_name : p->folders[d->labels[i]];
    if (!layout || !listed || listed->images != layout->images ||
        !path_layout_put(layout, folder ? folder : "", parts.file, to))
        strcpy(to, d->names[i]);
}

/* Images of a sample that are there in this layout. */
static int64_t hits(const Prepare *p, const PreparedList *list, const PathLayout *layout)
{
    char name[PATH_LAYOUT_MAX];
    int64_t n = list->data->count < SAMPLE ? list->data->count : SAMPLE, found = 0;
    for (int64_t k = 0; k < n; k++) {
        path_in(p, list, k * list->data->count / n, layout, name);
        char *path = file_join(p->request->data, name);
        found += file_exists(path);
        free(path);
    }
    return found;
}

bool prepare_may_lie(const Prepare *p, const PreparedList *list, const PathLayout *layout)
{
    return list->listed && layout->images == list->listed->images &&
           strcmp(layout->set, p->request->set->name) == 0;
}

/* The layout of the list itself where no other has more. */
static void find_layout(const Prepare *p, PreparedList *list)
{
    PathParts parts;
    list->listed = path_layout_of(p->request->set, list->data->names[0], &parts);
    list->found = list->listed;
    int64_t most = hits(p, list, list->listed);
    for (const PathLayout *l = path_layouts; l->set; l++) {
        int64_t found = prepare_may_lie(p, list, l) ? hits(p, list, l) : 0;
        if (found > most) {
            most = found;
            list->found = l;
        }
    }
}

void prepare_find(Prepare *p)
{
    char name[PATH_LAYOUT_MAX];
    for (int r = 0; r < SPLIT_COUNT; r++) {
        PreparedList *list = &p->lists[r];
        Dataset *d = list->data;
        if (!d)
            continue;
        find_layout(p, list);
        for (int64_t i = 0; i < d->count && list->found != list->listed; i++) {
            path_in(p, list, i, list->found, name);
            d->names[i] = arena_printf(&d->arena, "%s", name);
        }
        d->root = arena_printf(&d->arena, "%s", p->request->data);
    }
}
