/* Messages of the form "path: entry@offset: key 'key': what", each part cut to fit. */
#include "checkpoint/bytes/place.h"

#include "checkpoint/bytes/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

Status place_fail(Status code, const Place *place, const char *format, ...)
{
    char what[320];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    /* The end of a long path says more than its beginning. */
    const char *path = place->path;
    size_t n = strlen(path);
    if (n > 200)
        path += n - 200;
    if (place->key)
        return status_fail(code, "%s: %.100s@%llu: key '%.200s': %s", path, place->entry,
                           (unsigned long long)place->offset, place->key, what);
    return status_fail(code, "%s: %.100s@%llu: %s", path, place->entry,
                       (unsigned long long)place->offset, what);
}

/* One text, whatever was being made: what filled the memory says little of what would need it. */
Status place_full(const Place *place)
{
    return place_fail(STATUS_LIMIT, place, "the file's objects need too much memory (limit %d MiB)",
                      LIMIT_MEMORY >> 20);
}
