/* RowsFile: a matrix of float32 on its way into a file, row by row, so that no more than a row is
 * in memory. Row i belongs to image i of a data set; the file appears when it is whole
 * (FileOutput). */
#ifndef PACO_CHECKPOINT_ROWS_FILE_H
#define PACO_CHECKPOINT_ROWS_FILE_H

#include "base/status.h"

#include <stdint.h>

typedef struct RowsFile RowsFile;

typedef struct RowsSpec {
    const char *name;      /* of the matrix, where the format has names */
    int64_t rows;
    int columns;
    const int32_t *labels; /* [rows], of the images; written where the format has place for them */
} RowsSpec;

/* Whether the ending of the path names a format: .npy (1.0, C order, [rows][columns]) or
 * .safetensors (the matrix, and `labels`, int64). Else STATUS_USAGE, which names the option. */
Status rows_file_check(const char *option, const char *path);
/* After rows_file_check. STATUS_IO where the file cannot be made. */
Status rows_file_open(const char *path, const RowsSpec *spec, RowsFile **out);
/* Rows come in their order; one that is passed over is a row of NaN. */
Status rows_file_put(RowsFile *file, int64_t row, const float *values);
/* Puts the file in its place. STATUS_IO where a write failed: then there is none. */
Status rows_file_close(RowsFile *file);
/* Gives up: no file is left. NULL is allowed. */
void rows_file_abandon(RowsFile *file);

#endif
