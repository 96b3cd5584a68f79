/* Manifest: manifest.json of a store's folder, the listing as it was after the latest save, with
 * the SHA-256 of every checkpoint, and at its end one of itself. Private to src/state. */
#ifndef PACO_STATE_MANIFEST_H
#define PACO_STATE_MANIFEST_H

#include "state/listing.h"

#define MANIFEST_NAME "manifest.json"

/* Reads it into an empty listing. One that is missing or damaged leaves it empty; *damaged says
 * which. That of a newer program is no damage: STATUS_INPUT, nothing is guessed and nothing
 * replaced; nor is one that cannot be read: STATUS_IO or STATUS_LIMIT. */
Status manifest_read(const char *folder, Listing *listing, bool *damaged);
/* Whether the folder's manifest is that of this listing, to the byte. */
bool manifest_says(const char *folder, const Listing *listing);
/* Writes a listing (a const Listing *) to a sink. */
Status manifest_write(Sink *sink, void *listing);

#endif
