/* Steps that processes do together, for backends that cannot: through the memory of the host,
 * values in their logical order, so that devices of all kinds understand each other. */
#include "base/arena.h"
#include "comm/sum.h"
#include "plan/passes.h"

#include <stdlib.h>

/* The rows of all processes. */
static Status gather_value(Plan *plan, const Value *value)
{
    int64_t count = dims_count(value->dims);
    bool wide = value->dtype == DTYPE_F32 && comm_wide(plan->comm);
    DType type = wide ? DTYPE_F64 : value->dtype;
    void *host = mem_alloc((size_t)count * (size_t)dtype_bytes(type));
    Status status = plan_read(plan, value, host, type);
    if (status == STATUS_OK) {
        comm_gather(plan->comm, host, (size_t)(count / comm_count(plan->comm) * dtype_bytes(type)));
        status = plan_write(plan, value, host, type);
    }
    free(host);
    return status;
}

/* The gradients of steps first to first + count - 1 as one vector, each at a multiple of SUM_UNIT
 * elements, as in a slab: what lies together there is moved at once. */
typedef struct Gradients {
    Plan *plan;
    const Step *steps;
    int count;
    int64_t *begin, *elements; /* [count + 1] where each begins in the vector; [count] */
} Gradients;

/* The gradient in which element `at` lies, or behind which. */
static int find(const Gradients *g, int64_t at)
{
    int low = 0, high = g->count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (g->begin[middle] <= at)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Whether gradient i + 1 lies behind gradient i on the device as it does in the vector. */
static bool goes_on(const Gradients *g, int piece, int i)
{
    Ref a = g->steps[i].refs[piece], b = g->steps[i + 1].refs[piece];
    uint64_t bytes = (uint64_t)(g->begin[i + 1] - g->begin[i]) * sizeof(float);
    return a.buf == b.buf && a.off + bytes == b.off;
}

/* Moves elements at to end - 1, or the first of them: returns where those that lie together end. */
static Status move(const Gradients *g, int piece, int64_t at, int64_t end, float *host, bool load,
                   int64_t *next)
{
    const Backend *backend = g->plan->backend;
    int i = find(g, at), last = i;
    if (at >= g->begin[i] + g->elements[i]) { /* a gap */
        *next = g->begin[i + 1] < end ? g->begin[i + 1] : end;
        for (int64_t k = 0; k < *next - at && load; k++)
            host[k] = 0;
        return STATUS_OK;
    }
    while (last + 1 < g->count && g->begin[last + 1] < end && goes_on(g, piece, last))
        last++;
    *next = g->begin[last] + g->elements[last] < end ? g->begin[last] + g->elements[last] : end;
    Ref place = g->steps[i].refs[piece];
    place.off += (uint64_t)(at - g->begin[i]) * sizeof(float);
    uint64_t bytes = (uint64_t)(*next - at) * sizeof(float);
    return load ? backend->read(g->plan->device, host, place, bytes)
                : backend->write(g->plan->device, place, host, bytes);
}

static Status load(void *owner, int piece, int64_t at, int64_t n, void *to)
{
    float *host = to;
    for (int64_t end = at + n, next; at < end; host += next - at, at = next)
        TRY(move(owner, piece, at, end, host, true, &next));
    return STATUS_OK;
}

static Status store(void *owner, int64_t at, int64_t n, const void *from)
{
    float *host = (float *)(uintptr_t)from;
    for (int64_t end = at + n, next; at < end; host += next - at, at = next)
        TRY(move(owner, 0, at, end, host, false, &next));
    return STATUS_OK;
}

static Status sum_gradients(Plan *plan, int first, int count)
{
    Gradients g = {.plan = plan, .steps = plan->steps + first, .count = count};
    g.begin = mem_zero((size_t)count + 1, sizeof *g.begin);
    g.elements = mem_zero((size_t)count, sizeof *g.elements);
    for (int i = 0; i < count; i++) {
        const Value *v = plan->values[plan->plan_steps[first + i].operands[0].value].value;
        g.elements[i] = dims_count(v->dims);
        g.begin[i + 1] = g.begin[i] + sum_room(g.elements[i]);
    }
    CommSum sum = {g.begin[count], &g, load, store};
    Status status = comm_sum(plan->comm, plan->graph->ranks, &sum);
    free(g.elements);
    free(g.begin);
    return status;
}

Status plan_exchange(Plan *plan, int first, int count)
{
    if (!plan->comm)
        return STATUS_OK;
    if (plan->steps[first].comm == COMM_SUM)
        return sum_gradients(plan, first, count);
    for (int i = first; i < first + count; i++)
        for (int j = 0; j < plan->steps[i].refs_count; j++)
            TRY(gather_value(plan, plan->values[plan->plan_steps[i].operands[j].value].value));
    return STATUS_OK;
}
