/* Status texts: one buffer per thread, cleaned of what could disturb a terminal. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char text[STATUS_TEXT_MAX];

/* Length of the well-formed UTF-8 sequence at s, 0 when there is none or it is a control. */
static int utf8_length(const unsigned char *s)
{
    if (s[0] >= 0x20 && s[0] < 0x7f)
        return 1;
    int n = s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
          : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0)
        return 0; /* C1 controls */
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static void copy_clean(char *to, size_t room, const char *from)
{
    size_t at = 0;
    for (const unsigned char *s = (const unsigned char *)from; *s;) {
        int n = utf8_length(s);
        if (at + 5 > room)
            break;
        if (n > 0) {
            memcpy(to + at, s, (size_t)n);
            at += (size_t)n;
            s += n;
        } else {
            at += (size_t)snprintf(to + at, room - at, "\\x%02x", *s++);
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
