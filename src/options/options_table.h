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

/* The rows of FIRST, in their order. */
typedef enum FirstId {
#define FIRST(field, values, verbs, help) FIRST_##field,
#include "options/options.def"
    FIRST_COUNT
} FirstId;

typedef struct FirstRow {
    const char *name, *values;
    unsigned verbs;
    const char *help;
} FirstRow;

extern const FirstRow first_rows[FIRST_COUNT];

/* The rows of ALIAS; other is NULL behind the last. */
typedef struct OptionAlias {
    const char *other;
    OptionId id;
} OptionAlias;

extern const OptionAlias option_aliases[];

/* The OptionId called by the first `length` characters of `name` (an alias counts; _ and - are the
 * same), or -1. */
int option_find(const char *name, size_t length);
/* The OptionId that is written with one dash and this letter, or -1. */
int option_letter(char letter);
/* Whether the first `length` characters of `name` are `option`, where _ and - are the same. */
bool option_same_name(const char *name, const char *option, size_t length);
/* STATUS_USAGE with the nearest name among the options of these verbs. */
Status option_unknown(const char *name, unsigned verbs);

/* ---- options_text.c: lines of options */

typedef struct OptionLine {
    char *next; /* the text behind; changed on the way */
    int number; /* of the line, from 1 */
    const char *name, *value; /* without spaces around them; value NULL: no = */
} OptionLine;

/* The next line that says something: neither empty nor a comment, which begins with #. */
bool option_line(OptionLine *line);

/* ---- options_config.c */

typedef struct OptionConfig {
    const char *path;
    char *text; /* malloc'd by option_config_open, the caller's */
    bool named[OPTION_COUNT];
} OptionConfig;

/* Reads the file. */
Status option_config_open(OptionConfig *config);
/* Applies the preset that it names, if it does; then its other lines, of which those that mean
 * nothing to the verb are passed over. STATUS_INPUT with file and line. */
Status option_config_preset(Options *options, OptionVerb verb, OptionConfig *config);
Status option_config_rest(Options *options, OptionVerb verb, OptionConfig *config);

/* ---- options_value.c */

/* Sets one option from its text. STATUS_USAGE. */
Status option_set(Options *options, int id, const char *text);
/* The value as option_set reads it back to the same bits; owned by the arena or the options. */
const char *option_text(const Options *options, int id, Arena *arena);
/* Number of `word` among words separated by |, or -1. */
int option_choice(const char *words, const char *word);

#endif
