/* The table of verbs.def, and what it says to who asks. */
#include "verbs.h"

#include "options/options_facts.h"
#include "options/suggest.h"
#include "plan/plan.h"

#include <string.h>

#define OPTION_NONE ((OptionVerb)0)
#define X(name, word, level) "|" word
#define PLAN_STAGES (&(PLAN_STAGE_LIST(X))[1])

const Verb verbs[] = {
#define VERB(name, set, words, summary)                                                            \
    {#name, verb_##name, OPTION_##set, words, summary, usage_##name},
#include "verbs.def"
    {NULL, NULL, OPTION_NONE, NULL, NULL, NULL},
};

const OwnOption own_options[] = {
#define OWN(verb, name, values, help) {#verb, name, values, help},
#include "verbs.def"
    {NULL, NULL, NULL, NULL},
};

const Verb *verb_find(const char *name)
{
    for (const Verb *v = verbs; v->name; v++)
        if (strcmp(name, v->name) == 0)
            return v;
    return NULL;
}

Status verb_unknown(const char *name)
{
    Suggest near = suggest_begin(name);
    for (const Verb *v = verbs; v->name; v++)
        suggest_try(&near, v->name);
    if (near.best)
        return status_fail(STATUS_USAGE, "unknown verb '%.60s'. Did you mean %s?", name, near.best);
    return status_fail(STATUS_USAGE, "unknown verb '%.60s'. `paco help` lists them", name);
}

/* ------------------------------------------------------------------------------------ words */

static const char *verb_names(Arena *arena)
{
    const char *text = verbs[0].name;
    for (const Verb *v = verbs + 1; v->name; v++)
        text = arena_printf(arena, "%s|%s", text, v->name);
    return text;
}

const char *verb_words(const char *column, Arena *arena)
{
    if (strcmp(column, "<verbs>") == 0)
        return verb_names(arena);
    if (*column == '<')
        return options_words(arena_printf(arena, "%.*s", (int)strlen(column) - 2, column + 1));
    return strchr(column, '|') || (*column >= 'a' && *column <= 'z') ? column : NULL;
}

/* ------------------------------------------------------------------------------------ --help */

static void own_help(const OwnOption *o, FILE *out)
{
    char left[80];
    Arena arena = {0};
    const char *words = verb_words(o->values, &arena);
    snprintf(left, sizeof left, "--%s%s%s", o->name, *o->values ? " " : "",
             words ? "WORD" : o->values);
    options_help_line(out, left, o->help);
    if (words)
        options_help_words(out, words);
    arena_free(&arena);
}

static bool has_own(const Verb *v)
{
    for (const OwnOption *o = own_options; o->name; o++)
        if (strcmp(o->verb, v->name) == 0)
            return true;
    return false;
}

void verb_help(const Verb *v, FILE *out)
{
    fprintf(out, "%s\n", v->usage);
    if (has_own(v) || v->set)
        fputc('\n', out);
    for (const OwnOption *o = own_options; o->name; o++)
        if (strcmp(o->verb, v->name) == 0)
            own_help(o, out);
    if (v->set)
        options_help(out, v->set);
}
