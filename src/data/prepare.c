/* Published lists: opened, compared with what was published, their images looked for. */
#include "data/prepare_parts.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/threads.h"

#include <stdlib.h>
#include <string.h>

const char *const split_words[SPLIT_COUNT] = {
#define X(name, word) word,
    SPLIT_LIST(X)
#undef X
};

/* ------------------------------------------------------------------------------------ opening */

/* The first of the names that is there: lists/NAME; NULL: none. */
static char *find_list(const char *lists, const char *names)
{
    while (*names) {
        size_t n = strcspn(names, "|");
        char *name = mem_string(names);
        name[n] = 0;
        char *path = file_join(lists, name);
        bool missing = file_missing(path);
        free(name);
        if (!missing)
            return path;
        free(path);
        names += n + (names[n] == '|');
    }
    return NULL;
}

/* All that are missing are said at once. */
static Status find_lists(Prepare *p)
{
    const PrepareRequest *q = p->request;
    const char *missing = "";
    for (int r = 0; r < SPLIT_COUNT; r++) {
        const char *names = q->set->files[r];
        p->lists[r].file = find_list(q->lists, names);
        if (*names && !p->lists[r].file)
            missing = arena_printf(&p->arena, "%s%s%s", missing, *missing ? ", " : "", names);
    }
    return !*missing ? STATUS_OK
                     : status_fail(STATUS_IO,
                                   "%s: lists of %s are missing: %s. They are published "
                                   "at %s",
                                   q->lists, q->set->size->title, missing, q->set->source);
}

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Labels of all lists mean the classes of the training list. */
static Status open_list(Prepare *p, Split split)
{
    PreparedList *list = &p->lists[split];
    DatasetSpec spec = {.kind = DATASET_LIST,
                        .train = split == SPLIT_TRAIN,
                        .list = list->file,
                        .classes = p->classes,
                        .published = true};
    if (ends_in(list->file, ".json"))
        TRY(dataset_coco(list->file, p->classes, &list->data));
    else
        TRY(dataset_open(&spec, &list->data));
    if (list->data->named)
        return status_fail(STATUS_INPUT, "%s: labels are names, those of %s are numbers",
                           list->file, p->request->set->size->title);
    list->kept = list->data->count;
    p->classes = list->data->classes;
    return prepare_check_paths(list);
}

/* ------------------------------------------------------------------------------------ counts */

static void compare(Prepare *p, const char *file, const char *what, int64_t seen, int64_t published)
{
    if (seen == published)
        return;
    p->unlike = true;
    log_warn("%s: %lld %s, published are %lld", file, (long long)seen, what, (long long)published);
}

/* Of the classes that occur in any published list none is missing in another. */
static void compare_list(Prepare *p, Split split)
{
    const PreparedList *list = &p->lists[split];
    compare(p, list->file, "images", list->data->count, p->request->set->size->images[split]);
    for (int c = 0; c < list->data->classes; c++)
        p->unlike |= list->data->counts[c] == 0; /* of which whoever opened it warned */
}

/* Every difference is a warning; whether they are a failure too, comes last. */
static void compare_counts(Prepare *p)
{
    const Published *set = p->request->set;
    for (int r = 0; r < SPLIT_COUNT; r++)
        if (p->lists[r].data)
            compare_list(p, (Split)r);
    compare(p, p->lists[SPLIT_TRAIN].file, "classes", p->classes, set->size->classes);
}

/* ------------------------------------------------------------------------------------ images */

static void look_at(int64_t i, void *context)
{
    PreparedList *list = context;
    list->absent[i] = dataset_look(list->data, i) != STATUS_OK;
}

/* Leaves out what is not there. A class that loses all its training images is none any more. */
static Status leave_out(Prepare *p, Split split)
{
    PreparedList *list = &p->lists[split];
    const Dataset *d = list->data;
    list->absent = mem_zero((size_t)d->count, sizeof *list->absent);
    threads_for(d->count, look_at, list);
    int64_t *left = mem_zero((size_t)d->classes, sizeof *left);
    list->kept = 0;
    for (int64_t i = 0; i < d->count; i++)
        if (!list->absent[i])
            list->kept++, left[d->labels[i]]++;
    int c = 0;
    while (c < d->classes && left[c] > 0)
        c++;
    free(left);
    if (list->kept == 0 || (split == SPLIT_TRAIN && c < d->classes))
        return status_fail(STATUS_IO, "%s: --on-missing skip: no image of class %d is there",
                           list->file, c);
    log_warn("%s: %lld images left out", list->file, (long long)(d->count - list->kept));
    return STATUS_OK;
}

/* Where nothing is, every place that was looked at. */
static void print_layout(const Prepare *p, const PreparedList *list)
{
    char text[96];
    if (!list->listed)
        return;
    fprintf(p->report, "  looked for as %s", path_layout_text(list->found, text));
    if (list->found != list->listed)
        fprintf(p->report, " (listed as %s)", path_layout_text(list->listed, text));
    bool none = list->check.missing == list->check.images;
    for (const PathLayout *l = path_layouts; none && l->set; l++)
        if (l != list->found && prepare_may_lie(p, list, l))
            fprintf(p->report, ", %s", path_layout_text(l, text));
    fputc('\n', p->report);
}

static void check_images(Prepare *p, Split split)
{
    PreparedList *list = &p->lists[split];
    const Dataset *d = list->data;
    datacheck_run(d, false, p->request->lines, p->report, &list->check);
    log_text(p->report, "%s list %s: %lld images (published: %lld), %d classes (published: %d)",
             split_words[split], list->file, (long long)d->count,
             (long long)p->request->set->size->images[split], d->classes,
             p->request->set->size->classes);
    fputc('\n', p->report);
    print_layout(p, list);
    datacheck_print_files(&list->check, p->report);
    fputc('\n', p->report);
    datacheck_print_classes(&list->check, p->report);
    if (split == SPLIT_TRAIN)
        datacheck_print_groups(d, p->report);
}

static void check_overlap(Prepare *p, Split a, Split b)
{
    int64_t names, contents;
    if (!p->lists[a].data || !p->lists[b].data)
        return;
    datacheck_overlap(&p->lists[a].check, &p->lists[b].check, &names, &contents);
    fprintf(p->report, "images of %s that %s has too: %lld\n", split_words[b], split_words[a],
            (long long)names);
    if (names)
        log_warn("%lld images of %s are in %s, too", (long long)names, p->lists[b].file,
                 p->lists[a].file);
}

/* ------------------------------------------------------------------------------------ verdict */

static Status judge_missing(Prepare *p)
{
    int64_t missing = 0, unreadable = 0;
    Status first = STATUS_OK;
    for (int r = 0; r < SPLIT_COUNT; r++) {
        const DataCheck *check = &p->lists[r].check;
        missing += check->missing;
        unreadable += check->unreadable;
        if (first == STATUS_OK)
            first = check->status;
    }
    if (first == STATUS_OK)
        return STATUS_OK;
    if (p->request->on_missing == MISSING_FAIL)
        return status_fail(first,
                           "data prepare: %lld images missing, %lld unreadable: no list "
                           "written. --on-missing skip leaves them out",
                           (long long)missing, (long long)unreadable);
    for (int r = 0; r < SPLIT_COUNT; r++)
        if (p->lists[r].check.missing + p->lists[r].check.unreadable)
            TRY(leave_out(p, (Split)r));
    return STATUS_OK;
}

static Status judge_lists(const Prepare *p)
{
    int64_t conflicts = 0;
    for (int r = 0; r < SPLIT_COUNT; r++)
        conflicts += p->lists[r].check.conflicts;
    if (conflicts)
        return status_fail(STATUS_INPUT,
                           "data prepare: %lld images with conflicting labels: no "
                           "list written",
                           (long long)conflicts);
    if (p->unlike && p->request->counts)
        return status_fail(STATUS_INPUT,
                           "data prepare: the lists are not those published (cut off "
                           "when they were loaded?): no list written. --counts off takes them all "
                           "the same");
    return STATUS_OK;
}

static Status prepare(Prepare *p)
{
    TRY(find_lists(p));
    for (int r = 0; r < SPLIT_COUNT; r++)
        if (p->lists[r].file)
            TRY(open_list(p, (Split)r));
    compare_counts(p);
    TRY(prepare_learn_folders(p));
    prepare_find(p);
    for (int r = 0; r < SPLIT_COUNT; r++)
        if (p->lists[r].data)
            check_images(p, (Split)r);
    check_overlap(p, SPLIT_TRAIN, SPLIT_VAL);
    check_overlap(p, SPLIT_TRAIN, SPLIT_TEST);
    check_overlap(p, SPLIT_VAL, SPLIT_TEST);
    TRY(judge_missing(p));
    TRY(judge_lists(p));
    return prepare_write(p);
}

Status prepare_lists(const PrepareRequest *request, FILE *report)
{
    Prepare p = {.request = request, .report = report};
    Status status = prepare(&p);
    for (int r = 0; r < SPLIT_COUNT; r++) {
        free(p.lists[r].file);
        free(p.lists[r].absent);
        datacheck_free(&p.lists[r].check);
        dataset_close(p.lists[r].data);
    }
    arena_free(&p.arena);
    return status;
}
