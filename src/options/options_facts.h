/* What the table of options says to who lists them: help, completion in shells, man pages. */
#ifndef PACO_OPTIONS_FACTS_H
#define PACO_OPTIONS_FACTS_H

#include "options/options.h"

enum { OPTION_NAMES_MAX = 8 };

typedef struct OptionFacts {
    const char *group;  /* title, where it begins a group of --help; else NULL */
    const char *name;   /* without dashes */
    bool flag;          /* --name or --no-name */
    const char *words;  /* those that it takes, separated by |; NULL: any value */
    const char *values; /* the placeholder: WORD, N, FILE, ... */
    const char *help;   /* lines */
    const char *standard;                 /* "": none */
    const char *others[OPTION_NAMES_MAX]; /* what else it is called; one letter: with one dash */
    int other_count;
} OptionFacts;

/* Option i = 0, 1, ... in the order of --help, of those that mean something to the verb; false past
 * the last. */
bool options_facts(OptionVerb verb, int i, OptionFacts *facts);
/* The words that the option of this name (preset, too) takes, separated by |; NULL: any value, or
 * no such option. Valid until the next call of either function. */
const char *options_words(const char *name);

/* A line of --help: `--name VALUE`, then the text, whose further lines are indented. */
void options_help_line(FILE *out, const char *left, const char *help);
/* The words below it, wrapped. */
void options_help_words(FILE *out, const char *words);

#endif
