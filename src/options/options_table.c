/* The table made from options.def, and finding an option by its name. The words of every CHOICE
 * come from the list that its enum is made from. */
#include "options/options_table.h"

#include "base/check.h"
#include "data/loader.h"
#include "model/paco.h"
#include "options/suggest.h"

#include <string.h>

/* The words of a list as one text, "|a|b"; what begins behind the first | is "a|b". */
#define WORD(name, word) "|" word
#define WORDS(list) (&(list(WORD))[1])

/* Of a FLAG: the first word is true. */
#define ON_OFF "on|off"

static const char archs[] =
#define ARCH(name, family, block, a, b, c, d, groups, width) "|" #name
#include "model/arch.def"
#undef ARCH
    ;

static const char storages[] =
#define STORAGE(name, word, bytes) "|" word
    STORAGE_LIST(STORAGE)
#undef STORAGE
    ;

static const char kinds[] =
#define KIND(name, word, source, classes, tail, pixels) "|" #word
#include "data/kinds.def"
    ;

/* The letters of the column `verbs`. */
enum {
#define SET(letter, name, halves) letter = OPTION_##name,
#include "options/options.def"
};

const OptionRow option_rows[OPTION_COUNT] = {
#define OPTION(type, field, name, standard, low, high, values, verbs, resume, help)                \
    {TYPE_##type, name,  standard,        low,  high,                                              \
     values,      verbs, RESUME_##resume, help, offsetof(Options, field)},
#include "options/options.def"
};

const FirstRow first_rows[FIRST_COUNT] = {
#define FIRST(field, values, verbs, help) {#field, values, verbs, help},
#include "options/options.def"
};

const OptionAlias option_aliases[] = {
#define ALIAS(other, field) {other, OPTION_ID_##field},
#include "options/options.def"
    {NULL, OPTION_COUNT},
};

bool option_same_name(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((a[i] == '_' ? '-' : a[i]) != b[i])
            return false;
    return b[length] == 0;
}

int option_find(const char *name, size_t length)
{
    for (const OptionAlias *a = option_aliases; a->other; a++)
        if (a->other[1] && option_same_name(name, a->other, length))
            return (int)a->id;
    for (int id = 0; id < OPTION_COUNT; id++)
        if (option_same_name(name, option_rows[id].name, length))
            return id;
    return -1;
}

int option_letter(char letter)
{
    for (const OptionAlias *a = option_aliases; a->other; a++)
        if (a->other[0] == letter && !a->other[1])
            return (int)a->id;
    return -1;
}

const char *option_foreign(const char *name, unsigned verbs)
{
    static const struct {
        const char *name;
        unsigned verbs;
        const char *hint;
    } rows[] = {
#define FOREIGN(name, verbs, hint) {name, verbs, hint},
#include "options/options.def"
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].verbs & verbs && option_same_name(name, rows[i].name, strlen(name)))
            return rows[i].hint;
    return NULL;
}

Status option_unknown(const char *name, unsigned verbs)
{
    const char *hint = option_foreign(name, verbs);
    if (hint)
        return status_fail(STATUS_USAGE, "--%.60s: unknown option. %s", name, hint);
    Suggest near = suggest_begin(name);
    suggest_try(&near, "help");
    for (int i = 0; i < FIRST_COUNT; i++)
        if (first_rows[i].verbs & verbs)
            suggest_try(&near, first_rows[i].name);
    for (int id = 0; id < OPTION_COUNT; id++)
        if (option_rows[id].verbs & verbs)
            suggest_try(&near, option_rows[id].name);
    for (const OptionAlias *a = option_aliases; a->other; a++)
        if (option_rows[a->id].verbs & verbs)
            suggest_try(&near, a->other);
    if (near.best)
        return status_fail(STATUS_USAGE, "--%.60s: unknown option. Did you mean --%s?", name,
                           near.best);
    return status_fail(STATUS_USAGE, "--%.60s: unknown option. --help lists them", name);
}

void options_init(Options *o)
{
    *o = (Options){0};
    for (int id = 0; id < OPTION_COUNT; id++)
        CHECKF(option_set(o, id, option_rows[id].standard) == STATUS_OK, "%s", status_text());
}

void options_free(Options *o)
{
    arena_free(&o->arena);
    *o = (Options){0};
}

Status options_set(Options *o, const char *name, const char *text)
{
    int id = option_find(name, strlen(name));
    return id < 0 ? option_unknown(name, ~0u) : option_set(o, id, text);
}

bool options_apply(OptionVerb verb, OptionId id)
{
    return option_rows[id].verbs & (unsigned)verb;
}
