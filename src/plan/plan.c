/* A plan at work: running segments, moving values between host and device. */
#include "plan/plan.h"

#include "base/arena.h"
#include "graph/host.h"
#include "plan/passes.h"

#include <stdlib.h>

/* Copies of weights that the host has written since they were made. */
static Status refresh(Plan *plan)
{
    int begin = plan->begin[SEGMENT_COPIES], count = plan->begin[SEGMENT_COPIES + 1] - begin;
    if (!plan->stale || count == 0)
        return STATUS_OK;
    plan->stale = false;
    return plan->backend->run(plan->device, plan->steps + begin, count);
}

static Status write_state(Plan *plan, const StepParams *state)
{
    Ref place = plan_ref(plan, plan->graph->values[plan->state]);
    StepState now = {.lr = (float)state->lr,
                     .grad_scale = (float)state->grad_scale,
                     .rank = state->rank,
                     .turn = state->turn,
                     .queue_head = state->queue_head,
                     .step = state->step,
                     .sums_held = state->sum.held,
                     .sums_merged = state->sum.merged};
    return plan->backend->write(plan->device, place, &now, sizeof now);
}

static bool is_comm(const Plan *plan, int i)
{
    return plan->steps[i].kind == STEP_COMM;
}

Status plan_run(Plan *plan, Segment segment, const StepParams *state)
{
    int begin = plan->begin[segment], end = plan->begin[segment + 1], next;
    if (begin == end)
        return STATUS_OK;
    TRY(refresh(plan));
    /* A write waits for what was launched before, and the exchange needs none. */
    if (!is_comm(plan, begin) || !is_comm(plan, end - 1))
        TRY(write_state(plan, state));
    if (exchange_launches(plan, segment, state))
        return exchange_launch(plan, begin, end);
    for (; begin < end; begin = next) {
        for (next = begin + 1; next < end && is_comm(plan, next) == is_comm(plan, begin);)
            next++;
        TRY(is_comm(plan, begin)
                ? exchange_run(plan, begin, next - begin)
                : plan->backend->run(plan->device, plan->steps + begin, next - begin));
    }
    return STATUS_OK;
}

/* Whether the host's bytes are the device's. */
static bool same_bytes(const PlanValue *v, DType type)
{
    return !v->blocked && type == v->stored;
}

Status plan_write(Plan *plan, const Value *value, const void *host, DType type)
{
    const PlanValue *v = &plan->values[value->id];
    plan->stale |= value->role == ROLE_PARAM || value->role == ROLE_EMA;
    if (same_bytes(v, type))
        return plan->backend->write(plan->device, plan_ref(plan, value), host, v->bytes);
    void *staged = mem_zero(1, v->bytes);
    int64_t count = dims_count(value->dims);
    for (int64_t i = 0; i < count; i++)
        plan_set_element(plan, v, staged, i, host_get(host, type, i));
    Status status = plan->backend->write(plan->device, plan_ref(plan, value), staged, v->bytes);
    free(staged);
    return status;
}

/* The host's elements from the device's bytes. */
static void convert(const Plan *plan, const PlanValue *v, const void *bytes, void *host, DType type)
{
    int64_t count = dims_count(v->value->dims);
    for (int64_t i = 0; i < count; i++)
        host_set(host, type, i, plan_element(plan, v, bytes, i));
}

Status plan_read(Plan *plan, const Value *value, void *host, DType type)
{
    const PlanValue *v = &plan->values[value->id];
    Ref place = plan_ref(plan, value);
    if (same_bytes(v, type))
        return plan->backend->read(plan->device, host, place, v->bytes);
    void *staged = mem_alloc(v->bytes);
    Status status = plan->backend->read(plan->device, staged, place, v->bytes);
    if (status == STATUS_OK)
        convert(plan, v, staged, host, type);
    free(staged);
    return status;
}

Status plan_fetch(Plan *plan, const Value *value, int *ticket)
{
    return plan->backend->fetch(plan->device, plan_ref(plan, value), plan->values[value->id].bytes,
                                ticket);
}

Status plan_wait(Plan *plan, const Value *value, int ticket, void *host, DType type)
{
    const PlanValue *v = &plan->values[value->id];
    if (same_bytes(v, type))
        return plan->backend->wait(plan->device, ticket, host);
    void *staged = mem_alloc(v->bytes);
    Status status = plan->backend->wait(plan->device, ticket, staged);
    if (status == STATUS_OK)
        convert(plan, v, staged, host, type);
    free(staged);
    return status;
}
