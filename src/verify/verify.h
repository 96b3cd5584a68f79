/* What `paco verify` does: golden files and image cases, named or the standard set, one after
 * another. */
#ifndef PACO_VERIFY_VERIFY_H
#define PACO_VERIFY_VERIFY_H

#include "verify/golden.h"

typedef struct VerifyOptions {
    GoldenOptions golden;
    const char *image;  /* the photograph of the image cases; NULL: the one of their name */
    const char **names; /* names or paths of golden files and of folders with image cases */
    int count;          /* 0: the standard set, seconds on a processor */
} VerifyOptions;

typedef struct VerifyResult {
    int passed, failed; /* files and folders */
} VerifyResult;

/* Compares them all and prints a line (PASS, FAIL) for each file or case to `out`, and behind a
 * standard set that passed what that means. STATUS_IO or STATUS_INPUT where one cannot be found or
 * read: what comes after it is not compared. */
Status verify_run(const VerifyOptions *options, FILE *out, VerifyResult *result);
/* The names that there are, one a line; a star is at those of the standard set. */
Status verify_list(FILE *out);

#endif
