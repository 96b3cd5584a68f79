/* CSV with a header (RFC 4180), as the program writes its records: columns are found by name, so
 * that one that another version added or lacks is no error. A line is a row; every row has as many
 * fields as the header. */
#ifndef PACO_REPORT_CSV_H
#define PACO_REPORT_CSV_H

#include "base/arena.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct Csv {
    const char *path; /* not owned */
    int columns;
    int64_t rows;
    char **header;    /* [columns] */
    char **fields;    /* [rows][columns] */
} Csv;

/* Reads a whole file into the arena. `appended`: a row is added at a time, so that there may be no
 * header yet, and a last row without the end of its line is one that is being written, or was when
 * the program ended: it is left out. STATUS_INPUT, with the line, where it is malformed. */
Status csv_read(Arena *arena, const char *path, bool appended, Csv *out);
/* The column called so, or -1. */
int csv_column(const Csv *csv, const char *name);
/* STATUS_INPUT where there is no column called so. */
Status csv_need(const Csv *csv, const char *name, int *column);
/* A field; "" of column -1. What a spreadsheet would compute has lost the apostrophe before it. */
const char *csv_text(const Csv *csv, int64_t row, int column);
/* A field as a number: NaN where it is empty, or column is -1. */
Status csv_number(const Csv *csv, int64_t row, int column, double *out);
/* A field as a whole number within bounds; `otherwise` where it is empty, or column is -1. */
Status csv_integer(const Csv *csv, int64_t row, int column, int64_t low, int64_t high,
                   int64_t otherwise, int64_t *out);
/* STATUS_INPUT: "PATH: line N: NAME: ...". */
Status csv_fail(const Csv *csv, int64_t row, int column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
