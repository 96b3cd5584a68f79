/* Steps that processes do together, for backends that cannot: through the memory of the host,
 * values in their logical order, so that devices of all kinds understand each other.
 *
 * Gradients travel while the device computes others: the last turn of QUERY is launched in pieces,
 * and behind each goes the late read of the part of the gradients (comm/sum.h) that it completes,
 * or its sum by a group of devices (plan/group.c). REDUCE then waits for one part after another. */
#include "base/arena.h"
#include "base/check.h"
#include "comm/sum.h"
#include "comm/watch.h"
#include "plan/parts.h"
#include "plan/passes.h"

#include <stdlib.h>

/* The rows of all processes. */
static Status gather_value(Plan *plan, const Value *value)
{
    int64_t count = dims_count(value->dims);
    DType type = value->dtype; /* a device's floats are never wide */
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
    bool mapped; /* they are seen where they are */
} Late;

struct Exchange {
    Plan *plan;
    SumVector vector;
    const Step *steps;             /* its COMM_SUM steps */
    int parts, *ready;             /* [parts] of parts_ready */
    float *copies[RANK_NODES_MAX]; /* [length] of each piece, where one is not mapped; else NULL */
    Late *late;
    int late_count, late_room;
    int end; /* ticket of a read behind all of QUERY */
};

static int64_t length(const Exchange *x)
{
    return x->vector.begin[x->vector.count];
}

/* ------------------------------------------------------------------------------------ ranges */

/* Whether gradient i + 1 lies behind gradient i on the device as it does in the vector. */
static bool goes_on(const Exchange *x, int piece, int i)
{
    Ref a = x->steps[i].refs[piece], b = x->steps[i + 1].refs[piece];
    uint64_t bytes = (uint64_t)(x->vector.begin[i + 1] - x->vector.begin[i]) * sizeof(float);
    return a.buf == b.buf && a.off + bytes == b.off;
}

/* Elements that lie together on the device, zeros behind a gradient among them. */
typedef struct Range {
    Ref place;
    int64_t count;
} Range;

static Range range_at(const Exchange *x, int piece, int64_t at, int64_t end)
{
    int i = parts_find(&x->vector, at), last = i;
    while (last + 1 < x->vector.count && x->vector.begin[last + 1] < end && goes_on(x, piece, last))
        last++;
    int64_t stop = x->vector.begin[last + 1];
    Ref first = x->steps[i].refs[piece];
    uint64_t off = first.off + (uint64_t)(at - x->vector.begin[i]) * sizeof(float);
    return (Range){{first.buf, off}, (stop < end ? stop : end) - at};
}

int exchange_parts(const Exchange *x)
{
    return x->parts;
}

/* What lies together in all pieces. */
static GroupRange group_range(const Exchange *x, int64_t at, int64_t end)
{
    GroupRange all = {.count = end - at};
    for (int piece = 0; piece < x->steps->refs_count; piece++) {
        Range range = range_at(x, piece, at, at + all.count);
        all.refs[piece] = range.place;
        all.count = range.count;
    }
    return all;
}

int exchange_ranges(const Exchange *x, int i, GroupRange **ranges)
{
    SumPart part = sum_part(length(x), i);
    int n = 0;
    *ranges = NULL;
    for (int64_t at = part.at, end = part.at + part.count; at < end; at += (*ranges)[n++].count) {
        *ranges = mem_grow(*ranges, (size_t)(n + 1) * sizeof **ranges);
        (*ranges)[n] = group_range(x, at, end);
    }
    return n;
}

/* ------------------------------------------------------------------------------------ late reads
 */

static Late *late_new(Exchange *x)
{
    if (x->late_count == x->late_room) {
        x->late_room = 2 * x->late_room + 64;
        x->late = mem_grow(x->late, (size_t)x->late_room * sizeof *x->late);
    }
    return &x->late[x->late_count++];
}

static float *copy_of(Exchange *x, int piece)
{
    if (!x->copies[piece])
        x->copies[piece] = mem_alloc((size_t)length(x) * sizeof(float));
    return x->copies[piece];
}

/* Begins to bring a part of a piece to the host; where the host can, and the part lies in one
 * range, to see it where it is. */
static Status fetch_piece(Exchange *x, int piece, SumPart part)
{
    const Backend *backend = x->plan->backend;
    Device *device = x->plan->device;
    bool maps = backend->map && x->plan->info->caps & CAP_UNIFIED_MEMORY;
    for (int64_t at = part.at, end = part.at + part.count; at < end;) {
        Range range = range_at(x, piece, at, end);
        Late *late = late_new(x);
        uint64_t bytes = (uint64_t)range.count * sizeof(float);
        *late = (Late){piece, -1, at, range.count, maps && range.count == part.count};
        TRY(late->mapped ? backend->map(device, range.place, bytes, &late->ticket)
                         : backend->fetch(device, range.place, bytes, &late->ticket));
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
    CHECK(x->late_count == 0);
    for (int i = 0; i <= x->parts; i++) {
        int to = i < x->parts ? x->ready[i] : end;
        if (to > from)
            TRY(plan->backend->run(plan->device, plan->steps + from, to - from));
        from = to;
        if (i < x->parts)
            TRY(plan->grouped ? group_sum(plan, i) : fetch_part(x, i));
    }
    if (plan->grouped)
        return STATUS_OK;
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

static bool belongs(const Late *late, int piece, SumPart part)
{
    return late->piece == piece && late->at >= part.at && late->at < part.at + part.count;
}

/* Waits for the late reads of a part. */
static Status wait_part(Exchange *x, int piece, SumPart part, void **at)
{
    const Backend *backend = x->plan->backend;
    Device *device = x->plan->device;
    for (int i = 0; i < x->late_count; i++) {
        const Late *late = &x->late[i];
        if (!belongs(late, piece, part))
            continue;
        if (late->mapped)
            return backend->mapped(device, late->ticket, at);
        TRY(backend->wait(device, late->ticket, copy_of(x, piece) + late->at));
    }
    *at = copy_of(x, piece) + part.at;
    return STATUS_OK;
}

static Status load(void *owner, int piece, SumPart part, void **at)
{
    WatchPhase before = watch_enter(WATCH_DEVICE, "gradients");
    Status status = wait_part(owner, piece, part, at);
    watch_enter(before, "sum of gradients");
    return status;
}

/* What was mapped goes back. What was copied is written in the end, as a write waits for the
 * device.
 */
static Status store(void *owner, SumPart part)
{
    Exchange *x = owner;
    for (int i = 0; i < x->late_count; i++)
        if (x->late[i].mapped && x->late[i].at == part.at)
            TRY(x->plan->backend->unmap(x->plan->device, x->late[i].ticket));
    return STATUS_OK;
}

static bool computes(void *owner)
{
    const Exchange *x = owner;
    return !x->plan->backend->arrived(x->plan->device, x->end);
}

static Status write_copied(Exchange *x)
{
    for (int i = 0; i < x->late_count; i++) {
        const Late *late = &x->late[i];
        if (late->piece == 0 && !late->mapped)
            TRY(x->plan->backend->write(
                x->plan->device, range_at(x, 0, late->at, late->at + late->count).place,
                x->copies[0] + late->at, (uint64_t)late->count * sizeof(float)));
    }
    return STATUS_OK;
}

static Status sum_gradients(Exchange *x)
{
    StepState state;
    CommSum sum = {length(x), x, load, store, computes};
    TRY(comm_sum(x->plan->comm, x->plan->graph->ranks, &sum));
    TRY(x->plan->backend->wait(x->plan->device, x->end, &state));
    TRY(write_copied(x));
    x->late_count = 0;
    return STATUS_OK;
}

Status exchange_run(Plan *plan, int first, int count)
{
    if (!plan->comm)
        return STATUS_OK;
    bool sum = plan->steps[first].comm == COMM_SUM;
    if (plan->grouped)
        return sum ? plan->backend->settle(plan->device) : group_gather(plan, first, count);
    if (sum)
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
}

void exchange_close(Exchange *x)
{
    if (!x)
        return;
    parts_free(&x->vector);
    for (int piece = 0; piece < RANK_NODES_MAX; piece++)
        free(x->copies[piece]);
    free(x->ready);
    free(x->late);
    free(x);
}
