/* Private to src/options: the rows of options.def, and the values of options as text. */
#ifndef PACO_OPTIONS_OPTIONS_TABLE_H
#define PACO_OPTIONS_OPTIONS_TABLE_H

#include "options/options.h"

#include <stddef.h>

typedef enum OptionType {
    TYPE_INT, TYPE_SEED, TYPE_REAL, TYPE_TEXT, TYPE_FLAG, TYPE_CHOICE, TYPE_TRIPLE
} OptionType;

/* The columns of options.def. */
typedef struct OptionRow {
    OptionType type;
    const char *name, *standard;
    double low, high;
    const char *values;
    unsigned verbs;      /* OptionVerb bits */
    OptionResume resume;
    const char *help;
    size_t offset;       /* of the field in Options */
} OptionRow;

extern const OptionRow option_rows[OPTION_COUNT];

/* The OptionId called by the first `length` characters of `name` (an alias counts; _ and - are the
 * same), or -1. */
int option_find(const char *name, size_t length);
/* Whether the first `length` characters of `name` are `option`, where _ and - are the same. */
bool option_same_name(const char *name, const char *option, size_t length);
/* STATUS_USAGE with the nearest name among the options of these verbs. */
Status option_unknown(const char *name, unsigned verbs);

/* ---- options_value.c */

/* Sets one option from its text. STATUS_USAGE. */
Status option_set(Options *options, int id, const char *text);
/* The value as option_set reads it back to the same bits; owned by the arena or the options. */
const char *option_text(const Options *options, int id, Arena *arena);
/* Number of `word` among words separated by |, or -1. */
int option_choice(const char *words, const char *word);

#endif
