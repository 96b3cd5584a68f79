/* A failed CHECK: says everything it knows on stderr, then aborts: a core and a debugger show the
 * rest. It does not go through log.c, whose lock the failing thread may hold. */
#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

_Thread_local const char *check_context;

void check_failed(const char *expression, const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "paco: broken invariant: %s:%d: %s ", file, line, expression);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "%s%s%s\n", check_context ? "(in " : "", check_context ? check_context : "",
            check_context ? ")" : "");
    abort();
}
