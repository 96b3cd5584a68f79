/* Calls with a meaning: what a pickle notes as a call of torch's rebuild functions, of numpy's
 * scalar or of _codecs.encode becomes the tensor, number or bytes that it stands for. Nothing is
 * called; every other call stays the opaque note that it is. */
#ifndef PACO_CHECKPOINT_OBJECTS_CALLS_H
#define PACO_CHECKPOINT_OBJECTS_CALLS_H

#include "checkpoint/objects/document.h"

/* Resolves an OBJECT_CALL in place. `key` is its path, for messages, or NULL. */
Status call_resolve(Checkpoint *c, const char *key, Object *object);

#endif
