/* Golden files: runs the configuration of a file written by paco_oracle.py and compares every
 * number in it. */
#ifndef PACO_VERIFY_GOLDEN_H
#define PACO_VERIFY_GOLDEN_H

#include "plan/session.h"

#include <stdio.h>

typedef struct GoldenOptions {
    SessionOptions session;
    const char *amp; /* a word of STORAGE_LIST, or NULL: as the file says (`amp` of its config),
                        else fp32 */
    int steps; /* compare only the first steps of a step file (0: all of them, and the final state)
                */
    bool verbose; /* print the worst tensor of every category */
} GoldenOptions;

/* Prints one line to `out`: PASS or FAIL, and the worst figure of each category against its bound:
 * 1e-9 on the float64 reference, the file's tolerance block elsewhere. STATUS_INPUT for a file that
 * is none. */
Status golden_verify(const char *path, const GoldenOptions *options, FILE *out, bool *passed);

/* Of a file without layers: STATUS_USAGE where --amp asks for 16 bits, as there is nothing to store
 * in them, and a PASS would tell of nothing. */
Status golden_stores_nothing(const char *path, const GoldenOptions *options);

#endif
