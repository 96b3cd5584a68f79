/* Reverse-mode differentiation: walks the nodes backwards and asks each operator for its backward
 * nodes. A value used by several nodes gets the sum of their contributions. */
#include "graph/graph.h"

#include "base/check.h"
#include "graph/op.h"

#include <stdio.h>
#include <stdlib.h>

struct Gradients {
    Graph *graph;
    Value **sums; /* by value id: what has been contributed so far, NULL: nothing */
    bool *needs;  /* by value id: depends on a trainable parameter */
    int count;    /* values of the forward graph */
};

Value *gradient_of(Gradients *gradients, Value *value)
{
    return gradients->sums[value->id];
}

bool gradient_wanted(const Gradients *gradients, const Value *value)
{
    return value && gradients->needs[value->id];
}

void gradient_add(Gradients *gradients, Value *value, Value *contribution)
{
    CHECK(dims_equal(value->dims, contribution->dims));
    Value **sum = &gradients->sums[value->id];
    if (value->role == ROLE_PARAM) {
        CHECKF(!*sum, "parameter %s is used twice", value->name);
        contribution->role = ROLE_GRAD;
        contribution->of = value;
        contribution->name = arena_printf(&gradients->graph->arena, "grad.%s", value->name);
    }
    if (*sum)
        *sum = NODE(gradients->graph, add, &(NoAttrs){0}, *sum, contribution)->out[0];
    else
        *sum = contribution;
}

/* Which values a gradient must reach: those that a trainable parameter flows into. */
static void mark_needs(const Graph *graph, bool *needs)
{
    for (int i = 0; i < graph->values_count; i++)
        needs[i] = graph->values[i]->role == ROLE_PARAM && graph->values[i]->trainable;
    for (int i = 0; i < graph->nodes_count; i++) {
        const Node *n = graph->nodes[i];
        bool any = false;
        for (int j = 0; j < n->in_count && op_get(n->op)->grad; j++)
            any |= n->in[j] && needs[n->in[j]->id];
        for (int j = 0; j < n->out_count; j++)
            needs[n->out[j]->id] = any;
    }
}

void graph_gradients(Graph *graph, const GradRoot *roots, int count)
{
    Gradients g = {.graph = graph, .count = graph->values_count};
    const char *scope = graph->scope;
    g.sums = mem_zero((size_t)g.count, sizeof *g.sums);
    g.needs = mem_zero((size_t)g.count, sizeof *g.needs);
    mark_needs(graph, g.needs);
    for (int i = 0; i < count; i++)
        gradient_add(&g, roots[i].value, roots[i].seed);
    for (int i = graph->nodes_count - 1; i >= 0; i--) {
        Node *n = graph->nodes[i];
        bool reached = false;
        for (int j = 0; j < n->out_count; j++)
            reached |= g.needs[n->out[j]->id] && g.sums[n->out[j]->id];
        if (!reached)
            continue;
        char name[256];
        snprintf(name, sizeof name, "grad.%s", n->name);
        graph->scope = name;
        op_get(n->op)->grad(graph, n, &g);
    }
    graph->scope = scope;
    free(g.sums);
    free(g.needs);
}
