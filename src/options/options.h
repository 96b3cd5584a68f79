/* Options of `paco train`, `eval`, `bench`, `data check` and `augment`: parsing, checking, help,
 * and their text form.
 *
 * Values come from the defaults of options.def, then from the preset, then from the words of the
 * command line, each overriding the one before. Every mistake is one line and STATUS_USAGE. */
#ifndef PACO_TRAIN_OPTIONS_H
#define PACO_TRAIN_OPTIONS_H

#include "base/arena.h"
#include "base/status.h"
#include "data/dataset.h"
#include "image/recipe.h"
#include "model/paco.h"
#include "train/schedule.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define OPTION_ARCHS                                                                            \
    "resnet20|resnet32|resnet44|resnet56|resnet110|resnet18|resnet34|resnet50|resnet101|"       \
    "resnet152|resnet200|resnext50_32x4d|resnext101_32x4d|resnext101_32x8d|wide_resnet50_2"
/* Number formats that this version computes in. */
#define OPTION_AMPS "fp32"

typedef enum Freeze { FREEZE_NONE, FREEZE_CONVS_BUT_LAST_BLOCK } Freeze;
typedef enum Sampling { SAMPLING_UNIFORM, SAMPLING_BALANCED } Sampling;
/* Options.method is a Method (model/paco.h), .dataset a DatasetKind, .schedule a ScheduleKind,
 * .on_corrupt an OnCorrupt (loader.h), .lt_form + 1 a LongTailForm; .arch indexes OPTION_ARCHS. */

typedef enum OptionVerb {
    OPTION_TRAIN = 1, OPTION_EVAL = 2, OPTION_BENCH = 4, OPTION_DATA = 8, OPTION_AUGMENT = 16
} OptionVerb;

typedef enum OptionId {
#define OPTION(type, field, name, standard, low, high, values, verbs, help) OPTION_ID_##field,
#include "options/options.def"
    OPTION_COUNT
} OptionId;

typedef struct Options {
#define OPTION_FIELD_INT(field) int field;
#define OPTION_FIELD_SEED(field) uint64_t field;
#define OPTION_FIELD_REAL(field) double field;
#define OPTION_FIELD_TEXT(field) const char *field; /* NULL when empty */
#define OPTION_FIELD_FLAG(field) bool field;
#define OPTION_FIELD_CHOICE(field) int field;
#define OPTION_FIELD_TRIPLE(field) double field[3];
#define OPTION(type, field, name, standard, low, high, values, verbs, help)                        \
    OPTION_FIELD_##type(field)
#include "options/options.def"
    bool given[OPTION_COUNT]; /* on the command line (not by the preset) */
    const char *preset;       /* name of the preset, or NULL */
    const char *words[4];     /* arguments that are no options, in order */
    int word_count;
    bool help;                /* --help or -h was there; nothing was checked */
    Arena arena;              /* owns the texts */
} Options;

/* The defaults. */
void options_init(Options *options);
void options_free(Options *options);
/* Sets defaults, then parses argv[0..argc-1] (without program and verb): --name value,
 * --name=value, --flag, --no-flag; _ and - are the same in a name. At most `words` arguments that
 * are no options. --preset NAME applies first wherever it stands. With a preset whose number of
 * ranks is overridden, lr and batch scale along unless given themselves; lists on the command line
 * take the place of its data set. Then options_check. On failure the options may still be freed. */
Status options_parse(Options *options, OptionVerb verb, int words, int argc, char **argv);
/* Sets one option from text, as --name text would: for presets, checkpoints and tests.
 * STATUS_USAGE. */
Status options_set(Options *options, const char *name, const char *text);
/* Applies a preset over what is there. STATUS_USAGE with the nearest name where it is unknown. */
Status options_preset(Options *options, const char *name);
/* Contradictions: batch not a multiple of ranks, warm-up longer than the run, data missing ... */
Status options_check(const Options *options, OptionVerb verb);
/* Frozen parameters keep what they begin with: STATUS_USAGE where that would be random numbers, as
 * there is neither --init-from nor, told by `resumes`, a checkpoint that the run goes on from. */
Status options_check_frozen(const Options *options, bool resumes);
/* --help of a verb. `usage` is its first line. */
void options_help(FILE *out, OptionVerb verb, const char *usage);
/* Every option as `name=value` lines, in the order of options.def; numbers read back to the same
 * bits. */
char *options_dump(const Options *options, Arena *arena);
/* Reads such lines over the defaults; `source` is their file's name. STATUS_INPUT when malformed.
 * Unknown names are an error: a newer version wrote them. */
Status options_read(Options *options, const char *source, const char *text);
/* The word of a CHOICE ("resnet32" for OPTION_ID_arch), owned by the options. */
const char *options_word(Options *options, OptionId id);

/* Fills in a mean and deviation that neither the user nor a preset gave (NaN): the published ones
 * of the data set with so many classes, ImageNet's where it is none of the known. */
void options_normalise(Options *options, int classes);
/* "CIFAR, mean 0.4914 0.4822 0.4465, deviation ...": whose they are, or "given", and the numbers.
 * Returns text. After options_normalise. */
const char *options_normalisation(const Options *options, char text[160]);

/* What the options say of the data, the views and the learning rate. */
DatasetSpec options_dataset(const Options *options, bool train);
Schedule options_schedule(const Options *options);
/* Opens both halves. The test half gets as many classes as the training half, and must have the
 * same class folders (STATUS_INPUT). Where no training data is named (evaluation, data check)
 * *train is NULL, likewise *test; on failure both are. */
Status options_open_data(const Options *options, Dataset **train, Dataset **test);
/* Short side before the centre crop of `size`: --eval-resize, else 256 for 224, and no margin up
 * to 64. */
int options_eval_resize(const Options *options, int size);
/* The recipe and its options (size and evaluation resize resolved). After options_check. */
const Recipe *options_recipe(const Options *options, RecipeOptions *views);

#endif
