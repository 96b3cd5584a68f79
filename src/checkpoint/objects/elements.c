/* One tensor is in memory at a time. */
#include "checkpoint/objects/elements.h"

#include "base/check.h"

#include <stdlib.h>

static uint64_t bytes_of(const StoredTensor *t)
{
    return t->count * element_bytes(t->type);
}

Status elements_count(const Sink *sink, const TensorFetch *fetch, const StoredTensor *t,
                      uint64_t *sum)
{
    uint64_t bytes = bytes_of(t);
    if (fetch && fetch->limit && (bytes > fetch->limit || *sum > fetch->limit - bytes))
        return status_fail(STATUS_LIMIT, "%s: file@0: the tensors expand to more than %llu bytes",
                           sink->path, (unsigned long long)fetch->limit);
    *sum += bytes;
    return STATUS_OK;
}

Status elements_open(const Sink *sink, const TensorFetch *fetch, const StoredTensor *t, Elements *e)
{
    *e = (Elements){.values = t->storage->memory, .bytes = bytes_of(t)};
    if (e->values || t->count == 0)
        return STATUS_OK;
    /* The tree was made here: a tensor without elements is a mistake of this program. */
    CHECKF(fetch, "%s: a tensor without elements", sink->path);
    /* Its size comes from a file: no memory for it is a failure and no abort. */
    e->values = e->held = malloc((size_t)e->bytes);
    if (!e->held)
        return status_fail(STATUS_LIMIT, "%s: file@%llu: no memory for a tensor of %llu bytes",
                           sink->path, (unsigned long long)sink_position(sink),
                           (unsigned long long)e->bytes);
    return fetch->fetch(fetch->context, t, e->held);
}

void elements_close(Elements *e)
{
    free(e->held);
    *e = (Elements){0};
}

Status elements_write(Sink *sink, const TensorFetch *fetch, const StoredTensor *t)
{
    Elements e;
    Status status = elements_open(sink, fetch, t, &e);
    if (status == STATUS_OK)
        status = sink_write(sink, e.values, (size_t)e.bytes);
    elements_close(&e);
    return status;
}
