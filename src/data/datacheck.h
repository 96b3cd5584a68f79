/* Checks every image of a training and a test set before a long run: what is missing, unreadable, listed
 * twice or in both; how many images each class has. Works on all cores. */
#ifndef PACO_DATA_DATACHECK_H
#define PACO_DATA_DATACHECK_H

#include "base/status.h"
#include "data/dataset.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct DataCheck {
    int64_t images;     /* of the data set */
    int64_t missing;    /* files that are not there */
    int64_t unreadable; /* files that are no images, or damaged */
    int64_t duplicates; /* images listed more than once (each further listing counts) */
    int64_t smallest, largest; /* images of the smallest and the largest class that has any */
    int empty_classes;  /* classes without images */
} DataCheck;

/* Reads (and with `decode` decodes) every image; progress on stderr; writes one line per bad file to
 * `out`, at most `lines` of them. Succeeds also when files are bad: the counts tell. */
Status datacheck_run(const Dataset *dataset, bool decode, int64_t lines, FILE *out, DataCheck *result);
/* Images of `test` whose file is also listed by `train`. */
int64_t datacheck_overlap(const Dataset *train, const Dataset *test);

#endif
