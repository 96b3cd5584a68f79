/* What processes do together. Where there is one, nothing is left to do, and that is what the plain
 * references say; several are served by whoever runs the graph (graph/interp.c, plan/exchange.c).
 */
#include "base/check.h"
#include "plan/lower.h"

/* Rows lie rank after rank, and so a process's together. */
void all_gather_infer(Graph *graph, Node *n)
{
    for (int i = 0; i < n->in_count; i++)
        CHECK(n->in[i]->dims.d[0] % graph->ranks.all == 0);
}

static void lower_values(Lowering *l, const Node *n, CommOp op)
{
    Operand operands[NODE_MAX_IN];
    for (int i = 0; i < n->in_count; i++)
        operands[i] = OUT(n->in[i]);
    lower_comm(l, op, n->in_count, operands);
}

void all_gather_lower(Lowering *l, const Node *n)
{
    lower_values(l, n, COMM_GATHER);
}

void all_gather_reference(const RefCall *call)
{
    (void)call;
}

void all_reduce_infer(Graph *graph, Node *n)
{
    RankNode nodes[RANK_NODES_MAX];
    CHECK(n->in_count == ranks_nodes(graph->ranks, nodes));
    for (int i = 1; i < n->in_count; i++)
        CHECK(dims_equal(n->in[i]->dims, n->in[0]->dims));
}

void all_reduce_lower(Lowering *l, const Node *n)
{
    lower_values(l, n, COMM_SUM);
}

void all_reduce_reference(const RefCall *call)
{
    (void)call;
}
