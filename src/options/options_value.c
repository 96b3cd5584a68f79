/* One option's value from text and back to it: what each type of options.def takes. */
#include "options/options_table.h"

#include "base/check.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *field(Options *o, int id)
{
    return (char *)o + option_rows[id].offset;
}

static const void *field_const(const Options *o, int id)
{
    return (const char *)o + option_rows[id].offset;
}

/* ------------------------------------------------------------------------------------ from text */

static Status out_of_range(const OptionRow *row, const char *text)
{
    return status_fail(STATUS_USAGE, "--%s: out of range (%.60s vs %.10g to %.10g)", row->name,
                       text, row->low, row->high);
}

static Status not_a(const OptionRow *row, const char *what, const char *text)
{
    return status_fail(STATUS_USAGE, "--%s: not %s ('%.60s')", row->name, what, text);
}

enum { NUMBER_ROOM = 64 };

/* The number without TOML's underscores between digits ("8_192"); false: too long for one. */
static bool plain_number(const char *text, size_t length, char to[NUMBER_ROOM])
{
    size_t n = 0;
    if (length >= NUMBER_ROOM)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool between = i > 0 && i + 1 < length && isdigit((unsigned char)text[i - 1]) &&
                       isdigit((unsigned char)text[i + 1]);
        if (text[i] != '_' || !between)
            to[n++] = text[i];
    }
    to[n] = 0;
    return true;
}

static Status set_int(const OptionRow *row, int *to, const char *text)
{
    char copy[NUMBER_ROOM], *end;
    bool fits = plain_number(text, strlen(text), copy);
    errno = 0;
    long value = fits ? strtol(copy, &end, 10) : 0;
    if (!fits || *end || end == copy || isspace((unsigned char)*copy))
        return not_a(row, "a whole number", text);
    if (errno || (double)value < row->low || (double)value > row->high)
        return out_of_range(row, text);
    *to = (int)value;
    return STATUS_OK;
}

static Status set_seed(const OptionRow *row, uint64_t *to, const char *text)
{
    char copy[NUMBER_ROOM], *end;
    bool fits = plain_number(text, strlen(text), copy);
    errno = 0;
    unsigned long long value = fits ? strtoull(copy, &end, 10) : 0;
    if (!fits || !isdigit((unsigned char)*copy) || *end || errno)
        return not_a(row, "a whole number from 0 to 2^64 - 1", text);
    *to = value;
    return STATUS_OK;
}

/* A decimal number of `length` characters. */
static Status set_real(const OptionRow *row, double *to, const char *text, size_t length)
{
    char copy[NUMBER_ROOM], *end;
    if (length == 0 || strspn(text, "0123456789+-.eE_") < length ||
        !plain_number(text, length, copy))
        return not_a(row, row->type == TYPE_TRIPLE ? "three numbers" : "a number", text);
    double value = strtod(copy, &end);
    if (*end || end == copy)
        return not_a(row, "a number", text);
    if (!(value >= row->low && value <= row->high))
        return out_of_range(row, copy);
    *to = value;
    return STATUS_OK;
}

/* R,G,B, or [R, G, B] as TOML has it; one number stands for all three, an empty text for none. */
static Status set_triple(const OptionRow *row, double to[3], const char *text)
{
    double values[3] = {NAN};
    const char *at = text + (*text == '['), *const end = at + strcspn(at, "]");
    int n = *text ? 0 : 1;
    if ((*text == '[') != (*end == ']') || (*end && end[1]))
        return not_a(row, "three numbers", text);
    for (; *text; at++) {
        at += strspn(at, " ");
        size_t length = strcspn(at, ", ]");
        if (n == 3)
            return not_a(row, "three numbers", text);
        TRY(set_real(row, &values[n++], at, length));
        at += length + strspn(at + length, " ");
        if (*at != ',')
            break;
    }
    if (*at && at != end)
        return not_a(row, "three numbers", text);
    if (n == 2)
        return not_a(row, "three numbers", text);
    for (int i = 0; i < 3; i++)
        to[i] = values[n == 1 ? 0 : i];
    return STATUS_OK;
}

int option_choice(const char *words, const char *word)
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

int option_flag(const char *word)
{
    int i = option_choice("on|off", word);
    return i < 0 ? option_choice("true|false", word) : i;
}

static Status set_flag(const OptionRow *row, bool *to, const char *text)
{
    int i = option_flag(text);
    if (i < 0)
        return status_fail(STATUS_USAGE, "--%s: unknown value ('%.60s' vs %s)", row->name, text,
                           row->values);
    *to = i == 0;
    return STATUS_OK;
}

static Status set_choice(const OptionRow *row, int *to, const char *text)
{
    int i = option_choice(row->values, text);
    if (i < 0)
        return status_fail(STATUS_USAGE, "--%s: unknown value ('%.60s' vs %s)", row->name, text,
                           row->values);
    *to = i;
    return STATUS_OK;
}

static Status set_text(Options *o, const OptionRow *row, const char **to, const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return not_a(row, "printable", text);
    *to = *text ? arena_printf(&o->arena, "%s", text) : NULL;
    return STATUS_OK;
}

Status option_set(Options *o, int id, const char *text)
{
    const OptionRow *row = &option_rows[id];
    switch (row->type) {
    case TYPE_INT: return set_int(row, field(o, id), text);
    case TYPE_SEED: return set_seed(row, field(o, id), text);
    case TYPE_REAL: return set_real(row, field(o, id), text, strlen(text));
    case TYPE_TRIPLE: return set_triple(row, field(o, id), text);
    case TYPE_CHOICE: return set_choice(row, field(o, id), text);
    case TYPE_TEXT: return set_text(o, row, field(o, id), text);
    case TYPE_FLAG: return set_flag(row, field(o, id), text);
    }
    CHECK(false);
    return STATUS_USAGE;
}

/* ------------------------------------------------------------------------------------ to text */

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

const char *option_text(const Options *o, int id, Arena *arena)
{
    const void *at = field_const(o, id);
    char real[3][32];
    switch (option_rows[id].type) {
    case TYPE_INT: return arena_printf(arena, "%d", *(const int *)at);
    case TYPE_SEED: return arena_printf(arena, "%llu", (unsigned long long)*(const uint64_t *)at);
    case TYPE_FLAG: return *(const bool *)at ? "on" : "off";
    case TYPE_CHOICE: return choice_word(arena, option_rows[id].values, *(const int *)at);
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

const char *options_word(Options *o, OptionId id)
{
    CHECK(option_rows[id].type == TYPE_CHOICE);
    return option_text(o, (int)id, &o->arena);
}
