/* Options from files: --config's, between preset and command line, and the options.txt of a run
 * that goes on, below both. */
#include "options/options_table.h"

#include "base/file.h"
#include "options/conflicts.h"

#include <stdlib.h>
#include <string.h>

enum { CONFIG_BYTES_MAX = 1 << 20 };

/* Whether the line says what the file can say: one file may serve several verbs, and a run does not
 * hand everything on, neither when it goes on nor, but for its folder, to another one. What
 * evaluates it does not write there. */
static bool counts(const OptionConfig *config, OptionVerb verb, int id)
{
    bool of_run = strcmp(file_name(config->path), OPTIONS_OF_RUN) == 0;
    bool folder = id == OPTION_ID_out && !config->run && verb == OPTION_TRAIN;
    return options_apply(verb, (OptionId)id) &&
           !(of_run && option_rows[id].resume == RESUME_ONCE && !folder);
}

/* A line that says what would be anyway gives nothing: a file of all options is no wish for each
 * of them. Nor does a run that began with weights of another one ask for them again. */
static Status set_line(Options *o, OptionVerb verb, const OptionLine *line, OptionConfig *config)
{
    Arena arena = {0};
    int id = option_find(line->name, strlen(line->name));
    if (id < 0)
        return option_unknown(line->name, verb);
    if (!counts(config, verb, id))
        return STATUS_OK;
    const char *before = arena_printf(&arena, "%s", option_text(o, id, &arena));
    Status status = option_set(o, id, line->value);
    if (status == STATUS_OK) {
        const char *now = option_text(o, id, &arena);
        bool asks = strcmp(before, now) != 0 && !(config->run && id == OPTION_ID_init_from);
        o->given[id] = o->given[id] || asks;
        config->named[id] = arena_printf(&o->arena, "%s", now);
    }
    arena_free(&arena);
    return status;
}

static bool names_preset(const OptionLine *line)
{
    return line->value && strcmp(line->name, "preset") == 0;
}

static Status blame(const OptionConfig *config, int number)
{
    return status_fail(STATUS_INPUT, "%s: line %d: %s%s", config->path, number, status_text(),
                       config->run ? ". Written by another version, or damaged? Without that line "
                                     "the run goes on without the option"
                                   : "");
}

/* With `preset` only lines that name one do something, else all others. */
static Status take_line(Options *o, OptionVerb verb, bool preset, const OptionLine *line,
                        OptionConfig *config)
{
    if (!line->value)
        return preset ? STATUS_OK
                      : status_fail(STATUS_USAGE, "%s ('%.60s')", line->wrong, line->name);
    if (names_preset(line) != preset)
        return STATUS_OK;
    return preset ? options_preset(o, line->value) : set_line(o, verb, line, config);
}

/* All lines, whatever is wrong with some; the preset comes before all others. */
static Status read_lines(Options *o, OptionVerb verb, bool preset, OptionConfig *config)
{
    char *copy = mem_string(config->text ? config->text : "");
    OptionLine line = {.next = copy};
    Conflicts wrong = {.status = STATUS_OK};
    while (option_line(&line))
        if (take_line(o, verb, preset, &line, config) != STATUS_OK)
            conflicts_note(&wrong, blame(config, line.number));
    free(copy);
    return conflicts_end(&wrong);
}

Status option_config_open(OptionConfig *config)
{
    size_t size;
    if (!config->path)
        return STATUS_OK;
    TRY(file_read(config->path, CONFIG_BYTES_MAX, (uint8_t **)&config->text, &size));
    if (strlen(config->text) != size)
        return status_fail(STATUS_INPUT, "%s: no text: it has zero bytes", config->path);
    if (config->run && (size == 0 || config->text[size - 1] != '\n'))
        return status_fail(STATUS_INPUT,
                           "%s: cut short: its last line has no end. Without this file the command "
                           "line has to give the options of the run",
                           config->path);
    return STATUS_OK;
}

const char *option_config_names_preset(const OptionConfig *config, Arena *arena)
{
    char *copy = mem_string(config->text ? config->text : "");
    OptionLine line = {.next = copy};
    const char *found = NULL;
    while (!found && option_line(&line))
        if (names_preset(&line))
            found = arena_printf(arena, "%s", line.value);
    free(copy);
    return found;
}

Status option_config_preset(Options *o, OptionVerb verb, OptionConfig *config)
{
    return read_lines(o, verb, true, config);
}

Status option_config_rest(Options *o, OptionVerb verb, OptionConfig *config)
{
    return read_lines(o, verb, false, config);
}

const char *option_run_path(Options *o)
{
    const char *from = o->resume, *folder = o->out;
    if (!from)
        return NULL;
    if (strcmp(from, "auto") != 0) {
        const char *slash = strrchr(from, '/');
        folder = slash ? arena_printf(&o->arena, "%.*s", (int)(slash + 1 - from), from) : ".";
    }
    if (!folder)
        return NULL;
    char *path = file_join(folder, OPTIONS_OF_RUN);
    const char *found = file_missing(path) ? NULL : arena_printf(&o->arena, "%s", path);
    free(path);
    return found;
}

/* Whether the option says where images are: those of training, or those that a run is judged by. */
static bool is_path_of_data(const OptionRow *row)
{
    bool path = strcmp(row->values, "FILE") == 0 || strcmp(row->values, "FOLDER") == 0;
    bool data = (row->verbs & OPTION_DATA) || row->resume == RESUME_TELL;
    return row->type == TYPE_TEXT && path && data;
}

void options_data_from(Options *o, const char *folder)
{
    Arena arena = {0};
    for (int id = 0; id < OPTION_COUNT; id++) {
        const char *path = is_path_of_data(&option_rows[id]) ? option_text(o, id, &arena) : "";
        char *there = *path && *path != '/' ? file_join(folder, path) : NULL;
        if (there && !file_missing(there))
            option_set(o, id, there);
        free(there);
    }
    if (!o->data && dataset_row((DatasetKind)o->dataset)->source == DATASET_FROM_LISTS)
        o->data = arena_printf(&o->arena, "%s", folder); /* where paths of a list begin */
    arena_free(&arena);
}

Status option_run_paths(const Options *o, const OptionConfig *run)
{
    Arena arena = {0};
    Status status = STATUS_OK;
    for (int id = 0; id < OPTION_COUNT && status == STATUS_OK; id++) {
        const char *path = run->named[id];
        if (!path || !*path || *path == '/' || !is_path_of_data(&option_rows[id]))
            continue;
        if (strcmp(option_text(o, id, &arena), path) == 0 && file_missing(path))
            status = status_fail(STATUS_IO,
                                 "%s: --%s %s: not found from here. It is relative to the folder "
                                 "that the run was started in, which its train.log names: go "
                                 "there, or give --%s",
                                 run->path, option_rows[id].name, path, option_rows[id].name);
    }
    arena_free(&arena);
    return status;
}
