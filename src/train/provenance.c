#include "train/provenance.h"

#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes that a line of text cannot hold. */
static bool is_unprintable(char c, bool text)
{
    unsigned char byte = (unsigned char)c;
    return byte < 0x20 || byte == 0x7f || (!text && byte >= 0x80);
}

static const char *spelt(const char *word, bool text, Arena *arena)
{
    char *to = arena_alloc(arena, 4 * strlen(word) + 4), *at = to;
    at += sprintf(at, "$'");
    for (const char *c = word; *c; c++)
        at += sprintf(at,
                      is_unprintable(*c, text)     ? "\\x%02x"
                      : *c == '\'' || *c == '\\' ? "\\%c"
                                                   : "%c",
                      (unsigned char)*c);
    sprintf(at, "'");
    return to;
}

static const char *quoted(const char *word, Arena *arena)
{
    char *to = arena_alloc(arena, 4 * strlen(word) + 3), *at = to;
    *at++ = '\'';
    for (const char *c = word; *c; c++)
        at += sprintf(at, *c == '\'' ? "'\\''" : "%c", *c);
    *at = '\'';
    return to;
}

static const char *shell_word(const char *word, Arena *arena)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_@%+=:,./-";
    const bool text = utf8_valid(word, strlen(word));
    if (*word && !word[strspn(word, plain)])
        return word;
    for (const char *c = word; *c; c++)
        if (is_unprintable(*c, text))
            return spelt(word, text, arena);
    return quoted(word, arena);
}

const char *provenance_command(char *const *words, Arena *arena)
{
    Arena parts = {0};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; words[i]; i++)
        fprintf(out, "%s%s", i ? " " : "", shell_word(words[i], &parts));
    fclose(out);
    const char *command = arena_printf(arena, "%s", text);
    free(text);
    arena_free(&parts);
    return command;
}

const char *provenance_time(time_t at, char text[32])
{
    struct tm parts;
    size_t n = strftime(text, 32, "%Y-%m-%dT%H:%M:%S%z", localtime_r(&at, &parts));
    memmove(text + n - 1, text + n - 2, 3); /* +0100: ISO 8601 has +01:00 beside 05:40:00 */
    text[n - 2] = ':';
    return text;
}

const char *provenance_folder(Arena *arena)
{
    char *folder = getcwd(NULL, 0);
    const char *copy = arena_printf(arena, "%s", folder ? folder : "");
    free(folder);
    return copy;
}

void provenance_put(JsonWriter *w, const RunFacts *f)
{
    Arena arena = {0};
    char text[32];
    json_begin_object(w, "run", JSON_LINES);
    json_put_text(w, "version", f->program->version);
    json_put_text(w, "commit", f->program->commit);
    json_put_text(w, "command", provenance_command(f->program->words, &arena));
    json_put_text(w, "folder", provenance_folder(&arena));
    if (f->seed <= INT64_MAX)
        json_put_integer(w, "seed", (int64_t)f->seed);
    else
        json_put_text(w, "seed", arena_printf(&arena, "%llu", (unsigned long long)f->seed));
    json_put_text(w, "device", f->device);
    json_put_text(w, "arithmetic", f->arithmetic);
    json_put_integer(w, "processes", f->processes);
    json_put_integer(w, "epochs", f->epochs);
    json_put_integer(w, "steps", f->steps);
    json_put_integer(w, "starts", f->starts);
    json_put_text(w, "started", provenance_time(f->started, text));
    json_put_text(w, "ended", provenance_time(f->ended, text));
    json_put_fixed(w, "seconds", f->seconds, 3);
    json_put_fixed(w, "training_seconds", f->training, 3);
    json_put_fixed(w, "evaluation_seconds", f->evaluation, 3);
    json_end(w);
    arena_free(&arena);
}
