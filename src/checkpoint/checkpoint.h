/* Checkpoint: one strict reader for what PyTorch has ever written (zip, legacy stream, tar) and for
 * safetensors. Opening checks the whole structure and builds a tree of inert objects with a flat
 * list of its tensors; no tensor is in memory until it is asked for. A file is accepted whole or
 * not at all.
 *
 * Keys are paths through the tree, "state_dict/module.conv1.weight" or
 * "optimizer/param_groups/0/lr". Every failure names file, entry, offset and key. Nothing here can
 * execute what a file says. */
#ifndef PACO_CHECKPOINT_CHECKPOINT_H
#define PACO_CHECKPOINT_CHECKPOINT_H

#include "base/status.h"
#include "checkpoint/bytes/place.h"
#include "checkpoint/objects/format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens and checks a file; options may be NULL. *out is set on success only. */
Status checkpoint_open(const char *path, const CheckpointOptions *options, Checkpoint **out);
/* The same over bytes in memory, which must stay. `name` is for messages. */
Status checkpoint_open_memory(const char *name, const uint8_t *bytes, size_t size,
                              const CheckpointOptions *options, Checkpoint **out);
void checkpoint_close(Checkpoint *checkpoint);

CheckpointFormat checkpoint_format(const Checkpoint *checkpoint);
const char *checkpoint_format_name(const Checkpoint *checkpoint);
const char *checkpoint_path(const Checkpoint *checkpoint);
uint64_t checkpoint_file_bytes(const Checkpoint *checkpoint);
/* The tree; for safetensors a dict of its tensors (and "__metadata__"). */
const Object *checkpoint_root(const Checkpoint *checkpoint);

/* Tensors in the order of the tree, views and shared ones included. */
uint32_t checkpoint_count(const Checkpoint *checkpoint);
const CheckpointTensor *checkpoint_tensor(const Checkpoint *checkpoint, uint32_t index);
/* The tensor at a key, or NULL. */
const CheckpointTensor *checkpoint_find(const Checkpoint *checkpoint, const char *key);

/* The object at a key ("" is the root), or NULL. */
const Object *checkpoint_object(const Checkpoint *checkpoint, const char *key);
/* A number at a key: int, float, bool, numpy scalar, or a tensor with one element. STATUS_INPUT
 * when it is absent or something else. */
Status checkpoint_number(Checkpoint *checkpoint, const char *key, double *value);
Status checkpoint_integer(Checkpoint *checkpoint, const char *key, int64_t *value);
/* A string at a key, valid until close; NULL when absent or something else. */
const char *checkpoint_text(const Checkpoint *checkpoint, const char *key);

/* Bytes that checkpoint_read writes for this tensor and type. */
size_t checkpoint_tensor_bytes(const CheckpointTensor *tensor, ElementType type);
/* Materialises a tensor, contiguous, in host byte order, as `type` (see element_converts); `out`
 * has room for checkpoint_tensor_bytes. Checks the CRC of the bytes where the file has one. */
Status checkpoint_read(Checkpoint *checkpoint, const CheckpointTensor *tensor, ElementType type,
                       void *out);
/* Reads every record once and checks what can be checked (CRCs, ends of deflated data). */
Status checkpoint_verify(Checkpoint *checkpoint);
/* Where an object of the tree stands in the file, without a key; NULL: where the tree begins. */
Place checkpoint_place(const Checkpoint *checkpoint, const Object *object);
/* What the elements of all tensors together may take in memory: no file has more. */
uint64_t checkpoint_most_bytes(const Checkpoint *checkpoint);
/* A failure at a tensor or key: "path: entry@offset: key 'key': ...". */
Status checkpoint_fail(const Checkpoint *checkpoint, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
