/* Checks every image of a training and a test set before a long run: what is missing, unreadable,
 * there twice, or in both; how many images each class has. Works on all cores.
 *
 * Files are compared by name and by content (a 64-bit hash of their bytes), so that a copy under
 * another name is found too. Pictures that merely look alike are not. */
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
    int64_t unreadable; /* files that cannot be read, are no images, or damaged */
    int64_t duplicates; /* images whose file was listed before */
    int64_t conflicts;  /* those of them with another label than before */
    int64_t copies;     /* images with the content of an earlier one of another name */
    bool compared;      /* whether contents were: else copies and shared contents are not known */
    Status status; /* what ends a run that needs all these images: the failure of the first missing
                      one, else of the first unreadable one */
    int64_t smallest, largest; /* images of the smallest and the largest class that has any */
    int empty_classes;  /* classes without images */
    uint64_t *names;    /* [images] hash of each path */
    uint64_t *contents; /* [images] hash of each file's bytes; 0 where it was not read */
} DataCheck;

/* Reads and decodes every image, or without `decode` only looks for the files, which is quick but
 * finds neither damage nor copies; images in memory are compared all the same. Progress on stderr;
 * writes one line per bad file to `out`, at most `lines` of them, in order. Bad files are counted,
 * not failed for. */
void datacheck_run(const Dataset *dataset, bool decode, int64_t lines, FILE *out,
                   DataCheck *result);
/* Images of `test` that `train` has too, by path (`by_name`) or by content under another path. */
void datacheck_overlap(const DataCheck *train, const DataCheck *test, int64_t *by_name,
                       int64_t *by_content);
void datacheck_free(DataCheck *result);

/* What the report says of the files (without the end of its line), of the sizes of the classes, and
 * of how many are large and small. */
void datacheck_print_files(const DataCheck *check, FILE *out);
void datacheck_print_classes(const DataCheck *check, FILE *out);
void datacheck_print_groups(const Dataset *dataset, FILE *out);
/* Checks both halves (NULL: there is none) and prints the figures of each and what they share.
 * Damage is the status that a run over these files would end with; labels that contradict each
 * other are STATUS_INPUT: they end no run, but whoever checks wants to know. */
Status datacheck_report(const Dataset *train, const Dataset *test, bool decode, int lines,
                        FILE *out);

#endif
