/* Options of `paco train`, `eval`, `predict`, `bench`, `data check` and `augment`: parsing,
 * checking, help, and their text form.
 *
 * Values come from the defaults of options.def, then from the run that goes on, then from the
 * preset, then from the file of --config, then from the words of the command line, each overriding
 * the one before. Every mistake is one line and STATUS_USAGE; contradictions are all told at once,
 * a line each. */
#ifndef PACO_OPTIONS_OPTIONS_H
#define PACO_OPTIONS_OPTIONS_H

#include "base/arena.h"
#include "base/status.h"
#include "data/dataset.h"
#include "image/recipe.h"
#include "options/choices.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The sets of options: what a verb takes is one of them. Bits of the column `verbs`. */
enum {
#define SET(letter, name, halves) OPTION_BIT_##name,
#include "options/options.def"
};

typedef enum OptionVerb {
#define SET(letter, name, halves) OPTION_##name = 1 << OPTION_BIT_##name,
#include "options/options.def"
} OptionVerb;

typedef enum OptionId {
#define OPTION(type, field, name, standard, low, high, values, verbs, resume, help)                \
    OPTION_ID_##field,
#include "options/options.def"
    OPTION_COUNT
} OptionId;

/* What a run that is resumed may do with an option's value. */
typedef enum OptionResume {
    RESUME_SAME, /* must be as it was: the network, or which images come next, depends on it */
    RESUME_TELL, /* may differ, but seldom should: one warning */
    RESUME_FREE, /* does not change what is computed, or is compared by its contents (the data) */
    RESUME_ONCE, /* likewise, and is of one start alone: a run that goes on does not take it over */
} OptionResume;

/* A CHOICE is the enum of the list that its words come from: .arch a row of model/arch.def, .method
 * a Method (model/paco.h), .dataset a DatasetKind, .lt_form a LongTailForm, .on_corrupt an
 * OnCorrupt (data/loader.h), .amp a DType of STORAGE_LIST (device/dtype.h), .freeze, .sampling,
 * .tta, .select and .schedule those of choices.h. */
typedef struct Options {
#define OPTION_FIELD_INT(field) int field;
#define OPTION_FIELD_SEED(field) uint64_t field;
#define OPTION_FIELD_REAL(field) double field;
#define OPTION_FIELD_TEXT(field) const char *field; /* NULL when empty */
#define OPTION_FIELD_FLAG(field) bool field;
#define OPTION_FIELD_CHOICE(field) int field;
#define OPTION_FIELD_TRIPLE(field) double field[3];
#define OPTION(type, field, name, standard, low, high, values, verbs, resume, help)                \
    OPTION_FIELD_##type(field)
#include "options/options.def"
    bool given[OPTION_COUNT]; /* on the command line, or by --config with another value than before
                               * (not by the preset) */
    const char *preset;       /* name of the preset, or NULL */
    const char *taken;        /* the options.txt that options are from: the run goes on; or NULL */
    const char **words;       /* [word_count] arguments that are no options, in order */
    int word_count;
    Arena arena;              /* owns the texts */
} Options;

/* The defaults. */
void options_init(Options *options);
void options_free(Options *options);
/* Sets defaults, then parses argv[0..argc-1] (without program and verb): --name value,
 * --name=value, --flag, --no-flag, -b N and -bN for the letters of ALIAS; _ and - are the same in a
 * name. At most `words` arguments that are no options. --preset NAME applies first wherever it
 * stands, then --config FILE (train and eval), whose lines are those of options_dump: STATUS_INPUT
 * with file and line. Where --resume names a run that has an options.txt, that is read as such a
 * file, with its preset where no other is named, below the rest; but for what is RESUME_ONCE. With
 * a preset whose number of ranks is overridden, lr and batch scale along
 * unless given themselves; lists on the command line take the place of its data set; a warm-up that
 * was not given is at most half of the run. Then options_check. On failure the options may still be
 * freed. */
Status options_parse(Options *options, OptionVerb verb, int words, int argc, char **argv);
/* Sets one option from text, as --name text would: for presets, checkpoints and tests.
 * STATUS_USAGE. */
Status options_set(Options *options, const char *name, const char *text);
/* Applies a preset over what is there. STATUS_USAGE with the nearest name where it is unknown. */
Status options_preset(Options *options, const char *name);
/* Contradictions: batch not a multiple of ranks, warm-up longer than the run, data missing ... All
 * of them are said: every one but the last as an error in the log, the last is the status. */
Status options_check(const Options *options, OptionVerb verb);
/* Whether so many processes can share the ranks; STATUS_USAGE with the numbers that can. */
Status options_check_share(const Options *options, int processes);
/* Frozen parameters keep what they begin with: STATUS_USAGE where that would be random numbers, as
 * there is neither --init-from nor, told by `resumes`, a checkpoint that the run goes on from. */
Status options_check_frozen(const Options *options, bool resumes);
/* The options of a verb, as its --help shows them. */
void options_help(FILE *out, OptionVerb verb);
/* Every option as `name=value` lines, in the order of options.def; numbers read back to the same
 * bits. A text that would be read otherwise as it stands is in quotes. */
char *options_dump(const Options *options, Arena *arena);
/* The same of those that shape the weights of a run: what tells it from others. */
char *options_identity(const Options *options, Arena *arena);
/* Reads such lines over the defaults; empty ones and comments (#) may stand between them, and
 * values as TOML has them; `source` is their file's name. STATUS_INPUT when malformed.
 * Unknown names are an error: a newer version wrote them. */
Status options_read(Options *options, const char *source, const char *text);
/* An option with another value than a dump has; texts as option_set reads them. */
typedef struct OptionChange {
    OptionId id;
    const char *name, *now, *then;
} OptionChange;
/* The options of this kind that differ from a dump, in the order of options.def; those that it does
 * not name, and names that this version does not know, count for nothing. Returns how many; texts
 * are the arena's or the options'. */
int options_changes(const Options *options, const char *dump, OptionResume resume, Arena *arena,
                    OptionChange changes[OPTION_COUNT]);
/* Whether the option means something to the verb. */
bool options_apply(OptionVerb verb, OptionId id);
/* The word of a CHOICE ("resnet32" for OPTION_ID_arch), owned by the options. */
const char *options_word(Options *options, OptionId id);

/* Fills in a mean and deviation that neither the user nor a preset gave (NaN): the published ones
 * of the data set with so many classes, ImageNet's where it is none of the known. */
void options_normalise(Options *options, int classes);
/* "CIFAR, mean 0.4914 0.4822 0.4465, deviation ...": whose they are, or "given", and the numbers.
 * Returns text. After options_normalise. */
const char *options_normalisation(const Options *options, char text[160]);

/* Whether the options name this half of the data at all. */
bool options_have_data(const Options *options, bool train);
/* What they say of it. */
DatasetSpec options_dataset(const Options *options, bool train);
/* Whether they name validation images. */
bool options_have_val(const Options *options);
/* What chooses the best checkpoint: never SELECT_AUTO. */
Select options_select(const Options *options);
/* Its word of --select; and back: SELECT_AUTO where it is none. */
const char *select_word(Select select);
Select select_of_word(const char *word);
/* What it looks at: "validation images"; of SELECT_LAST "last epoch". */
const char *select_title(Select select);
/* The file in a run's folder that holds its options. */
#define OPTIONS_OF_RUN "options.txt"
/* Relative paths of data begin in `folder`, where they lead somewhere from there. */
void options_data_from(Options *options, const char *folder);
/* Opens both halves, with so many classes (0: as the options say), called as is known (NULL: as
 * --class-names or the data say). The test half gets as many classes as the training half, and must
 * have the same class folders (STATUS_INPUT). Where no training data is named (evaluation, data
 * check) *train is NULL, likewise *test; on failure both are. */
Status options_open_data(const Options *options, int classes, const ClassNames *known,
                         Dataset **train, Dataset **test);
/* Opens the validation images; their classes must agree with those of the training half, as the
 * test half's must. Where none are named *val is NULL, likewise on failure. */
Status options_open_val(const Options *options, const Dataset *train, Dataset **val);
/* Short side before the centre crop of `size`: --eval-resize, else 256 for 224, and no margin up
 * to 64. */
int options_eval_resize(const Options *options, int size);
/* Where neither the user nor a preset names a recipe: CIFAR's for its networks and data, else that of
 * ImageNet-LT. */
void options_default_recipe(Options *options);
/* The recipe and its options (size and evaluation resize resolved). After options_check and
 * options_default_recipe. */
const Recipe *options_recipe(const Options *options, RecipeOptions *views);

#endif
