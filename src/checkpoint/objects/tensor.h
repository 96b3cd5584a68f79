/* Tensors: from the arguments of a rebuild to a view that is known to lie within its storage, and
 * within what the file may cost. No element is read here. */
#ifndef PACO_CHECKPOINT_OBJECTS_TENSOR_H
#define PACO_CHECKPOINT_OBJECTS_TENSOR_H

#include "checkpoint/objects/document.h"

/* Makes and checks a tensor: offset is an integer, shape and stride are tuples of integers, dtype a
 * class or NULL. What is of a kind not read becomes OBJECT_UNSUITABLE. */
Status tensor_make(Checkpoint *c, const Place *place, Object *storage, const Object *offset,
                   const Object *shape, const Object *stride, const Object *dtype, Object *out);
/* Checks a tensor whose fields are set: its view against its storage, its size against the
 * limits. */
Status tensor_check(Checkpoint *c, const Place *place, StoredTensor *tensor);

/* Makes of `out` a tensor of contiguous little-endian elements that are these bytes of the pickle; it
 * stays as it is where their number does not fit the shape. */
Status tensor_in_memory(Checkpoint *c, const Place *place, ElementType type, const Object *shape,
                        const Object *bytes, Object *out);

#endif
