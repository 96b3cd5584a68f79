/* The reference interpreter. Memory of an activation is given back after its last use within a
 * segment, unless another segment or the host may ask for it. */
#include "graph/interp.h"

#include "base/check.h"
#include "comm/sum.h"
#include "graph/host.h"

#include <stdlib.h>

struct Interp {
    Graph *graph;
    DType type;
    Comm *comm;
    double **data; /* by value id, NULL until needed */
    int *last_use; /* by value id: node after which an activation is dropped, -1: kept */
};

/* The last node that uses each activation, where all its uses lie in its producer's segment. */
static void find_last_uses(Interp *interp)
{
    const Graph *graph = interp->graph;
    for (int i = 0; i < graph->values_count; i++)
        interp->last_use[i] = graph->values[i]->role == ROLE_ACTIVATION ? -2 : -1;
    for (int i = 0; i < graph->nodes_count; i++) {
        const Node *n = graph->nodes[i];
        for (int j = 0; j < n->out_count; j++)
            if (interp->last_use[n->out[j]->id] == -2)
                interp->last_use[n->out[j]->id] = i;
        for (int j = 0; j < n->in_count; j++) {
            const Value *v = n->in[j];
            if (v && interp->last_use[v->id] >= 0)
                interp->last_use[v->id] = v->producer->segment == n->segment ? i : -1;
        }
    }
}

Interp *interp_new(Graph *graph, DType type, Comm *comm)
{
    Interp *interp = mem_zero(1, sizeof *interp);
    *interp = (Interp){.graph = graph, .type = type, .comm = comm};
    interp->data = mem_zero((size_t)graph->values_count, sizeof *interp->data);
    interp->last_use = mem_zero((size_t)graph->values_count, sizeof *interp->last_use);
    find_last_uses(interp);
    return interp;
}

void interp_free(Interp *interp)
{
    if (!interp)
        return;
    for (int i = 0; i < interp->graph->values_count; i++)
        free(interp->data[i]);
    free(interp->data);
    free(interp->last_use);
    graph_free(interp->graph);
    free(interp);
}

static double *data_of(Interp *interp, const Value *value)
{
    double **data = &interp->data[value->id];
    if (!*data)
        *data = mem_zero((size_t)dims_count(value->dims), sizeof **data);
    return *data;
}

/* What is stored in fewer digits than it is computed with loses them here. */
static void round_value(Interp *interp, const Value *value)
{
    double *x = interp->data[value->id];
    int64_t n = dims_count(value->dims);
    DType stored = graph_stored(interp->graph, value);
    if (stored == DTYPE_F32 && interp->type == DTYPE_F64)
        return;
    for (int64_t i = 0; value->dtype == DTYPE_F32 && i < n; i++)
        x[i] = dtype_round(stored, x[i]);
}

/* Input j of a node as its reference sees it: NULL where it is absent, the value's own elements, or
 * a copy of them in the storage type. */
static double *operand(Interp *interp, const Node *node, int j)
{
    if (!node->in[j])
        return NULL;
    double *own = data_of(interp, node->in[j]);
    if (interp->graph->storage == DTYPE_F32 || !(op_get(node->op)->casts >> j & 1))
        return own;
    int64_t n = dims_count(node->in[j]->dims);
    double *copy = mem_alloc((size_t)n * sizeof *copy);
    for (int64_t i = 0; i < n; i++)
        copy[i] = dtype_round(interp->graph->storage, own[i]);
    return copy;
}

static void run_node(Interp *interp, const Node *n, const StepParams *state)
{
    double *in[NODE_MAX_IN] = {0}, *out[NODE_MAX_OUT];
    for (int j = 0; j < n->in_count; j++)
        in[j] = operand(interp, n, j);
    for (int j = 0; j < n->out_count; j++)
        out[j] = data_of(interp, n->out[j]);
    check_context = n->name;
    const Op *op = op_get(n->op);
    op->reference(
        &(RefCall){.node = n, .state = state, .in = in, .out = out, .type = interp->type});
    check_context = NULL;
    for (int j = 0; j < n->in_count; j++)
        if (n->in[j] && in[j] != interp->data[n->in[j]->id])
            free(in[j]);
    for (int j = 0; j < n->out_count; j++)
        round_value(interp, n->out[j]);
    for (int j = 0; j < n->in_count; j++)
        if (op->mutates >> j & 1 && n->in[j])
            round_value(interp, n->in[j]);
}

static void drop(Interp *interp, const Value *value, int node)
{
    if (value && interp->last_use[value->id] == node) {
        free(interp->data[value->id]);
        interp->data[value->id] = NULL;
    }
}

/* ------------------------------------------------------------------------------------ processes */

static bool collective(const Node *n)
{
    return op_get(n->op)->trait == TRAIT_COLLECTIVE;
}

/* Numbers as they travel: doubles where all processes have those, else floats; integers as such. */
static DType travels(const Interp *interp, const Value *v)
{
    return v->dtype == DTYPE_F32 && comm_wide(interp->comm) ? DTYPE_F64 : v->dtype;
}

static void gather_value(Interp *interp, const Value *v)
{
    DType type = travels(interp, v);
    int64_t count = dims_count(v->dims);
    void *host = mem_alloc((size_t)(count * dtype_bytes(type)));
    interp_read(interp, v, host, type);
    comm_gather(interp->comm, host, (size_t)(count / comm_count(interp->comm) * dtype_bytes(type)));
    interp_write(interp, v, host, type);
    free(host);
}

/* The inputs of `count` nodes as one vector (comm/sum.h). */
typedef struct Gradients {
    Interp *interp;
    Node *const *nodes;
    int count;
    DType type;                 /* as it travels */
    void *part[RANK_NODES_MAX]; /* of each piece, the part that travels */
} Gradients;

/* Moves the elements of a part of input `piece`. */
static void move(const Gradients *g, int piece, SumPart part, bool load)
{
    int64_t begin = 0;
    for (int i = 0; i < g->count; i++) {
        const Value *v = g->nodes[i]->in[piece];
        int64_t room = sum_room(dims_count(v->dims)), have = dims_count(v->dims);
        double *x = data_of(g->interp, v);
        for (int64_t k = part.at > begin ? part.at - begin : 0;
             k < room && begin + k < part.at + part.count; k++)
            if (load)
                host_set(g->part[piece], g->type, begin + k - part.at, k < have ? x[k] : 0);
            else if (k < have)
                x[k] = host_get(g->part[piece], g->type, begin + k - part.at);
        begin += room;
    }
}

static Status load(void *owner, int piece, SumPart part, void **at)
{
    Gradients *g = owner;
    free(g->part[piece]);
    *at = g->part[piece] = mem_alloc((size_t)(part.count * dtype_bytes(g->type)));
    move(g, piece, part, true);
    return STATUS_OK;
}

static Status store(void *owner, SumPart part)
{
    move(owner, 0, part, false);
    return STATUS_OK;
}

static void sum_gradients(Interp *interp, Node *const *nodes, int count)
{
    Gradients g = {interp, nodes, count, comm_wide(interp->comm) ? DTYPE_F64 : DTYPE_F32, {0}};
    CommSum sum = {.owner = &g, .load = load, .store = store};
    for (int i = 0; i < count; i++)
        sum.count += sum_room(dims_count(nodes[i]->in[0]->dims));
    CHECK(comm_sum(interp->comm, interp->graph->ranks, &sum) == STATUS_OK);
    for (int i = 0; i < RANK_NODES_MAX; i++)
        free(g.part[i]);
}

/* So many nodes, all of one operator. */
static void exchange(Interp *interp, Node *const *nodes, int count)
{
    if (nodes[0]->op == OP_all_reduce) {
        sum_gradients(interp, nodes, count);
        return;
    }
    for (int i = 0; i < count; i++)
        for (int j = 0; j < nodes[i]->in_count; j++)
            gather_value(interp, nodes[i]->in[j]);
}

/* ------------------------------------------------------------------------------------ segments */

void interp_run(Interp *interp, Segment segment, const StepParams *state)
{
    int exchanged = 0; /* nodes before this one that are collective are done */
    for (int i = 0; i < interp->graph->nodes_count; i++) {
        const Node *n = interp->graph->nodes[i];
        if (n->segment != segment)
            continue;
        if (collective(n) && interp->comm && i >= exchanged) {
            exchanged = i + 1;
            while (exchanged < interp->graph->nodes_count &&
                   interp->graph->nodes[exchanged]->op == n->op)
                exchanged++;
            exchange(interp, interp->graph->nodes + i, exchanged - i);
        }
        run_node(interp, n, state);
        for (int j = 0; j < n->in_count; j++)
            drop(interp, n->in[j], i);
        for (int j = 0; j < n->out_count; j++)
            drop(interp, n->out[j], i);
    }
}

void interp_write(Interp *interp, const Value *value, const void *host, DType type)
{
    double *data = data_of(interp, value);
    int64_t n = dims_count(value->dims);
    for (int64_t i = 0; i < n; i++)
        data[i] = host_get(host, type, i);
    round_value(interp, value);
}

void interp_read(Interp *interp, const Value *value, void *host, DType type)
{
    const double *data = data_of(interp, value);
    int64_t n = dims_count(value->dims);
    for (int64_t i = 0; i < n; i++)
        host_set(host, type, i, data[i]);
}
