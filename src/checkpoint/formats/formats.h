/* Which format a file has, by its first bytes (safetensors by its name too), and its reader. */
#ifndef PACO_CHECKPOINT_FORMATS_FORMATS_H
#define PACO_CHECKPOINT_FORMATS_FORMATS_H

#include "checkpoint/objects/document.h"

/* Has the document read, whose source and path are set. STATUS_INPUT, which says what the file
 * looks like, where it is no checkpoint. */
Status format_read(Checkpoint *c);

#endif
