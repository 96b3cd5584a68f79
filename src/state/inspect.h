/* Inspection: what a file is, which architecture, its tensors with type, shape, norm and non-finite
 * elements, and where it differs from an architecture. */
#ifndef PACO_STATE_INSPECT_H
#define PACO_STATE_INSPECT_H

#include "checkpoint/checkpoint.h"
#include "model/resnet.h"

#include <stdio.h>

typedef struct InspectOptions {
    CheckpointOptions open;
    const char *key;      /* which of several networks: network_open */
    const Arch *arch;     /* compare with this one; NULL: the one recognised */
    bool strict_finite;   /* a NaN or infinity is STATUS_NAN */
    bool quiet;           /* no list of tensors */
} InspectOptions;

/* Reads every tensor once and prints. A file that is malformed anywhere is an error; a tensor of
 * a kind that is not read (complex, quantised, 8-bit floats) is said to be one. */
Status inspect_file(const char *path, const InspectOptions *options, FILE *out);
/* A table of a folder's checkpoints: format, epoch, step, the best accuracy so far, size, network,
 * and in a run's folder which is the newest and the best, what the manifest lacks, and the run's
 * options. Tensors are not read. STATUS_IO where there is none. */
Status inspect_folder(const char *path, const InspectOptions *options, FILE *out);
/* inspect_file with a file that is open. */
Status inspect_checkpoint(Checkpoint *checkpoint, const InspectOptions *options, FILE *out);

#endif
