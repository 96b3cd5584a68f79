/* The command line: words to options, presets first. What single values cannot say is left to
 * options_check.c. */
#include "options/options_table.h"

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "options/conflicts.h"
#include "options/presets.h"
#include "options/suggest.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ presets */

static Status unknown_preset(const char *name)
{
    Suggest near = suggest_begin(name);
    for (int i = 0; preset_at(i); i++)
        suggest_try(&near, preset_at(i)->name);
    if (near.best)
        return status_fail(STATUS_USAGE, "unknown preset '%.60s'. Did you mean %s?", name,
                           near.best);
    return status_fail(STATUS_USAGE, "unknown preset '%.60s'. `paco presets` lists them", name);
}

Status options_preset(Options *o, const char *name)
{
    const Preset *preset = preset_find(name);
    if (!preset)
        return unknown_preset(name);
    for (const PresetValue *v = preset->values; v->text; v++)
        CHECKF(option_set(o, (int)v->id, v->text) == STATUS_OK, "preset %s: %s", name,
               status_text());
    o->preset = preset->name;
    return STATUS_OK;
}

/* What stands below the command line. */
typedef struct Below {
    const char *preset;     /* named on the command line, or NULL */
    OptionConfig run, file; /* of the run that goes on, if it does, and of --config */
    bool anew;              /* a preset stands over the run's options */
    int preset_ranks;
} Below;

/* Whether the run says what the option is, with nothing over it but the command line. */
static bool is_of_run(const Below *below, OptionId id)
{
    return !below->anew && below->run.named[id];
}

/* Whether the option is as somebody said, over the preset. */
static bool is_said(const Options *o, const Below *below, OptionId id)
{
    return o->given[id] || below->file.named[id] || is_of_run(below, id);
}

/* As the authors advise: with more ranks, the same images per rank and a linearly larger rate. */
static void scale_to_ranks(Options *o, const Below *below)
{
    int preset_ranks = below->preset_ranks;
    bool batch = !is_said(o, below, OPTION_ID_batch), lr = !is_said(o, below, OPTION_ID_lr);
    if (!o->preset || o->ranks == preset_ranks || !(batch || lr))
        return;
    if (batch)
        o->batch = o->batch / preset_ranks * o->ranks;
    if (lr)
        o->lr = o->lr * o->ranks / preset_ranks;
    log_info("preset %s is for %d ranks: with %d, batch %d and lr %.6g", o->preset, preset_ranks,
             o->ranks, o->batch, o->lr);
}

/* Lists on the command line take the place of the preset's data set. */
static void prefer_given_lists(Options *o)
{
    bool given = o->given[OPTION_ID_train_list] || o->given[OPTION_ID_test_list];
    if (!o->preset || !given || o->given[OPTION_ID_dataset] || o->dataset == DATASET_LIST)
        return;
    log_info("preset %s: the given list takes the place of --dataset %s", o->preset,
             options_word(o, OPTION_ID_dataset));
    o->dataset = DATASET_LIST;
    if (!o->given[OPTION_ID_lt_factor])
        o->lt_factor = 1;
}

/* Whether a file of options has the warm-up and the length of the run that it is for. */
static bool is_of_file(const Options *o, const Below *below)
{
    const char *epochs = below->file.named[OPTION_ID_epochs];
    Arena arena = {0};
    bool same = epochs && strcmp(epochs, option_text(o, OPTION_ID_epochs, &arena)) == 0;
    arena_free(&arena);
    return same && below->file.named[OPTION_ID_warmup];
}

/* A warm-up that nobody asked for takes at most half of a short run; one that goes on has its own.
 */
static void shorten_warmup(Options *o, const Below *below)
{
    int most = o->epochs / 2;
    if (o->given[OPTION_ID_warmup] || o->warmup <= most || is_of_file(o, below))
        return;
    if (is_of_run(below, OPTION_ID_warmup) && o->warmup <= o->epochs)
        return;
    log_info("%s%s: a warm-up of %d epochs is too long for a run of %d. It takes %d (--warmup)",
             o->preset ? "preset " : "--epochs", o->preset ? o->preset : "", o->warmup, o->epochs,
             most);
    o->warmup = most;
}

/* A preset's number format is that of its training. */
static Status keep_evaluation_wide(Options *o, OptionVerb verb)
{
    if (!(verb & (OPTION_EVAL | OPTION_PREDICT)) || !o->preset || o->given[OPTION_ID_amp])
        return STATUS_OK;
    return option_set(o, OPTION_ID_amp, option_rows[OPTION_ID_amp].standard);
}

/* ------------------------------------------------------------------------------------ words */

typedef struct Words {
    int count;
    char **list;
    int at; /* next word */
} Words;

/* One --word: its name and the value that belongs to it. */
typedef struct Pair {
    const char *name; /* after the dashes */
    size_t length;
    const char *value; /* after =, or NULL */
} Pair;

static Pair split(const char *word)
{
    Pair pair = {.name = word + 2};
    pair.length = strcspn(pair.name, "=");
    if (pair.name[pair.length])
        pair.value = pair.name + pair.length + 1;
    return pair;
}

/* The word after an option, unless it is an option itself. */
static const char *next_value(Words *words)
{
    if (words->at == words->count || strncmp(words->list[words->at], "--", 2) == 0)
        return NULL;
    return words->list[words->at++];
}

/* What may be the value of an option that is not known is no argument. */
static void pass_value(Words *words)
{
    words->at += words->at < words->count && words->list[words->at][0] != '-';
}

static Status set_flag(Options *o, int id, const Pair *pair, Words *words, bool negated)
{
    const char *value = pair->value;
    if (negated && value)
        return status_fail(STATUS_USAGE, "--no-%s: takes no value ('%.60s')", option_rows[id].name,
                           value);
    if (!value && !negated && words->at < words->count && option_flag(words->list[words->at]) >= 0)
        value = words->list[words->at++];
    return option_set(o, id, value ? value : negated ? "off" : "on");
}

/* --no-NAME of what is no flag. */
static Status refuse_negation(const Pair *pair, int id)
{
    return status_fail(STATUS_USAGE, "--%.*s: --%s is not on or off, it takes a value (%s)",
                       (int)pair->length, pair->name, option_rows[id].name,
                       option_rows[id].type == TYPE_CHOICE ? "WORD" : option_rows[id].values);
}

/* Sets the option from the value that belongs to it. */
static Status set_found(Options *o, unsigned verb, int id, const Pair *pair, Words *words,
                        bool negated)
{
    if (!(option_rows[id].verbs & verb)) {
        if (!pair->value && option_rows[id].type != TYPE_FLAG)
            next_value(words);
        return status_fail(STATUS_USAGE,
                           "--%.*s: means nothing to this command. --help lists what does",
                           (int)pair->length, pair->name);
    }
    o->given[id] = true;
    if (option_rows[id].type == TYPE_FLAG)
        return set_flag(o, id, pair, words, negated);
    const char *value = pair->value ? pair->value : next_value(words);
    if (!value)
        return status_fail(STATUS_USAGE, "--%s: value missing (%s)", option_rows[id].name,
                           option_rows[id].values);
    if (option_rows[id].type == TYPE_TEXT && !*value) /* a variable of a script that was not set */
        return status_fail(STATUS_USAGE, "--%s: empty (expected %s)", option_rows[id].name,
                           option_rows[id].values);
    return option_set(o, id, value);
}

static Status set_option(Options *o, unsigned verb, const Pair *pair, Words *words)
{
    bool negated = false;
    int id = option_find(pair->name, pair->length);
    if (id < 0 && strncmp(pair->name, "no-", 3) == 0) {
        id = option_find(pair->name + 3, pair->length - 3);
        negated = id >= 0;
        if (negated && option_rows[id].type != TYPE_FLAG)
            return refuse_negation(pair, id);
    }
    if (id < 0) {
        if (!pair->value)
            pass_value(words);
        return option_unknown(arena_printf(&o->arena, "%.*s", (int)pair->length, pair->name), verb);
    }
    return set_found(o, verb, id, pair, words, negated);
}

/* -b 8 or -b8: a letter that others give an option. */
static Status set_letter(Options *o, unsigned verb, const char *word, Words *words)
{
    int id = option_letter(word[1]);
    if (id < 0 || !(option_rows[id].verbs & verb)) {
        const char *hint = option_foreign((char[]){word[1], 0}, verb);
        pass_value(words);
        return status_fail(STATUS_USAGE, "%.60s: unknown option. %s", word,
                           hint ? hint : "--help lists them");
    }
    Pair pair = {.name = option_rows[id].name, .value = word[2] ? word + 2 : NULL};
    pair.length = strlen(pair.name);
    return set_found(o, verb, id, &pair, words, false);
}

/* The FirstId that a word names, or -1. */
static int first_named(const Pair *pair)
{
    for (int i = 0; i < FIRST_COUNT; i++)
        if (option_same_name(pair->name, first_rows[i].name, pair->length))
            return i;
    return -1;
}

static Status take_value(unsigned verb, int id, const Pair *pair, Words *words, const char **value)
{
    const FirstRow *row = &first_rows[id];
    if (!(row->verbs & verb))
        return status_fail(
            STATUS_USAGE, "--%s: means nothing to this command. --help lists what does", row->name);
    if (*value)
        return status_fail(STATUS_USAGE, "--%s: given twice", row->name);
    *value = pair->value ? pair->value : next_value(words);
    if (!*value)
        return status_fail(STATUS_USAGE, "--%s: value missing (%s)%s", row->name, row->values,
                           id == FIRST_preset ? ". `paco presets` lists them" : "");
    return STATUS_OK;
}

/* Finds the values of what comes first wherever it stands (NULL: not there). */
static Status take_first(unsigned verb, int argc, char **argv, const char *values[FIRST_COUNT])
{
    Words words = {argc, argv, 0};
    while (words.at < argc) {
        const char *word = argv[words.at++];
        if (strncmp(word, "--", 2) != 0)
            continue;
        Pair pair = split(word);
        int id = first_named(&pair);
        if (id >= 0)
            TRY(take_value(verb, id, &pair, &words, &values[id]));
    }
    return STATUS_OK;
}

/* The run that goes on, then a preset, then the file. The preset of the command line is the one,
 * else the file's, else the run's, which its own options go over. */
static Status apply_below(Options *o, OptionVerb verb, Below *below)
{
    const char *named =
        below->preset ? below->preset : option_config_names_preset(&below->file, &o->arena);
    const char *own = option_config_names_preset(&below->run, &o->arena);
    Conflicts wrong = {.status = STATUS_OK};
    below->anew = named && !(own && strcmp(named, own) == 0);
    if (!below->anew)
        conflicts_note(&wrong, option_config_preset(o, verb, &below->run));
    below->preset_ranks = o->ranks;
    conflicts_note(&wrong, option_config_rest(o, verb, &below->run));
    if (below->anew) {
        memset(o->given, 0, sizeof o->given);
        conflicts_note(&wrong, below->preset ? options_preset(o, below->preset)
                                             : option_config_preset(o, verb, &below->file));
        below->preset_ranks = o->ranks;
    }
    conflicts_note(&wrong, option_config_rest(o, verb, &below->file));
    return conflicts_end(&wrong);
}

static Status take_word(Options *o, OptionVerb verb, int allowed, const char *word, Words *words)
{
    if (strncmp(word, "--", 2) == 0 && word[2]) {
        Pair pair = split(word);
        if (first_named(&pair) < 0)
            return set_option(o, verb, &pair, words);
        words->at += !pair.value;
        return STATUS_OK;
    }
    if (word[0] == '-' && word[1])
        return set_letter(o, verb, word, words);
    if (o->word_count == allowed)
        return status_fail(STATUS_USAGE, "%.200s: unexpected argument. Options begin with --",
                           word);
    o->words[o->word_count++] = arena_printf(&o->arena, "%s", word);
    return STATUS_OK;
}

/* All words, whatever is wrong with some. */
static Status take_words(Options *o, OptionVerb verb, int allowed, Words *words)
{
    Conflicts wrong = {.status = STATUS_OK};
    while (words->at < words->count)
        conflicts_note(&wrong, take_word(o, verb, allowed, words->list[words->at++], words));
    return conflicts_end(&wrong);
}

/* Where one folder is all that there is to look at, --data may be it. */
static void take_only_folder(Options *o)
{
    if (dataset_row((DatasetKind)o->dataset)->source != DATASET_FROM_FOLDERS || o->test_data)
        return;
    o->test_data = o->data;
    o->data = NULL;
}

/* What follows from options together. */
static Status adapt(Options *o, OptionVerb verb, const Below *below)
{
    if (verb == OPTION_EVAL)
        take_only_folder(o);
    scale_to_ranks(o, below);
    prefer_given_lists(o);
    if (options_apply(verb, OPTION_ID_warmup))
        shorten_warmup(o, below);
    return keep_evaluation_wide(o, verb);
}

/* Defaults, what stands below the command line, and its words. */
static Status apply_all(Options *o, OptionVerb verb, int allowed, Words words, Below *below)
{
    options_init(o);
    o->words = arena_alloc(&o->arena, ((size_t)words.count + 1) * sizeof *o->words);
    Conflicts wrong = {.status = STATUS_OK};
    conflicts_note(&wrong, apply_below(o, verb, below));
    conflicts_note(&wrong, take_words(o, verb, allowed, &words));
    return conflicts_end(&wrong);
}

/* Where the options say that a run goes on: the same again, over its options. */
static Status go_on(Options *o, OptionVerb verb, int allowed, Words words, Below *below)
{
    if (o->resume && strcmp(o->resume, "auto") != 0 && file_is_folder(o->resume))
        return status_fail(STATUS_USAGE,
                           "--resume: %s is a folder. `--out %s --resume auto` goes on there; one "
                           "of its files begins another run",
                           o->resume, o->resume);
    below->run = (OptionConfig){.path = option_run_path(o), .run = true};
    if (!below->run.path)
        return STATUS_OK;
    TRY(option_config_open(&below->run));
    Options before = *o;
    Status status = apply_all(o, verb, allowed, words, below);
    o->taken = arena_printf(&o->arena, "%s", below->run.path);
    below->run.path = o->taken;
    options_free(&before);
    return status == STATUS_OK ? option_run_paths(o, &below->run) : status;
}

Status options_parse(Options *o, OptionVerb verb, int allowed, int argc, char **argv)
{
    const Words words = {argc, argv, 0};
    const char *first[FIRST_COUNT] = {NULL};
    options_init(o);
    TRY(take_first(verb, argc, argv, first));
    Below below = {.preset = first[FIRST_preset], .file = {.path = first[FIRST_config]}};
    options_free(o);
    Status status = option_config_open(&below.file);
    if (status == STATUS_OK)
        status = apply_all(o, verb, allowed, words, &below);
    if (status == STATUS_OK && options_apply(verb, OPTION_ID_resume))
        status = go_on(o, verb, allowed, words, &below);
    if (status == STATUS_OK)
        status = adapt(o, verb, &below);
    free(below.run.text);
    free(below.file.text);
    return status == STATUS_OK ? options_check(o, verb) : status;
}
