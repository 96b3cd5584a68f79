/* The tensors of a model as checkpoints have them: one description that saving, resuming, loading
 * weights and comparing share, and the lists of them that a graph gives. */
#ifndef PACO_STATE_TENSORS_H
#define PACO_STATE_TENSORS_H

#include "base/arena.h"
#include "checkpoint/objects/element.h"
#include "graph/graph.h"

#include <stdbool.h>

/* What a file's lack of a tensor means. */
typedef enum TensorNeed {
    TENSOR_NEEDED,
    TENSOR_OPTIONAL, /* it may be absent, but not in another shape */
    TENSOR_IGNORED,  /* it may stand there in any shape: nobody reads it */
} TensorNeed;

typedef struct ModelTensor {
    const char *name; /* in the state dict, without "module.": "queue", "encoder_q.conv1.weight" */
    ElementType type; /* ELEMENT_FLOAT32; ELEMENT_INT64: queue_l, queue_ptr, num_batches_tracked */
    Dims dims;
    TensorNeed need;
    bool parameter;        /* takes an index in the optimizer; the others are buffers */
    const Value *value;    /* of the graph; NULL: the host keeps it */
    const Value *velocity; /* its momentum in the graph; NULL: none */
    void *data;     /* contiguous elements in PyTorch's order; NULL where only names matter */
    void *momentum; /* the momentum buffer, float32; NULL: no state (key side, first step) */
} ModelTensor;

typedef struct TensorList {
    Arena arena; /* of the names */
    ModelTensor *items;
    int count, room;
} TensorList;

/* Adds a tensor that the host keeps; the name is copied. Valid until the next one is added. */
ModelTensor *tensors_add(TensorList *list, const char *name, ElementType type, Dims dims);
/* Adds a value of a graph that outlives the list; NULL: nothing. */
void tensors_add_value(TensorList *list, const Value *value, bool parameter);
/* Adds the parameters whose name begins with `prefix`, in their order, or with `key` their copies
 * on the key side. Behind a batch norm's bias stand its running statistics and, optional (PyTorch
 * before 0.4.1 had none), its counter num_batches_tracked. */
void tensors_add_side(TensorList *list, const Graph *graph, const char *prefix, bool key);
/* Adds names that nobody reads; one that the list needs stays needed. A module is a linear layer
 * or, with `norm`, a batch norm. */
void tensors_ignore(TensorList *list, const char *name);
void tensors_ignore_module(TensorList *list, const char *module, bool norm);
/* The tensor of this name, or NULL. */
const ModelTensor *tensors_find(const ModelTensor *items, int count, const char *name);
/* Bytes of its elements. */
size_t tensors_bytes(const ModelTensor *tensor);
/* Frees the list; not the elements. */
void tensors_free(TensorList *list);

#endif
