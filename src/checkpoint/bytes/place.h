/* Place: where in a file a failure happened, and the one form of all messages about it. It knows no
 * format: whoever fails says what it was reading. */
#ifndef PACO_CHECKPOINT_BYTES_PLACE_H
#define PACO_CHECKPOINT_BYTES_PLACE_H

#include "base/status.h"

#include <stdint.h>

/* Where: file, entry (member, "header", "pickle"), absolute offset, dotted key or NULL. */
typedef struct Place {
    const char *path, *entry;
    uint64_t offset;
    const char *key;
} Place;

/* "path: entry@offset: key 'key': what". */
Status place_fail(Status code, const Place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The failure of pool_alloc and pool_charge: the file needs more than LIMIT_MEMORY. */
Status place_full(const Place *place);

#endif
