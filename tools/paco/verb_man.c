/* paco man: man pages, made from the tables that --help is made from. */
#include "base/log.h"
#include "options/options_facts.h"
#include "verbs.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const char usage_man[] =
    "usage: paco man [VERB]\n\n"
    "Prints the man page paco(1), or paco-VERB(1): `paco man train | man -l -`. An installation "
    "has them: `man paco-train`.";

/* A line of text for roff: nothing in it is a command. */
static void put_line(const char *text, size_t length, FILE *out)
{
    if (length && (*text == '.' || *text == '\''))
        fputs("\\&", out);
    for (size_t i = 0; i < length; i++)
        switch (text[i]) {
        case '\\': fputs("\\e", out); break;
        case '-': fputs("\\-", out); break;
        case '`': fputs("\\(ga", out); break;
        case '\'': fputs("\\(aq", out); break;
        case '~': fputs("\\(ti", out); break;
        case '^': fputs("\\(ha", out); break;
        default: fputc(text[i], out);
        }
}

static void put(const char *text, FILE *out)
{
    put_line(text, strlen(text), out);
}

/* Lines; an empty one begins a paragraph. */
static void put_text(const char *text, FILE *out)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        if (n)
            put_line(text, n, out);
        else
            fputs(".PP", out);
        fputc('\n', out);
        text += n + (text[n] == '\n');
    }
}

static void put_upper(const char *text, FILE *out)
{
    for (; *text; text++)
        fputc(toupper((unsigned char)*text), out);
}

static void put_title(const char *verb, FILE *out)
{
    fputs(".TH PACO", out);
    if (verb) {
        fputs("\\-", out);
        put_upper(verb, out);
    }
    fprintf(out, " 1 \"\" \"openpaco %s\" \"User Commands\"\n.SH NAME\npaco", program_version());
    if (verb)
        fprintf(out, "\\-%s", verb);
    fputs(" \\- ", out);
}

static void put_words(const char *words, FILE *out)
{
    fputs("One of ", out);
    for (; *words; words++)
        if (*words == '|')
            fputs(", ", out);
        else
            put_line(words, 1, out);
    fputs(".\n", out);
}

/* The head of an option's paragraph. */
static void put_option(const char *name, const char *values, bool flag, FILE *out)
{
    fputs(".TP\n\\fB\\-\\-", out);
    if (flag)
        fputs("[no\\-]", out);
    put(name, out);
    fputs("\\fR", out);
    if (*values && !flag) {
        fputs(" \\fI", out);
        put(values, out);
        fputs("\\fR", out);
    }
    fputc('\n', out);
}

static void own_option(const OwnOption *o, FILE *out)
{
    Arena arena = {0};
    const char *words = verb_words(o->values, &arena);
    put_option(o->name, words ? "WORD" : o->values, false, out);
    put_text(o->help, out);
    if (words) {
        fputs(".br\n", out);
        put_words(words, out);
    }
    arena_free(&arena);
}

static void table_option(const OptionFacts *f, FILE *out)
{
    if (f->group) {
        fputs(".SS ", out);
        put(f->group, out);
        fputc('\n', out);
    }
    put_option(f->name, f->values, f->flag, out);
    put_text(f->help, out);
    if (*f->standard) {
        fputs("[", out);
        put(f->standard, out);
        fputs("]\n", out);
    }
    if (f->words && !f->flag) {
        fputs(".br\n", out);
        put_words(f->words, out);
    }
    for (int i = 0; i < f->other_count; i++) {
        fputs(i ? ",\n" : ".br\nAlso\n", out);
        fprintf(out, "\\fB%s", f->others[i][1] ? "\\-\\-" : "\\-");
        put(f->others[i], out);
        fputs("\\fR", out);
    }
    if (f->other_count)
        fputs(".\n", out);
}

/* The usage of a verb: its first lines without "usage: ", then what it does. */
static void put_usage(const char *usage, FILE *out)
{
    const char *text = strstr(usage, "\n\n"), *line = usage;
    size_t length = text ? (size_t)(text - usage) : strlen(usage);
    fputs(".SH SYNOPSIS\n.nf\n", out);
    while (line < usage + length) {
        size_t n = strcspn(line, "\n"), skip = strlen("usage: ");
        put_line(line + skip, n > skip ? n - skip : 0, out);
        fputc('\n', out);
        line += n + (line[n] == '\n');
    }
    fputs(".fi\n", out);
    if (text) {
        fputs(".SH DESCRIPTION\n", out);
        put_text(text + 2, out);
        fputc('\n', out);
    }
}

static void verb_page(const Verb *v, FILE *out)
{
    OptionFacts f;
    put_title(v->name, out);
    put(v->summary, out);
    fputc('\n', out);
    put_usage(v->usage, out);
    fputs(".SH OPTIONS\n", out);
    put_option("help", "", false, out);
    fputs("Explain the verb.\n", out);
    for (const OwnOption *o = own_options; o->name; o++)
        if (strcmp(o->verb, v->name) == 0)
            own_option(o, out);
    for (int i = 0; v->set && options_facts(v->set, i, &f); i++)
        table_option(&f, out);
    fputs(".SH SEE ALSO\n.BR paco (1)\n", out);
}

static void program_page(FILE *out)
{
    put_title(NULL, out);
    fputs("Parametric Contrastive Learning on any accelerator\n"
          ".SH SYNOPSIS\n.B paco\n.I VERB\n.RI [ options ]\n"
          ".SH DESCRIPTION\nTrains and evaluates PaCo (arXiv 2107.12028), a method for "
          "long\\-tailed image\nrecognition, on GPUs through CUDA and OpenCL, and on "
          "processors.\n.SH VERBS\n", out);
    for (const Verb *v = verbs; v->name; v++) {
        fprintf(out, ".TP\n.BR paco\\-%s (1)\n", v->name);
        put(v->summary, out);
        fputc('\n', out);
    }
    fputs(".TP\n\\fBhelp\\fR [\\fIVERB\\fR]\nExplain a verb.\n"
          ".SH OPTIONS\n.TP\n\\fB\\-\\-version\\fR\nVersion, commit, and the backends found.\n"
          ".SH EXIT STATUS\n", out);
#define X(name, code, meaning)                      \
    fprintf(out, ".TP\n\\fB%d\\fR\n", code);        \
    put(meaning, out);                              \
    fputc('\n', out);
    STATUS_LIST(X)
#undef X
}

int verb_man(int argc, char **argv)
{
    const Verb *verb = argc == 2 ? verb_find(argv[1]) : NULL;
    Status status = STATUS_OK;
    if (argc > 2)
        status = status_fail(STATUS_USAGE, "man: at most one verb is expected");
    else if (argc == 2 && !verb)
        status = verb_unknown(argv[1]);
    if (status != STATUS_OK)
        log_error("%s", status_text());
    else if (verb)
        verb_page(verb, stdout);
    else
        program_page(stdout);
    return status;
}
