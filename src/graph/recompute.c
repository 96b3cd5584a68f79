/* Recomputation: what an operator can make again from values that live on anyway (`remake` in
 * ops.def) does not wait for the backward pass, but is made again right before its first use there.
 * Its place is free in between. The values are the same bits as before. */
#include "graph/passes.h"

#include "base/check.h"
#include "graph/op.h"

#include <stdlib.h>

/* The node that ends the forward pass: the loss. */
static int find_loss(const Graph *graph)
{
    for (int i = 0; i < graph->nodes_count; i++)
        if (op_get(graph->nodes[i]->op)->trait == TRAIT_LOSS)
            return i;
    return -1;
}

/* The first node behind the loss that uses the value, or -1. */
static int first_backward_use(const Graph *graph, int loss, const Value *value)
{
    for (int i = loss + 1; i < graph->nodes_count; i++)
        if (node_uses(graph->nodes[i], value))
            return i;
    return -1;
}

/* Appends the node that computes n's output again, where that is worth it, and lets the backward
 * pass from node `first` on use that; else NULL. */
static Node *again(Graph *graph, Node *n, int first)
{
    int known = graph->nodes_count;
    graph->segment = n->segment;
    graph->scope = n->name;
    Node *node = op_get(n->op)->remake(graph, n);
    if (node)
        node->again = true;
    for (int i = first; i < known && node; i++)
        for (int j = 0; j < graph->nodes[i]->in_count; j++)
            if (graph->nodes[i]->in[j] == n->out[0])
                graph->nodes[i]->in[j] = node->out[0];
    return node;
}

/* The nodes in their new order: each of `before[i]` stands right before node i. */
static void insert(Graph *graph, Node **before, int count)
{
    Node **nodes = mem_alloc((size_t)(graph->nodes_count + 1) * sizeof *nodes);
    int at = 0;
    for (int i = 0; i < count; i++) {
        if (before[i])
            nodes[at++] = before[i];
        nodes[at++] = graph->nodes[i];
    }
    CHECK(at == graph->nodes_count);
    for (int i = 0; i < at; i++)
        nodes[i]->id = i;
    free(graph->nodes);
    graph->nodes = nodes;
    graph->nodes_room = graph->nodes_count + 1;
}

void graph_recompute(Graph *graph)
{
    int loss = find_loss(graph), count = graph->nodes_count;
    Node **before = mem_zero((size_t)count + 1, sizeof *before);
    for (int i = 0; i < loss; i++) {
        Node *n = graph->nodes[i];
        int first = op_get(n->op)->remake ? first_backward_use(graph, loss, n->out[0]) : -1;
        if (first >= 0 && !before[first])
            before[first] = again(graph, n, first);
    }
    insert(graph, before, count);
    graph->scope = NULL;
    free(before);
}
