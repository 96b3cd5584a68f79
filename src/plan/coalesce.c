/* Coalescing: neighbouring steps of one kernel over neighbouring ranges become one step.
 *
 * The steps of SGD, of the key encoder's average, of gradient sums, of copies and of the look for
 * what is not finite are one per parameter when lowered; as parameters and their companions lie in
 * one order with the same gaps between them, each becomes one pass over a slab, or over those with
 * a copy and one over the others, the zeros in the gaps among it. As each element is treated by
 * itself, steps of one kernel may stand in the order of their places. Needs places, so it runs
 * after the memory plan. Liveness is not touched: parameters and their companions live always. */
#include "plan/lower.h"
#include "plan/passes.h"

#include <string.h>

/* What every pass sees whole: the step state, fp16's scaler. */
static bool seen_whole(const Plan *plan, int value)
{
    return slab_of(plan->values[value].value->role) == SLAB_STATE;
}

/* How many factors a widen step has besides its first, and the one that it ends with. */
static int more_factors(const WidenArgs *args, float *last)
{
    int count = 0;
    *last = args->a;
    for (; count < WIDEN_MORE && args->begins[count] != WIDEN_NEVER; count++)
        *last = args->factors[count];
    return count;
}

/* Whether step b has the constants of step a, or a has room for its factor `reach` elements behind
 * its beginning. */
static bool same_constants(const Plan *plan, const Step *a, const Step *b, uint64_t reach)
{
    RangeArgs p, q;
    WidenArgs widen;
    float last;
    memcpy(&p, a->kernel.args, sizeof p);
    memcpy(&q, b->kernel.args, sizeof q);
    if (a->kernel.id != KERNEL_widen)
        return p.a == q.a && p.b == q.b;
    memcpy(&widen, a->kernel.args, sizeof widen);
    bool room = more_factors(&widen, &last) < WIDEN_MORE;
    return last == q.a || (room && reach % (uint64_t)device_lanes(plan->info) == 0);
}

/* The factor of what lies `reach` elements behind the beginning of a widen step. */
static void add_factor(Step *step, uint64_t reach, float factor)
{
    WidenArgs args;
    float last;
    memcpy(&args, step->kernel.args, sizeof args);
    int count = more_factors(&args, &last);
    if (last == factor)
        return;
    args.begins[count] = (long)reach;
    args.factors[count] = factor;
    memcpy(step->kernel.args, &args, sizeof args);
}

/* Whether step b goes on where step a ends, but for a gap, in every operand but those seen whole,
 * which are the same; sets how many elements lie from a's beginning to b's. */
static bool continues(const Plan *plan, int a, int b, uint64_t *reach)
{
    uint64_t gap = 0; /* elements: those between parameters are smaller */
    *reach = 0;
    const Step *x = &plan->steps[a], *y = &plan->steps[b];
    if (x->kind != STEP_KERNEL || y->kind != STEP_KERNEL || x->kernel.id != y->kernel.id ||
        !kernel_joins(x->kernel.id) ||
        plan->plan_steps[a].segment != plan->plan_steps[b].segment)
        return false;
    RangeArgs p;
    memcpy(&p, x->kernel.args, sizeof p);
    for (int i = 0; i < x->refs_count; i++) {
        int of_a = plan->plan_steps[a].operands[i].value;
        int of_b = plan->plan_steps[b].operands[i].value;
        if (of_a == of_b && (of_a < 0 || seen_whole(plan, of_a)))
            continue;
        if (of_a < 0 || of_b < 0 || seen_whole(plan, of_a))
            return false;
        const PlanValue *u = &plan->values[of_a], *v = &plan->values[of_b];
        if (u->slab != v->slab || u->buffer != v->buffer || v->off < u->off)
            return false;
        uint64_t size = (uint64_t)dtype_bytes(u->stored);
        uint64_t elements = (v->off - u->off) / size; /* to the other: alike for all operands */
        if (*reach && *reach != elements)
            return false;
        *reach = elements;
        gap = (uint64_t)plan_param_align(plan, v->value);
    }
    return *reach >= (uint64_t)p.n && *reach < (uint64_t)p.n + gap &&
           same_constants(plan, x, y, *reach);
}

/* Step b becomes part of step a, `reach` elements behind its beginning. */
static void join(Plan *plan, int a, int b, uint64_t reach)
{
    Step *step = &plan->steps[a];
    RangeArgs p, q;
    memcpy(&p, step->kernel.args, sizeof p);
    memcpy(&q, plan->steps[b].kernel.args, sizeof q);
    p.n = (long)reach + q.n;
    memcpy(step->kernel.args, &p, sizeof p);
    if (step->kernel.id == KERNEL_widen)
        add_factor(step, reach, q.a);
    step->bytes += plan->steps[b].bytes;
    plan->plan_steps[a].joined++;
}

/* The work-items of a step for the range that it has now, and a name that says what it joins. */
static void cut_anew(Plan *plan, int i)
{
    const Lowering l = {.plan = plan};
    Step *step = &plan->steps[i];
    RangeArgs args;
    memcpy(&args, step->kernel.args, sizeof args);
    step->kernel.global[0] = lower_range(&l, args.n, &args.chunk).items[0];
    memcpy(step->kernel.args, &args, sizeof args);
    if (plan->plan_steps[i].joined)
        step->name = arena_printf(&plan->graph->arena, "%s and %d more", step->name,
                                  plan->plan_steps[i].joined);
}

/* The place of what step i goes over. */
static const PlanValue *place_of(const Plan *plan, int i)
{
    const PlanOperand *operand = plan->plan_steps[i].operands;
    while (operand->value < 0 || seen_whole(plan, operand->value))
        operand++;
    return &plan->values[operand->value];
}

static bool stands_before(const PlanValue *a, const PlanValue *b)
{
    return a->slab != b->slab       ? a->slab < b->slab
           : a->buffer != b->buffer ? a->buffer < b->buffer
                                    : a->off < b->off;
}

/* Whether steps i and i + 1 may change places. */
static bool alike(const Plan *plan, int i)
{
    const Step *x = &plan->steps[i], *y = &plan->steps[i + 1];
    return x->kind == STEP_KERNEL && y->kind == STEP_KERNEL && x->kernel.id == y->kernel.id &&
           kernel_joins(x->kernel.id) &&
           plan->plan_steps[i].segment == plan->plan_steps[i + 1].segment;
}

/* Steps of one kernel in the order of their places; those of equal ones stay as they stand. */
static void order_by_place(Plan *plan)
{
    for (int i = 1; i < plan->steps_count; i++)
        for (int at = i - 1; at >= 0 && alike(plan, at) &&
                             stands_before(place_of(plan, at + 1), place_of(plan, at));
             at--) {
            Step step = plan->steps[at];
            PlanStep place = plan->plan_steps[at];
            plan->steps[at] = plan->steps[at + 1];
            plan->plan_steps[at] = plan->plan_steps[at + 1];
            plan->steps[at + 1] = step;
            plan->plan_steps[at + 1] = place;
        }
}

void plan_coalesce(Plan *plan)
{
    order_by_place(plan);
    int to = 0, begin[SEGMENT_COUNT + 1], segment = 0;
    for (int i = 0; i < plan->steps_count; i++) {
        for (; segment <= SEGMENT_COUNT && i >= plan->begin[segment]; segment++)
            begin[segment] = to;
        uint64_t reach;
        if (to > begin[segment - 1] && continues(plan, to - 1, i, &reach)) {
            join(plan, to - 1, i, reach);
            continue;
        }
        plan->steps[to] = plan->steps[i];
        plan->plan_steps[to++] = plan->plan_steps[i];
    }
    for (; segment <= SEGMENT_COUNT; segment++)
        begin[segment] = to;
    plan->steps_count = to;
    memcpy(plan->begin, begin, sizeof begin);
    for (int i = 0; i < to; i++)
        if (plan->steps[i].kind == STEP_KERNEL && kernel_joins(plan->steps[i].kernel.id))
            cut_anew(plan, i);
}
