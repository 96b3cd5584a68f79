/* --help of a verb: the options that mean something to it, in the groups of options.def. */
#include "options/options_facts.h"

#include <string.h>

void options_help_words(FILE *out, const char *words)
{
    int column = fprintf(out, "%27s", "");
    while (*words) {
        int n = (int)strcspn(words, "|");
        bool last = !words[n];
        if (column + n + 2 > 100)
            column = fprintf(out, "\n%27s", "") - 1;
        column += fprintf(out, " %.*s%s", n, words, last ? "" : ",");
        words += n + !last;
    }
    fputc('\n', out);
}

static void put_line(FILE *out, const char *left, const char *help, const char *standard)
{
    fprintf(out, "  %-24s ", left);
    for (const char *c = help; *c; c++) {
        fputc(*c, out);
        if (*c == '\n')
            fprintf(out, "%27s", "");
    }
    if (*standard)
        fprintf(out, " [%s]", standard);
    fputc('\n', out);
}

void options_help_line(FILE *out, const char *left, const char *help)
{
    put_line(out, left, help, "");
}

/* What others call it, below its line. */
static void print_others(FILE *out, const OptionFacts *f)
{
    for (int i = 0; i < f->other_count; i++)
        fprintf(out, "%*s%s -%s%s", i ? 0 : 31, i ? "" : "also", i ? "," : "",
                f->others[i][1] ? "-" : "", f->others[i]);
    if (f->other_count)
        fputc('\n', out);
}

static void print_option(FILE *out, const OptionFacts *f)
{
    char left[80];
    if (f->flag)
        snprintf(left, sizeof left, "--[no-]%s", f->name);
    else
        snprintf(left, sizeof left, "--%s %s", f->name, f->values);
    put_line(out, left, f->help, f->standard);
    if (f->words && !f->flag)
        options_help_words(out, f->words);
    print_others(out, f);
}

void options_help(FILE *out, OptionVerb verb)
{
    OptionFacts f;
    for (int i = 0; options_facts(verb, i, &f); i++) {
        if (f.group)
            fprintf(out, "\n%s\n", f.group);
        print_option(out, &f);
    }
}
