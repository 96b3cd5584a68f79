/* What does not fit a device, and which batch would: the refusal of a plan in words that a user can
 * do something about. */
#include "plan/passes.h"

#include <stdio.h>

/* Images of one pass, as the first node of the graph takes them in: of training, else of
 * evaluation. */
static int64_t batch_of(const Graph *graph, bool *training)
{
    int64_t batch = 0, of_evaluation = 0;
    for (int i = 0; i < graph->nodes_count; i++) {
        const Node *n = graph->nodes[i];
        if (op_get(n->op)->trait != TRAIT_SOURCE)
            continue;
        int64_t *largest = n->segment == SEGMENT_EVAL ? &of_evaluation : &batch;
        if (n->out[0]->dims.d[0] > *largest)
            *largest = n->out[0]->dims.d[0];
    }
    *training = batch > 0;
    return *training ? batch : of_evaluation;
}

/* The largest value of those that grow with the batch, or of the others. */
static const PlanValue *largest_value(const Plan *plan, bool growing)
{
    const PlanValue *most = &plan->values[plan->state];
    for (int i = 0; i < plan->values_count; i++) {
        const PlanValue *v = &plan->values[i];
        Role role = v->value->role;
        bool shared = slab_of(role) == SLAB_ACTIVATION; /* and nowhere, where no step names it */
        if ((shared || role == ROLE_INPUT) == growing && (!shared || v->first >= 0) &&
            v->bytes > most->bytes)
            most = v;
    }
    return most;
}

/* The name of the largest slab of those that do not grow with the batch, or of the value that makes
 * up most of it. */
static const char *largest_fixed(const Plan *plan, uint64_t *bytes)
{
    int slab = SLAB_PARAM;
    const PlanValue *most = largest_value(plan, false);
    for (int s = SLAB_PARAM; s < SLAB_IO; s++)
        if (plan_slab_bytes(plan, (Slab)s) > plan_slab_bytes(plan, (Slab)slab))
            slab = s;
    *bytes = plan_slab_bytes(plan, (Slab)slab);
    if (most->bytes <= *bytes / 2)
        return slab_title((Slab)slab);
    *bytes = most->bytes;
    return most->value->name;
}

/* Bytes that grow with the batch: inputs, and activations without the packed weights and scratch
 * among them. */
static uint64_t growing_bytes(const Plan *plan)
{
    uint64_t bytes = plan_slab_bytes(plan, SLAB_ACTIVATION) - plan->peak_derived;
    for (int i = 0; i < plan->values_count; i++)
        bytes += plan->values[i].value->role == ROLE_INPUT ? plan->values[i].bytes : 0;
    return bytes;
}

/* Whether what does not grow with the batch, `fixed` bytes, fits the device by itself, as does each
 * of its values. */
static bool fixed_part_fits(const Plan *plan, uint64_t fixed)
{
    return fixed < device_room(plan->info) &&
           largest_value(plan, false)->bytes <= plan->info->max_alloc;
}

/* Images of one rank for which what grows with them fits beside the rest, `fixed` bytes; 0: not
 * even one. The places of fewer images are not planned: they may have larger gaps. */
static int64_t batch_that_fits(const Plan *plan, uint64_t fixed)
{
    const double gaps = 1.0 / 32;
    double left = (double)(device_room(plan->info) - fixed);
    double room = left / (double)growing_bytes(plan) * (1 - gaps);
    double largest = (double)plan->info->max_alloc / (double)largest_value(plan, true)->bytes;
    double share = room < largest ? room : largest;
    bool training;
    return (int64_t)((share < 1 ? share : 1) * (double)batch_of(plan->graph, &training));
}

/* In the words of the option: the batch of all ranks together. */
static void batch_hint(const Plan *plan, int64_t fits, char *hint, size_t size)
{
    bool training;
    int64_t all = batch_of(plan->graph, &training);
    int ranks = training ? plan->graph->ranks.all : 1;
    if (fits < 1 || all < 1)
        snprintf(hint, size, "Not even a batch of one image%s fits", ranks > 1 ? " per rank" : "");
    else if (ranks > 1)
        snprintf(hint, size, "--batch %lld (%lld per rank) fits", (long long)fits * ranks,
                 (long long)fits);
    else
        snprintf(hint, size, "--batch %lld fits", (long long)fits);
}

/* Ends a refusal: which batch would fit, or why none does. */
static Status refuse(const Plan *plan, uint64_t need, const char *what)
{
    uint64_t fixed = need - growing_bytes(plan);
    if (!fixed_part_fits(plan, fixed)) {
        uint64_t bytes;
        const char *most = largest_fixed(plan, &bytes);
        return status_fail(
            STATUS_LIMIT,
            "%s: memory: %s. No batch fits: %llu MiB do not depend on it, of them %llu MiB are %s",
            plan->info->name, what, (unsigned long long)(fixed >> 20),
            (unsigned long long)(bytes >> 20), most);
    }
    char hint[96];
    batch_hint(plan, batch_that_fits(plan, fixed), hint, sizeof hint);
    return status_fail(STATUS_LIMIT, "%s: memory: %s. %s", plan->info->name, what, hint);
}

Status plan_fits(const Plan *plan)
{
    char what[192];
    bool training;
    uint64_t need = plan_bytes(plan), limit = plan->info->max_alloc;
    uint64_t room = device_room(plan->info);
    const PlanValue *most = largest_value(plan, false);
    if (most->bytes <= limit)
        most = largest_value(plan, true);
    if (most->bytes > limit) {
        snprintf(what, sizeof what,
                 "%.64s is larger than a buffer of the device may be (%llu vs %llu MiB)",
                 most->value->name, (unsigned long long)(most->bytes >> 20),
                 (unsigned long long)(limit >> 20));
        return refuse(plan, need, what);
    }
    if (need <= room)
        return STATUS_OK;
    snprintf(
        what, sizeof what,
        "the plan needs more than the device has%s (%llu vs %llu MiB; of it %llu MiB activations "
        "of %lld images)",
        room < plan->info->memory ? " left" : "", (unsigned long long)(need >> 20),
        (unsigned long long)(room >> 20),
        (unsigned long long)(plan_slab_bytes(plan, SLAB_ACTIVATION) >> 20),
        (long long)batch_of(plan->graph, &training));
    return refuse(plan, need, what);
}
