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
/* What does here what other programs call so (rows of FOREIGN), or NULL. */
const char *option_foreign(const char *name, unsigned verbs);
/* STATUS_USAGE with the nearest name among the options of these verbs, or what option_foreign says.
 */
Status option_unknown(const char *name, unsigned verbs);

/* ---- options_line.c: lines of options */

typedef struct OptionLine {
    char *next; /* the text behind; changed on the way */
    int number; /* of the line, from 1 */
    const char *name, *value; /* without spaces and quotes around them; value NULL: malformed */
    const char *wrong;        /* then how */
} OptionLine;

/* The next line that says something: neither empty nor a comment. Values are plain texts or those
 * of TOML: in quotes ("with \" and \\", 'without'), with a comment behind them. A line of TOML
 * that is no `name = value` is malformed. */
bool option_line(OptionLine *line);
/* The text as a line has it: as it is where option_line reads that back, else in quotes. */
const char *option_quoted(const char *text, Arena *arena);

/* ---- options_config.c */

/* A file of options: --config's, or the options.txt of the run that goes on. */
typedef struct OptionConfig {
    const char *path; /* NULL: none, and all calls do nothing */
    bool run;         /* of a run: without what is RESUME_ONCE */
    char *text;       /* malloc'd by option_config_open, the caller's */
    const char *named[OPTION_COUNT]; /* what it says, in the options' arena; NULL: nothing */
} OptionConfig;

/* Reads the file. */
Status option_config_open(OptionConfig *config);
/* Whether it names a preset. */
const char *option_config_names_preset(const OptionConfig *config, Arena *arena);
/* Applies the preset that it names, if it does; then its other lines, of which those that mean
 * nothing to the verb are passed over. STATUS_INPUT with file and line. */
Status option_config_preset(Options *options, OptionVerb verb, OptionConfig *config);
Status option_config_rest(Options *options, OptionVerb verb, OptionConfig *config);
/* The options.txt of the run that --resume names, in the options' arena; NULL: none there. */
const char *option_run_path(Options *options);
/* Whether the paths that the options have from the run lead somewhere from here; STATUS_IO. */
Status option_run_paths(const Options *options, const OptionConfig *run);

/* ---- options_value.c */

/* Sets one option from its text. STATUS_USAGE. */
Status option_set(Options *options, int id, const char *text);
/* The value as option_set reads it back to the same bits; owned by the arena or the options. */
const char *option_text(const Options *options, int id, Arena *arena);
/* Number of `word` among words separated by |, or -1. */
int option_choice(const char *words, const char *word);
/* 0 for on and true, 1 for off and false, else -1. */
int option_flag(const char *word);

#endif
