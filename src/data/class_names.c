/* A file of class names. */
#include "base/file.h"
#include "data/dataset.h"
#include "data/list_text.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 64 << 20 };

static const char blanks[] = " \t\r";

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static Status check_twice(const ClassNames *names)
{
    const char **sorted = mem_alloc((size_t)names->count * sizeof *sorted), *twice = NULL;
    memcpy(sorted, names->list, (size_t)names->count * sizeof *sorted);
    qsort(sorted, (size_t)names->count, sizeof *sorted, by_name);
    for (int i = 1; i < names->count && !twice; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            twice = sorted[i];
    free(sorted);
    return twice ? status_fail(STATUS_INPUT, "%s: class name '%.60s' stands there twice",
                               names->source, twice) : STATUS_OK;
}

Status class_names_check(const ClassNames *names)
{
    if (names->count == 0 || names->count > DATASET_CLASSES_MAX)
        return status_fail(STATUS_INPUT, "%s: %d class names (expected 1 to %d, one per line)",
                           names->source, names->count, DATASET_CLASSES_MAX);
    for (int i = 0; i < names->count; i++) {
        const char *name = names->list[i];
        size_t n = strlen(name);
        if (n == 0 || strchr(blanks, name[0]) || strchr(blanks, name[n - 1]) ||
            strchr(name, '\n'))
            return status_fail(STATUS_INPUT, "%s: class name %d cannot stand in a line ('%.60s')",
                               names->source, i, name);
    }
    return check_twice(names);
}

/* Without blanks around it, as labels in lists are read, and without CR. */
static char *trim(char *line)
{
    line += strspn(line, blanks);
    for (size_t n = strlen(line); n > 0 && strchr(blanks, line[n - 1]);)
        line[--n] = 0;
    return line;
}

Status class_names_read(const char *path, Arena *arena, ClassNames *out)
{
    uint8_t *bytes;
    size_t size, lines = 1;
    char *at = NULL;
    *out = (ClassNames){.source = path};
    TRY(file_read(path, FILE_MOST, &bytes, &size));
    Status status = list_text(path, &bytes, &size);
    if (status == STATUS_OK && memchr(bytes, 0, size))
        status = status_fail(STATUS_INPUT, "%s: NUL byte. Is this a text file?", path);
    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    const char **names = arena_alloc(arena, lines * sizeof *names);
    for (char *line = strtok_r((char *)bytes, "\n", &at); line && status == STATUS_OK;
         line = strtok_r(NULL, "\n", &at))
        if (*(line = trim(line)))
            names[out->count++] = arena_printf(arena, "%s", line);
    free(bytes);
    out->list = names;
    TRY(status);
    return class_names_check(out);
}
