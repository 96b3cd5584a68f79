#include "options/options_facts.h"

#include "base/check.h"
#include "image/recipe.h"
#include "options/options_table.h"
#include "options/presets.h"

#include <string.h>

enum { WORDS_MAX = 4096 };

/* What options_help shows, in its order: FIRST, then groups and options. */
static const struct { const char *title; int id;
} entries[] = {
#define GROUP(title) {title, -1},
#define OPTION(type, field, name, standard, low, high, values, verbs, resume, help)                \
    {NULL, OPTION_ID_##field},
#include "options/options.def"
};

/* ------------------------------------------------------------------------------------ words */

static const char *preset_name(int i)
{
    return preset_at(i) ? preset_at(i)->name : NULL;
}

static const char *recipe_name(int i)
{
    return recipe_at(i) ? recipe_at(i)->name : NULL;
}

/* Names of a table separated by |. */
static const char *join(const char *(*name)(int i), char text[WORDS_MAX])
{
    size_t at = 0;
    for (int i = 0; name(i); i++) {
        at += (size_t)snprintf(text + at, WORDS_MAX - at, "%s%s", i ? "|" : "", name(i));
        CHECK(at < WORDS_MAX);
    }
    return text;
}

/* The words that a text may be; NULL: any. */
static const char *text_words(const char *name)
{
    static char presets[WORDS_MAX], recipes[WORDS_MAX];
    if (strcmp(name, first_rows[FIRST_preset].name) == 0)
        return join(preset_name, presets);
    return strcmp(name, option_rows[OPTION_ID_recipe].name) ? NULL : join(recipe_name, recipes);
}

const char *options_words(const char *name)
{
    int id = option_find(name, strlen(name));
    bool choice = id >= 0 && option_rows[id].type == TYPE_CHOICE;
    return choice ? option_rows[id].values : text_words(name);
}

/* ------------------------------------------------------------------------------------ facts */

static void of_first(const FirstRow *row, OptionFacts *f)
{
    *f = (OptionFacts){.name = row->name,
                       .words = text_words(row->name),
                       .values = row->values,
                       .help = row->help,
                       .standard = ""};
}

static const char *placeholder(const OptionRow *row)
{
    return row->type == TYPE_CHOICE ? "WORD" : row->type == TYPE_SEED ? "N" : row->values;
}

static void of_row(OptionId id, const char *group, OptionFacts *f)
{
    const OptionRow *row = &option_rows[id];
    *f = (OptionFacts){.group = group,
                       .name = row->name,
                       .flag = row->type == TYPE_FLAG,
                       .words = options_words(row->name),
                       .values = placeholder(row),
                       .help = row->help,
                       .standard = row->standard};
    for (const OptionAlias *a = option_aliases; a->other; a++)
        if (a->id == id) {
            CHECK(f->other_count < OPTION_NAMES_MAX);
            f->others[f->other_count++] = a->other;
        }
}

bool options_facts(OptionVerb verb, int i, OptionFacts *f)
{
    const char *title = NULL;
    for (int k = 0; k < FIRST_COUNT; k++)
        if ((first_rows[k].verbs & (unsigned)verb) && i-- == 0) {
            of_first(&first_rows[k], f);
            return true;
        }
    for (size_t k = 0; k < sizeof entries / sizeof *entries; k++) {
        if (entries[k].title) {
            title = entries[k].title;
        } else if (options_apply(verb, (OptionId)entries[k].id)) {
            if (i-- == 0) {
                of_row((OptionId)entries[k].id, title, f);
                return true;
            }
            title = NULL;
        }
    }
    return false;
}
