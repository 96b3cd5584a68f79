/* The tables of published.def, and paths in their layouts. A path is read and written by the same
 * rows: what one list calls train/, another folder calls data_256/. */
#include "data/published.h"

#include <stdio.h>
#include <string.h>

const SetSize set_sizes[SET_COUNT] = {
#define SET(name, title, classes, train, val, test) {title, classes, {train, val, test}},
#include "data/sets.def"
};

static const Published published[] = {
#define PUBLISHED(name, train, val, test, names, options, source)                                  \
    {#name, &set_sizes[SET_##name], {train, val, test}, NAMES_##names, options, source},
#include "data/published.def"
};

const PathLayout path_layouts[] = {
#define LAYOUT(name, images, prefix, form) {#name, images, prefix, PATH_##form},
#include "data/published.def"
    {NULL, 0, NULL, PATH_FLAT},
};

enum { PUBLISHED_COUNT = sizeof published / sizeof *published };

Status published_find(const char *name, const Published **out)
{
    char names[256] = "";
    for (int i = 0; i < PUBLISHED_COUNT; i++) {
        size_t n = strlen(names);
        if (strcmp(name, published[i].name) == 0) {
            *out = &published[i];
            return STATUS_OK;
        }
        snprintf(names + n, sizeof names - n, "%s%s",
                 i == 0                    ? ""
                 : i + 1 < PUBLISHED_COUNT ? ", "
                                           : " or ",
                 published[i].name);
    }
    return status_fail(STATUS_USAGE, "data prepare: '%.60s' is no data set that it knows (%s)",
                       name, names);
}

/* ------------------------------------------------------------------------------------ reading */

/* The folders of a class: [from, to), with `hyphen` where a slash stands instead. */
static bool take_class(const char *from, const char *to, bool hyphen, char *class_name)
{
    size_t n = (size_t)(to - from);
    if (n == 0 || n >= PATH_LAYOUT_MAX)
        return false;
    memcpy(class_name, from, n);
    class_name[n] = 0;
    for (char *at = class_name; hyphen && (at = strchr(at, '-'));)
        *at++ = '/';
    return true;
}

static bool read_path(const PathLayout *layout, const char *path, PathParts *parts)
{
    size_t n = strlen(layout->prefix);
    if (strncmp(path, layout->prefix, n) != 0)
        return false;
    const char *rest = path + n, *slash = strrchr(rest, '/');
    parts->file = slash ? slash + 1 : rest;
    parts->class_name[0] = 0;
    switch (layout->form) {
    case PATH_FLAT: return !slash;
    case PATH_FOLDER: return slash && take_class(rest, slash, false, parts->class_name);
    case PATH_HYPHEN:
        return slash && slash == strchr(rest, '/') &&
               take_class(rest, slash, true, parts->class_name);
    case PATH_LETTER:
        return slash && rest[0] != '/' && rest[1] == '/' && rest[2] == rest[0] &&
               take_class(rest + 2, slash, false, parts->class_name);
    }
    return false;
}

const PathLayout *path_layout_of(const Published *set, const char *path, PathParts *parts)
{
    for (const PathLayout *l = path_layouts; l->set; l++)
        if (strcmp(l->set, set->name) == 0 && read_path(l, path, parts))
            return l;
    return NULL;
}

/* ------------------------------------------------------------------------------------ writing */

bool path_layout_put(const PathLayout *layout, const char *class_name, const char *file, char *to)
{
    int n = 0;
    if (layout->form != PATH_FLAT && !*class_name)
        return false;
    if (layout->form == PATH_FLAT)
        n = snprintf(to, PATH_LAYOUT_MAX, "%s%s", layout->prefix, file);
    else if (layout->form == PATH_LETTER)
        n = snprintf(to, PATH_LAYOUT_MAX, "%s%c/%s/%s", layout->prefix, *class_name, class_name,
                     file);
    else
        n = snprintf(to, PATH_LAYOUT_MAX, "%s%s/%s", layout->prefix, class_name, file);
    if (n < 0 || n >= PATH_LAYOUT_MAX)
        return false;
    char *name = to + strlen(layout->prefix), *end = name + strlen(class_name);
    for (; layout->form == PATH_HYPHEN && name < end; name++)
        if (*name == '/')
            *name = '-';
    return true;
}

const char *path_layout_text(const PathLayout *layout, char text[96])
{
    static const char *const forms[] = {
        [PATH_FLAT] = "FILE",
        [PATH_FOLDER] = "CLASS/FILE",
        [PATH_HYPHEN] = "CLASS/FILE",
        [PATH_LETTER] = "LETTER/CLASS/FILE",
    };
    snprintf(text, 96, "%s%s", layout->prefix, forms[layout->form]);
    return text;
}
