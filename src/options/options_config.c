/* --config: options from a file, between preset and command line. */
#include "options/options_table.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { CONFIG_BYTES_MAX = 1 << 20 };

/* A line that says what would be anyway gives nothing: a file of all options is no wish for each
 * of them. */
static Status set_line(Options *o, OptionVerb verb, const OptionLine *line, OptionConfig *config)
{
    Arena arena = {0};
    int id = option_find(line->name, strlen(line->name));
    if (id < 0)
        return option_unknown(line->name, verb);
    if (!options_apply(verb, (OptionId)id)) /* one file may serve several verbs */
        return STATUS_OK;
    const char *before = arena_printf(&arena, "%s", option_text(o, id, &arena));
    Status status = option_set(o, id, line->value);
    if (status == STATUS_OK) {
        o->given[id] = o->given[id] || strcmp(before, option_text(o, id, &arena)) != 0;
        config->named[id] = true;
    }
    arena_free(&arena);
    return status;
}

/* Every line, or with `preset` only those of the preset, which comes before all others. */
static Status read_lines(Options *o, OptionVerb verb, bool preset, OptionConfig *config)
{
    char *copy = mem_string(config->text);
    OptionLine line = {.next = copy};
    Status status = STATUS_OK;
    while (status == STATUS_OK && option_line(&line)) {
        bool names_preset = line.value && strcmp(line.name, "preset") == 0;
        if (!line.value)
            status = status_fail(STATUS_USAGE, "no '=' ('%.60s')", line.name);
        else if (names_preset && preset)
            status = options_preset(o, line.value);
        else if (!names_preset && !preset)
            status = set_line(o, verb, &line, config);
    }
    if (status != STATUS_OK)
        status = status_prefix(STATUS_INPUT, "%s: line %d", config->path, line.number);
    free(copy);
    return status;
}

Status option_config_open(OptionConfig *config)
{
    size_t size;
    TRY(file_read(config->path, CONFIG_BYTES_MAX, (uint8_t **)&config->text, &size));
    if (strlen(config->text) != size)
        return status_fail(STATUS_INPUT, "%s: no text: it has zero bytes", config->path);
    return STATUS_OK;
}

Status option_config_preset(Options *o, OptionVerb verb, OptionConfig *config)
{
    return read_lines(o, verb, true, config);
}

Status option_config_rest(Options *o, OptionVerb verb, OptionConfig *config)
{
    return read_lines(o, verb, false, config);
}
