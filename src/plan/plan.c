/* A plan at work: running segments, moving values between host and device, sizes and printing. */
#include "plan/plan.h"

#include "base/check.h"
#include "graph/host.h"
#include "plan/lower.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Status plan_run(Plan *plan, Segment segment, const StepParams *state)
{
    int begin = plan->begin[segment], count = plan->begin[segment + 1] - begin;
    if (count == 0)
        return STATUS_OK;
    Ref place = plan_ref(plan, plan->graph->values[plan->state]);
    StepState now = {.lr = (float)state->lr,
                     .grad_scale = (float)state->grad_scale,
                     .rank = state->rank,
                     .queue_head = state->queue_head,
                     .step = state->step,
                     .sums_held = state->sum.held,
                     .sums_merged = state->sum.merged};
    TRY(plan->backend->write(plan->device, place, &now, sizeof now));
    return plan->backend->run(plan->device, plan->steps + begin, count);
}

/* Where element i of the logical tensor lies among the device's elements. */
static int64_t device_index(const PlanValue *v, int64_t i)
{
    if (!v->blocked)
        return i;
    Shape s = shape_of(v->value);
    int64_t pixel = i % s.HW, c = i / s.HW % s.C, n = i / s.HW / s.C;
    return (((n * s.CB + c / 16) * s.HW) + pixel) * 16 + c % 16;
}

Status plan_write(Plan *plan, const Value *value, const void *host, DType type)
{
    const PlanValue *v = &plan->values[value->id];
    if (!v->blocked && type == value->dtype)
        return plan->backend->write(plan->device, plan_ref(plan, value), host, v->bytes);
    void *staged = mem_zero(1, v->bytes);
    int64_t count = dims_count(value->dims);
    for (int64_t i = 0; i < count; i++)
        host_set(staged, value->dtype, device_index(v, i), host_get(host, type, i));
    Status status = plan->backend->write(plan->device, plan_ref(plan, value), staged, v->bytes);
    free(staged);
    return status;
}

Status plan_read(Plan *plan, const Value *value, void *host, DType type)
{
    const PlanValue *v = &plan->values[value->id];
    if (!v->blocked && type == value->dtype)
        return plan->backend->read(plan->device, host, plan_ref(plan, value), v->bytes);
    void *staged = mem_alloc(v->bytes);
    Status status = plan->backend->read(plan->device, staged, plan_ref(plan, value), v->bytes);
    int64_t count = dims_count(value->dims);
    for (int64_t i = 0; i < count && status == STATUS_OK; i++)
        host_set(host, type, i, host_get(staged, value->dtype, device_index(v, i)));
    free(staged);
    return status;
}

uint64_t plan_slab_bytes(const Plan *plan, Slab slab)
{
    uint64_t bytes = 0;
    for (int i = 0; i < plan->slabs[slab].count; i++)
        bytes += plan->slabs[slab].sizes[i];
    return bytes;
}

uint64_t plan_bytes(const Plan *plan)
{
    uint64_t bytes = 0;
    for (int s = 0; s < SLAB_COUNT; s++)
        bytes += plan_slab_bytes(plan, (Slab)s);
    return bytes;
}

static const char *const slab_names[SLAB_COUNT] = {
#define X(name, word, title) word,
    SLAB_LIST(X)
#undef X
};
const char *plan_step_label(const Step *step)
{
    static const char *const kernels[] = {
#define KERNEL(name, refs, args, file, passes) #name,
#include "device/kernels.def"
#undef KERNEL
    };
    static const char *const kinds[] = {
#define X(name, word) word,
        STEP_KIND_LIST(X)
#undef X
    };
    static const char *const convs[] = {
#define X(name, word, algorithm) word,
        CONV_OP_LIST(X)
#undef X
    };
    if (step->kind == STEP_KERNEL)
        return kernels[step->kernel.id];
    return step->kind == STEP_CONV ? convs[step->conv.op] : kinds[step->kind];
}

static void print_operand(FILE *file, const Plan *plan, PlanOperand operand, bool written)
{
    if (operand.value < 0) {
        fputs(" -", file);
        return;
    }
    const PlanValue *v = &plan->values[operand.value];
    fprintf(file, " %s%d[", written ? "=" : "%", operand.value);
    for (int i = 0; i < v->value->dims.rank; i++)
        fprintf(file, "%s%lld", i ? "," : "", (long long)v->value->dims.d[i]);
    fprintf(file, "]@%s%d+%llu", slab_names[v->slab], v->buffer,
            (unsigned long long)(v->off + operand.off));
}

void plan_dump_steps(const Plan *plan, void *file)
{
    for (int i = 0; i < plan->steps_count; i++) {
        const Step *s = &plan->steps[i];
        fprintf(file, "%4d %-8s %-17s %-34s %10.2f KiB %9.2f Mflop", i,
                segment_name(plan->plan_steps[i].segment), plan_step_label(s), s->name,
                (double)s->bytes / 1024, 1e-6 * (double)s->flops);
        for (int j = 0; j < s->refs_count; j++)
            print_operand(file, plan, plan->plan_steps[i].operands[j], s->writes >> j & 1);
        if (plan->plan_steps[i].packed.value >= 0) {
            fputs(" packed", file);
            print_operand(file, plan, plan->plan_steps[i].packed, false);
        }
        if (plan->plan_steps[i].joined) {
            RangeArgs args;
            memcpy(&args, s->kernel.args, sizeof args);
            fprintf(file, " and on: %ld elements", args.n);
        }
        fputc('\n', file);
    }
}

void plan_dump_memory(const Plan *plan, void *file)
{
    fprintf(file, "slab     buffers        MiB\n");
    for (int s = 0; s < SLAB_COUNT; s++)
        fprintf(file, "%-8s %7d %10.1f\n", slab_names[s], plan->slabs[s].count,
                (double)plan_slab_bytes(plan, (Slab)s) / (1 << 20));
    fprintf(file, "in all           %10.1f\n", (double)plan_bytes(plan) / (1 << 20));
    fprintf(file,
            "activations: %.1f MiB if each had its own place, %.1f MiB planned; the peak is at %s, "
            "where %.1f MiB are "
            "alive\n",
            (double)plan->requested / (1 << 20),
            (double)plan_slab_bytes(plan, SLAB_ACTIVATION) / (1 << 20),
            plan->peak ? plan->peak : "-", (double)plan->peak_bytes / (1 << 20));
}
