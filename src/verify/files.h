/* Golden files by name: what an installation, or the source tree that was built, has of them. */
#ifndef PACO_VERIFY_FILES_H
#define PACO_VERIFY_FILES_H

#include "base/arena.h"
#include "base/status.h"

#include <stdbool.h>

/* Every golden file in the folder, sorted: "image/coffee", "loss/tiny", "step/resnet20". */
typedef struct GoldenNames {
    Arena arena;
    const char *folder; /* NULL where the program has none */
    const char **names;
    int count;
} GoldenNames;

GoldenNames golden_names_open(void);
void golden_names_close(GoldenNames *g);
/* STATUS_IO: there are none, for `wanted`. */
Status golden_missing(const char *wanted);

/* The file that is meant, malloc'd: `wanted` itself where there is such a file, else the golden
 * file of this name. STATUS_IO where there is neither, with the nearest name. */
Status golden_find(const char *wanted, char **path);

/* Whether the path is a folder of image cases (cases.json) and no golden file of numbers. */
bool golden_is_images(const char *path);
/* The photograph that a folder of image cases was made from, malloc'd: the file of the folder's
 * name in data/photos beside the golden files. STATUS_IO where there is none. */
Status golden_photograph(const char *folder, char **path);

#endif
