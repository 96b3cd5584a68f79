#include "plan/parts.h"

#include "plan/passes.h"

#include <stdlib.h>
#include <string.h>

SumVector parts_vector(const Plan *plan)
{
    SumVector v = {.first = plan->begin[SEGMENT_REDUCE]};
    for (int i = v.first; i < plan->begin[SEGMENT_REDUCE + 1]; i++)
        v.count += plan->steps[i].kind == STEP_COMM && plan->steps[i].comm == COMM_SUM;
    v.begin = mem_zero((size_t)v.count + 1, sizeof *v.begin);
    v.elements = mem_zero((size_t)v.count, sizeof *v.elements);
    for (int i = 0; i < v.count; i++) {
        int id = plan->plan_steps[v.first + i].operands[0].value;
        v.elements[i] = dims_count(plan->graph->values[id]->dims);
        v.begin[i + 1] = v.begin[i] + sum_room(v.elements[i]);
    }
    return v;
}

void parts_free(SumVector *v)
{
    free(v->begin);
    free(v->elements);
}

int parts_find(const SumVector *v, int64_t at)
{
    int low = 0, high = v->count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (v->begin[middle] <= at)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* ------------------------------------------------------------------------------------ order */

/* The part with which each parameter's gradient begins to travel, by value id; -1: it does not. */
static int *parts_of_params(const Plan *plan, const SumVector *v)
{
    int *part = mem_alloc((size_t)plan->graph->values_count * sizeof *part);
    int64_t count = v->begin[v->count];
    for (int i = 0; i < plan->graph->values_count; i++)
        part[i] = -1;
    for (int p = sum_parts(count) - 1; p >= 0; p--) {
        SumPart at = sum_part(count, p);
        int last = parts_find(v, at.at + at.count - 1);
        for (int i = parts_find(v, at.at); i <= last; i++) {
            int grad = plan->plan_steps[v->first + i].operands[0].value;
            part[plan->graph->values[grad]->of->id] = p;
        }
    }
    return part;
}

/* The part of a pass over gradients; -1: another step. */
static int part_of_pass(const Plan *plan, const int *part_of_param, int i)
{
    const Step *step = &plan->steps[i];
    for (int j = 0;
         step->kind == STEP_KERNEL && kernel_joins(step->kernel.id) && j < step->refs_count; j++) {
        int id = plan->plan_steps[i].operands[j].value;
        const Value *of = id >= 0 ? plan->graph->values[id]->of : NULL;
        if (of && part_of_param[of->id] >= 0)
            return part_of_param[of->id];
    }
    return -1;
}

/* The last step of QUERY before step i that is no pass itself and writes what step i reads. */
static int last_needed(const Plan *plan, const int *part, int i)
{
    int begin = plan->begin[SEGMENT_QUERY];
    for (int k = i - 1; k >= begin; k--)
        for (int a = 0; part[k - begin] < 0 && a < plan->steps[k].refs_count; a++)
            for (int b = 0; plan->steps[k].writes >> a & 1 && b < plan->steps[i].refs_count; b++)
                if (plan->plan_steps[k].operands[a].value >= 0 &&
                    plan->plan_steps[k].operands[a].value == plan->plan_steps[i].operands[b].value)
                    return k;
    return begin;
}

/* Copies step i of the plan behind the steps there. */
typedef struct Order {
    Step *steps;
    PlanStep *places;
    int count;
} Order;

static void take(const Plan *plan, Order *order, int i)
{
    order->steps[order->count] = plan->steps[i];
    order->places[order->count++] = plan->plan_steps[i];
}

/* part[n]: of the n steps from `begin` on. */
static void move_up(Plan *plan, int begin, int n, const int *part, int parts)
{
    Order order = {mem_alloc((size_t)n * sizeof(Step)), mem_alloc((size_t)n * sizeof(PlanStep)), 0};
    int *behind =
        mem_zero((size_t)parts, sizeof *behind); /* the step that a part's passes follow */
    for (int p = 0, last = begin; p < parts; behind[p++] = last)
        for (int i = 0; i < n; i++) {
            int needed = part[i] == p ? last_needed(plan, part, begin + i) : last;
            last = needed > last ? needed : last;
        }
    for (int i = 0, p = 0; i < n; i++) {
        if (part[i] < 0)
            take(plan, &order, begin + i);
        for (; p < parts && behind[p] == begin + i; p++)
            for (int k = 0; k < n; k++)
                if (part[k] == p)
                    take(plan, &order, begin + k);
    }
    memcpy(plan->steps + begin, order.steps, (size_t)n * sizeof *order.steps);
    memcpy(plan->plan_steps + begin, order.places, (size_t)n * sizeof *order.places);
    free(behind);
    free(order.places);
    free(order.steps);
}

void parts_advance(Plan *plan)
{
    SumVector v = parts_vector(plan);
    int begin = plan->begin[SEGMENT_QUERY], n = plan->begin[SEGMENT_QUERY + 1] - begin;
    if (v.count) {
        int *of_param = parts_of_params(plan, &v), *part = mem_alloc((size_t)n * sizeof *part);
        for (int i = 0; i < n; i++)
            part[i] = part_of_pass(plan, of_param, begin + i);
        move_up(plan, begin, n, part, sum_parts(v.begin[v.count]));
        free(part);
        free(of_param);
    }
    parts_free(&v);
}

/* ------------------------------------------------------------------------------------ readiness */

/* Bytes that operand j of a step covers: its value, or of a pass that joins several as many
 * elements as it has. */
static uint64_t reach(const Plan *plan, int i, int j)
{
    const Step *step = &plan->steps[i];
    const PlanValue *v = &plan->values[plan->plan_steps[i].operands[j].value];
    RangeArgs args;
    if (step->kind != STEP_KERNEL || !kernel_joins(step->kernel.id))
        return v->bytes;
    memcpy(&args, step->kernel.args, sizeof args);
    return (uint64_t)args.n * (uint64_t)dtype_bytes(v->stored);
}

static bool touches(const Plan *plan, int i, const PlanValue *to)
{
    for (int j = 0; j < plan->steps[i].refs_count; j++) {
        int id = plan->plan_steps[i].operands[j].value;
        const PlanValue *v = id >= 0 ? &plan->values[id] : NULL;
        if (v && v->slab == to->slab && v->buffer == to->buffer && v->off < to->off + to->bytes &&
            to->off < v->off + reach(plan, i, j))
            return true;
    }
    return false;
}

/* The step of QUERY behind the last one that writes or reads a partial sum of gradient g: the sum
 * takes its place, and batch norm reads the gradients of its parameters once more. */
static int gradient_ready(const Plan *plan, int g)
{
    int last = plan->begin[SEGMENT_QUERY + 1] - 1, ready = plan->begin[SEGMENT_QUERY];
    for (int j = 0; j < plan->steps[g].refs_count; j++)
        for (int i = last; i >= ready; i--)
            if (touches(plan, i, &plan->values[plan->plan_steps[g].operands[j].value]))
                ready = i + 1;
    return ready;
}

void parts_ready(const Plan *plan, const SumVector *v, int *ready)
{
    int64_t count = v->begin[v->count];
    for (int p = 0, last = plan->begin[SEGMENT_QUERY]; p < sum_parts(count); ready[p++] = last) {
        SumPart part = sum_part(count, p);
        int end = parts_find(v, part.at + part.count - 1);
        for (int g = parts_find(v, part.at); g <= end; g++) {
            int complete = gradient_ready(plan, v->first + g);
            last = complete > last ? complete : last;
        }
    }
}
