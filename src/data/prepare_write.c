/* What is made of published lists: list files, names of the classes, and the command to type next.
 */
#include "data/prepare_parts.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ files */

static Status write_list(const PreparedList *list, const char *path)
{
    FileOutput out;
    const Dataset *d = list->data;
    TRY(file_output_open(&out, path));
    for (int64_t i = 0; i < d->count; i++)
        if (!list->absent || !list->absent[i])
            fprintf(out.file, "%s %d\n", d->names[i], d->labels[i]);
    return file_output_close(&out);
}

static Status write_names(const ClassNames *names, const char *path)
{
    FileOutput out;
    TRY(file_output_open(&out, path));
    for (int c = 0; c < names->count; c++)
        fprintf(out.file, "%s\n", names->list[c]);
    return file_output_close(&out);
}

/* ------------------------------------------------------------------------------------ classes */

/* The names in categories.json, which iNaturalist published after the lists, where it is there;
 * else those in the file of annotations, which are numbers or the like. */
static Status names_of_categories(Prepare *p, ClassNames *names)
{
    const Dataset *train = p->lists[SPLIT_TRAIN].data;
    char *file = file_join(p->request->lists, "categories.json");
    bool there = !file_missing(file);
    const char *path = arena_printf(&p->arena, "%s", file);
    free(file);
    if (there)
        return coco_class_names(path, &p->arena, names);
    if (!train->class_names)
        return STATUS_OK;
    *names = (ClassNames){train->class_names, train->classes, train->source};
    if (class_names_check(names) != STATUS_OK) {
        log_warn("no names of classes are written: %s", status_text());
        *names = (ClassNames){0};
    }
    return STATUS_OK;
}

static void names_of_folders(const Prepare *p, ClassNames *names)
{
    for (int c = 0; c < p->classes; c++)
        if (!p->folders[c])
            return;
    *names = (ClassNames){p->folders, p->classes, p->request->lists};
}

/* names->list is NULL where nothing says them. */
static Status find_names(Prepare *p, ClassNames *names)
{
    *names = (ClassNames){0};
    if (p->request->set->names == NAMES_CATEGORIES)
        TRY(names_of_categories(p, names));
    else
        names_of_folders(p, names);
    if (!names->list)
        return STATUS_OK;
    if (names->count != p->classes)
        return status_fail(STATUS_INPUT, "%s: names of %d classes (there are %d)", names->source,
                           names->count, p->classes);
    return class_names_check(names);
}

/* ------------------------------------------------------------------------------------ command */

/* A word of a shell's, quoted where it must be. */
static void put_word(const char *word, FILE *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+,:=@%";
    if (*word && word[strspn(word, plain)] == 0) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", out);
        else
            fputc(*word, out);
    fputc('\'', out);
}

static void put_option(const char *name, const char *value, FILE *out)
{
    fprintf(out, " --%s ", name);
    put_word(value, out);
}

static void put_command(const Prepare *p, char *const paths[SPLIT_COUNT], const char *names)
{
    const PrepareRequest *q = p->request;
    char option[16];
    fprintf(p->report, "\nTrain with:\n  paco train %s", q->set->options);
    for (int r = 0; r < SPLIT_COUNT; r++) {
        snprintf(option, sizeof option, "%s-list", split_words[r]);
        if (paths[r])
            put_option(option, paths[r], p->report);
    }
    put_option("data", q->data, p->report);
    if (names)
        put_option("class-names", names, p->report);
    fprintf(p->report, " --out runs/%s\n", q->set->name);
}

/* ------------------------------------------------------------------------------------ all */

static Status write_all(Prepare *p, char *const paths[SPLIT_COUNT], const ClassNames *names,
                        const char *classes)
{
    TRY(file_make_folder(p->request->out));
    for (int r = 0; r < SPLIT_COUNT; r++)
        if (paths[r]) {
            TRY(write_list(&p->lists[r], paths[r]));
            log_info("%s: %lld images", paths[r], (long long)p->lists[r].kept);
        }
    if (!names->list)
        return STATUS_OK;
    TRY(write_names(names, classes));
    log_info("%s: %d names", classes, names->count);
    return STATUS_OK;
}

Status prepare_write(Prepare *p)
{
    ClassNames names;
    char *paths[SPLIT_COUNT] = {NULL}, name[16];
    TRY(find_names(p, &names));
    for (int r = 0; r < SPLIT_COUNT; r++) {
        snprintf(name, sizeof name, "%s.txt", split_words[r]);
        if (p->lists[r].data)
            paths[r] = file_join(p->request->out, name);
    }
    char *classes = file_join(p->request->out, "classes.txt");
    Status status = write_all(p, paths, &names, classes);
    if (status == STATUS_OK)
        put_command(p, paths, names.list ? classes : NULL);
    for (int r = 0; r < SPLIT_COUNT; r++)
        free(paths[r]);
    free(classes);
    return status;
}
