/* --help of a verb: the options that mean something to it, in the groups of options.def. */
#include "options/options_table.h"

#include <string.h>

/* The words of a CHOICE below its line, wrapped at 100 columns. */
static void print_choices(FILE *out, const char *words)
{
    int column = 100;
    while (*words) {
        int n = (int)strcspn(words, "|");
        bool last = !words[n];
        if (column + n + 2 > 100)
            column = fprintf(out, "%s%27s", column == 100 ? "" : "\n", "") - (column != 100);
        column += fprintf(out, " %.*s%s", n, words, last ? "" : ",");
        words += n + !last;
    }
    fputc('\n', out);
}

static void print_usage(FILE *out, const OptionRow *row)
{
    char left[80];
    if (row->type == TYPE_FLAG)
        snprintf(left, sizeof left, "--[no-]%s", row->name);
    else if (row->type == TYPE_CHOICE)
        snprintf(left, sizeof left, "--%s WORD", row->name);
    else
        snprintf(left, sizeof left, "--%s %s", row->name,
                 row->type == TYPE_SEED ? "N" : row->values);
    fprintf(out, "  %-24s ", left);
    for (const char *c = row->help; *c; c++) {
        fputc(*c, out);
        if (*c == '\n')
            fprintf(out, "%27s", "");
    }
    if (*row->standard)
        fprintf(out, " [%s]", row->standard);
    fputc('\n', out);
    if (row->type == TYPE_CHOICE)
        print_choices(out, row->values);
}

void options_help(FILE *out, OptionVerb verb, const char *usage)
{
    static const struct { const char *title; int first; } groups[] = {
#define GROUP(title) {title, -1},
#define OPTION(type, field, name, standard, low, high, values, verbs, resume, help)                \
    {NULL, OPTION_ID_##field},
#include "options/options.def"
    };
    const char *title = NULL;
    fprintf(out, "%s\n\n  %-24s %s\n", usage, "--preset NAME",
            "published values; see `paco presets`");
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (groups[i].title) {
            title = groups[i].title;
        } else if (option_rows[groups[i].first].verbs & (unsigned)verb) {
            if (title)
                fprintf(out, "\n%s\n", title);
            title = NULL;
            print_usage(out, &option_rows[groups[i].first]);
        }
    }
}
