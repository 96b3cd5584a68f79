/* Recomputation: outputs of batch norm with ReLU need not wait for the backward pass, and neither
 * do the images.
 *
 * The convolution's output must be kept for the gradient of the batch norm anyway; normalising it
 * again costs one pass over memory, and the output's place is free in between. Outputs with a
 * residual are kept: computing them again would need their own inputs' inputs. Images take sixteen
 * lanes of floats for three bytes, which stay where the host wrote them. The values are the same
 * bits as before. */
#include "plan/plan.h"

#include "base/check.h"

#include <stdlib.h>

/* The node that ends the forward pass: the loss. */
static int find_loss(const Graph *graph)
{
    for (int i = 0; i < graph->nodes_count; i++)
        if (graph->nodes[i]->op == OP_paco_loss || graph->nodes[i]->op == OP_softmax_loss)
            return i;
    return -1;
}

static bool uses(const Node *n, const Value *value)
{
    for (int i = 0; i < n->in_count; i++)
        if (n->in[i] == value)
            return true;
    return false;
}

/* The first node behind the loss that uses the value, or -1. */
static int first_backward_use(const Graph *graph, int loss, const Value *value)
{
    for (int i = loss + 1; i < graph->nodes_count; i++)
        if (uses(graph->nodes[i], value))
            return i;
    return -1;
}

/* Whether what the node makes is made again rather than kept. */
static bool is_cheap(const Node *n)
{
    return n->op == OP_images || (n->op == OP_bn_relu && n->in[0]->dims.rank == 4);
}

/* Appends the node that computes n's output again, and lets the backward pass use that. */
static Node *again(Graph *graph, Node *n, int first)
{
    int known = graph->nodes_count;
    graph->segment = n->segment;
    graph->scope = n->name;
    Node *node = n->op == OP_images
                     ? NODE(graph, images, (const ImagesAttrs *)n->attrs, n->in[0], n->in[1])
                     : NODE(graph, bn_relu_again, (const BnAttrs *)n->attrs, n->in[0], n->in[1],
                            n->in[2], n->out[1], n->out[2]);
    for (int i = first; i < known; i++)
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
        int first = is_cheap(n) ? first_backward_use(graph, loss, n->out[0]) : -1;
        if (first >= 0 && !before[first])
            before[first] = again(graph, n, first);
    }
    insert(graph, before, count);
    graph->scope = NULL;
    free(before);
}
