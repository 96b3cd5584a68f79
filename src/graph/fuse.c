/* Fusion: rewrites neighbouring nodes into one, by the rows of fuse.def.
 *
 * A row looks at one node and its producers. When it matches, the node becomes the fused one (same
 * place in the order, same output values), and the nodes it swallowed are marked dead; dead nodes
 * are removed at the end. A node may be swallowed only when nothing else uses its outputs. */
#include "graph/passes.h"

#include "base/check.h"
#include "device/backend.h"
#include "graph/op.h"

#include <stdlib.h>
#include <string.h>

typedef struct Fusion {
    Graph *graph;
    int *uses;  /* by value id: how many inputs name it */
    bool *dead; /* by node id */
    int values_room;
} Fusion;

/* The producer of a value when it is a live `op` whose output is used here only; else NULL. */
static Node *sole_producer(const Fusion *f, const Value *value, OpKind op)
{
    Node *n = value ? value->producer : NULL;
    return n && n->op == op && !f->dead[n->id] && f->uses[value->id] == 1 &&
                   value->role == ROLE_ACTIVATION
               ? n
               : NULL;
}

static void kill_node(Fusion *f, Node *n)
{
    f->dead[n->id] = true;
    for (int i = 0; i < n->in_count; i++)
        if (n->in[i])
            f->uses[n->in[i]->id]--;
}

/* `n` becomes `op` with these inputs; its outputs stay, and `more` outputs of a swallowed node join
 * them. */
static void become(Fusion *f, Node *n, OpKind op, const void *attrs, int count, Value *const *in)
{
    for (int i = 0; i < n->in_count; i++)
        if (n->in[i])
            f->uses[n->in[i]->id]--;
    n->op = op;
    n->attrs = attrs;
    n->in_count = count;
    for (int i = 0; i < count; i++) {
        n->in[i] = in[i];
        if (in[i])
            f->uses[in[i]->id]++;
    }
    for (int i = count; i < NODE_MAX_IN; i++)
        n->in[i] = NULL; /* what is left out is absent */
}

static void adopt(Node *n, Value *output)
{
    CHECK(n->out_count < NODE_MAX_OUT);
    n->out[n->out_count++] = output;
    output->producer = n;
}

/* ------------------------------------------------------------------------------------ evaluation
 */

/* bn_eval of a convolution: the convolution's node becomes the fold, which belongs to the FOLD
 * segment. */
static bool fuse_fold_bn(Fusion *f, Node *bn)
{
    if (bn->op != OP_bn_eval)
        return false;
    Node *conv = sole_producer(f, bn->in[0], OP_conv);
    if (!conv)
        return false;
    Value *x = conv->in[0], *w = conv->in[1];
    ConvActAttrs attrs = {.conv = *(const ConvAttrs *)conv->attrs};
    become(f, conv, OP_bn_fold, bn->attrs, 5,
           (Value *[]){w, bn->in[1], bn->in[2], bn->in[3], bn->in[4]});
    conv->segment = SEGMENT_FOLD;
    conv->out_count = 0;
    op_get(OP_bn_fold)->infer(f->graph, conv);
    CHECK(f->graph->values_count <= f->values_room);
    become(f, bn, OP_conv_bias_act, arena_copy(&f->graph->arena, &attrs, sizeof attrs), 4,
           (Value *[]){x, conv->out[0], conv->out[1], NULL});
    return true;
}

static ConvActAttrs *act_attrs(Fusion *f, const Node *conv)
{
    return arena_copy(&f->graph->arena, conv->attrs, sizeof(ConvActAttrs));
}

static bool fuse_conv_add(Fusion *f, Node *add)
{
    for (int i = 0; i < 2 && add->op == OP_add; i++) {
        Node *conv = sole_producer(f, add->in[i], OP_conv_bias_act);
        if (!conv || conv->in[3] || ((const ConvActAttrs *)conv->attrs)->relu)
            continue;
        Value *in[] = {conv->in[0], conv->in[1], conv->in[2], add->in[1 - i]};
        kill_node(f, conv);
        become(f, add, OP_conv_bias_act, act_attrs(f, conv), 4, in);
        return true;
    }
    return false;
}

static bool fuse_conv_relu(Fusion *f, Node *relu)
{
    Node *conv = relu->op == OP_relu ? sole_producer(f, relu->in[0], OP_conv_bias_act) : NULL;
    if (!conv || ((const ConvActAttrs *)conv->attrs)->relu)
        return false;
    ConvActAttrs *attrs = act_attrs(f, conv);
    attrs->relu = true;
    kill_node(f, conv);
    become(f, relu, OP_conv_bias_act, attrs, 4, conv->in);
    return true;
}

/* ------------------------------------------------------------------------------------ batch norm
 */

/* The node takes over bn's inputs, an optional residual, and bn's statistics as outputs. */
static void swallow_bn(Fusion *f, Node *n, Node *bn, OpKind op, Value *residual)
{
    Value *in[] = {bn->in[0], bn->in[1], bn->in[2], bn->in[3], bn->in[4], residual};
    kill_node(f, bn);
    become(f, n, op, bn->attrs, residual ? 6 : 5, in);
    adopt(n, bn->out[1]);
    adopt(n, bn->out[2]);
    n->name = bn->name;
}

static bool fuse_bn_relu(Fusion *f, Node *relu)
{
    Node *bn = relu->op == OP_relu ? sole_producer(f, relu->in[0], OP_bn) : NULL;
    if (bn)
        swallow_bn(f, relu, bn, OP_bn_relu, NULL);
    return bn != NULL;
}

static bool fuse_bn_add_relu(Fusion *f, Node *relu)
{
    Node *add = relu->op == OP_relu ? sole_producer(f, relu->in[0], OP_add) : NULL;
    for (int i = 0; add && i < 2; i++) {
        Node *bn = sole_producer(f, add->in[i], OP_bn);
        if (!bn)
            continue;
        Value *residual = add->in[1 - i];
        kill_node(f, add);
        swallow_bn(f, relu, bn, OP_bn_add_relu, residual);
        return true;
    }
    return false;
}

/* In a block whose shortcut is a convolution both operands of the sum are normalised: neither need
 * be written. */
static bool fuse_bn_twice(Fusion *f, Node *n)
{
    bool plain = n->op == OP_bn_add_relu && n->in_count == 6;
    Node *bn = plain ? sole_producer(f, n->in[5], OP_bn) : NULL;
    if (!bn)
        return false;
    Value *in[] = {n->in[0],  n->in[1],  n->in[2],  n->in[3],   n->in[4],
                   bn->in[0], bn->in[1], bn->in[2], bn->out[1], bn->out[2]};
    become(f, bn, OP_bn_stats, bn->attrs, 3, (Value *[]){bn->in[0], bn->in[3], bn->in[4]});
    bn->out[0] = bn->out[1];
    bn->out[1] = bn->out[2];
    bn->out_count = 2;
    become(f, n, OP_bn_add_relu, n->attrs, 10, in);
    return true;
}

/* Whether a live node between `from` and `to` uses the value. */
static bool used_between(const Fusion *f, const Value *value, const Node *from, const Node *to)
{
    for (int i = from->id + 1; i < to->id; i++)
        if (!f->dead[i] && node_uses(f->graph->nodes[i], value))
            return true;
    return false;
}

/* A device that merges within a launch has one for the statistics of both. */
static bool fuse_bn_pair(Fusion *f, Node *n)
{
    if (n->op != OP_bn_add_relu || n->in_count != 10)
        return false;
    Node *stats = n->in[8]->producer;
    if (!stats || stats->op != OP_bn_stats || stats->out[1] != n->in[9] ||
        used_between(f, n->in[8], stats, n) || used_between(f, n->in[9], stats, n))
        return false;
    Value *in[] = {n->in[0], n->in[1], n->in[2], n->in[3],    n->in[4],
                   n->in[5], n->in[6], n->in[7], stats->in[1], stats->in[2]};
    kill_node(f, stats);
    become(f, n, OP_bn_pair, n->attrs, 10, in);
    adopt(n, stats->out[0]);
    adopt(n, stats->out[1]);
    return true;
}

static bool fuse_bn_relu_grad(Fusion *f, Node *bn)
{
    Node *relu = bn->op == OP_bn_grad ? bn->in[0]->producer : NULL;
    if (!relu || relu->op != OP_relu_grad || f->dead[relu->id] ||
        used_between(f, bn->in[0], relu, bn))
        return false;
    Value *masked = bn->in[0];
    bool alone = f->uses[masked->id] == 1 && masked->role == ROLE_ACTIVATION;
    Value *in[] = {relu->in[0], bn->in[1], bn->in[2], bn->in[3], bn->in[4], relu->in[1]};
    kill_node(f, relu);
    become(f, bn, alone ? OP_bn_relu_grad : OP_bn_add_relu_grad, bn->attrs, 6, in);
    if (!alone)
        adopt(bn, masked);
    return true;
}

/* The backward pass asks of an output only where it is positive: one bit of it. */
static bool fuse_relu_mask(Fusion *f, Node *grad)
{
    if (grad->op != OP_bn_relu_grad && grad->op != OP_bn_add_relu_grad)
        return false;
    Value *y = grad->in[5];
    Node *bn = y->producer;
    if (y->dtype == DTYPE_BIT || !bn ||
        (bn->op != OP_bn_relu && bn->op != OP_bn_add_relu && bn->op != OP_bn_pair))
        return false;
    Value *mask = graph_value(f->graph, arena_printf(&f->graph->arena, "%s.mask", bn->name),
                              ROLE_ACTIVATION, DTYPE_BIT, y->dims);
    CHECK(f->graph->values_count <= f->values_room);
    adopt(bn, mask);
    Value *in[] = {grad->in[0], grad->in[1], grad->in[2], grad->in[3], grad->in[4], mask};
    become(f, grad, grad->op, grad->attrs, 6, in);
    return true;
}

/* Whether all that `later` reads but its first input is there before `earlier` runs. */
static bool could_run_at(const Node *later, const Node *earlier)
{
    for (int i = 1; i < later->in_count; i++)
        if (later->in[i]->producer && later->in[i]->producer->id >= earlier->id)
            return false;
    return true;
}

/* The gradients of both operands of a sum: dy is masked where both read it, and never written. */
static bool fuse_bn_pair_grad(Fusion *f, Node *bn)
{
    Node *both = bn->op == OP_bn_grad ? sole_producer(f, bn->in[0], OP_bn_add_relu_grad) : NULL;
    if (!both || both->out[3] != bn->in[0] || both->in[5]->dtype != DTYPE_BIT ||
        !could_run_at(bn, both))
        return false;
    Value *in[] = {both->in[0], both->in[1], both->in[2], both->in[3], both->in[4], both->in[5],
                   bn->in[1],   bn->in[2],   bn->in[3],   bn->in[4]};
    kill_node(f, bn);
    become(f, both, OP_bn_pair_grad, both->attrs, 10, in);
    both->out_count--; /* the masked dy, which nothing reads any more */
    for (int i = 0; i < 3; i++)
        adopt(both, bn->out[i]);
    return true;
}

/* ------------------------------------------------------------------------------------ sums of
 * gradients */

static bool accumulates(const Fusion *f, const Node *n)
{
    return n && !f->dead[n->id] && op_get(n->op)->trait == TRAIT_ADDS && !n->in[2];
}

/* add(a, b) with b fresh from a data gradient and a made before it. */
static bool fuse_accumulate(Fusion *f, Node *add)
{
    for (int i = 1; i >= 0 && add->op == OP_add; i--) {
        Node *grad = add->in[i]->producer;
        Value *other = add->in[1 - i];
        if (!accumulates(f, grad) || f->uses[add->in[i]->id] != 1 ||
            add->in[i]->role != ROLE_ACTIVATION ||
            (other->producer && other->producer->id > grad->id))
            continue;
        Value *in[] = {grad->in[0], grad->in[1], other};
        kill_node(f, grad);
        become(f, add, grad->op, grad->attrs, 3, in);
        add->name = grad->name;
        return true;
    }
    return false;
}

/* ------------------------------------------------------------------------------------ the pass */

static void count_uses(Fusion *f)
{
    for (int i = 0; i < f->graph->nodes_count; i++)
        for (int j = 0; j < f->graph->nodes[i]->in_count; j++)
            if (f->graph->nodes[i]->in[j])
                f->uses[f->graph->nodes[i]->in[j]->id]++;
}

/* Removes the dead; a fold goes from its convolution's segment to its own. */
static void sweep(Fusion *f)
{
    Graph *graph = f->graph;
    int n = graph->nodes_count;
    graph->nodes_count = 0;
    for (int i = 0; i < n; i++)
        if (!f->dead[i])
            graph->nodes[graph->nodes_count++] = graph->nodes[i];
    graph_sort_segments(graph);
}

void graph_fuse(Graph *graph, uint32_t caps)
{
    enum { CAP_ANYWHERE = 0 };
    static const struct {
        bool (*fuse)(Fusion *, Node *);
        uint32_t wanted;
    } rows[] = {
#define FUSE(name, where) {fuse_##name, CAP_##where},
#include "graph/fuse.def"
#undef FUSE
    };
    Fusion f = {.graph = graph, .values_room = graph->values_count + 3 * graph->nodes_count};
    f.uses = mem_zero((size_t)f.values_room, sizeof *f.uses);
    f.dead = mem_zero((size_t)graph->nodes_count, sizeof *f.dead);
    count_uses(&f);
    for (int i = 0; i < graph->nodes_count; i++)
        for (size_t r = 0; !f.dead[i] && r < sizeof rows / sizeof *rows; r++)
            if ((caps & rows[r].wanted) == rows[r].wanted)
                rows[r].fuse(&f, graph->nodes[i]);
    sweep(&f);
    free(f.uses);
    free(f.dead);
}
