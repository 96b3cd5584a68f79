/* Data sets whose lists others publish (published.def), and where their images lie. */
#ifndef PACO_DATA_PUBLISHED_H
#define PACO_DATA_PUBLISHED_H

#include "base/status.h"
#include "data/sets.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum PublishedNames { NAMES_FOLDERS, NAMES_CATEGORIES } PublishedNames;

/* A row of PUBLISHED. */
typedef struct Published {
    const char *name;
    const SetSize *size;
    const char *files[SPLIT_COUNT]; /* names of the list, separated by |; "": no such list */
    PublishedNames names;
    const char *options, *source;
} Published;

typedef enum PathForm { PATH_FLAT, PATH_FOLDER, PATH_HYPHEN, PATH_LETTER } PathForm;

/* A row of LAYOUT. */
typedef struct PathLayout {
    const char *set; /* name of its data set; NULL behind the last row */
    int images;
    const char *prefix;
    PathForm form;
} PathLayout;

enum { PATH_LAYOUT_MAX = 4096 };

/* What stands in a path: the class with its folders, parted by slashes and without the letter; ""
 * of a flat layout. `file` points into the path. */
typedef struct PathParts {
    char class_name[PATH_LAYOUT_MAX];
    const char *file;
} PathParts;

extern const PathLayout path_layouts[];

/* STATUS_USAGE with the names that there are. */
Status published_find(const char *name, const Published **out);
/* The first layout of the data set that a path is of; NULL: of none. */
const PathLayout *path_layout_of(const Published *set, const char *path, PathParts *parts);
/* Where the layout has an image: to[PATH_LAYOUT_MAX]. false where that cannot be said: the class is
 * not known (""), or the path is too long. */
bool path_layout_put(const PathLayout *layout, const char *class_name, const char *file, char *to);
/* "train/CLASS/FILE", for messages. Returns text. */
const char *path_layout_text(const PathLayout *layout, char text[96]);

#endif
