/* Conversion between formats: everything that is read can be written as a PyTorch zip or a legacy
 * stream; the state dict can be written as safetensors; and a PaCo checkpoint can be cut down to
 * what deployment needs. */
#ifndef PACO_STATE_CONVERT_H
#define PACO_STATE_CONVERT_H

#include "checkpoint/bytes/file_ops.h"
#include "checkpoint/checkpoint.h"

typedef struct ConvertOptions {
    CheckpointFormat format; /* of the result: any but CHECKPOINT_TAR */
    /* Only the query encoder's backbone and the classifier, under torchvision's names (the
     * classifier is "fc"; "linear" for CIFAR networks): a plain ResNet. */
    bool bare;
    const char *key; /* with `bare`, which of several networks: network_open */
    CheckpointOptions open;
} ConvertOptions;

/* Converts a file; the result appears whole or not at all, and may replace the source. To a zip or
 * a legacy stream the whole tree goes, but for opaque objects (options of other programs), which
 * are left out with a warning; views go on sharing their storage. A dict with a key that is no
 * scalar is STATUS_INPUT, and tensors that are more than four times the file (and 64 MiB) are
 * STATUS_LIMIT. To safetensors the state dict goes, without "module.", and the scalars beside it as
 * metadata. */
Status convert_file(const char *from, const char *to, const ConvertOptions *options,
                    const FileOps *ops);
/* The same with a file that is open. */
Status convert_checkpoint(Checkpoint *checkpoint, const char *to, const ConvertOptions *options,
                          const FileOps *ops);
/* The format that a file name asks for: safetensors by its ending, else a PyTorch zip. */
CheckpointFormat convert_format(const char *path);
/* The format called so ("zip", "legacy", "safetensors"); false when there is none. */
bool convert_format_named(const char *word, CheckpointFormat *format);
/* What it is called so. */
const char *convert_format_word(CheckpointFormat format);

#endif
