/* List files: a path and a label per line, as ImageNet-LT, iNaturalist and Places-LT publish them,
 * or as a table from a spreadsheet, pandas or MXNet (list_form.h).
 *
 * CR LF ends a line as LF does; blank lines are passed over. Everything else that is not path and
 * label is refused with the number of its line. Labels are numbers or, in the whole file, names of
 * classes. The file stays in memory, cut into strings. */
#include "base/file.h"
#include "base/log.h"
#include "data/kinds.h"
#include "data/list_form.h"
#include "data/list_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 4096, LIST_MAX_BYTES = 1 << 30 };

typedef struct Line {
    const char *file;
    long long number; /* from 1 */
    char *text;       /* zero-terminated, without its line end */
    size_t length;
} Line;

/* A list while it is read. */
typedef struct Reading {
    const DatasetSpec *spec;
    Dataset *d;
    ListForm form;
    const char **words; /* [count] labels as they stand in the file */
    long long *lines;   /* [count] numbers of the lines */
} Reading;

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* ------------------------------------------------------------------------------------ lines */

/* The next line that is not blank, cut off in place; false behind the last. */
static bool next_line(Line *line, char **at, char *end)
{
    while (*at < end) {
        char *newline = memchr(*at, '\n', (size_t)(end - *at)), *stop = newline ? newline : end;
        line->number++;
        line->text = *at;
        line->length = (size_t)(stop - *at);
        *at = newline ? newline + 1 : end;
        if (line->length > 0 && stop[-1] == '\r')
            line->length--;
        line->text[line->length] = 0; /* a byte of the line end, or the zero after the file */
        for (size_t i = 0; i < line->length; i++)
            if (!is_blank(line->text[i]))
                return true;
    }
    return false;
}

static Status check_line(const Line *line)
{
    if (memchr(line->text, 0, line->length))
        return status_fail(STATUS_INPUT, "%s: line %lld: NUL byte. Is this a text file?",
                           line->file, line->number);
    if (line->length > LINE_MAX_BYTES)
        return status_fail(STATUS_INPUT,
                           "%s: line %lld: line too long (%zu vs at most %d bytes). Is this "
                           "a text file?",
                           line->file, line->number, line->length, LINE_MAX_BYTES);
    return STATUS_OK;
}

static Status add_line(Reading *r, const Line *line)
{
    char *path, *label, text[44];
    Dataset *d = r->d;
    snprintf(text, sizeof text, "%.40s", line->text + strspn(line->text, " \t"));
    for (size_t n = strlen(text); n > 0 && is_blank(text[n - 1]);)
        text[--n] = 0;
    const char *wrong = list_form_cut(&r->form, line->text, &path, &label);
    if (wrong)
        return status_fail(STATUS_INPUT, "%s: line %lld: %s ('%s'). Expected `%s`", line->file,
                           line->number, wrong, text, list_form_text(&r->form));
    d->names[d->count] = path;
    r->words[d->count] = label;
    r->lines[d->count++] = line->number;
    return STATUS_OK;
}

static Status check_header(const ListForm *form, const Line *line)
{
    if (!form->header || (form->path >= 0 && form->label >= 0))
        return STATUS_OK;
    return status_fail(STATUS_INPUT,
                       "%s: line %lld: no column of this header is known as that of the %s "
                       "('%.60s'). Call it '%s'",
                       line->file, line->number, form->path < 0 ? "paths" : "labels", line->text,
                       form->path < 0 ? "path" : "label");
}

/* The form is decided by the first two lines, before anything is cut. */
static Status parse_lines(Reading *r, char *text, size_t size)
{
    char *end = text + size, *at = text;
    Line line = {.file = r->d->source}, second = line;
    if (next_line(&line, &at, end)) {
        char *ahead = at;
        second.number = line.number;
        bool more = next_line(&second, &ahead, end);
        TRY(check_line(&line));
        if (more)
            TRY(check_line(&second));
        r->form = list_form(line.text, more ? second.text : NULL);
        TRY(check_header(&r->form, &line));
        if (!r->form.header)
            TRY(add_line(r, &line));
        for (line = second; more; more = next_line(&line, &ahead, end)) {
            TRY(check_line(&line));
            TRY(add_line(r, &line));
        }
    }
    if (r->d->count == 0)
        return status_fail(STATUS_INPUT, "%s: no lines. Expected `path label` on each",
                           r->d->source);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ numbers */

static Status label_fail(const Reading *r, int64_t i, const char *what, const char *hint)
{
    return status_fail(STATUS_INPUT, "%s: line %lld: %s ('%.40s'). %s", r->d->source, r->lines[i],
                       what, r->words[i], hint);
}

/* What to do about it, where that is the user's to say. */
static const char *hint(const Reading *r, const char *text)
{
    return r->spec->published ? "The published list is otherwise" : text;
}

/* Label i as it stands in the file, DATASET_CLASSES_MAX + 1 where it is beyond any. */
static Status parse_label(const Reading *r, int64_t i, int64_t *label)
{
    const char *word = r->words[i], *digits = *word == '-' || *word == '+' ? word + 1 : word;
    char hint[80];
    snprintf(hint, sizeof hint, "Expected `%s`", list_form_text(&r->form));
    if (!list_form_number(word))
        return label_fail(r, i, "label is no whole number", hint);
    if (*word == '-' && strspn(digits, "0.") != strlen(digits))
        return label_fail(r, i, "negative label", "Labels begin at 0");
    digits += strspn(digits, "0");
    *label =
        strspn(digits, "0123456789") > 10 ? DATASET_CLASSES_MAX + 1 : strtoll(digits, NULL, 10);
    return STATUS_OK;
}

/* Labels that begin at 1, as MATLAB and many lists count; not where --first-label was given. */
static bool begins_at_one(const Reading *r, int64_t least, int64_t most)
{
    int classes = r->d->classes;
    return !r->spec->first_label && least == 1 && (!classes || most == classes);
}

static Status out_of_range(const Reading *r, int64_t i, int below)
{
    int first = r->spec->first_label;
    return status_fail(STATUS_INPUT,
                       "%s: line %lld: label out of range (%.40s vs %d to %lld). %s", r->d->source,
                       r->lines[i], r->words[i], first, (long long)below + first - 1,
                       hint(r, first ? "Is --first-label right?" : "Is --classes right?"));
}

static Status take_numbers(Reading *r)
{
    Dataset *d = r->d;
    int first = r->spec->first_label;
    int64_t least = INT64_MAX, most = 0, wrong = -1, label = 0;
    int below = d->classes ? d->classes : DATASET_CLASSES_MAX;
    for (int64_t i = 0; i < d->count; i++) {
        TRY(parse_label(r, i, &label));
        least = label < least ? label : least;
        most = label > most ? label : most;
        if ((label < first || label - first >= below) && wrong < 0)
            wrong = i;
        d->labels[i] = (int32_t)(label - first);
    }
    if (begins_at_one(r, least, most) && (wrong >= 0 || !d->classes))
        return status_fail(STATUS_INPUT,
                           "%s: labels run from 1 to %lld, they must begin at 0. %s", d->source,
                           (long long)most, hint(r, "--first-label 1 reads them"));
    return wrong < 0 ? STATUS_OK : out_of_range(r, wrong, below);
}

/* Without a number of classes every class up to the largest must occur. */
static Status count_classes(const Reading *r)
{
    Dataset *d = r->d;
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
                           "%s: class %d of 0 to %d has no images. %s", d->source, c, largest,
                           hint(r, "Give --classes if that is meant"));
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ names */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in the file, sorted, each once. */
static const char **sorted_names(const Reading *r, int *count)
{
    const char **sorted =
        arena_copy(&r->d->arena, r->words, (size_t)r->d->count * sizeof *sorted);
    int64_t n = 0;
    qsort(sorted, (size_t)r->d->count, sizeof *sorted, by_name);
    for (int64_t i = 0; i < r->d->count; i++)
        if (n == 0 || strcmp(sorted[n - 1], sorted[i]) != 0)
            sorted[n++] = sorted[i];
    *count = (int)(n > DATASET_CLASSES_MAX ? DATASET_CLASSES_MAX + 1 : n);
    return sorted;
}

/* The names that labels mean, in the order of the classes: those that are known, else those of the
 * file, which must then be all of them. */
static Status take_class_names(Reading *r)
{
    Dataset *d = r->d;
    int count = r->spec->known.count;
    bool sorted = !d->class_names;
    if (sorted)
        d->class_names = sorted_names(r, &count);
    if (count > DATASET_CLASSES_MAX || (d->classes && count != d->classes))
        return status_fail(STATUS_INPUT,
                           "%s: labels are names, of %d classes (there must be %d). Numbers are "
                           "needed, or --class-names FILE with a name per line, in the order of "
                           "the classes",
                           d->source, count, d->classes ? d->classes : DATASET_CLASSES_MAX);
    d->classes = count;
    if (sorted)
        log_info("%s: labels are names, numbered in their order: '%.60s' is class 0, '%.60s' class "
                 "%d. --class-names FILE gives another order",
                 d->source, d->class_names[0], d->class_names[count - 1], count - 1);
    return STATUS_OK;
}

typedef struct NamedClass {
    const char *name;
    int32_t label;
} NamedClass;

static Status take_names(Reading *r)
{
    Dataset *d = r->d;
    d->named = true;
    TRY(take_class_names(r));
    NamedClass *sorted = mem_alloc((size_t)d->classes * sizeof *sorted);
    int64_t unknown = -1;
    for (int c = 0; c < d->classes; c++)
        sorted[c] = (NamedClass){d->class_names[c], c};
    qsort(sorted, (size_t)d->classes, sizeof *sorted, by_name); /* its name stands first */
    for (int64_t i = 0; i < d->count && unknown < 0; i++) {
        const NamedClass *found =
            bsearch(&r->words[i], sorted, (size_t)d->classes, sizeof *sorted, by_name);
        if (found)
            d->labels[i] = found->label;
        else
            unknown = i;
    }
    free(sorted);
    return unknown < 0 ? STATUS_OK
                       : status_fail(STATUS_INPUT, "%s: line %lld: class '%.40s' is not among the "
                                     "%d classes of %s", d->source, r->lines[unknown],
                                     r->words[unknown], d->classes,
                                     r->spec->known.list ? r->spec->known.source : d->source);
}

/* ------------------------------------------------------------------------------------ paths */

/* Paths as Windows writes them, unless the first is a file just so. */
static void turn_backslashes(Dataset *d)
{
    const char *first = NULL;
    for (int64_t i = 0; i < d->count && !first; i++)
        if (strchr(d->names[i], '\\'))
            first = d->names[i];
    if (!first)
        return;
    char *path = file_join(d->root ? d->root : "", first);
    bool there = file_exists(path);
    free(path);
    for (int64_t i = 0; i < d->count && !there; i++)
        for (char *at = (char *)(uintptr_t)d->names[i]; (at = strchr(at, '\\'));)
            *at++ = '/';
}

/* ------------------------------------------------------------------------------------ opening */

/* Whether labels are names: not where most are numbers, the first being a slip, unless names are
 * known. */
static bool are_names(const Reading *r)
{
    int64_t numbers = 0;
    if (!r->form.names || r->spec->known.list)
        return r->form.names;
    for (int64_t i = 0; i < r->d->count; i++)
        numbers += list_form_number(r->words[i]);
    return 2 * numbers <= r->d->count;
}

static Status read_list(Reading *r, char *text, size_t size)
{
    Dataset *d = r->d;
    TRY(parse_lines(r, text, size));
    turn_backslashes(d);
    if (are_names(r))
        return take_names(r);
    TRY(take_numbers(r));
    return d->classes ? STATUS_OK : count_classes(r);
}

Status list_open(const DatasetSpec *spec, Dataset *d)
{
    uint8_t *bytes;
    size_t size, lines = 1;
    Reading r = {.spec = spec, .d = d};
    if (!spec->list)
        return status_fail(STATUS_USAGE, "%s list: no file given. Use --%s-list FILE",
                           spec->train ? "training" : "test", spec->train ? "train" : "test");
    TRY(file_read(spec->list, LIST_MAX_BYTES, &bytes, &size));
    Status status = list_text(spec->list, &bytes, &size);
    d->text = (char *)bytes;
    TRY(status);
    if (spec->root)
        d->root = arena_printf(&d->arena, "%s", spec->root);
    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    d->names = mem_alloc(lines * sizeof *d->names);
    d->labels = mem_alloc(lines * sizeof *d->labels);
    d->classes = spec->classes ? spec->classes : spec->known.count;
    r.words = mem_alloc(lines * sizeof *r.words);
    r.lines = mem_alloc(lines * sizeof *r.lines);
    status = read_list(&r, d->text, size);
    free(r.words);
    free(r.lines);
    return status;
}
