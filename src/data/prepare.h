/* List files for the long-tailed data sets whose lists others publish (published.def): from those
 * lists and a folder of images, whatever of the usual layouts it has. Nothing is downloaded. */
#ifndef PACO_DATA_PREPARE_H
#define PACO_DATA_PREPARE_H

#include "base/status.h"
#include "data/published.h"

#include <stdbool.h>
#include <stdio.h>

/* MISSING(name, word of --on-missing): what becomes of images that are listed, but not there. FAIL:
 * no list is written. SKIP: the lists are without them. */
#define MISSING_LIST(X) X(FAIL, "fail") X(SKIP, "skip")

typedef enum OnMissing {
#define X(name, word) MISSING_##name,
    MISSING_LIST(X)
#undef X
} OnMissing;

typedef struct PrepareRequest {
    const Published *set;
    const char *lists; /* folder of the published lists */
    const char *data;  /* folder of the images */
    const char *out;   /* folder for the lists that are made; made where it is missing */
    int lines;         /* missing files to print, of each list */
    bool counts;       /* other numbers of images or classes than published are a failure */
    OnMissing on_missing;
} PrepareRequest;

/* Reads the published lists, looks for their images, prints what is found and missing to `report`,
 * writes train.txt, val.txt, test.txt (`path label`, paths from `data` on) and classes.txt into
 * `out`, and prints the command that trains with them. Nothing is written where that fails.
 * STATUS_IO: a list or images are missing; STATUS_INPUT: a list is malformed, or not as published.
 */
Status prepare_lists(const PrepareRequest *request, FILE *report);

#endif
