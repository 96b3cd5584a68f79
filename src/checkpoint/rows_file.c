/* Rows files. All that a header says is known before the first row, so that nothing is written
 * twice and the file may be a pipe. Elements are little-endian in both formats. */
#include "checkpoint/rows_file.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/file.h"
#include "checkpoint/bytes/little.h"
#include "checkpoint/formats/writers.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ formats */

/* NumPy's: magic, version, length of the text, and the text, which fills a multiple of 64 bytes. */
static void begin_npy(FILE *file, const RowsSpec *spec)
{
    static const char magic[] = "\x93NUMPY\1";
    enum { BEFORE = sizeof magic + 2, ALIGNMENT = 64 }; /* with the zero of version 1.0 */
    uint8_t size[2];
    char text[160];
    int n = snprintf(text, sizeof text,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %d), }",
                     (long long)spec->rows, spec->columns);
    int fill = (ALIGNMENT - (BEFORE + n + 1) % ALIGNMENT) % ALIGNMENT;
    little_store(size, (uint64_t)(n + fill + 1), 2);
    fwrite(magic, 1, sizeof magic, file);
    fwrite(size, 1, sizeof size, file);
    fprintf(file, "%s%*s\n", text, fill, "");
}

/* Labels first: wide elements stand where they are aligned. */
static void begin_safetensors(FILE *file, const RowsSpec *spec)
{
    int64_t shape[2] = {spec->rows, spec->columns};
    const StoredTensor labels = {.type = ELEMENT_INT64, .rank = 1, .shape = shape,
                                 .count = (uint64_t)spec->rows},
                       matrix = {.type = ELEMENT_FLOAT32, .rank = 2, .shape = shape,
                                 .count = (uint64_t)spec->rows * (uint64_t)spec->columns};
    const NamedTensor named[2] = {{"labels", &labels}, {spec->name, &matrix}};
    size_t length;
    char *header = safetensors_header(named, 2, NULL, &length);
    fwrite(header, 1, length, file);
    free(header);
    for (int64_t i = 0; i < spec->rows; i++) {
        uint8_t label[8];
        little_store(label, (uint64_t)spec->labels[i], sizeof label);
        fwrite(label, 1, sizeof label, file);
    }
}

/* FORMAT(ending, what stands before the matrix) */
#define FORMATS(X) X(".npy", begin_npy) X(".safetensors", begin_safetensors)

static const struct {
    const char *ending;
    void (*begin)(FILE *file, const RowsSpec *spec);
} formats[] = {
#define X(ending, begin) {ending, begin},
    FORMATS(X)
#undef X
};

enum { FORMAT_COUNT = sizeof formats / sizeof *formats };

/* The format of the path's ending, or FORMAT_COUNT. */
static int format_of(const char *path)
{
    size_t n = strlen(path);
    int f = 0;
    for (; f < FORMAT_COUNT; f++) {
        size_t end = strlen(formats[f].ending);
        if (n > end && strcmp(path + n - end, formats[f].ending) == 0)
            break;
    }
    return f;
}

Status rows_file_check(const char *option, const char *path)
{
    if (format_of(path) < FORMAT_COUNT)
        return STATUS_OK;
    return status_fail(STATUS_USAGE, "--%s %.200s: unknown format. The file's name ends in .npy or "
                       ".safetensors", option, path);
}

/* ------------------------------------------------------------------------------------ files */

struct RowsFile {
    FileOutput out;
    char *path;
    int64_t rows, next; /* next: the row that comes */
    int columns;
    uint8_t *bytes;     /* [4 columns] */
};

Status rows_file_open(const char *path, const RowsSpec *spec, RowsFile **out)
{
    int format = format_of(path);
    CHECKF(format < FORMAT_COUNT, "%s", path);
    RowsFile *f = mem_zero(1, sizeof *f);
    f->path = mem_string(path);
    f->rows = spec->rows;
    f->columns = spec->columns;
    Status status = file_output_open(&f->out, f->path);
    if (status != STATUS_OK) {
        free(f->path);
        free(f);
        return status;
    }
    f->bytes = mem_zero((size_t)spec->columns, 4);
    formats[format].begin(f->out.file, spec);
    *out = f;
    return STATUS_OK;
}

static void put_row(RowsFile *f, const float *values)
{
    for (int c = 0; c < f->columns; c++) {
        float value = values ? values[c] : NAN;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        little_store(f->bytes + 4 * (size_t)c, bits, 4);
    }
    fwrite(f->bytes, 4, (size_t)f->columns, f->out.file);
    f->next++;
}

Status rows_file_put(RowsFile *f, int64_t row, const float *values)
{
    CHECKF(row >= f->next && row < f->rows, "row %lld", (long long)row);
    errno = 0;
    while (f->next < row)
        put_row(f, NULL);
    put_row(f, values);
    if (!ferror(f->out.file))
        return STATUS_OK;
    return status_fail(STATUS_IO, "%s: cannot write: %s", f->path, strerror(errno ? errno : EIO));
}

static void release(RowsFile *f)
{
    free(f->bytes);
    free(f->path);
    free(f);
}

Status rows_file_close(RowsFile *f)
{
    while (f->next < f->rows)
        put_row(f, NULL);
    Status status = file_output_close(&f->out);
    release(f);
    return status;
}

void rows_file_abandon(RowsFile *f)
{
    if (!f)
        return;
    file_output_abandon(&f->out);
    release(f);
}
