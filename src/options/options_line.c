/* A line of options: `name=value` as this program writes it, or `name = value` of TOML. */
#include "options/options_table.h"

#include <ctype.h>
#include <string.h>

static bool is_space(char c)
{
    return isspace((unsigned char)c);
}

static char *trimmed(char *from, char *end)
{
    while (end > from && is_space(end[-1]))
        end--;
    *end = 0;
    while (is_space(*from))
        from++;
    return from;
}

/* Where a comment begins: a # behind nothing or a space, as paths may have others. */
static size_t before_comment(const char *text)
{
    size_t n = 0;
    while (text[n] && !(text[n] == '#' && (n == 0 || is_space(text[n - 1]))))
        n++;
    return n;
}

/* What stands in quotes, which are all of the value; NULL: `line->wrong` says why it cannot be. */
static const char *unquoted(OptionLine *line, char *text)
{
    const char quote = *text, *from = text + 1;
    char *to = text;
    for (; *from && *from != quote; from++) {
        if (quote == '"' && *from == '\\' && *++from != '"' && *from != '\\') {
            line->wrong = "an escape other than \\\" and \\\\";
            return NULL;
        }
        *to++ = *from;
    }
    line->wrong = *from ? "text behind the quotes" : "a quote without its end";
    const char *rest = from + (*from != 0);
    rest += strspn(rest, " \t");
    bool whole = *from && (!*rest || *rest == '#');
    *to = 0;
    return whole ? text : NULL;
}

static void split(OptionLine *line, char *from)
{
    char *equals = strchr(from, '=');
    line->name = from;
    line->value = NULL;
    line->wrong = *from == '[' ? "a section; options stand without one" : "no '='";
    if (*from == '[' || !equals)
        return;
    line->name = trimmed(from, equals);
    char *value = trimmed(equals + 1, equals + 1 + strlen(equals + 1));
    line->value = *value == '"' || *value == '\''
                      ? unquoted(line, value)
                      : trimmed(value, value + before_comment(value));
}

bool option_line(OptionLine *line)
{
    while (*line->next) {
        char *from = line->next;
        size_t n = strcspn(from, "\n");
        line->next += n + (from[n] == '\n');
        line->number++;
        from = trimmed(from, from + n);
        if (!*from || *from == '#')
            continue;
        split(line, from);
        return true;
    }
    return false;
}

const char *option_quoted(const char *text, Arena *arena)
{
    size_t n = strlen(text);
    bool plain = n == 0 || (!strchr("\"'", *text) && !is_space(*text) && !is_space(text[n - 1]) &&
                            before_comment(text) == n);
    if (plain)
        return text;
    char *quoted = arena_alloc(arena, 2 * n + 3), *to = quoted;
    *to++ = '"';
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            *to++ = '\\';
        *to++ = *text;
    }
    *to++ = '"';
    *to = 0;
    return quoted;
}
