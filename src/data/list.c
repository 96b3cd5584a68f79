/* List files: one `path label` per line, as ImageNet-LT, iNaturalist and Places-LT publish them.
 *
 * The label is the last word of a line, so a path may contain spaces. Spaces and tabs separate; CR
 * LF ends a line as LF does; a byte-order mark and blank lines are passed over. Everything else
 * that is not `path label` is refused with the number of its line. The file stays in memory, cut
 * into strings. */
#include "base/file.h"
#include "data/kinds.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 4096, LIST_MAX_BYTES = 1 << 30 };

typedef struct Line {
    const char *file;
    long long number; /* from 1 */
    char *text;       /* zero-terminated, without its line end */
    size_t length;
} Line;

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static Status line_fail(const Line *line, const char *what)
{
    return status_fail(STATUS_INPUT, "%s: line %lld: %s", line->file, line->number, what);
}

/* The label word of a line. Labels must lie below `below`. */
static Status parse_label(const Line *line, const char *word, int below, int32_t *label)
{
    const char *digits = *word == '-' || *word == '+' ? word + 1 : word;
    size_t n = strspn(digits, "0123456789");
    if (n == 0 || digits[n])
        return status_fail(STATUS_INPUT,
                           "%s: line %lld: label is no whole number ('%.40s'). Expected "
                           "`path label`",
                           line->file, line->number, word);
    if (*word == '-' && strspn(digits, "0") != n)
        return status_fail(STATUS_INPUT, "%s: line %lld: negative label (%.40s vs 0 to %d)",
                           line->file, line->number, word, below - 1);
    digits += strspn(digits, "0");
    long long value = strlen(digits) > 10 ? below : strtoll(digits, NULL, 10);
    if (value >= below)
        return status_fail(STATUS_INPUT, "%s: line %lld: label out of range (%.40s vs 0 to %d). Is "
                           "--classes right?", line->file, line->number, word, below - 1);
    *label = (int32_t)value;
    return STATUS_OK;
}

/* Cuts a line into path and label. */
static Status parse_line(const Line *line, int below, const char **path, int32_t *label)
{
    if (memchr(line->text, 0, line->length))
        return line_fail(line, "NUL byte. Is this a text file?");
    if (line->length > LINE_MAX_BYTES)
        return status_fail(STATUS_INPUT,
                           "%s: line %lld: line too long (%zu vs at most %d bytes). Is this "
                           "a text file?",
                           line->file, line->number, line->length, LINE_MAX_BYTES);
    char *begin = line->text, *end = begin + line->length;
    while (end > begin && is_blank(end[-1]))
        end--;
    while (begin < end && is_blank(*begin))
        begin++;
    *end = 0;
    char *word = end;
    while (word > begin && !is_blank(word[-1]))
        word--;
    char *path_end = word;
    while (path_end > begin && is_blank(path_end[-1]))
        path_end--;
    if (path_end == begin)
        return status_fail(STATUS_INPUT,
                           "%s: line %lld: path or label missing ('%.40s'). Expected `path "
                           "label`",
                           line->file, line->number, word);
    TRY(parse_label(line, word, below, label));
    *path_end = 0;
    *path = begin;
    return STATUS_OK;
}

static bool only_blanks(const Line *line)
{
    for (size_t i = 0; i < line->length; i++)
        if (!is_blank(line->text[i]))
            return false;
    return true;
}

static Status parse_lines(Dataset *d, char *text, size_t size, int below)
{
    char *end = text + size;
    Line line = {.file = d->source};
    while (text < end) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        char *stop = newline ? newline : end;
        line.number++;
        line.text = text;
        line.length = (size_t)(stop - text);
        text = newline ? newline + 1 : end;
        if (line.length > 0 && stop[-1] == '\r')
            line.length--;
        line.text[line.length] = 0; /* a byte of the line end, or the zero after the file */
        if (only_blanks(&line))
            continue;
        TRY(parse_line(&line, below, &d->names[d->count], &d->labels[d->count]));
        d->count++;
    }
    if (d->count == 0)
        return status_fail(STATUS_INPUT, "%s: no lines. Expected `path label` on each", d->source);
    return STATUS_OK;
}

/* Without a number of classes every class up to the largest must occur. */
static Status count_classes(Dataset *d)
{
    int32_t largest = 0;
    for (int64_t i = 0; i < d->count; i++)
        if (d->labels[i] > largest)
            largest = d->labels[i];
    d->classes = largest + 1;
    char *seen = mem_zero((size_t)d->classes, 1);
    for (int64_t i = 0; i < d->count; i++)
        seen[d->labels[i]] = 1;
    char *hole = memchr(seen, 0, (size_t)d->classes);
    int c = hole ? (int)(hole - seen) : -1;
    free(seen);
    if (c >= 0)
        return status_fail(STATUS_INPUT,
                           "%s: class %d of 0 to %d has no images. Give --classes if that is "
                           "meant",
                           d->source, c, largest);
    return STATUS_OK;
}

Status list_open(const DatasetSpec *spec, Dataset *d)
{
    uint8_t *bytes;
    size_t size, lines = 1;
    if (!spec->list)
        return status_fail(STATUS_USAGE, "%s list: no file given. Use --%s-list FILE",
                           spec->train ? "training" : "test", spec->train ? "train" : "test");
    TRY(file_read(spec->list, LIST_MAX_BYTES, &bytes, &size));
    d->text = (char *)bytes;
    if (spec->root)
        d->root = arena_printf(&d->arena, "%s", spec->root);
    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    d->names = mem_alloc(lines * sizeof *d->names);
    d->labels = mem_alloc(lines * sizeof *d->labels);
    d->classes = spec->classes;
    size_t mark = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    TRY(parse_lines(d, d->text + mark, size - mark, d->classes ? d->classes : DATASET_CLASSES_MAX));
    return d->classes ? STATUS_OK : count_classes(d);
}
