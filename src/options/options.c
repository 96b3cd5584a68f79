/* Options: one table made from options.def, and what is done with it. */
#include "options/options.h"

#include "base/check.h"
#include "base/log.h"
#include "options/presets.h"
#include "options/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum OptionType {
    TYPE_INT, TYPE_SEED, TYPE_REAL, TYPE_TEXT, TYPE_FLAG, TYPE_CHOICE, TYPE_TRIPLE
} OptionType;

typedef struct Row {
    OptionType type;
    const char *name, *standard;
    double low, high;
    const char *values;
    unsigned verbs;
    const char *help;
    size_t offset; /* of the field in Options */
} Row;

enum { T = OPTION_TRAIN, E = OPTION_EVAL, B = OPTION_BENCH, D = OPTION_DATA, A = OPTION_AUGMENT };

static const Row rows[OPTION_COUNT] = {
#define OPTION(type, field, name, standard, low, high, values, verbs, help) \
    {TYPE_##type, name, standard, low, high, values, verbs, help, offsetof(Options, field)},
#include "options/options.def"
};

static const struct { const char *other, *name; } aliases[] = {
#define ALIAS(other, name) {other, name},
#include "options/options.def"
};

/* ---- values ---- */

static void *field(Options *o, int id)
{
    return (char *)o + rows[id].offset;
}

static const void *field_const(const Options *o, int id)
{
    return (const char *)o + rows[id].offset;
}

static Status out_of_range(const Row *row, const char *text)
{
    return status_fail(STATUS_USAGE, "--%s: out of range (%.60s vs %.10g to %.10g)", row->name,
                       text, row->low, row->high);
}

static Status not_a(const Row *row, const char *what, const char *text)
{
    return status_fail(STATUS_USAGE, "--%s: not %s ('%.60s')", row->name, what, text);
}

static Status set_int(const Row *row, int *to, const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (*end || end == text || isspace((unsigned char)*text))
        return not_a(row, "a whole number", text);
    if (errno || (double)value < row->low || (double)value > row->high)
        return out_of_range(row, text);
    *to = (int)value;
    return STATUS_OK;
}

static Status set_seed(const Row *row, uint64_t *to, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno)
        return not_a(row, "a whole number from 0 to 2^64 - 1", text);
    *to = value;
    return STATUS_OK;
}

/* A decimal number of `length` characters. */
static Status set_real(const Row *row, double *to, const char *text, size_t length)
{
    char copy[64], *end;
    if (length == 0 || length >= sizeof copy || strspn(text, "0123456789+-.eE") < length)
        return not_a(row, row->type == TYPE_TRIPLE ? "three numbers" : "a number", text);
    memcpy(copy, text, length);
    copy[length] = 0;
    double value = strtod(copy, &end);
    if (*end || end == copy)
        return not_a(row, "a number", text);
    if (!(value >= row->low && value <= row->high))
        return out_of_range(row, copy);
    *to = value;
    return STATUS_OK;
}

/* R,G,B; one number stands for all three, an empty text for none. */
static Status set_triple(const Row *row, double to[3], const char *text)
{
    double values[3] = {NAN};
    int n = *text ? 0 : 1;
    for (const char *at = text; *text; at++) {
        size_t length = strcspn(at, ",");
        if (n == 3)
            return not_a(row, "three numbers", text);
        TRY(set_real(row, &values[n++], at, length));
        at += length;
        if (!*at)
            break;
    }
    if (n == 2)
        return not_a(row, "three numbers", text);
    for (int i = 0; i < 3; i++)
        to[i] = values[n == 1 ? 0 : i];
    return STATUS_OK;
}

/* Number of `word` among words separated by |, or -1. */
static int choice_index(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (int i = 0;; i++) {
        size_t n = strcspn(words, "|");
        if (n == length && memcmp(words, word, n) == 0)
            return i;
        if (!words[n])
            return -1;
        words += n + 1;
    }
}

static Status set_choice(const Row *row, int *to, const char *text)
{
    int i = choice_index(row->values, text);
    if (i < 0)
        return status_fail(STATUS_USAGE, "--%s: unknown value ('%.60s' vs %s)", row->name, text,
                           row->values);
    *to = i;
    return STATUS_OK;
}

static Status set_text(Options *o, const Row *row, const char **to, const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return not_a(row, "printable", text);
    *to = *text ? arena_printf(&o->arena, "%s", text) : NULL;
    return STATUS_OK;
}

static Status set_value(Options *o, int id, const char *text)
{
    const Row *row = &rows[id];
    switch (row->type) {
    case TYPE_INT: return set_int(row, field(o, id), text);
    case TYPE_SEED: return set_seed(row, field(o, id), text);
    case TYPE_REAL: return set_real(row, field(o, id), text, strlen(text));
    case TYPE_TRIPLE: return set_triple(row, field(o, id), text);
    case TYPE_CHOICE: return set_choice(row, field(o, id), text);
    case TYPE_TEXT: return set_text(o, row, field(o, id), text);
    case TYPE_FLAG: {
        int word = 0;
        TRY(set_choice(row, &word, text));
        *(bool *)field(o, id) = word == 0;
        return STATUS_OK;
    }
    }
    CHECK(false);
    return STATUS_USAGE;
}

void options_init(Options *o)
{
    *o = (Options){0};
    for (int id = 0; id < OPTION_COUNT; id++)
        CHECKF(set_value(o, id, rows[id].standard) == STATUS_OK, "%s", status_text());
}

void options_free(Options *o)
{
    arena_free(&o->arena);
    *o = (Options){0};
}

/* ---- names ---- */

/* _ and - are the same. */
static bool same_name(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((a[i] == '_' ? '-' : a[i]) != b[i])
            return false;
    return b[length] == 0;
}

/* The option called by the first `length` characters of `name`, or -1. */
static int find_name(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (same_name(name, aliases[i].other, length)) {
            name = aliases[i].name;
            length = strlen(name);
            break;
        }
    for (int id = 0; id < OPTION_COUNT; id++)
        if (same_name(name, rows[id].name, length))
            return id;
    return -1;
}

static Status unknown_option(const char *name, unsigned verb)
{
    Suggest near = suggest_begin(name);
    suggest_try(&near, "preset");
    suggest_try(&near, "help");
    for (int id = 0; id < OPTION_COUNT; id++)
        if (rows[id].verbs & verb)
            suggest_try(&near, rows[id].name);
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (rows[find_name(aliases[i].name, strlen(aliases[i].name))].verbs & verb)
            suggest_try(&near, aliases[i].other);
    if (near.best)
        return status_fail(STATUS_USAGE, "--%.60s: unknown option. Did you mean --%s?", name,
                           near.best);
    return status_fail(STATUS_USAGE, "--%.60s: unknown option. --help lists them", name);
}

Status options_set(Options *o, const char *name, const char *text)
{
    int id = find_name(name, strlen(name));
    return id < 0 ? unknown_option(name, ~0u) : set_value(o, id, text);
}

/* ---- presets ---- */

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
    char *copy = mem_string(preset->options), *at;
    Status status = STATUS_OK;
    for (char *word = strtok_r(copy, " ", &at); word && status == STATUS_OK;
         word = strtok_r(NULL, " ", &at)) {
        char *equals = strchr(word, '=');
        CHECKF(equals, "preset %s: %s", name, word);
        *equals = 0;
        status = options_set(o, word, equals + 1);
    }
    CHECKF(status == STATUS_OK, "preset %s: %s", name, status_text());
    free(copy);
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
        o->lr = schedule_scale(o->lr, preset_ranks, o->ranks);
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

/* ---- the command line ---- */

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
        return status_fail(STATUS_USAGE, "--no-%s: takes no value ('%.60s')", rows[id].name, value);
    if (!value && !negated && words->at < words->count &&
        choice_index("on|off", words->list[words->at]) >= 0)
        value = words->list[words->at++];
    return set_value(o, id, value ? value : negated ? "off" : "on");
}

static Status set_option(Options *o, unsigned verb, const Pair *pair, Words *words)
{
    bool negated = strncmp(pair->name, "no-", 3) == 0;
    int id = find_name(pair->name, pair->length);
    if (id < 0 && negated) {
        id = find_name(pair->name + 3, pair->length - 3);
        if (id >= 0 && rows[id].type != TYPE_FLAG)
            id = -1;
    } else {
        negated = false;
    }
    if (id < 0 || !(rows[id].verbs & verb)) {
        const char *name = arena_printf(&o->arena, "%.*s", (int)pair->length, pair->name);
        if (id < 0)
            return unknown_option(name, verb);
        return status_fail(STATUS_USAGE,
                           "--%s: means nothing to this command. --help lists what does", name);
    }
    o->given[id] = true;
    if (rows[id].type == TYPE_FLAG)
        return set_flag(o, id, pair, words, negated);
    const char *value = pair->value ? pair->value : next_value(words);
    if (!value)
        return status_fail(STATUS_USAGE, "--%s: value missing (%s)", rows[id].name,
                           rows[id].values);
    return set_value(o, id, value);
}

static bool is_preset(const Pair *pair)
{
    return same_name(pair->name, "preset", pair->length);
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
    CHECK(allowed <= (int)(sizeof o->words / sizeof *o->words));
    options_init(o);
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
    return options_check(o, verb);
}

/* ---- text ---- */

/* The words of a CHOICE below its line, wrapped at 100 columns. */
static void print_choices(FILE *out, const char *words)
{
    int column = 100;
    while (*words) {
        int n = (int)strcspn(words, "|");
        bool last = !words[n];
        if (column + n + 2 > 100)
            column = fprintf(out, "%s%27s", column == 100 ? "" : "\n", "") - (column != 100);
        column += fprintf(out, " %.*s%s", n, words, last ? "" : ",");
        words += n + !last;
    }
    fputc('\n', out);
}

static void print_usage(FILE *out, const Row *row)
{
    char left[80];
    if (row->type == TYPE_FLAG)
        snprintf(left, sizeof left, "--[no-]%s", row->name);
    else if (row->type == TYPE_CHOICE)
        snprintf(left, sizeof left, "--%s WORD", row->name);
    else
        snprintf(left, sizeof left, "--%s %s", row->name,
                 row->type == TYPE_SEED ? "N" : row->values);
    fprintf(out, "  %-24s ", left);
    for (const char *c = row->help; *c; c++) {
        fputc(*c, out);
        if (*c == '\n')
            fprintf(out, "%27s", "");
    }
    if (*row->standard)
        fprintf(out, " [%s]", row->standard);
    fputc('\n', out);
    if (row->type == TYPE_CHOICE)
        print_choices(out, row->values);
}

void options_help(FILE *out, OptionVerb verb, const char *usage)
{
    static const struct { const char *title; int first; } groups[] = {
#define GROUP(title) {title, -1},
#define OPTION(type, field, name, standard, low, high, values, verbs, help)                        \
    {NULL, OPTION_ID_##field},
#include "options/options.def"
    };
    const char *title = NULL;
    fprintf(out, "%s\n\n  %-24s %s\n", usage, "--preset NAME",
            "published values; see `paco presets`");
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (groups[i].title) {
            title = groups[i].title;
        } else if (rows[groups[i].first].verbs & (unsigned)verb) {
            if (title)
                fprintf(out, "\n%s\n", title);
            title = NULL;
            print_usage(out, &rows[groups[i].first]);
        }
    }
}

/* The shortest text that reads back as the same number; whole ones without an exponent. */
static void print_real(char *text, size_t room, double value)
{
    if (fabs(value) < 1e15 && value == trunc(value)) {
        snprintf(text, room, "%.0f", value);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, room, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

static const char *choice_word(Arena *arena, const char *words, int i)
{
    while (i-- > 0)
        words += strcspn(words, "|") + 1;
    return arena_printf(arena, "%.*s", (int)strcspn(words, "|"), words);
}

const char *options_word(Options *o, OptionId id)
{
    CHECK(rows[id].type == TYPE_CHOICE);
    return choice_word(&o->arena, rows[id].values, *(const int *)field_const(o, (int)id));
}

/* The value as options_set reads it. */
static const char *value_text(const Options *o, int id, Arena *arena)
{
    const void *at = field_const(o, id);
    char real[3][32];
    switch (rows[id].type) {
    case TYPE_INT: return arena_printf(arena, "%d", *(const int *)at);
    case TYPE_SEED: return arena_printf(arena, "%llu", (unsigned long long)*(const uint64_t *)at);
    case TYPE_FLAG: return *(const bool *)at ? "on" : "off";
    case TYPE_CHOICE: return choice_word(arena, rows[id].values, *(const int *)at);
    case TYPE_TEXT: return *(const char *const *)at ? *(const char *const *)at : "";
    case TYPE_REAL:
        print_real(real[0], sizeof real[0], *(const double *)at);
        return arena_printf(arena, "%s", real[0]);
    case TYPE_TRIPLE:
        if (isnan(*(const double *)at))
            return "";
        for (int i = 0; i < 3; i++)
            print_real(real[i], sizeof real[i], ((const double *)at)[i]);
        return arena_printf(arena, "%s,%s,%s", real[0], real[1], real[2]);
    }
    CHECK(false);
    return "";
}

char *options_dump(const Options *o, Arena *arena)
{
    Arena parts = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out);
    if (o->preset)
        fprintf(out, "preset=%s\n", o->preset);
    for (int id = 0; id < OPTION_COUNT; id++)
        fprintf(out, "%s=%s\n", rows[id].name, value_text(o, id, &parts));
    fclose(out);
    char *copy = arena_printf(arena, "%s", text);
    free(text);
    arena_free(&parts);
    return copy;
}

/* One line of a dump. */
static Status read_line(Options *o, const char *source, int number, char *line)
{
    char *equals = strchr(line, '=');
    if (!equals)
        return status_fail(STATUS_INPUT, "%s: option line %d: no '=' ('%.60s')", source, number,
                           line);
    *equals = 0;
    if (strcmp(line, "preset") == 0) {
        const Preset *preset = preset_find(equals + 1);
        o->preset = preset ? preset->name : arena_printf(&o->arena, "%s", equals + 1);
        return STATUS_OK;
    }
    if (find_name(line, strlen(line)) < 0)
        return status_fail(STATUS_INPUT,
                           "%s: option line %d: unknown option '%.60s'. Was it written by a "
                           "newer version?",
                           source, number, line);
    if (options_set(o, line, equals + 1) != STATUS_OK)
        return status_prefix(STATUS_INPUT, "%s: option line %d", source, number);
    return STATUS_OK;
}

Status options_read(Options *o, const char *source, const char *text)
{
    char *copy = mem_string(text);
    Status status = STATUS_OK;
    int number = 0;
    for (char *line = copy; *line && status == STATUS_OK;) {
        size_t n = strcspn(line, "\n");
        char *next = line + n + (line[n] == '\n');
        line[n] = 0;
        number++;
        if (n > 0)
            status = read_line(o, source, number, line);
        line = next;
    }
    free(copy);
    return status;
}
