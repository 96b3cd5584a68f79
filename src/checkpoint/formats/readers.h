/* One reader per format. Each takes a document whose source is open and sets root, storages and
 * tensors; what it does not understand to the last byte it refuses. Private to this folder. */
#ifndef PACO_CHECKPOINT_FORMATS_READERS_H
#define PACO_CHECKPOINT_FORMATS_READERS_H

#include "checkpoint/objects/document.h"

Status torch_zip_read(Checkpoint *c);
Status legacy_read(Checkpoint *c);
Status torch_tar_read(Checkpoint *c);
Status safetensors_read(Checkpoint *c);

#endif
