/* Forms. A line of words is `path label`, as the published lists have it: the label is the last
 * word, or the one behind the last word that ends as an image does, where more columns follow.
 * Tables come from spreadsheets and pandas (CSV, TSV) and from MXNet (index, label, path). */
#include "data/list_form.h"

#include "base/arena.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FIELDS_MAX = 64 }; /* further ones are not looked at */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* "Class ID" is "class_id" is "ClassId". */
static bool same_title(const char *a, const char *b)
{
    static const char ignored[] = " _-.";
    for (;; a++, b++) {
        a += strspn(a, ignored);
        b += strspn(b, ignored);
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

static bool is_one_of(const char *word, const char *const *list)
{
    while (*list && !same_title(word, *list))
        list++;
    return *list != NULL;
}

static bool is_number(const char *word, size_t length)
{
    const char *digits = *word == '-' || *word == '+' ? word + 1 : word;
    size_t n = strspn(digits, "0123456789");
    const char *rest = digits + n;
    if (n > 0 && *rest == '.')
        rest += 1 + strspn(rest + 1, "0");
    return n > 0 && rest == word + length;
}

bool list_form_number(const char *word)
{
    return is_number(word, strlen(word));
}

static bool names_image(const char *word, size_t length)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".webp", ".gif",
                                          ".bmp", ".tif",  ".tiff", ".jpe", ".jfif"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);
        if (length > n && strncasecmp(word + length - n, endings[i], n) == 0)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------------------------ fields */

typedef struct Fields {
    char *at[FIELDS_MAX];
    int count;
} Fields;

/* A quoted field from its opening quote on: its text moves to the front, doubled quotes become one.
 * Returns what follows the closing quote, or NULL where there is none. */
static char *unquote(char *field)
{
    char *to = field;
    for (char *from = field + 1; *from; from++) {
        if (*from == '"' && from[1] != '"') {
            char *rest = from + 1;
            *to = 0;
            return rest;
        }
        from += *from == '"';
        *to++ = *from;
    }
    return NULL;
}

static void trim_end(char *begin, char *end)
{
    while (end > begin && is_blank(end[-1]))
        end--;
    *end = 0;
}

/* Cuts a line in place. Returns what is wrong with it, or NULL. */
static const char *cut_fields(char *line, char separator, Fields *fields)
{
    const char *blanks = separator == '\t' ? " " : " \t";
    fields->count = 0;
    while (fields->count < FIELDS_MAX) {
        line += strspn(line, blanks);
        char *field = line, *end;
        if (*line == '"') {
            line = unquote(line);
            if (!line)
                return "a quote without its end";
            line += strspn(line, blanks);
            if (*line && *line != separator)
                return "characters behind a closing quote";
            end = *line ? line : NULL;
        } else {
            end = strchr(line, separator);
            trim_end(field, end ? end : line + strlen(line));
        }
        fields->at[fields->count++] = field;
        if (!end)
            break;
        line = end + 1;
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------ words */

/* The label of a line of words: behind the last word that ends as an image does and has a number
 * behind it; else, with `names`, all that is behind such a word, and nothing (NULL) where there is
 * none; else the last word. */
static char *label_of_words(char *line, bool names)
{
    char *last = line + strlen(line), *next = NULL;
    while (last > line && !is_blank(last[-1]))
        last--;
    for (char *at = last; at > line;) {
        char *stop = at;
        while (stop > line && is_blank(stop[-1]))
            stop--;
        char *begin = stop;
        while (begin > line && !is_blank(begin[-1]))
            begin--;
        if (names_image(begin, (size_t)(stop - begin))) {
            if (is_number(at, strcspn(at, " \t")))
                return at;
            if (names && !next)
                next = at;
        }
        at = begin;
    }
    return next || names ? next : last;
}

static bool cut_words(char *line, bool names, char **path, char **label)
{
    line += strspn(line, " \t");
    trim_end(line, line + strlen(line));
    char *word = label_of_words(line, names), *end = word ? word : line;
    while (end > line && is_blank(end[-1]))
        end--;
    if (end == line)
        return false;
    if (list_form_number(word) || !names)
        word[strcspn(word, " \t")] = 0;
    *end = 0;
    *path = line;
    *label = word;
    return true;
}

/* ------------------------------------------------------------------------------------ form */

static const char *const path_titles[] = {"path",      "file",    "filename",  "filepath",
                                          "image",     "img",     "imagepath", "imagename",
                                          "imagefile", "imageid", "id",        NULL};
static const char *const label_titles[] = {"label",     "labels",    "class",    "target",
                                           "classid",   "labelid",   "category", "categoryid",
                                           "classname", "labelname", "y",        NULL};

/* The column whose title stands first in the list; -1: none. */
static int find_title(const Fields *f, const char *const *titles)
{
    for (; *titles; titles++)
        for (int i = 0; i < f->count; i++)
            if (same_title(f->at[i], *titles))
                return i;
    return -1;
}

static bool is_image_at(const Fields *f, int i)
{
    return i >= 0 && i < f->count && names_image(f->at[i], strlen(f->at[i]));
}

static bool is_number_at(const Fields *f, int i)
{
    return i >= 0 && i < f->count && list_form_number(f->at[i]);
}

/* The first column that ends as an image does; -1: none. */
static int find_image(const Fields *f)
{
    for (int i = 0; i < f->count; i++)
        if (is_image_at(f, i))
            return i;
    return -1;
}

/* Which columns are path and label, by a line of values: the path is the first that ends as an
 * image does, else the first of all; the label stands behind it, or before it where nothing is
 * behind, or where an index leads (MXNet: index, label, path). */
static void find_columns(ListForm *form, const Fields *f)
{
    int image = find_image(f);
    form->path = image < 0 ? 0 : image;
    bool last = form->path == f->count - 1;
    form->label = last && form->path > 0 ? form->path > 1 ? 1 : 0 : form->path + 1;
}

/* The same below a header, by its titles and the line behind it. Of two columns one title is
 * enough; of more, what stands beside the path may be anything. */
static void find_titled_columns(ListForm *form, const Fields *titles, const Fields *values)
{
    int path = find_title(titles, path_titles), label = find_title(titles, label_titles);
    int image = find_image(values);
    if (image >= 0 && !is_image_at(values, path))
        path = image;
    if (titles->count == 2 && path < 0)
        path = label < 0 ? 0 : 1 - label;
    if (titles->count == 2 && label < 0)
        label = 1 - path;
    form->path = path;
    form->label = label;
}

/* Whether the first line is no line of values: its titles say so, or it lacks the image, or the
 * number, that the second line has. */
static bool is_header(const Fields *first, const Fields *second)
{
    ListForm columns;
    int path = find_title(first, path_titles), label = find_title(first, label_titles);
    find_columns(&columns, second->count ? second : first);
    if (find_image(first) >= 0)
        return false;
    if (find_image(second) >= 0)
        return true;
    if (is_number_at(first, columns.label))
        return false;
    return is_number_at(second, columns.label) || (path >= 0 && label >= 0) ||
           (first->count == 2 && (path >= 0 || label >= 0));
}

/* `sure`: something in it is a title, an image or a number, and the second line has the separator,
 * too, so that it is no other line with that character in it. */
static ListForm form_of_table(char separator, const char *first, const char *second, bool *sure)
{
    ListForm form = {.separator = separator};
    char *line = mem_string(first), *next = mem_string(second ? second : "");
    Fields titles, values = {0};
    const char *wrong = cut_fields(line, separator, &titles);
    if (second)
        cut_fields(next, separator, &values);
    form.header = !wrong && is_header(&titles, &values);
    const Fields *sample = form.header ? &values : &titles;
    if (form.header)
        find_titled_columns(&form, &titles, &values);
    else
        find_columns(&form, sample);
    bool number = is_number_at(sample, form.label);
    form.names = form.label >= 0 && form.label < sample->count && !number;
    bool below = !second || separator == '\t' || strchr(second, separator);
    *sure = !wrong && below && (form.header || number || find_image(sample) >= 0);
    free(line);
    free(next);
    return form;
}

/* Words whose label is a number, or that begin with an image's path. */
static ListForm form_of_words(const char *first, const char *second)
{
    ListForm form = {.separator = ' '};
    char *line = mem_string(first), *path, *label;
    if (!cut_words(line, false, &path, &label)) {
        free(line);
        return form;
    }
    form.header = is_one_of(path, path_titles) && is_one_of(label, label_titles);
    if (form.header && second) {
        ListForm rest = form_of_words(second, NULL);
        form.names = rest.names;
    } else if (!list_form_number(label)) {
        char *again = mem_string(first);
        form.names = cut_words(again, true, &path, &label);
        free(again);
    }
    free(line);
    return form;
}

/* Whether the line is one of words by its end: a blank, and a number that no comma stands before.
 */
static bool ends_in_word(const char *line)
{
    const char *end = line + strlen(line);
    while (end > line && is_blank(end[-1]))
        end--;
    const char *word = end;
    while (word > line && !is_blank(word[-1]))
        word--;
    const char *before = word;
    while (before > line && is_blank(before[-1]))
        before--;
    return before > line && before < word && before[-1] != ',' && before[-1] != ';' &&
           is_number(word, (size_t)(end - word));
}

/* Of several separators in the first line the first that makes a table of it; of none that does, words,
 * or else what the first makes, so that the message is about that. */
ListForm list_form(const char *first, const char *second)
{
    static const char separators[] = {'\t', ',', ';'};
    ListForm words = form_of_words(first, second), form = words;
    for (int i = 0; i < 3; i++) {
        const char *at = strchr(first + strspn(first, " \t"), separators[i]);
        bool leading = separators[i] == '\t' && at && at[strspn(at, " \t")] == 0;
        bool sure = false;
        if (!at || leading || (separators[i] != '\t' && ends_in_word(first)))
            continue;
        ListForm table = form_of_table(separators[i], first, second, &sure);
        if (sure)
            return table;
        if (form.separator == ' ' && !words.names && !ends_in_word(first))
            form = table;
    }
    return form;
}

static const char *cut_table(const ListForm *form, char *line, char **path, char **label)
{
    Fields f;
    const char *wrong = cut_fields(line, form->separator, &f);
    if (wrong)
        return wrong;
    if (form->path >= f.count || form->label >= f.count)
        return "path or label missing";
    *path = f.at[form->path];
    *label = f.at[form->label];
    return **path && **label ? NULL : "path or label missing";
}

const char *list_form_cut(const ListForm *form, char *line, char **path, char **label)
{
    /* Two words in a file of tabs: somebody typed a blank. */
    bool words = form->separator == ' ' || (form->separator == '\t' && !strchr(line, '\t'));
    if (!words)
        return cut_table(form, line, path, label);
    return cut_words(line, form->names, path, label) ? NULL : "path or label missing";
}

const char *list_form_text(const ListForm *form)
{
    return form->separator == ','   ? "path,label"
           : form->separator == ';' ? "path;label"
                                    : "path label";
}
