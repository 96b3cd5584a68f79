/* Slabs on the device: their sizes, taking, clearing and giving back their buffers, and the places
 * of values in them. */
#include "plan/passes.h"

#include "base/arena.h"

#include <stdlib.h>

static const char *const titles[SLAB_COUNT] = {
#define X(name, word, title) title,
    SLAB_LIST(X)
#undef X
};

const char *slab_title(Slab slab)
{
    return titles[slab];
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

Status plan_take(Plan *plan)
{
    uint64_t need = plan_bytes(plan);
    for (int s = 0; s < SLAB_COUNT; s++) {
        PlanSlab *slab = &plan->slabs[s];
        slab->buffers = mem_zero((size_t)slab->count, sizeof *slab->buffers);
        for (int i = 0; i < slab->count; i++) {
            Status status = plan->backend->alloc(plan->device, slab->sizes[i], &slab->buffers[i]);
            if (status != STATUS_OK)
                return status_prefix(status, "%s: memory for %s (%llu MiB of %llu MiB in all)",
                                     plan->info->name, titles[s],
                                     (unsigned long long)(slab->sizes[i] >> 20),
                                     (unsigned long long)(need >> 20));
        }
    }
    return STATUS_OK;
}

static Ref resolve(const Plan *plan, PlanOperand operand)
{
    if (operand.value < 0)
        return (Ref){0};
    const PlanValue *v = &plan->values[operand.value];
    return (Ref){plan->slabs[v->slab].buffers[v->buffer], v->off + operand.off};
}

Ref plan_ref(const Plan *plan, const Value *value)
{
    return resolve(plan, (PlanOperand){value->id, 0});
}

void plan_resolve(Plan *plan)
{
    for (int i = 0; i < plan->steps_count; i++) {
        Step *step = &plan->steps[i];
        const PlanStep *place = &plan->plan_steps[i];
        for (int j = 0; j < step->refs_count; j++)
            step->refs[j] = resolve(plan, place->operands[j]);
        step->packed = resolve(plan, place->packed);
        step->workspace = resolve(plan, place->workspace);
    }
}

Status plan_clear(Plan *plan)
{
    enum { PIECE = 1 << 20 };
    uint8_t *zeros = mem_zero(1, PIECE);
    Status status = STATUS_OK;
    for (int s = 0; s < SLAB_ACTIVATION; s++) {
        const PlanSlab *slab = &plan->slabs[s];
        for (int i = 0; i < slab->count; i++)
            for (uint64_t at = 0; at < slab->sizes[i] && status == STATUS_OK; at += PIECE) {
                uint64_t left = slab->sizes[i] - at;
                status = plan->backend->write(plan->device, (Ref){slab->buffers[i], at}, zeros,
                                              left < PIECE ? left : PIECE);
            }
    }
    free(zeros);
    return status;
}

void plan_release(Plan *plan)
{
    for (int s = 0; s < SLAB_COUNT; s++) {
        PlanSlab *slab = &plan->slabs[s];
        for (int i = 0; slab->buffers && i < slab->count; i++)
            if (slab->buffers[i])
                plan->backend->release(plan->device, slab->buffers[i]);
        free(slab->buffers);
        free(slab->sizes);
        *slab = (PlanSlab){0};
    }
}
