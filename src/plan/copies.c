/* Copies: convolutions of 16 bits on a device that takes weights as parameters lie (device_plain)
 * read copies of them, which SGD and the key encoder's average write beside the masters, and leave
 * gradients in 16 bits, which one pass turns into float32 and takes device_grad_scale out of. So no
 * step packs or unpacks them one by one. Nothing is rounded otherwise: a copy is its master rounded
 * once, as packing rounds it.
 *
 * Copies are no state of a run: what the host writes into masters goes to them by SEGMENT_COPIES. */
#include "plan/passes.h"

#include <string.h>

/* What the copy of such a value is to the parameter; ROLE_COUNT: it has none. */
static Role copy_role(const Value *v)
{
    return v->role == ROLE_PARAM  ? ROLE_COPY
           : v->role == ROLE_EMA  ? ROLE_EMA_COPY
           : v->role == ROLE_GRAD ? ROLE_GRAD_COPY
                                  : ROLE_COUNT;
}

static Value *param_of(Value *v)
{
    return v->role == ROLE_PARAM ? v : v->of;
}

/* NULL: it has none. */
static Value *copy_of(const Graph *graph, Value *v)
{
    return copy_role(v) == ROLE_COUNT ? NULL
                                      : graph_companion_of(graph, param_of(v), copy_role(v));
}

static Value *make_copy(Graph *graph, Value *v)
{
    return graph_companion(graph, param_of(v), copy_role(v),
                           arena_printf(&graph->arena, "%s.copy", v->name));
}

/* Which input of a node is a weight that a copy can stand for, -1: none. */
static int copied_weight(const DeviceInfo *info, const Node *n)
{
    const int weight = 1; /* of every operator that casts one */
    if (!(op_get(n->op)->casts >> weight & 1) || copy_role(n->in[weight]) == ROLE_COUNT)
        return -1;
    const ConvAttrs *conv = n->attrs; /* or what begins with it */
    Dims w = n->in[weight]->dims;
    return device_plain(info, w.d[1] * conv->groups, w.d[0], conv->groups) ? weight : -1;
}

/* Copies of the weights that convolutions read, and of the key encoder's with them. */
static void declare(Graph *graph, const DeviceInfo *info)
{
    for (int i = 0; i < graph->nodes_count; i++) {
        const Node *n = graph->nodes[i];
        int weight = copied_weight(info, n);
        if (weight < 0)
            continue;
        Value *param = param_of(n->in[weight]);
        Value *key = graph_companion_of(graph, param, ROLE_EMA);
        make_copy(graph, param);
        if (key)
            make_copy(graph, key);
    }
}

/* A gradient that a convolution leaves in its copy. */
static void leave_in_copy(Graph *graph, Node *n)
{
    Value *grad = n->out[0];
    if (grad->role != ROLE_GRAD || !copy_of(graph, grad->of))
        return;
    n->out[0] = make_copy(graph, grad);
    n->out[0]->producer = n;
}

static void connect(Graph *graph, const DeviceInfo *info)
{
    for (int i = 0; i < graph->nodes_count; i++) {
        Node *n = graph->nodes[i];
        int weight = copied_weight(info, n);
        if (weight >= 0)
            n->in[weight] = copy_of(graph, n->in[weight]);
        else if (n->op == OP_conv_grad_weight)
            leave_in_copy(graph, n);
        int beside = n->op == OP_sgd ? 4 : n->op == OP_ema ? 2 : 0; /* what it updates, input 0 */
        if (!beside || !copy_of(graph, n->in[0]))
            continue;
        n->in[beside] = copy_of(graph, n->in[0]);
        n->in_count = beside + 1;
    }
}

static bool uses_a_gradient(const Node *n)
{
    for (int i = 0; i < n->in_count; i++)
        if (n->in[i] && n->in[i]->role == ROLE_GRAD)
            return true;
    return false;
}

/* The nodes from `from` on stand right before node `to`. */
static void move_before(Graph *graph, int from, int to)
{
    for (; from < graph->nodes_count; from++, to++) {
        Node *n = graph->nodes[from];
        memmove(graph->nodes + to + 1, graph->nodes + to,
                (size_t)(from - to) * sizeof(Node *));
        graph->nodes[to] = n;
    }
}

/* Gradients become float32 before anything reads them, at the end of a rank's. */
static void add_gradients(Graph *graph)
{
    int first = 0, count = graph->nodes_count;
    while (first < count && !uses_a_gradient(graph->nodes[first]))
        first++;
    graph->segment = SEGMENT_QUERY;
    graph->scope = "gradients";
    for (int i = 0; i < count; i++) {
        const Node *n = graph->nodes[i];
        Value *copy = n->op == OP_conv_grad_weight ? n->out[0] : NULL;
        if (copy && value_is_copy(copy)) {
            Value *grad = graph_companion_of(graph, copy->of, ROLE_GRAD);
            Dims dy = n->in[1]->dims;
            float scale = device_grad_scale(graph->storage, dy.d[0] * dy.d[2] * dy.d[3]);
            grad->producer = NODE(graph, cast, &(CastAttrs){1 / scale}, copy, grad);
        }
    }
    move_before(graph, count, first);
}

/* What COPIES does, for the copies from value `first` on: those that are made here. */
static void add_masters(Graph *graph, int first)
{
    graph->segment = SEGMENT_COPIES;
    graph->scope = "copies";
    for (int i = 0; i < graph->values_count; i++) {
        Value *v = graph->values[i], *copy = v->role == ROLE_GRAD ? NULL : copy_of(graph, v);
        if (copy && copy->id >= first)
            NODE(graph, cast, &(CastAttrs){1}, v, copy);
    }
    graph->scope = NULL;
}

void plan_copies(Plan *plan)
{
    if (plan->graph->storage == DTYPE_F32 || !(plan->info->caps & CAP_PLAIN_WEIGHTS))
        return;
    int known = plan->graph->values_count;
    declare(plan->graph, plan->info);
    connect(plan->graph, plan->info);
    add_gradients(plan->graph);
    add_masters(plan->graph, known);
    graph_sort_segments(plan->graph);
}
