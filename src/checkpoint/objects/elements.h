/* Elements of tensors on their way into a file: where they are, or fetched one tensor at a time
 * from whoever has them. It counts them against a limit; where in the file they go is the format's
 * business. */
#ifndef PACO_CHECKPOINT_OBJECTS_ELEMENTS_H
#define PACO_CHECKPOINT_OBJECTS_ELEMENTS_H

#include "checkpoint/bytes/sink.h"
#include "checkpoint/objects/object.h"

/* Where a tensor's elements come from when its storage is not in memory: writes them to `out`,
 * contiguous, in host byte order, with the tensor's own type. */
typedef struct TensorFetch {
    Status (*fetch)(void *context, const StoredTensor *tensor, void *out);
    void *context;
    bool whole; /* zip and legacy: each storage goes as it is, once, and views of it stay views */
    uint64_t limit; /* bytes of all elements that may be written; 0: any number. More is
                       STATUS_LIMIT */
} TensorFetch;

/* The elements of one tensor. */
typedef struct Elements {
    const void *values;
    uint64_t bytes;
    void *held; /* where they were fetched to, malloc'd; NULL: they are not ours */
} Elements;

/* Adds a tensor's bytes to *sum; STATUS_LIMIT where that is more than fetch->limit. */
Status elements_count(const Sink *sink, const TensorFetch *fetch, const StoredTensor *tensor,
                      uint64_t *sum);
/* `fetch` may be NULL where all tensors are in memory. Close them in any case. */
Status elements_open(const Sink *sink, const TensorFetch *fetch, const StoredTensor *tensor,
                     Elements *elements);
void elements_close(Elements *elements);
/* Writes them to the sink. */
Status elements_write(Sink *sink, const TensorFetch *fetch, const StoredTensor *tensor);

#endif
