/* ReLU, addition, and the parameter-free shortcut of the CIFAR ResNets (option A). */
#include "base/check.h"
#include "plan/lower.h"

#include <string.h>

static Value *same_shape(Graph *graph, Node *n, const char *name)
{
    return node_output(graph, n, name, DTYPE_F32, n->in[0]->dims);
}

static RangeArgs range_args(const Lowering *l, const Value *v, Grid *grid)
{
    RangeArgs args = {.n = (long)lower_layout(l, v).count};
    *grid = lower_range(l, args.n, &args.chunk);
    return args;
}

/* ------------------------------------------------------------------------------------ relu */

void relu_infer(Graph *graph, Node *n) { same_shape(graph, n, "y"); }

void relu_grad(Graph *graph, Node *n, Gradients *g)
{
    if (gradient_wanted(g, n->in[0]))
        gradient_add(
            g, n->in[0],
            NODE(graph, relu_grad, &(NoAttrs){0}, gradient_of(g, n->out[0]), n->out[0])->out[0]);
}

void relu_lower(Lowering *l, const Node *n)
{
    Grid grid;
    RangeArgs args = range_args(l, n->in[0], &grid);
    lower_over(l, n->out[0], n->in[0]);
    LOWER_KERNEL(l, relu, &args, grid, 0, IN(n->in[0]), OUT(n->out[0]));
}

void relu_reference(const RefCall *call)
{
    int64_t count = dims_count(call->node->in[0]->dims);
    for (int64_t i = 0; i < count; i++)
        call->out[0][i] =
            call->in[0][i] < 0 ? 0 : call->in[0][i]; /* not fmax: not-a-number stays */
}

void relu_grad_infer(Graph *graph, Node *n) { same_shape(graph, n, "dx"); }

void relu_grad_lower(Lowering *l, const Node *n)
{
    Grid grid;
    RangeArgs args = range_args(l, n->in[0], &grid);
    lower_over(l, n->out[0], n->in[0]);
    LOWER_KERNEL(l, relu_grad, &args, grid, 0, IN(n->in[0]), IN(n->in[1]), OUT(n->out[0]));
}

void relu_grad_reference(const RefCall *call)
{
    int64_t count = dims_count(call->node->in[0]->dims);
    for (int64_t i = 0; i < count; i++)
        call->out[0][i] = call->in[1][i] <= 0 ? 0 : call->in[0][i];
}

/* ------------------------------------------------------------------------------------ add */

void add_infer(Graph *graph, Node *n)
{
    CHECK(dims_equal(n->in[0]->dims, n->in[1]->dims));
    same_shape(graph, n, "y");
}

void add_grad(Graph *graph, Node *n, Gradients *g)
{
    (void)graph;
    for (int i = 0; i < 2; i++)
        if (gradient_wanted(g, n->in[i]))
            gradient_add(g, n->in[i], gradient_of(g, n->out[0]));
}

void add_lower(Lowering *l, const Node *n)
{
    Grid grid;
    RangeArgs args = range_args(l, n->in[0], &grid);
    lower_over(l, n->out[0], n->in[0]);
    LOWER_KERNEL(l, add, &args, grid, 0, IN(n->in[0]), IN(n->in[1]), OUT(n->out[0]));
}

void add_reference(const RefCall *call)
{
    int64_t count = dims_count(call->node->in[0]->dims);
    for (int64_t i = 0; i < count; i++)
        call->out[0][i] = call->in[0][i] + call->in[1][i];
}

/* ------------------------------------------------------------------------------------ shortcut_a
 */

/* y[n, shift + c, p, q] = x[n, c, 2p, 2q], zeros in the other channels: x's lie in the middle. */
void shortcut_a_infer(Graph *graph, Node *n)
{
    const ShortcutAttrs *a = n->attrs;
    Dims x = n->in[0]->dims;
    CHECK(a->channels >= x.d[1] && (a->channels - x.d[1]) % 2 == 0 && a->H == x.d[2] &&
          a->W == x.d[3]);
    node_output(graph, n, "y", DTYPE_F32,
                DIMS4(x.d[0], a->channels, (x.d[2] + 1) / 2, (x.d[3] + 1) / 2));
}

void shortcut_a_grad(Graph *graph, Node *n, Gradients *g)
{
    const ShortcutAttrs *a = n->attrs;
    ShortcutAttrs back = {.channels = (int)n->in[0]->dims.d[1], .H = a->H, .W = a->W};
    if (gradient_wanted(g, n->in[0]))
        gradient_add(g, n->in[0],
                     NODE(graph, shortcut_a_grad, &back, gradient_of(g, n->out[0]))->out[0]);
}

/* big: the side with full resolution and C channels; small: half of it and K channels. */
static ShortcutArgs shortcut_args(const Value *big, const Value *small)
{
    Shape b = shape_of(big), s = shape_of(small);
    return (ShortcutArgs){.N = b.N,
                          .C = b.C,
                          .K = s.C,
                          .H = (int)big->dims.d[2],
                          .W = (int)big->dims.d[3],
                          .P = (int)small->dims.d[2],
                          .Q = (int)small->dims.d[3],
                          .shift = (s.C - b.C) / 2};
}

/* Teams: parts of `rows` rows of what is written; tiles of channels; images. */
static Grid shortcut_grid(const Lowering *l, const Value *big, const Value *small, const Value *to,
                          int rows, ShortcutArgs *args)
{
    Layout a = lower_layout(l, to);
    *args = shortcut_args(big, small);
    args->width = lower_layout(l, big).width;
    args->small_width = lower_layout(l, small).width;
    return lower_teams(l, lower_splits(l, (int64_t)a.tiles * a.N, rows), a.tiles, a.N);
}

void shortcut_a_lower(Lowering *l, const Node *n)
{
    ShortcutArgs args;
    Grid grid = shortcut_grid(l, n->in[0], n->out[0], n->out[0], (int)n->out[0]->dims.d[2], &args);
    LOWER_KERNEL(l, shortcut_a, &args, grid, 0, IN(n->in[0]), OUT(n->out[0]));
}

void shortcut_a_reference(const RefCall *call)
{
    ShortcutArgs a = shortcut_args(call->node->in[0], call->node->out[0]);
    memset(call->out[0], 0, (size_t)dims_count(call->node->out[0]->dims) * sizeof(double));
    for (int64_t n = 0; n < a.N; n++)
        for (int64_t c = 0; c < a.C; c++)
            for (int64_t p = 0; p < a.P; p++)
                for (int64_t q = 0; q < a.Q; q++)
                    call->out[0][((n * a.K + a.shift + c) * a.P + p) * a.Q + q] =
                        call->in[0][((n * a.C + c) * a.H + 2 * p) * a.W + 2 * q];
}

void shortcut_a_grad_infer(Graph *graph, Node *n)
{
    const ShortcutAttrs *a = n->attrs;
    node_output(graph, n, "dx", DTYPE_F32, DIMS4(n->in[0]->dims.d[0], a->channels, a->H, a->W));
}

void shortcut_a_grad_lower(Lowering *l, const Node *n)
{
    ShortcutArgs args;
    Grid grid = shortcut_grid(l, n->out[0], n->in[0], n->out[0], (int)n->out[0]->dims.d[2], &args);
    LOWER_KERNEL(l, shortcut_a_grad, &args, grid, 0, IN(n->in[0]), OUT(n->out[0]));
}

void shortcut_a_grad_reference(const RefCall *call)
{
    ShortcutArgs a = shortcut_args(call->node->out[0], call->node->in[0]);
    memset(call->out[0], 0, (size_t)dims_count(call->node->out[0]->dims) * sizeof(double));
    for (int64_t n = 0; n < a.N; n++)
        for (int64_t c = 0; c < a.C; c++)
            for (int64_t p = 0; p < a.P; p++)
                for (int64_t q = 0; q < a.Q; q++)
                    call->out[0][((n * a.C + c) * a.H + 2 * p) * a.W + 2 * q] =
                        call->in[0][((n * a.K + a.shift + c) * a.P + p) * a.Q + q];
}
