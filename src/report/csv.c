/* CSV: fields are cut where they lie in the text. */
#include "report/csv.h"

#include "base/file.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CSV_BYTES_MAX = 1 << 28 };

/* Where a text is being cut. */
typedef struct Cutter {
    Csv *csv;
    char *at;      /* the next line */
    int64_t line;  /* its number, from 1 */
    int64_t count; /* fields cut so far, the header's too */
} Cutter;

static Status fail_line(const Cutter *c, const char *what)
{
    return status_fail(STATUS_INPUT, "%s: line %lld: %s", c->csv->path, (long long)c->line, what);
}

/* Takes the quotes off a field that begins with one; returns what stands behind it, NULL where the
 * quote has no end. */
static char *unquote(char *field)
{
    char *to = field, *from = field + 1;
    bool formula = from[0] == '\'' && from[1] && strchr("=+-@", from[1]);
    if (formula)
        from++;
    for (; *from; from++) {
        if (*from == '"' && *++from != '"') {
            *to = 0;
            return from;
        }
        *to++ = *from;
    }
    return NULL;
}

/* Cuts a line, which ends with a zero, into fields. */
static Status cut_line(Cutter *c, char *line, int *fields)
{
    for (*fields = 0;; ++*fields) {
        char *end = *line == '"' ? unquote(line) : line + strcspn(line, ",\"");
        if (!end || (*end && *end != ','))
            return fail_line(c, end ? "a quote within a field" : "a quote without its end");
        c->csv->header[c->count++] = line;
        bool last = !*end;
        *end = 0;
        if (last) {
            ++*fields;
            return STATUS_OK;
        }
        line = end + 1;
    }
}

/* The next line, its end cut off; NULL: there is none. */
static char *next_line(Cutter *c, bool appended)
{
    char *line = c->at, *end = strchr(line, '\n');
    if (!*line || (!end && appended))
        return NULL;
    c->line++;
    c->at = end ? end + 1 : line + strlen(line);
    if (end)
        *end = 0;
    size_t n = strlen(line);
    if (n && line[n - 1] == '\r')
        line[n - 1] = 0;
    return line;
}

static Status cut(Cutter *c, bool appended)
{
    Csv *csv = c->csv;
    char *line = next_line(c, appended);
    if (!line)
        return appended ? STATUS_OK : status_fail(STATUS_INPUT, "%s: is empty", csv->path);
    TRY(cut_line(c, line, &csv->columns));
    csv->fields = csv->header + csv->columns;
    while ((line = next_line(c, appended))) {
        int fields;
        TRY(cut_line(c, line, &fields));
        if (fields != csv->columns)
            return status_fail(STATUS_INPUT,
                               "%s: line %lld: other fields than the header (%d vs %d)", csv->path,
                               (long long)c->line, fields, csv->columns);
        csv->rows++;
    }
    return STATUS_OK;
}

/* No text has more fields. */
static size_t most_fields(const char *text)
{
    size_t n = 2;
    for (; *text; text++)
        n += *text == ',' || *text == '\n';
    return n;
}

Status csv_read(Arena *arena, const char *path, bool appended, Csv *out)
{
    uint8_t *bytes;
    size_t size;
    *out = (Csv){.path = path};
    TRY(file_read(path, CSV_BYTES_MAX, &bytes, &size));
    char *text = arena_try(arena, size + 1);
    if (text)
        memcpy(text, bytes, size + 1);
    free(bytes);
    out->header = text ? arena_try(arena, most_fields(text) * sizeof *out->header) : NULL;
    if (!out->header)
        return status_fail(STATUS_LIMIT, "%s: no memory for it (%zu bytes)", path, size);
    if (strlen(text) != size)
        return status_fail(STATUS_INPUT, "%s: a zero byte at %zu: no text", path, strlen(text));
    Cutter cutter = {.csv = out, .at = text};
    return cut(&cutter, appended);
}

int csv_column(const Csv *csv, const char *name)
{
    for (int i = 0; i < csv->columns; i++)
        if (strcmp(csv->header[i], name) == 0)
            return i;
    return -1;
}

Status csv_need(const Csv *csv, const char *name, int *column)
{
    *column = csv_column(csv, name);
    return *column >= 0 ? STATUS_OK
                        : status_fail(STATUS_INPUT, "%s: line 1: no column '%s'", csv->path, name);
}

const char *csv_text(const Csv *csv, int64_t row, int column)
{
    return column < 0 ? "" : csv->fields[row * csv->columns + column];
}

Status csv_fail(const Csv *csv, int64_t row, int column, const char *format, ...)
{
    char what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return status_fail(STATUS_INPUT, "%s: line %lld: %.60s: %s", csv->path, (long long)row + 2,
                       csv->header[column], what);
}

Status csv_number(const Csv *csv, int64_t row, int column, double *out)
{
    const char *text = csv_text(csv, row, column);
    char *end;
    *out = NAN;
    if (!*text)
        return STATUS_OK;
    *out = strtod(text, &end);
    if (*end || !isfinite(*out))
        return csv_fail(csv, row, column, "no number ('%.60s')", text);
    return STATUS_OK;
}

Status csv_integer(const Csv *csv, int64_t row, int column, int64_t low, int64_t high,
                   int64_t otherwise, int64_t *out)
{
    const char *text = csv_text(csv, row, column);
    char *end;
    *out = otherwise;
    if (!*text)
        return STATUS_OK;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end || value < low || value > high)
        return csv_fail(csv, row, column, "no whole number from %lld to %lld ('%.60s')",
                        (long long)low, (long long)high, text);
    *out = value;
    return STATUS_OK;
}
