/* Memory plan: lifetimes of values over the flat list of steps, and places in slabs.
 *
 * Parameters and their companions lie one after another in the parameters' order, those with a copy
 * in 16 bits first, each at a multiple of PARAM_ALIGN: so that a pass over all that have a copy is
 * one, and one over the others. Activations are placed largest first, each at the lowest offset where
 * nothing that lives at the same time lies. What a looped segment (KEY and QUERY with several
 * ranks, EVAL) needs from before it or leaves behind it lives through the whole segment. */
#include "plan/passes.h"

#include "base/check.h"

#include <stdlib.h>

enum { PARAM_ALIGN = 16 }; /* bytes: libraries read weights in pieces of that size */

static bool in_activation_slab(const Value *v)
{
    return slab_of(v->role) == SLAB_ACTIVATION;
}

static void touch(Plan *plan, PlanOperand operand, int step)
{
    if (operand.value < 0)
        return;
    PlanValue *v = &plan->values[operand.value];
    if (v->first < 0)
        v->first = step;
    v->last = step;
}

/* A value that crosses the border of a looped segment must outlive all its turns. */
static void extend_over_loops(Plan *plan, PlanValue *v)
{
    for (int s = 0; s < SEGMENT_COUNT; s++) {
        int begin = plan->begin[s], end = plan->begin[s + 1] - 1;
        if (begin > end || v->last < begin || v->first > end)
            continue;
        if (v->first < begin && v->last < end)
            v->last = end;
        if (v->last > end && v->first > begin)
            v->first = begin;
    }
}

void plan_liveness(Plan *plan)
{
    for (int i = 0; i < plan->values_count; i++)
        plan->values[i].first = plan->values[i].last = plan->values[i].over = -1;
    for (int i = 0; i < plan->steps_count; i++) {
        for (int j = 0; j < plan->steps[i].refs_count; j++)
            touch(plan, plan->plan_steps[i].operands[j], i);
        touch(plan, plan->plan_steps[i].packed, i);
        touch(plan, plan->plan_steps[i].workspace, i);
    }
    for (int i = 0; i < plan->overs_count; i++) {
        PlanValue *out = &plan->values[plan->overs[i].out], *in = &plan->values[plan->overs[i].in];
        CHECKF(in->last <= out->first && in->bytes == out->bytes, "%s over %s", out->value->name,
               in->value->name);
        in->last = out->first; /* nothing else may lie there in between */
        out->over = plan->overs[i].in;
    }
    for (int i = 0; i < plan->values_count; i++)
        if (plan->values[i].first >= 0)
            extend_over_loops(plan, &plan->values[i]);
}

/* In a new or old buffer of the slab with room for `bytes`, the value's and perhaps a gap's, behind
 * what it holds. */
static void place_behind(Plan *plan, PlanValue *v, Slab slab, uint64_t align, uint64_t bytes)
{
    PlanSlab *s = &plan->slabs[slab];
    uint64_t off = s->count ? (s->sizes[s->count - 1] + align - 1) / align * align : 0;
    if (s->count == 0 || plan->apart || off + bytes > plan->info->max_alloc) {
        s->sizes = mem_grow(s->sizes, (size_t)(s->count + 1) * sizeof *s->sizes);
        s->sizes[s->count++] = 0;
        off = 0;
    }
    v->slab = slab;
    v->buffer = s->count - 1;
    v->off = off;
    s->sizes[v->buffer] = off + bytes;
}

/* Whether the parameter of this companion, or the parameter, has a copy in 16 bits. */
static bool copied(const Plan *plan, const Value *v)
{
    return graph_companion_of(plan->graph, v->role == ROLE_PARAM ? v : v->of, ROLE_COPY);
}

int64_t plan_param_align(const Plan *plan, const Value *value)
{
    return PARAM_ALIGN / dtype_bytes(copied(plan, value) ? plan->graph->storage : DTYPE_F32);
}

/* The gap behind it is there, too, where it is the last: what goes over gradients may see it. */
static void place_param(Plan *plan, PlanValue *v)
{
    int64_t align = plan_param_align(plan, v->value) * dtype_bytes(v->stored);
    uint64_t whole = (v->bytes + PARAM_ALIGN - 1) / PARAM_ALIGN * PARAM_ALIGN;
    place_behind(plan, v, slab_of(v->value->role), (uint64_t)align, plan->apart ? v->bytes : whole);
}

/* The parameters with or without copies, or what belongs to each of them, in the parameters' order.
 */
static void place_companions(Plan *plan, Role role, bool with_copy)
{
    for (int i = 0; i < plan->values_count; i++) {
        Value *param = plan->values[i].value, *v = NULL;
        if (param->role == ROLE_PARAM && copied(plan, param) == with_copy)
            v = role == ROLE_PARAM ? param : graph_companion_of(plan->graph, param, role);
        if (v)
            place_param(plan, &plan->values[v->id]);
    }
}

static void place_parameters(Plan *plan)
{
    for (int r = 0; r < ROLE_COUNT; r++)
        for (int with_copy = 1; with_copy >= 0; with_copy--)
            if (slab_of((Role)r) < SLAB_STATE && r != ROLE_GRAD_PARTIAL)
                place_companions(plan, (Role)r, with_copy);
    /* Several to a parameter: made sum after sum, each in the parameters' order. */
    for (int with_copy = 1; with_copy >= 0; with_copy--)
        for (int i = 0; i < plan->values_count; i++)
            if (plan->values[i].value->role == ROLE_GRAD_PARTIAL &&
                copied(plan, plan->values[i].value) == with_copy)
                place_param(plan, &plan->values[i]);
}

static int by_size(const void *a, const void *b)
{
    const PlanValue *x = *(PlanValue *const *)a, *y = *(PlanValue *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->value->id - y->value->id;
}

static int by_place(const PlanValue *x, const PlanValue *y)
{
    if (x->buffer != y->buffer)
        return x->buffer - y->buffer;
    return x->off < y->off ? -1 : x->off > y->off;
}

static bool alive_together(const PlanValue *a, const PlanValue *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset of `buffer` where v fits among the placed values (sorted by place). */
static uint64_t lowest_gap(const Plan *plan, const PlanValue *v, PlanValue **placed, int count,
                           int buffer)
{
    uint64_t at = 0, align = plan->info->alignment;
    for (int i = 0; i < count; i++) {
        const PlanValue *p = placed[i];
        if (p->buffer != buffer || !alive_together(p, v))
            continue;
        if (p->off >= at + v->bytes)
            break;
        if (p->off + p->bytes > at)
            at = (p->off + p->bytes + align - 1) / align * align;
    }
    return at;
}

static void place_activation(Plan *plan, PlanValue *v, PlanValue **placed, int count)
{
    PlanSlab *s = &plan->slabs[SLAB_ACTIVATION];
    v->slab = SLAB_ACTIVATION;
    for (v->buffer = 0;; v->buffer++) {
        v->off = lowest_gap(plan, v, placed, count, v->buffer);
        if (v->off == 0 || (!plan->apart && v->off + v->bytes <= plan->info->max_alloc))
            break;
    }
    while (s->count <= v->buffer) {
        s->sizes = mem_grow(s->sizes, (size_t)(s->count + 1) * sizeof *s->sizes);
        s->sizes[s->count++] = 0;
    }
    if (s->sizes[v->buffer] < v->off + v->bytes)
        s->sizes[v->buffer] = v->off + v->bytes;
}

/* Values that take another's place live and move with it: the owner of the place lives as long as
 * all of them. */
static PlanValue *owner(Plan *plan, PlanValue *v)
{
    while (v->over >= 0)
        v = &plan->values[v->over];
    return v;
}

static void place_activations(Plan *plan)
{
    PlanValue **order = mem_zero((size_t)plan->values_count, sizeof *order);
    PlanValue **placed = mem_zero((size_t)plan->values_count, sizeof *placed);
    int count = 0;
    for (int i = 0; i < plan->values_count; i++) {
        PlanValue *v = &plan->values[i];
        if (!in_activation_slab(v->value) || v->first < 0)
            continue;
        if (v->over < 0) {
            order[count++] = v;
            continue;
        }
        PlanValue *root = owner(plan, v);
        if (root->last < v->last)
            root->last = v->last;
        if (root->first >
            v->first) /* v goes on through all turns of a loop, and so must its place */
            root->first = v->first;
    }
    qsort(order, (size_t)count, sizeof *order, by_size);
    for (int i = 0; i < count; i++) {
        place_activation(plan, order[i], placed, i);
        int at = i;
        for (; at > 0 && by_place(placed[at - 1], order[i]) > 0; at--)
            placed[at] = placed[at - 1];
        placed[at] = order[i];
    }
    for (int i = 0; i < plan->values_count; i++) {
        PlanValue *v = &plan->values[i], *root = owner(plan, v);
        if (v != root)
            v->slab = root->slab, v->buffer = root->buffer, v->off = root->off;
    }
    free(placed);
    free(order);
}

/* Where most bytes are alive: what a user can do something about. */
static void find_peak(Plan *plan)
{
    uint64_t most = 0;
    for (int s = 0; s < plan->steps_count; s++) {
        uint64_t alive = 0, derived = 0;
        for (int i = 0; i < plan->values_count; i++) {
            const PlanValue *v = &plan->values[i];
            if (in_activation_slab(v->value) && v->over < 0 && v->first >= 0 && v->first <= s &&
                s <= v->last) {
                alive += v->bytes;
                derived += v->value->role == ROLE_DERIVED ? v->bytes : 0;
            }
        }
        if (alive > most) {
            most = alive;
            plan->peak_bytes = alive;
            plan->peak_derived = derived;
            plan->peak = plan->steps[s].name;
        }
    }
}

void plan_memory(Plan *plan)
{
    uint64_t align = plan->info->alignment;
    place_parameters(plan);
    for (int i = 0; i < plan->values_count; i++) {
        PlanValue *v = &plan->values[i];
        Slab slab = slab_of(v->value->role);
        if (slab == SLAB_ACTIVATION)
            plan->requested += v->bytes;
        else if (slab >= SLAB_STATE)
            place_behind(plan, v, slab, align, v->bytes);
    }
    place_activations(plan);
    find_peak(plan);
}
