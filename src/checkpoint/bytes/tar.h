/* Tar: the container of the oldest checkpoints. Finds plain members by name; nothing is extracted,
 * a member is a stretch of the file. Anything but the members asked for, each of them once, is
 * refused: folders, links, long names, a PAX header that renames or resizes. */
#ifndef PACO_CHECKPOINT_BYTES_TAR_H
#define PACO_CHECKPOINT_BYTES_TAR_H

#include "checkpoint/bytes/source.h"

typedef struct TarMember {
    const char *name;
    uint64_t offset, size; /* of its bytes; offset 0: not found yet */
} TarMember;

/* Reads the whole archive and sets offset and size of the `count` members whose names are given. */
Status tar_find(const Source *source, TarMember *members, int count);

#endif
