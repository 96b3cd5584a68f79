/* Status texts: one buffer per thread, cleaned of what could disturb a terminal. Nothing is
 * allocated: out of memory is one of the failures that are told. */
#include "base/status.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char text[STATUS_TEXT_MAX];

Status status_fail(Status code, const char *format, ...)
{
    char raw[STATUS_TEXT_MAX]; /* not `text` itself: that may be among the arguments */
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    utf8_clean(text, sizeof text, raw);
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
    utf8_clean(text, sizeof text, raw);
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, ": %s", old);
    return code;
}

const char *status_text(void)
{
    return text;
}
