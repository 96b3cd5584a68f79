/* What must hold for a plan, whatever made it: no step reads what no step wrote, and no two values
 * that live at the same time share a byte. A failure is a defect of a pass, so it is a CHECK. */
#include "plan/passes.h"

#include "base/check.h"

#include <stdlib.h>

static bool planned(const PlanValue *v)
{
    return v->first >= 0 && slab_of(v->value->role) == SLAB_ACTIVATION;
}

/* Whether the value was written, or what it stands over. */
static bool place_written(const Plan *plan, const bool *written, int id)
{
    for (; id >= 0; id = plan->values[id].over)
        if (written[id])
            return true;
    return false;
}

static void check_reads(const Plan *plan)
{
    bool *written = mem_zero((size_t)plan->values_count, sizeof *written);
    for (int i = 0; i < plan->steps_count; i++) {
        const PlanStep *place = &plan->plan_steps[i];
        for (int j = 0; j < plan->steps[i].refs_count; j++) {
            int id = place->operands[j].value;
            if (id < 0 || !planned(&plan->values[id]))
                continue;
            bool writes = plan->steps[i].writes >> j & 1;
            CHECKF(writes || written[id], "step %d (%s) reads %s, which nothing wrote", i,
                   plan->steps[i].name, plan->values[id].value->name);
            CHECKF(!writes || !step_adds(&plan->steps[i]) || place_written(plan, written, id),
                   "step %d (%s) adds to %s, which nothing wrote", i, plan->steps[i].name,
                   plan->values[id].value->name);
        }
        if (place->packed.value >= 0)
            CHECKF(written[place->packed.value], "step %d (%s): weights not packed", i,
                   plan->steps[i].name);
        for (int j = 0; j < plan->steps[i].refs_count; j++)
            if (place->operands[j].value >= 0 && plan->steps[i].writes >> j & 1)
                written[place->operands[j].value] = true;
    }
    free(written);
}

static bool stands_over(const Plan *plan, const PlanValue *a, const PlanValue *b)
{
    for (const PlanValue *v = a; v->over >= 0; v = &plan->values[v->over])
        if (&plan->values[v->over] == b)
            return true;
    return false;
}

static void check_overlap(const Plan *plan)
{
    for (int i = 0; i < plan->values_count; i++)
        for (int j = i + 1; planned(&plan->values[i]) && j < plan->values_count; j++) {
            const PlanValue *a = &plan->values[i], *b = &plan->values[j];
            if (!planned(b) || a->buffer != b->buffer || a->off >= b->off + b->bytes ||
                b->off >= a->off + a->bytes || a->first > b->last || b->first > a->last)
                continue;
            CHECKF(stands_over(plan, a, b) || stands_over(plan, b, a), "%s and %s overlap",
                   a->value->name, b->value->name);
        }
}

static void check_pieces(const Plan *plan, int step, PlanOperand operand, const char *what)
{
    enum { PIECE = 16 }; /* bytes */
    CHECKF(operand.value < 0 || (plan->values[operand.value].off + operand.off) % PIECE == 0,
           "step %d (%s): %s begins at no multiple of %d bytes", step, plan->steps[step].name, what,
           PIECE);
}

/* Libraries of products and convolutions read in pieces. */
static void check_alignment(const Plan *plan)
{
    for (int i = 0; i < plan->steps_count; i++) {
        const PlanStep *place = &plan->plan_steps[i];
        StepKind kind = plan->steps[i].kind;
        if (kind != STEP_CONV && kind != STEP_GEMM)
            continue;
        for (int j = 0; j < plan->steps[i].refs_count; j++)
            check_pieces(plan, i, place->operands[j], "an operand");
        check_pieces(plan, i, place->packed, "the packed weight");
        check_pieces(plan, i, place->workspace, "the workspace");
    }
}

void plan_check(const Plan *plan)
{
    check_reads(plan);
    check_overlap(plan);
    for (int i = 0; i < plan->values_count; i++)
        CHECKF(plan->values[i].off % 4 == 0, "%s", plan->values[i].value->name);
    check_alignment(plan);
}
