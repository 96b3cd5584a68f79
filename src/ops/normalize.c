/* L2 normalisation of feature rows, as torch.nn.functional.normalize: y = x / max(|x|, 1e-12). */
#include "plan/lower.h"

#include <math.h>

static const double EPS = 1e-12;

void l2norm_infer(Graph *graph, Node *n)
{
    Dims x = n->in[0]->dims;
    node_output(graph, n, "y", DTYPE_F32, x);
    node_output(graph, n, "norm", DTYPE_F32, DIMS1(x.d[0]));
}

void l2norm_grad(Graph *graph, Node *n, Gradients *g)
{
    if (gradient_wanted(g, n->in[0]))
        gradient_add(g, n->in[0], NODE(graph, l2norm_grad, &(NoAttrs){0}, gradient_of(g, n->out[0]),
                                       n->out[0], n->out[1])->out[0]);
}

static RowArgs row_args(const Lowering *l, const Value *x)
{
    Layout s = lower_layout(l, x);
    return (RowArgs){.rows = s.N, .D = s.C, .stride = s.width};
}

void l2norm_lower(Lowering *l, const Node *n)
{
    RowArgs args = row_args(l, n->in[0]);
    LOWER_KERNEL(l, l2norm, &args, lower_teams(l, args.rows, 1, 1), 0, IN(n->in[0]), OUT(n->out[0]),
                 OUT(n->out[1]));
}

void l2norm_reference(const RefCall *call)
{
    int64_t N = call->node->in[0]->dims.d[0], D = call->node->in[0]->dims.d[1];
    for (int64_t n = 0; n < N; n++) {
        const double *x = call->in[0] + n * D;
        double squares = 0;
        for (int64_t d = 0; d < D; d++)
            squares += x[d] * x[d];
        double norm = sqrt(squares) < EPS ? EPS : sqrt(squares); /* not-a-number stays */
        call->out[1][n] = norm;
        for (int64_t d = 0; d < D; d++)
            call->out[0][n * D + d] = x[d] / norm;
    }
}

/* dx = (dy - y (y . dy)) / norm */
void l2norm_grad_infer(Graph *graph, Node *n)
{
    node_output(graph, n, "dx", DTYPE_F32, n->in[0]->dims);
}

void l2norm_grad_lower(Lowering *l, const Node *n)
{
    RowArgs args = row_args(l, n->in[0]);
    LOWER_KERNEL(l, l2norm_grad, &args, lower_teams(l, args.rows, 1, 1), 0, IN(n->in[0]),
                 IN(n->in[1]), IN(n->in[2]), OUT(n->out[0]));
}

void l2norm_grad_reference(const RefCall *call)
{
    int64_t N = call->node->in[0]->dims.d[0], D = call->node->in[0]->dims.d[1];
    for (int64_t n = 0; n < N; n++) {
        const double *dy = call->in[0] + n * D, *y = call->in[1] + n * D;
        double dot = 0;
        for (int64_t d = 0; d < D; d++)
            dot += dy[d] * y[d];
        for (int64_t d = 0; d < D; d++)
            call->out[0][n * D + d] = (dy[d] - y[d] * dot) / call->in[2][n];
    }
}
