/* Golden files by name. They lie beside the program, in golden/ (where a build has a link to those
 * of its source tree), or where an installation puts them: PACO_GOLDEN, as seen from the program's
 * folder, comes from CMakeLists.txt. Both are relative, so that either tree may be moved. A name is
 * the path below that folder without ".json"; a folder with a cases.json is one name.
 *
 * It knows nothing of what is in a file: golden.h and image_cases.h read them. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "verify/files.h"

#include "base/file.h"
#include "options/suggest.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const PLACES[] = {"golden", PACO_GOLDEN};
static const char *const KINDS[] = {"image", "loss", "step"}; /* the folder's folders, sorted */

enum {
    PLACES_COUNT = sizeof PLACES / sizeof *PLACES,
    KINDS_COUNT = sizeof KINDS / sizeof *KINDS,
};

static const char *find_folder(Arena *arena)
{
    char *program = file_program_folder(), *found = NULL;
    for (int i = 0; i < PLACES_COUNT && program && !found; i++)
        found = realpath(arena_printf(arena, "%s/%s", program, PLACES[i]), NULL);
    const char *folder = found ? arena_printf(arena, "%s", found) : NULL;
    free(program);
    free(found);
    return folder;
}

bool golden_is_images(const char *path)
{
    char *cases = file_join(path, "cases.json");
    bool there = file_exists(cases);
    free(cases);
    return there;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The name of a directory entry, NULL where it is no golden file. */
static const char *name_of(GoldenNames *g, const char *kind, const char *entry)
{
    size_t length = strlen(entry);
    if (length > 5 && strcmp(entry + length - 5, ".json") == 0)
        return arena_printf(&g->arena, "%s/%.*s", kind, (int)length - 5, entry);
    if (entry[0] != '.' &&
        golden_is_images(arena_printf(&g->arena, "%s/%s/%s", g->folder, kind, entry)))
        return arena_printf(&g->arena, "%s/%s", kind, entry);
    return NULL;
}

static void add_kind(GoldenNames *g, const char *kind)
{
    DIR *folder = opendir(arena_printf(&g->arena, "%s/%s", g->folder, kind));
    int first = g->count;
    for (const struct dirent *e; folder && (e = readdir(folder));) {
        const char *name = name_of(g, kind, e->d_name);
        if (!name)
            continue;
        g->names = mem_grow(g->names, (size_t)(g->count + 1) * sizeof *g->names);
        g->names[g->count++] = name;
    }
    if (folder)
        closedir(folder);
    if (g->count > first)
        qsort(g->names + first, (size_t)(g->count - first), sizeof *g->names, by_name);
}

GoldenNames golden_names_open(void)
{
    GoldenNames g = {0};
    g.folder = find_folder(&g.arena);
    for (int i = 0; i < KINDS_COUNT && g.folder; i++)
        add_kind(&g, KINDS[i]);
    return g;
}

void golden_names_close(GoldenNames *g)
{
    free(g->names);
    arena_free(&g->arena);
}

/* The nearest name, also to one without its kind ("resnet20"); NULL where none is near. */
static const char *nearest(const GoldenNames *g, const char *wanted)
{
    Suggest s = suggest_begin(wanted);
    const char *name = NULL;
    for (int i = 0; i < g->count; i++) {
        const char *before = s.best;
        suggest_try(&s, strchr(wanted, '/') ? g->names[i] : strchr(g->names[i], '/') + 1);
        if (s.best != before)
            name = g->names[i];
    }
    return name;
}

Status golden_missing(const char *wanted)
{
    return status_fail(STATUS_IO, "%s: no golden files in golden/ beside the program or in its "
                       PACO_GOLDEN, wanted);
}

static Status not_found(const GoldenNames *g, const char *wanted)
{
    const char *name = nearest(g, wanted);
    if (!g->folder)
        return golden_missing(wanted);
    return status_fail(STATUS_IO,
                       "%s: no such file, and no golden file of this name.%s%s%s "
                       "`paco verify --list` shows them",
                       wanted, name ? " Did you mean " : "", name ? name : "", name ? "?" : "");
}

Status golden_find(const char *wanted, char **path)
{
    if (file_exists(wanted)) {
        *path = mem_string(wanted);
        return STATUS_OK;
    }
    GoldenNames g = golden_names_open();
    const char *found = NULL;
    for (int i = 0; i < g.count && !found; i++)
        if (strcmp(g.names[i], wanted) == 0)
            found = arena_printf(&g.arena, "%s/%s", g.folder, wanted);
    if (found && !golden_is_images(found))
        found = arena_printf(&g.arena, "%s.json", found);
    Status status = found ? STATUS_OK : not_found(&g, wanted);
    *path = found ? mem_string(found) : NULL;
    golden_names_close(&g);
    return status;
}

/* Cuts the last `n` components off a path. */
static void cut(char *path, int n)
{
    for (char *slash; n > 0 && (slash = strrchr(path, '/')); n--)
        *slash = 0;
}

Status golden_photograph(const char *folder, char **path)
{
    char *real = realpath(folder, NULL); /* a link to the golden files is left behind */
    *path = NULL;
    if (!real)
        return status_fail(STATUS_IO, "%s: no such folder", folder);
    char *name = mem_string(file_name(real));
    cut(real, 3); /* golden/image/NAME */
    char *photos = file_join(real, "data/photos");
    DIR *dir = opendir(photos);
    for (const struct dirent *e; dir && !*path && (e = readdir(dir));) {
        const char *dot = strrchr(e->d_name, '.');
        size_t stem = dot ? (size_t)(dot - e->d_name) : 0;
        if (stem > 0 && stem == strlen(name) && strncmp(e->d_name, name, stem) == 0)
            *path = file_join(photos, e->d_name);
    }
    if (dir)
        closedir(dir);
    Status status = *path ? STATUS_OK
                          : status_fail(STATUS_IO, "%s: no photograph %s.* in %s. "
                                        "--image names it", folder, name, photos);
    free(photos);
    free(name);
    free(real);
    return status;
}
