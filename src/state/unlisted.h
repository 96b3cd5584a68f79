/* Unlisted: checkpoints of a folder that its manifest does not list, since a save was killed, the
 * manifest was lost, or somebody put them there. Private to src/state. */
#ifndef PACO_STATE_UNLISTED_H
#define PACO_STATE_UNLISTED_H

#include "state/listing.h"

/* Takes in those that belong here, with what they say of themselves (STORE_SAYS in state/store.h).
 * Foreign ones are passed over with a warning where the manifest knows the run; where it does not
 * (lost, damaged, old) all must be of one: else STATUS_INPUT. */
Status unlisted_take(const char *folder, Listing *listing);

#endif
