/* Options as a file keeps them: every one as a line `name=value`, read back over the defaults, and
 * compared with those that a run has now. */
#include "options/options_table.h"

#include "base/check.h"
#include "options/presets.h"

#include <stdlib.h>
#include <string.h>

/* With `shaping` without the options that a resumed run may change unsaid: those shape no weights.
 */
static char *dump(const Options *o, bool shaping, Arena *arena)
{
    Arena parts = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out);
    if (o->preset && !shaping)
        fprintf(out, "preset=%s\n", o->preset);
    for (int id = 0; id < OPTION_COUNT; id++)
        if (!shaping || option_rows[id].resume < RESUME_FREE)
            fprintf(out, "%s=%s\n", option_rows[id].name,
                    option_quoted(option_text(o, id, &parts), &parts));
    fclose(out);
    char *copy = arena_printf(arena, "%s", text);
    free(text);
    arena_free(&parts);
    return copy;
}

char *options_dump(const Options *o, Arena *arena)
{
    return dump(o, false, arena);
}

char *options_identity(const Options *o, Arena *arena)
{
    return dump(o, true, arena);
}

/* One line of a dump. */
static Status read_line(Options *o, const char *source, const OptionLine *line)
{
    if (!line->value)
        return status_fail(STATUS_INPUT, "%s: option line %d: %s ('%.60s')", source, line->number,
                           line->wrong, line->name);
    if (strcmp(line->name, "preset") == 0) {
        const Preset *preset = preset_find(line->value);
        o->preset = preset ? preset->name : arena_printf(&o->arena, "%s", line->value);
        return STATUS_OK;
    }
    if (option_find(line->name, strlen(line->name)) < 0)
        return status_fail(STATUS_INPUT,
                           "%s: option line %d: unknown option '%.60s'. Was it written by a "
                           "newer version?",
                           source, line->number, line->name);
    if (options_set(o, line->name, line->value) != STATUS_OK)
        return status_prefix(STATUS_INPUT, "%s: option line %d", source, line->number);
    return STATUS_OK;
}

Status options_read(Options *o, const char *source, const char *text)
{
    char *copy = mem_string(text);
    OptionLine line = {.next = copy};
    Status status = STATUS_OK;
    while (status == STATUS_OK && option_line(&line))
        status = read_line(o, source, &line);
    free(copy);
    return status;
}

/* The value of the option in a dump, in the arena; NULL where it has no such line. */
static const char *value_in(const char *dump, const char *name, Arena *arena)
{
    OptionLine line = {.next = arena_printf(arena, "%s", dump)};
    while (option_line(&line))
        if (line.value && strcmp(line.name, name) == 0)
            return line.value;
    return NULL;
}

/* The value as this version writes it, where it reads it at all: an earlier one wrote 10 as
 * 1e+01. */
static const char *as_now(int id, const char *text, Arena *arena)
{
    Options other;
    options_init(&other);
    if (option_set(&other, id, text) == STATUS_OK)
        text = arena_printf(arena, "%s", option_text(&other, id, arena));
    options_free(&other);
    return text;
}

int options_changes(const Options *o, const char *dump, OptionResume resume, Arena *arena,
                    OptionChange changes[OPTION_COUNT])
{
    int count = 0;
    for (int id = 0; id < OPTION_COUNT; id++) {
        const OptionRow *row = &option_rows[id];
        const char *then = row->resume == resume ? value_in(dump, row->name, arena) : NULL;
        const char *now = option_text(o, id, arena);
        if (!then || strcmp(then = as_now(id, then, arena), now) == 0)
            continue;
        changes[count++] = (OptionChange){(OptionId)id, row->name, now, then};
    }
    return count;
}
