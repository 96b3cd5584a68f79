/* The tree: calls that make tensors, numpy numbers and bytes become what they stand for, and every
 * tensor is listed under the path of its keys. Calls of anything else stay opaque. */
#ifndef PACO_CHECKPOINT_OBJECTS_TREE_H
#define PACO_CHECKPOINT_OBJECTS_TREE_H

#include "checkpoint/objects/document.h"

/* Walks the tree below c->root. `ops`, the opcodes that made it, bounds the visits. */
Status tree_resolve(Checkpoint *c, uint64_t ops);

#endif
