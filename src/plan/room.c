/* Room: whether a device can keep every activation, before the graph is lowered. */
#include "plan/passes.h"

#include "base/arena.h"

#include <stdlib.h>

/* Between which nodes a value is needed. */
typedef struct Life {
    int first, last; /* first: one more than the node that makes it; 0: none does */
} Life;

/* Of every value, by its id. */
static Life *lives(const Graph *graph)
{
    Life *life = mem_zero((size_t)graph->values_count, sizeof *life);
    for (int i = 0; i < graph->nodes_count; i++) {
        const Node *n = graph->nodes[i];
        for (int j = 0; j < n->out_count; j++)
            life[n->out[j]->id] = (Life){i + 1, i};
        for (int j = 0; j < n->in_count; j++)
            if (n->in[j])
                life[n->in[j]->id].last = i;
    }
    return life;
}

/* What lives always, and the most of the rest that lives at once: without scratch and packed
 * weights, which nobody knows yet. */
static uint64_t bytes_at_once(const Plan *plan)
{
    const Graph *graph = plan->graph;
    Life *life = lives(graph);
    int64_t *change = mem_zero((size_t)graph->nodes_count + 1, sizeof *change); /* at each node */
    int64_t now = 0, most = 0;
    for (int i = 0; i < graph->values_count; i++) {
        const Value *v = graph->values[i];
        int64_t bytes = (int64_t)plan_value_bytes(plan, v);
        if (slab_of(v->role) != SLAB_ACTIVATION)
            now += bytes;
        else if (life[i].first) {
            change[life[i].first - 1] += bytes;
            change[life[i].last + 1] -= bytes;
        }
    }
    for (int i = 0; i < graph->nodes_count; i++) {
        now += change[i];
        most = now > most ? now : most;
    }
    free(change);
    free(life);
    return (uint64_t)most;
}

bool plan_needs_room(const Plan *plan)
{
    const DeviceInfo *info = plan->info;
    return !(info->caps & CAP_OWN_MEMORY) ||
           bytes_at_once(plan) > device_room(info) / 4 * 3; /* a quarter for what is not known */
}
