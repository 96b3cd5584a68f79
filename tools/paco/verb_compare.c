/* paco compare: the final numbers of runs as a table to take away. */
#include "base/log.h"
#include "options/suggest.h"
#include "report/runs.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

const char usage_compare[] =
    "usage: paco compare RUN RUN... [--format plain|csv|latex]\n\n"
    "Prints the final numbers of runs: a row for runs that differ in their seed alone, with mean\n"
    "and sample standard deviation, and the options in which rows differ. CSV has both as columns\n"
    "of their own, unrounded; the LaTeX table needs the package booktabs. RUN is a folder that\n"
    "`paco train --out` or `paco eval --out` wrote.";

typedef enum Form {
#define X(name, word) FORM_##name,
    TABLE_FORMS(X)
#undef X
        FORM_COUNT
} Form;

static const struct {
    const char *word;
    void (*write)(const Table *table, FILE *out);
} forms[FORM_COUNT] = {
#define X(name, word) {word, table_##name},
    TABLE_FORMS(X)
#undef X
};

static Status find_form(const char *word, Form *form)
{
    Suggest near = suggest_begin(word);
    for (int i = 0; i < FORM_COUNT; i++) {
        if (strcmp(forms[i].word, word) == 0) {
            *form = (Form)i;
            return STATUS_OK;
        }
        suggest_try(&near, forms[i].word);
    }
    return status_fail(STATUS_USAGE, "compare: --format: '%.60s' is none of plain, csv, latex%s%s",
                       word, near.best ? ". Did you mean " : "", near.best ? near.best : "");
}

/* Takes --format from the words; the others are folders, moved to the front. */
static Status read_words(int argc, char **argv, int *count, Form *form)
{
    *count = 0;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--format=", 9) == 0)
            TRY(find_form(argv[i] + 9, form));
        else if (strcmp(argv[i], "--format") == 0 && i + 1 < argc)
            TRY(find_form(argv[++i], form));
        else if (strncmp(argv[i], "--", 2) == 0)
            return status_fail(
                STATUS_USAGE, "compare: %s '%.60s'. `paco compare --help` explains",
                strcmp(argv[i], "--format") ? "unknown option" : "value missing behind", argv[i]);
        else
            argv[(*count)++] = argv[i];
    }
    if (*count == 0)
        return status_fail(STATUS_USAGE,
                           "compare: no folder of a run given. `paco compare --help` explains");
    return STATUS_OK;
}

static Status compare(int count, char **folders, Form form)
{
    Runs runs;
    Arena arena = {0};
    Status status = runs_read(count, folders, &runs);
    if (status == STATUS_OK) {
        Table table = runs_table(&runs, form == FORM_csv, &arena);
        forms[form].write(&table, stdout);
    }
    runs_free(&runs);
    arena_free(&arena);
    return status;
}

int verb_compare(int argc, char **argv)
{
    int count;
    Form form = FORM_plain;
    Status status = read_words(argc - 1, argv + 1, &count, &form);
    if (status == STATUS_OK)
        status = compare(count, argv + 1, form);
    if (status != STATUS_OK)
        log_error("%s", status_text());
    return status;
}
