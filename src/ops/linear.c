/* Fully connected layers: y = x w^T + b, and their gradients. */
#include "base/check.h"
#include "plan/lower.h"

void linear_infer(Graph *graph, Node *n)
{
    Dims x = n->in[0]->dims, w = n->in[1]->dims;
    CHECK(x.rank == 2 && w.rank == 2 && x.d[1] == w.d[1] && n->in[2]->dims.d[0] == w.d[0]);
    node_output(graph, n, "y", DTYPE_F32, DIMS2(x.d[0], w.d[0]));
}

void linear_grad(Graph *graph, Node *n, Gradients *g)
{
    Value *x = n->in[0], *w = n->in[1], *b = n->in[2], *dy = gradient_of(g, n->out[0]);
    if (gradient_wanted(g, w) || gradient_wanted(g, b)) {
        Node *back = NODE(graph, linear_grad_weight, &(NoAttrs){0}, x, dy);
        if (gradient_wanted(g, w))
            gradient_add(g, w, back->out[0]);
        if (gradient_wanted(g, b))
            gradient_add(g, b, back->out[1]);
    }
    if (gradient_wanted(g, x))
        gradient_add(g, x, NODE(graph, linear_grad_data, &(NoAttrs){0}, dy, w, NULL)->out[0]);
}

/* Features have zero lanes beyond their width; a GEMM writes only the width, so the rest is cleared
 * first. */
static void clear_padding(Lowering *l, const Value *features)
{
    Layout s = lower_layout(l, features);
    if (s.C != s.width)
        lower_fill(l, OUT(features), (uint64_t)s.count * 4, 0);
}

void linear_lower(Lowering *l, const Node *n)
{
    Layout x = lower_layout(l, n->in[0]), y = lower_layout(l, n->out[0]);
    clear_padding(l, n->out[0]);
    lower_gemm(l,
               (GemmDesc){.M = x.N,
                          .N = y.C,
                          .K = x.C,
                          .lda = x.width,
                          .ldb = x.C,
                          .ldc = y.width,
                          .trans_b = true,
                          .alpha = 1},
               IN(n->in[0]), IN(n->in[1]), OUT(n->out[0]), IN(n->in[2]));
}

void linear_reference(const RefCall *call)
{
    int64_t N = call->node->in[0]->dims.d[0], C = call->node->in[0]->dims.d[1];
    int64_t K = call->node->out[0]->dims.d[1];
    for (int64_t i = 0; i < N * K; i++) {
        const double *x = call->in[0] + i / K * C, *w = call->in[1] + i % K * C;
        double sum = call->in[2][i % K];
        for (int64_t c = 0; c < C; c++)
            sum += x[c] * w[c];
        call->out[0][i] = sum;
    }
}

void linear_grad_data_infer(Graph *graph, Node *n)
{
    Dims dy = n->in[0]->dims, w = n->in[1]->dims;
    CHECK(dy.d[1] == w.d[0]);
    node_output(graph, n, "dx", DTYPE_F32, DIMS2(dy.d[0], w.d[1]));
}

void linear_grad_data_lower(Lowering *l, const Node *n)
{
    Layout dy = lower_layout(l, n->in[0]), dx = lower_layout(l, n->out[0]);
    const Value *to = n->in[2];
    if (to)
        lower_accumulate(l, n->out[0], to);
    else
        clear_padding(l, n->out[0]);
    lower_gemm(l, (GemmDesc){.M = dy.N, .N = dx.C, .K = dy.C, .lda = dy.width, .ldb = dx.C,
                             .ldc = dx.width, .alpha = 1, .beta = to ? 1 : 0},
               IN(n->in[0]), IN(n->in[1]), OUT(n->out[0]), (Operand){0});
}

void linear_grad_data_reference(const RefCall *call)
{
    int64_t N = call->node->in[0]->dims.d[0], K = call->node->in[0]->dims.d[1];
    int64_t C = call->node->out[0]->dims.d[1];
    for (int64_t n = 0; n < N; n++) {
        double *dx = call->out[0] + n * C;
        for (int64_t c = 0; c < C; c++)
            dx[c] = call->in[2] ? call->in[2][n * C + c] : 0;
        for (int64_t k = 0; k < K; k++)
            for (int64_t c = 0; c < C; c++)
                dx[c] += call->in[0][n * K + k] * call->in[1][k * C + c];
    }
}

/* x[N,C], dy[N,K] -> dw[K,C], db[K] */
void linear_grad_weight_infer(Graph *graph, Node *n)
{
    Dims x = n->in[0]->dims, dy = n->in[1]->dims;
    CHECK(x.d[0] == dy.d[0]);
    node_output(graph, n, "dw", DTYPE_F32, DIMS2(dy.d[1], x.d[1]))->role = ROLE_DERIVED;
    node_output(graph, n, "db", DTYPE_F32, DIMS1(dy.d[1]));
}

void linear_grad_weight_lower(Lowering *l, const Node *n)
{
    Layout x = lower_layout(l, n->in[0]), dy = lower_layout(l, n->in[1]);
    /* A weight's gradient is a parameter's companion: it lies without padding. */
    lower_gemm(l,
               (GemmDesc){.M = dy.C,
                          .N = x.C,
                          .K = x.N,
                          .lda = dy.width,
                          .ldb = x.width,
                          .ldc = x.C,
                          .trans_a = true,
                          .alpha = 1},
               IN(n->in[1]), IN(n->in[0]), OUT(n->out[0]), (Operand){0});
    ColumnArgs args = {.N = dy.N, .C = dy.C, .stride = dy.width};
    LOWER_KERNEL(l, column_sum, &args, lower_teams(l, dy.tiles, 1, 1), 0, IN(n->in[1]),
                 OUT(n->out[1]));
}

void linear_grad_weight_reference(const RefCall *call)
{
    int64_t N = call->node->in[0]->dims.d[0], C = call->node->in[0]->dims.d[1];
    int64_t K = call->node->in[1]->dims.d[1];
    for (int64_t k = 0; k < K; k++) {
        double *dw = call->out[0] + k * C, sum = 0;
        for (int64_t c = 0; c < C; c++)
            dw[c] = 0;
        for (int64_t n = 0; n < N; n++) {
            double d = call->in[1][n * K + k];
            sum += d;
            for (int64_t c = 0; c < C; c++)
                dw[c] += d * call->in[0][n * C + c];
        }
        call->out[1][k] = sum;
    }
}
