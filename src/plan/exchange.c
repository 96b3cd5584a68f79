/* Steps that processes do together, for backends that cannot: through the memory of the host,
 * values in their logical order, so that devices of all kinds understand each other.
 *
 * Gradients travel while the device computes others: the last turn of QUERY is launched in pieces,
 * and behind each goes the late read of the part of the gradients (comm/sum.h) that it completes.
 * REDUCE then waits for one part after another. */
#include "base/arena.h"
#include "comm/sum.h"
#include "comm/watch.h"
#include "plan/parts.h"
#include "plan/passes.h"

#include <stdlib.h>
#include <string.h>

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

/* A late read of elements at to at + count - 1 of partial sum `piece`. */
typedef struct Late {
    int piece, ticket;
    int64_t at, count;
} Late;

struct Exchange {
    Plan *plan;
    SumVector vector;
    const Step *steps; /* its COMM_SUM steps */
    int parts, *ready; /* [parts] of parts_ready */
    float *sum;        /* room for it */
    Late *late;
    int late_count, late_room;
    int end; /* ticket of a read behind all of QUERY */
};

/* ------------------------------------------------------------------------------------ ranges */

static int64_t length(const Exchange *x)
{
    return x->vector.begin[x->vector.count];
}

/* Whether gradient i + 1 lies behind gradient i on the device as it does in the vector. */
static bool goes_on(const Exchange *x, int piece, int i)
{
    Ref a = x->steps[i].refs[piece], b = x->steps[i + 1].refs[piece];
    uint64_t bytes = (uint64_t)(x->vector.begin[i + 1] - x->vector.begin[i]) * sizeof(float);
    return a.buf == b.buf && a.off + bytes == b.off;
}

/* Elements from `at` on, before `end`, that lie together on the device; a gap has no place. */
typedef struct Range {
    Ref place;
    int64_t count;
} Range;

static Range range_at(const Exchange *x, int piece, int64_t at, int64_t end)
{
    int i = parts_find(&x->vector, at), last = i;
    bool gap = at >= x->vector.begin[i] + x->vector.elements[i];
    while (!gap && last + 1 < x->vector.count && x->vector.begin[last + 1] < end &&
           goes_on(x, piece, last))
        last++;
    int64_t stop = gap ? x->vector.begin[i + 1] : x->vector.begin[last] + x->vector.elements[last];
    Range range = {{0}, (stop < end ? stop : end) - at};
    if (!gap) {
        range.place = x->steps[i].refs[piece];
        range.place.off += (uint64_t)(at - x->vector.begin[i]) * sizeof(float);
    }
    return range;
}

/* ------------------------------------------------------------------------------------ late reads
 */

static void grow(Exchange *x)
{
    x->late_room = 2 * x->late_room + 64;
    x->late = mem_grow(x->late, (size_t)x->late_room * sizeof *x->late);
}

static Status fetch_piece(Exchange *x, int piece, SumPart part)
{
    const Backend *backend = x->plan->backend;
    for (int64_t at = part.at, end = part.at + part.count; at < end;) {
        Range range = range_at(x, piece, at, end);
        if (x->late_count == x->late_room)
            grow(x);
        if (range.place.buf) {
            Late *late = &x->late[x->late_count++];
            *late = (Late){.piece = piece, .at = at, .count = range.count};
            TRY(backend->fetch(x->plan->device, range.place, (uint64_t)range.count * sizeof(float),
                               &late->ticket));
        }
        at += range.count;
    }
    return STATUS_OK;
}

static Status fetch_part(Exchange *x, int i)
{
    RankNode nodes[RANK_NODES_MAX];
    int pieces = ranks_nodes(x->plan->graph->ranks, nodes);
    for (int piece = 0; piece < pieces; piece++)
        TRY(fetch_piece(x, piece, sum_part(length(x), i)));
    return STATUS_OK;
}

static Status launch_pieces(Exchange *x, int from, int end)
{
    Plan *plan = x->plan;
    for (int i = 0; i <= x->parts; i++) {
        int to = i < x->parts ? x->ready[i] : end;
        if (to > from)
            TRY(plan->backend->run(plan->device, plan->steps + from, to - from));
        from = to;
        if (i < x->parts)
            TRY(fetch_part(x, i));
    }
    return plan->backend->fetch(plan->device, plan_ref(plan, plan->graph->values[plan->state]),
                                sizeof(StepState), &x->end);
}

bool exchange_launches(const Plan *plan, Segment segment, const StepParams *state)
{
    return plan->exchange && segment == SEGMENT_QUERY && state->turn == plan->graph->ranks.own - 1;
}

Status exchange_launch(Plan *plan, int from, int end)
{
    WatchPhase before = watch_enter(WATCH_DEVICE, "a step");
    Status status = launch_pieces(plan->exchange, from, end);
    watch_enter(before, NULL);
    return status;
}

/* ------------------------------------------------------------------------------------ the sum */

/* Waits for the late reads of a part. Gaps are zeros. */
static Status wait_part(Exchange *x, int piece, int64_t at, int64_t n, float *to)
{
    memset(to, 0, (size_t)n * sizeof *to);
    for (int i = 0; i < x->late_count; i++) {
        const Late *late = &x->late[i];
        if (late->piece == piece && late->at >= at && late->at < at + n)
            TRY(x->plan->backend->wait(x->plan->device, late->ticket, to + (late->at - at)));
    }
    return STATUS_OK;
}

static Status load(void *owner, int piece, int64_t at, int64_t n, void *to)
{
    WatchPhase before = watch_enter(WATCH_DEVICE, "gradients");
    Status status = wait_part(owner, piece, at, n, to);
    watch_enter(before, "sum of gradients");
    return status;
}

static bool computes(void *owner)
{
    const Exchange *x = owner;
    return !x->plan->backend->arrived(x->plan->device, x->end);
}

static Status write_sum(Exchange *x)
{
    for (int64_t at = 0, end = length(x); at < end;) {
        Range range = range_at(x, 0, at, end);
        if (range.place.buf)
            TRY(x->plan->backend->write(x->plan->device, range.place, x->sum + at,
                                        (uint64_t)range.count * sizeof(float)));
        at += range.count;
    }
    return STATUS_OK;
}

static Status sum_gradients(Exchange *x)
{
    StepState state;
    CommSum sum = {length(x), x->sum, x, load, computes};
    TRY(comm_sum(x->plan->comm, x->plan->graph->ranks, &sum));
    x->late_count = 0;
    TRY(x->plan->backend->wait(x->plan->device, x->end, &state));
    return write_sum(x);
}

Status exchange_run(Plan *plan, int first, int count)
{
    if (!plan->comm)
        return STATUS_OK;
    if (plan->steps[first].comm == COMM_SUM)
        return sum_gradients(plan->exchange);
    for (int i = first; i < first + count; i++)
        for (int j = 0; j < plan->steps[i].refs_count; j++)
            TRY(gather_value(plan, plan->values[plan->plan_steps[i].operands[j].value].value));
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ beginning */

void exchange_open(Plan *plan)
{
    SumVector vector = parts_vector(plan);
    if (!plan->comm || vector.count == 0) {
        parts_free(&vector);
        return;
    }
    Exchange *x = plan->exchange = mem_zero(1, sizeof *x);
    *x = (Exchange){.plan = plan, .vector = vector, .steps = plan->steps + vector.first};
    x->parts = sum_parts(length(x));
    x->ready = mem_zero((size_t)x->parts, sizeof *x->ready);
    parts_ready(plan, &x->vector, x->ready);
    x->sum = mem_alloc((size_t)length(x) * sizeof *x->sum);
}

void exchange_close(Exchange *x)
{
    if (!x)
        return;
    parts_free(&x->vector);
    free(x->ready);
    free(x->sum);
    free(x->late);
    free(x);
}
