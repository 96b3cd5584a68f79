/* Status texts: one buffer per thread, cleaned of what could disturb a terminal. */
#include "base/status.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char text[STATUS_TEXT_MAX];

/* Bytes of a character that a terminal may be shown; 0: a control, or no character. */
static size_t printable(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;
    bool control = u[0] < 0x20 || u[0] == 0x7f || (u[0] == 0xc2 && u[1] < 0xa0);
    return control ? 0 : utf8_sequence(s, strnlen(s, 4));
}

static void copy_clean(char *to, size_t room, const char *from)
{
    size_t at = 0;
    while (*from && at + 5 <= room) {
        size_t n = printable(from);
        if (n > 0) {
            memcpy(to + at, from, n);
            at += n;
            from += n;
        } else {
            at += (size_t)snprintf(to + at, room - at, "\\x%02x", (unsigned char)*from++);
        }
    }
    to[at] = 0;
}

Status status_fail(Status code, const char *format, ...)
{
    char raw[STATUS_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    copy_clean(text, sizeof text, raw);
    return code;
}

Status status_prefix(Status code, const char *format, ...)
{
    char raw[STATUS_TEXT_MAX], old[STATUS_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    memcpy(old, text, sizeof old);
    copy_clean(text, sizeof text, raw);
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, ": %s", old);
    return code;
}

const char *status_text(void)
{
    return text;
}

const char *status_name(Status code)
{
    switch (code) {
#define X(name, number, meaning) case STATUS_##name: return #name;
    STATUS_LIST(X)
#undef X
    }
    return "unknown";
}
