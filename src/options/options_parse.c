/* The command line: words to options, presets first. What single values cannot say is left to
 * options_check.c. */
#include "options/options_table.h"

#include "base/check.h"
#include "base/log.h"
#include "options/presets.h"
#include "options/suggest.h"

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

/* As the authors advise: with more ranks, the same images per rank and a linearly larger rate. */
static void scale_to_ranks(Options *o, int preset_ranks)
{
    if (!o->preset || o->ranks == preset_ranks)
        return;
    if (!o->given[OPTION_ID_batch])
        o->batch = o->batch / preset_ranks * o->ranks;
    if (!o->given[OPTION_ID_lr])
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
    const char *name;  /* after the dashes */
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

static Status set_flag(Options *o, int id, const Pair *pair, Words *words, bool negated)
{
    const char *value = pair->value;
    if (negated && value)
        return status_fail(STATUS_USAGE, "--no-%s: takes no value ('%.60s')", option_rows[id].name,
                           value);
    if (!value && !negated && words->at < words->count &&
        option_choice(option_rows[id].values, words->list[words->at]) >= 0)
        value = words->list[words->at++];
    return option_set(o, id, value ? value : negated ? "off" : "on");
}

static Status set_option(Options *o, unsigned verb, const Pair *pair, Words *words)
{
    bool negated = strncmp(pair->name, "no-", 3) == 0;
    int id = option_find(pair->name, pair->length);
    if (id < 0 && negated) {
        id = option_find(pair->name + 3, pair->length - 3);
        if (id >= 0 && option_rows[id].type != TYPE_FLAG)
            id = -1;
    } else {
        negated = false;
    }
    if (id < 0 || !(option_rows[id].verbs & verb)) {
        const char *name = arena_printf(&o->arena, "%.*s", (int)pair->length, pair->name);
        if (id < 0)
            return option_unknown(name, verb);
        return status_fail(STATUS_USAGE,
                           "--%s: means nothing to this command. --help lists what does", name);
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

static bool is_preset(const Pair *pair)
{
    return option_same_name(pair->name, "preset", pair->length);
}

/* Finds --help and --preset, which come first wherever they stand. */
static Status take_preset(Options *o, int argc, char **argv)
{
    Words words = {argc, argv, 0};
    const char *name = NULL;
    while (words.at < argc) {
        const char *word = argv[words.at++];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            o->help = true;
        if (strncmp(word, "--", 2) != 0)
            continue;
        Pair pair = split(word);
        if (!is_preset(&pair))
            continue;
        if (name)
            return status_fail(STATUS_USAGE, "--preset: given twice");
        name = pair.value ? pair.value : next_value(&words);
        if (!name)
            return status_fail(STATUS_USAGE, "--preset: value missing. `paco presets` lists them");
    }
    return name && !o->help ? options_preset(o, name) : STATUS_OK;
}

Status options_parse(Options *o, OptionVerb verb, int allowed, int argc, char **argv)
{
    Words words = {argc, argv, 0};
    options_init(o);
    o->words = arena_alloc(&o->arena, ((size_t)argc + 1) * sizeof *o->words);
    TRY(take_preset(o, argc, argv));
    if (o->help)
        return STATUS_OK;
    int preset_ranks = o->ranks;
    while (words.at < argc) {
        const char *word = argv[words.at++];
        if (strncmp(word, "--", 2) == 0 && word[2]) {
            Pair pair = split(word);
            if (!is_preset(&pair))
                TRY(set_option(o, verb, &pair, &words));
            else if (!pair.value)
                words.at++;
        } else if (word[0] == '-' && word[1]) {
            return status_fail(STATUS_USAGE, "%.60s: unknown option. Options begin with --", word);
        } else if (o->word_count == allowed) {
            return status_fail(STATUS_USAGE, "%.200s: unexpected argument. Options begin with --",
                               word);
        } else {
            o->words[o->word_count++] = arena_printf(&o->arena, "%s", word);
        }
    }
    scale_to_ranks(o, preset_ranks);
    prefer_given_lists(o);
    TRY(keep_evaluation_wide(o, verb));
    return options_check(o, verb);
}
