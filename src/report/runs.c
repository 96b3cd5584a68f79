/* Runs: groups by equal texts, and one table of what became of them. */
#include "report/runs.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

/* What runs of a group have in common. A run without options is alone. */
static const char *identity(const RunRecord *run, int number, Arena *arena)
{
    if (!run->texts)
        return arena_printf(arena, "run %d", number);
    Options plain = run->options;
    plain.seed = 0;
    plain.select = SELECT_AUTO; /* what it came to is behind */
    return arena_printf(arena, "%sinit-from=%s\n%s\n%s", options_identity(&plain, arena),
                        run->texts[OPTION_ID_init_from].value,
                        run->train_data ? run->train_data : "", select_word(run->select));
}

/* Whether a run is another of a group: with the same seed it would be the same once more. */
static bool has_seed(const Runs *r, const RunGroup *group, uint64_t seed)
{
    for (int k = 0; k < group->count; k++)
        if (r->list[group->members[k]].options.seed == seed)
            return true;
    return false;
}

static void make_groups(Runs *r)
{
    Arena arena = {0};
    const char **identities = arena_alloc(&arena, (size_t)r->count * sizeof *identities);
    r->groups = arena_alloc(&r->arena, (size_t)r->count * sizeof *r->groups);
    for (int i = 0; i < r->count; i++) {
        int g = 0;
        identities[i] = identity(&r->list[i], i, &arena);
        while (g < r->group_count &&
               (strcmp(identities[r->groups[g].members[0]], identities[i]) != 0 ||
                has_seed(r, &r->groups[g], r->list[i].options.seed)))
            g++;
        RunGroup *group = &r->groups[g];
        if (g == r->group_count) {
            r->group_count++;
            group->members = arena_alloc(&r->arena, (size_t)r->count * sizeof *group->members);
        }
        group->members[group->count++] = i;
    }
    arena_free(&arena);
}

static Status refuse_twice(char *const *folders, int number)
{
    struct stat a, b;
    for (int i = 0; i < number; i++)
        if (stat(folders[i], &a) == 0 && stat(folders[number], &b) == 0 && a.st_dev == b.st_dev &&
            a.st_ino == b.st_ino)
            return status_fail(STATUS_USAGE, "%s: given twice (as %s, too): a run counts once",
                               folders[number], folders[i]);
    return STATUS_OK;
}

Status runs_read(int count, char *const *folders, Runs *out)
{
    *out = (Runs){0};
    out->list = arena_alloc(&out->arena, (size_t)count * sizeof *out->list);
    for (int i = 0; i < count; i++) {
        out->count++;
        TRY(refuse_twice(folders, i));
        TRY(run_record_read(folders[i], &out->list[i]));
    }
    make_groups(out);
    return STATUS_OK;
}

void runs_free(Runs *r)
{
    for (int i = 0; i < r->count; i++)
        run_record_free(&r->list[i]);
    arena_free(&r->arena);
    *r = (Runs){0};
}

Spread runs_spread(const Runs *r, const RunGroup *group, Figure figure)
{
    Spread s = {0};
    double sum = 0, squares = 0;
    for (int i = 0; i < group->count; i++) {
        double value = run_figure(&r->list[group->members[i]], figure);
        if (!isnan(value)) {
            sum += value;
            s.count++;
        }
    }
    s.mean = s.count ? sum / s.count : NAN;
    for (int i = 0; i < group->count; i++) {
        double off = run_figure(&r->list[group->members[i]], figure) - s.mean;
        squares += isnan(off) ? 0 : off * off;
    }
    s.deviation = s.count > 1 ? sqrt(squares / (s.count - 1)) : NAN;
    return s;
}

const char *runs_group_name(const Runs *r, const RunGroup *group, Arena *arena)
{
    const char *name = r->list[group->members[0]].name;
    for (int i = 1; i < group->count; i++)
        name = arena_printf(arena, "%s, %s", name, r->list[group->members[i]].name);
    return name;
}

/* ---- the table */

/* Where, what and how often a run writes, and whether it went on, is not what tells it from others;
 * seeds and what chose the best checkpoint have columns. */
static bool tells_apart(int id)
{
    switch (id) {
    case OPTION_ID_seed:
    case OPTION_ID_out:
    case OPTION_ID_resume:
    case OPTION_ID_select:
    case OPTION_ID_tensorboard:
    case OPTION_ID_save_every:
    case OPTION_ID_save_steps:
    case OPTION_ID_keep:
    case OPTION_ID_log_every:
    case OPTION_ID_stop_after:
    case OPTION_ID_restarts:
    case OPTION_ID_peer_timeout: return false;
    default: return true;
    }
}

static const OptionText *texts_of(const Runs *r, int group)
{
    return r->list[r->groups[group].members[0]].texts;
}

/* Whether the groups that have options differ in this one. */
static bool differs(const Runs *r, int id)
{
    const char *first = NULL;
    for (int g = 0; g < r->group_count; g++) {
        const OptionText *texts = texts_of(r, g);
        if (texts && first && strcmp(texts[id].value, first) != 0)
            return true;
        if (texts && !first)
            first = texts[id].value;
    }
    return false;
}

static bool known(const Runs *r, Figure figure)
{
    for (int g = 0; g < r->group_count; g++)
        if (runs_spread(r, &r->groups[g], figure).count)
            return true;
    return false;
}

/* The option's value; with an ellipsis where the runs of the group have others, too. */
static void put_option(const Runs *r, Table *t, int g, int column, int id)
{
    const RunGroup *group = &r->groups[g];
    bool same = true;
    const OptionText *texts = texts_of(r, g);
    for (int i = 1; texts && i < group->count; i++)
        same = same && !strcmp(r->list[group->members[i]].texts[id].value, texts[id].value);
    table_set(t, g, column, "%s%s", texts ? texts[id].value : "not known", same ? "" : " ...");
}

static int put_options(const Runs *r, Table *t, int column)
{
    Arena *arena = t->arena;
    Options plain;
    options_init(&plain);
    const OptionText *names = option_texts(&plain, arena);
    for (int id = 0; id < OPTION_COUNT; id++)
        if (tells_apart(id) && differs(r, id)) {
            table_head(t, column, false, names[id].name);
            for (int g = 0; g < r->group_count; g++)
                put_option(r, t, g, column, id);
            column++;
        }
    options_free(&plain);
    return column;
}

static void put_seeds(const Runs *r, Table *t, int g)
{
    const RunGroup *group = &r->groups[g];
    const char *text = "";
    for (int i = 0; i < group->count; i++) {
        const OptionText *texts = r->list[group->members[i]].texts;
        text = arena_printf(t->arena, "%s%s%s", text, i ? " " : "",
                            texts ? texts[OPTION_ID_seed].value : "?");
    }
    table_set(t, g, 1, "%s", text);
}

static void put_spread(Table *t, int row, int column, const FigureRow *f, Spread s, bool split)
{
    double mean = f->scale * s.mean, deviation = f->scale * s.deviation;
    if (!s.count)
        return;
    if (split)
        table_set(t, row, column, "%.9g", mean);
    else if (isnan(deviation))
        table_set(t, row, column, "%.*f", f->decimals, mean);
    else
        table_set(t, row, column, "%.*f \xc2\xb1 %.*f", f->decimals, mean, f->decimals, deviation);
    if (split && !isnan(deviation))
        table_set(t, row, column + 1, "%.9g", deviation);
}

static int put_figure(const Runs *r, Table *t, int column, Figure figure, bool split)
{
    const FigureRow *row = &figure_rows[figure];
    table_head(t, column, true, row->title);
    if (split)
        table_head(t, column + 1, true, arena_printf(t->arena, "%s deviation", row->title));
    for (int g = 0; g < r->group_count; g++)
        put_spread(t, g, column, row, runs_spread(r, &r->groups[g], figure), split);
    return column + (split ? 2 : 1);
}

/* What the figure in the next column was chosen by. */
static int put_selection(const Runs *r, Table *t, int column)
{
    table_head(t, column, false, "selected on");
    for (int g = 0; g < r->group_count; g++) {
        Select select = r->list[r->groups[g].members[0]].select;
        table_set(t, g, column, "%s", select == SELECT_AUTO ? "not known" : select_title(select));
    }
    return column + 1;
}

Table runs_table(const Runs *r, bool split, Arena *arena)
{
    Table t = table_new(arena, r->group_count, 4 + OPTION_COUNT + 2 * FIGURE_COUNT);
    table_head(&t, 0, false, "run");
    table_head(&t, 1, false, "seed");
    table_head(&t, 2, true, "runs");
    for (int g = 0; g < r->group_count; g++) {
        table_set(&t, g, 0, "%s", runs_group_name(r, &r->groups[g], arena));
        put_seeds(r, &t, g);
        table_set(&t, g, 2, "%d", r->groups[g].count);
    }
    int column = put_options(r, &t, 3);
    for (int f = 0; f < FIGURE_COUNT; f++)
        if (known(r, (Figure)f)) {
            column = f == FIGURE_best ? put_selection(r, &t, column) : column;
            column = put_figure(r, &t, column, (Figure)f, split);
        }
    table_narrow(&t, column);
    return t;
}
