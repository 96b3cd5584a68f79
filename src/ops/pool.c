/* Max pooling and global average pooling. Max pooling keeps the place of each maximum within its
 * window (row times window plus column; the first in reading order), so that its gradient is a
 * gather. As in PyTorch, not-a-number counts as the largest, and the last one of a window as its
 * maximum. */
#include "base/check.h"
#include "plan/lower.h"

#include <math.h>
#include <string.h>

enum { LEAST_PIXELS = 64 }; /* of a work-item of a CPU that goes over a plane */

static PoolArgs pool_args(const PoolAttrs *a, const Value *x, const Value *y)
{
    Shape s = shape_of(x);
    return (PoolArgs){.N = s.N,
                      .C = s.C,
                      .H = (int)x->dims.d[2],
                      .W = (int)x->dims.d[3],
                      .P = (int)y->dims.d[2],
                      .Q = (int)y->dims.d[3],
                      .window = a->window,
                      .stride = a->stride,
                      .pad = a->pad};
}

/* Teams: parts of the rows that are written; tiles of channels; images. Sets the width of `image`'s
 * channels. */
static Grid row_grid(const Lowering *l, const Value *image, PoolArgs *args, int rows)
{
    Layout a = lower_layout(l, image);
    args->width = a.width;
    return lower_teams(l, lower_splits(l, (int64_t)a.tiles * a.N, rows), a.tiles, a.N);
}

/* ------------------------------------------------------------------------------------ max_pool */

void max_pool_infer(Graph *graph, Node *n)
{
    const PoolAttrs *a = n->attrs;
    Dims x = n->in[0]->dims;
    CHECK(a->H == x.d[2] && a->W == x.d[3] && a->pad < a->window && a->window * a->window <= 256);
    CHECK(x.d[2] + 2 * a->pad >= a->window && x.d[3] + 2 * a->pad >= a->window);
    Dims y = DIMS4(x.d[0], x.d[1], (x.d[2] + 2 * a->pad - a->window) / a->stride + 1,
                   (x.d[3] + 2 * a->pad - a->window) / a->stride + 1);
    node_output(graph, n, "y", DTYPE_F32, y);
    node_output(graph, n, "index", DTYPE_U8, y);
}

void max_pool_grad(Graph *graph, Node *n, Gradients *g)
{
    if (gradient_wanted(g, n->in[0]))
        gradient_add(g, n->in[0], NODE(graph, max_pool_grad, (const PoolAttrs *)n->attrs,
                                       gradient_of(g, n->out[0]), n->out[1])->out[0]);
}

void max_pool_lower(Lowering *l, const Node *n)
{
    PoolArgs args = pool_args(n->attrs, n->in[0], n->out[0]);
    Grid grid = row_grid(l, n->in[0], &args, args.P);
    LOWER_KERNEL(l, max_pool, &args, grid, 0, IN(n->in[0]), OUT(n->out[0]),
                 OUT(n->out[1]));
}

static void max_pool_window(const PoolArgs *a, const double *x, int p, int q, double *best,
                            int *where)
{
    *where = -1;
    for (int r = 0; r < a->window; r++)
        for (int s = 0; s < a->window; s++) {
            int h = p * a->stride - a->pad + r, w = q * a->stride - a->pad + s;
            if (h < 0 || h >= a->H || w < 0 || w >= a->W)
                continue;
            double value = x[h * a->W + w];
            if (*where >= 0 && !(value > *best) && !isnan(value))
                continue;
            *best = value;
            *where = r * a->window + s;
        }
}

void max_pool_reference(const RefCall *call)
{
    const Node *n = call->node;
    PoolArgs a = pool_args(n->attrs, n->in[0], n->out[0]);
    int64_t planes = n->in[0]->dims.d[0] * n->in[0]->dims.d[1];
    for (int64_t i = 0; i < planes; i++)
        for (int p = 0; p < a.P; p++)
            for (int q = 0; q < a.Q; q++) {
                int64_t at = (i * a.P + p) * a.Q + q;
                int where;
                max_pool_window(&a, call->in[0] + i * a.H * a.W, p, q, &call->out[0][at], &where);
                call->out[1][at] = where;
            }
}

void max_pool_grad_infer(Graph *graph, Node *n)
{
    const PoolAttrs *a = n->attrs;
    Dims y = n->in[0]->dims;
    node_output(graph, n, "dx", DTYPE_F32, DIMS4(y.d[0], y.d[1], a->H, a->W));
}

void max_pool_grad_lower(Lowering *l, const Node *n)
{
    PoolArgs args = pool_args(n->attrs, n->out[0], n->in[0]);
    Grid grid = row_grid(l, n->in[0], &args, args.H);
    LOWER_KERNEL(l, max_pool_grad, &args, grid, 0, IN(n->in[0]), IN(n->in[1]),
                 OUT(n->out[0]));
}

void max_pool_grad_reference(const RefCall *call)
{
    const Node *n = call->node;
    PoolArgs a = pool_args(n->attrs, n->out[0], n->in[0]);
    int64_t planes = n->in[0]->dims.d[0] * n->in[0]->dims.d[1];
    memset(call->out[0], 0, (size_t)dims_count(n->out[0]->dims) * sizeof(double));
    for (int64_t i = 0; i < planes * a.P * a.Q; i++) {
        int q = (int)(i % a.Q), p = (int)(i / a.Q % a.P), where = (int)call->in[1][i];
        int h = p * a.stride - a.pad + where / a.window,
            w = q * a.stride - a.pad + where % a.window;
        call->out[0][(i / (a.P * a.Q) * a.H + h) * a.W + w] += call->in[0][i];
    }
}

/* ------------------------------------------------------------------------------------ avg_pool */

void avg_pool_infer(Graph *graph, Node *n)
{
    Dims x = n->in[0]->dims;
    CHECK(x.rank == 4);
    node_output(graph, n, "y", DTYPE_F32, DIMS2(x.d[0], x.d[1]));
}

void avg_pool_grad(Graph *graph, Node *n, Gradients *g)
{
    Dims x = n->in[0]->dims;
    PoolAttrs back = {.H = (int)x.d[2], .W = (int)x.d[3]};
    if (gradient_wanted(g, n->in[0]))
        gradient_add(g, n->in[0],
                     NODE(graph, avg_pool_grad, &back, gradient_of(g, n->out[0]))->out[0]);
}

static PoolArgs avg_args(const Value *image, Layout s)
{
    return (PoolArgs){.N = s.N,
                      .C = s.C,
                      .width = s.width,
                      .H = (int)image->dims.d[2],
                      .W = (int)image->dims.d[3]};
}

void avg_pool_lower(Lowering *l, const Node *n)
{
    Layout a = lower_layout(l, n->in[0]);
    PoolArgs args = avg_args(n->in[0], a);
    LOWER_KERNEL(l, avg_pool, &args, lower_teams(l, a.tiles, a.N, 1), 0, IN(n->in[0]),
                 OUT(n->out[0]));
}

void avg_pool_reference(const RefCall *call)
{
    Shape s = shape_of(call->node->in[0]);
    for (int64_t i = 0; i < (int64_t)s.N * s.C; i++) {
        double sum = 0;
        for (int j = 0; j < s.HW; j++)
            sum += call->in[0][i * s.HW + j];
        call->out[0][i] = sum / s.HW;
    }
}

void avg_pool_grad_infer(Graph *graph, Node *n)
{
    const PoolAttrs *a = n->attrs;
    Dims y = n->in[0]->dims;
    node_output(graph, n, "dx", DTYPE_F32, DIMS4(y.d[0], y.d[1], a->H, a->W));
}

void avg_pool_grad_lower(Lowering *l, const Node *n)
{
    Layout a = lower_layout(l, n->out[0]);
    PoolArgs args = avg_args(n->out[0], a);
    LOWER_KERNEL(l, avg_pool_grad, &args, lower_planes(l, a, LEAST_PIXELS), 0,
                 IN(n->in[0]), OUT(n->out[0]));
}

void avg_pool_grad_reference(const RefCall *call)
{
    Shape s = shape_of(call->node->out[0]);
    for (int64_t i = 0; i < (int64_t)s.N * s.C * s.HW; i++)
        call->out[0][i] = call->in[0][i / s.HW] / s.HW;
}
