/* One writer per format that is written. Each takes a tree and a sink and leaves the sink open; a
 * failure names the sink's path. Tensor elements go straight from where they are to the file. */
#ifndef PACO_CHECKPOINT_FORMATS_WRITERS_H
#define PACO_CHECKPOINT_FORMATS_WRITERS_H

#include "checkpoint/objects/elements.h"

/* Writes the tree as a PyTorch zip: data.pkl in protocol 2, one aligned stored record per tensor.
 * Dicts, lists, tuples, None, bool, integers, floats, texts and tensors can be written; anything
 * else is STATUS_INPUT. Tensors that show the same elements share one record. `fetch` may be NULL
 * when all tensors are in memory. */
Status torch_write(Sink *sink, const Object *root, const TensorFetch *fetch);
/* Writes the same tree as a legacy stream, which every PyTorch since 0.1.10 reads. */
Status legacy_write(Sink *sink, const Object *root, const TensorFetch *fetch);
/* Writes a flat dict of tensors; a key "__metadata__" may hold a dict of texts. */
Status safetensors_write(Sink *sink, const Object *root, const TensorFetch *fetch);

/* A tensor and its name. */
typedef struct NamedTensor {
    const char *name;
    const StoredTensor *tensor;
} NamedTensor;

/* What stands before the elements of a file that has these tensors in this order: *length bytes,
 * malloc'd, a multiple of 8. `metadata` (a dict of texts) may be NULL. */
char *safetensors_header(const NamedTensor *named, uint32_t count, const Object *metadata,
                         size_t *length);

#endif
