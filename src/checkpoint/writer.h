/* Writer: a tree of objects becomes a PyTorch zip, a legacy stream or a safetensors file.
 * torch.load takes the zip with weights_only=True in every version that can: 1.13's refuses all
 * files with a Python float in them, its own too; a state dict of tensors it takes. Tensor elements
 * go straight from where they are to the file. */
#ifndef PACO_CHECKPOINT_WRITER_H
#define PACO_CHECKPOINT_WRITER_H

#include "checkpoint/checkpoint.h"
#include "state/file_ops.h"

/* Where a tensor's elements come from when its storage is not in memory: writes them to `out`,
 * contiguous, in host byte order, with the tensor's own type. */
typedef struct TensorFetch {
    Status (*fetch)(void *context, const StoredTensor *tensor, void *out);
    void *context;
    bool whole; /* zip and legacy: each storage goes as it is, once, and views of it stay views */
    uint64_t
        limit; /* bytes of all elements that may be written; 0: any number. More is STATUS_LIMIT */
} TensorFetch;

/* Writes the tree as a PyTorch zip: data.pkl in protocol 2, one aligned stored record per tensor.
 * Dicts, lists, tuples, None, bool, integers, floats, texts and tensors can be written; anything
 * else is STATUS_INPUT. Tensors that show the same elements share one record. `fetch` may be NULL
 * when all tensors are in memory. */
Status torch_write(Sink *sink, const Object *root, const TensorFetch *fetch);
/* Writes the same tree as a legacy stream, which every PyTorch since 0.1.10 reads. */
Status legacy_write(Sink *sink, const Object *root, const TensorFetch *fetch);
/* Writes a flat dict of tensors; a key "__metadata__" may hold a dict of texts. */
Status safetensors_write(Sink *sink, const Object *root, const TensorFetch *fetch);
/* Writes a file so that it appears whole or not at all: a new temporary file beside it, sync,
 * rename, sync of the folder. `format` is any but CHECKPOINT_TAR. A device, a pipe or a folder in
 * its place is STATUS_IO and stays; a link is replaced, not what it points to. */
Status checkpoint_save(const char *path, CheckpointFormat format, const Object *root,
                       const TensorFetch *fetch, const FileOps *ops);

#endif
