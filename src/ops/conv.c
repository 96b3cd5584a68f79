/* Convolution: forward, gradient of the data, gradient of the weights, and the fused form of
 * evaluation. Cross-correlation with zero padding, as in every deep learning framework. */
#include "base/check.h"
#include "base/threads.h"
#include "plan/lower.h"

#include <string.h>

/* ------------------------------------------------------------------------------------ shapes */

/* Everything about a convolution from its input's and output's values. */
static ConvDesc describe(const ConvAttrs *a, const Value *x, const Value *w, const Value *y)
{
    CHECK(x->dims.d[1] == w->dims.d[1] * a->groups && w->dims.d[0] % a->groups == 0);
    return (ConvDesc){
        .N = (int)x->dims.d[0],
        .C = (int)x->dims.d[1],
        .H = (int)x->dims.d[2],
        .W = (int)x->dims.d[3],
        .K = (int)y->dims.d[1],
        .R = (int)w->dims.d[2],
        .S = (int)w->dims.d[3],
        .P = (int)y->dims.d[2],
        .Q = (int)y->dims.d[3],
        .stride = a->stride,
        .pad = a->pad,
        .groups = a->groups,
        .plain = value_is_copy(w),
    };
}

static Dims output_dims(const ConvAttrs *a, Dims x, Dims w)
{
    CHECK(x.rank == 4 && w.rank == 4 && x.d[1] == w.d[1] * a->groups);
    CHECK(x.d[2] + 2 * a->pad >= w.d[2] && x.d[3] + 2 * a->pad >= w.d[3]);
    int64_t P = (x.d[2] + 2 * a->pad - w.d[2]) / a->stride + 1;
    int64_t Q = (x.d[3] + 2 * a->pad - w.d[3]) / a->stride + 1;
    return DIMS4(x.d[0], w.d[0], P, Q);
}

/* ------------------------------------------------------------------------------------ reference */

typedef struct Loop {
    ConvDesc d;
    const double *x, *w, *dy;
    double *out;
} Loop;

/* Outputs [from, to) along one axis whose input position o * stride - pad + tap lies inside [0,
 * size). */
static void valid_range(const ConvDesc *d, int tap, int size, int outputs, int *from, int *to)
{
    int first = d->pad - tap, last = size - 1 + d->pad - tap;
    *from = first > 0 ? (first + d->stride - 1) / d->stride : 0;
    *to = last < 0 ? 0 : last / d->stride + 1;
    if (*to > outputs)
        *to = outputs;
}

/* to[i * to_step] += w * from[i * from_step], n times. Steps of 1 stand apart, for those loops
 * become vector instructions. */
static inline void add_row(int n, double w, const double *restrict from, int from_step,
                           double *restrict to, int to_step)
{
    if (from_step == 1 && to_step == 1) {
        for (int i = 0; i < n; i++)
            to[i] += w * from[i];
    } else {
        for (int i = 0; i < n; i++)
            to[i * to_step] += w * from[i * from_step];
    }
}

/* One tap (r, s) of one pair of planes: visits every row of the output, columns [q0, q1), with the
 * places of its first column in both planes. */
#define EACH_ROW(d, r, s, body)                                                                    \
    do {                                                                                           \
        int p0, p1, q0, q1;                                                                        \
        valid_range(&(d), r, (d).H, (d).P, &p0, &p1);                                              \
        valid_range(&(d), s, (d).W, (d).Q, &q0, &q1);                                              \
        for (int p = p0; p < p1 && q0 < q1; p++) {                                                 \
            int64_t y_at = (int64_t)p * (d).Q + q0;                                                \
            int64_t x_at = ((int64_t)p * (d).stride - (d).pad + (r)) * (d).W +                     \
                           (int64_t)q0 * (d).stride - (d).pad + (s);                               \
            body;                                                                                  \
        }                                                                                          \
    } while (0)

static void forward_plane(int64_t i, void *context)
{
    Loop *l = context;
    ConvDesc d = l->d;
    int Cg = d.C / d.groups, k = (int)(i % d.K), n = (int)(i / d.K), c0 = k / (d.K / d.groups) * Cg;
    double *y = l->out + i * d.P * d.Q;
    memset(y, 0, (size_t)(d.P * d.Q) * sizeof *y);
    for (int c = 0; c < Cg; c++) {
        const double *x = l->x + ((int64_t)n * d.C + c0 + c) * d.H * d.W;
        const double *w = l->w + ((int64_t)k * Cg + c) * d.R * d.S;
        for (int r = 0; r < d.R; r++)
            for (int s = 0; s < d.S; s++)
                EACH_ROW(d, r, s,
                         add_row(q1 - q0, w[r * d.S + s], x + x_at, d.stride, y + y_at, 1));
    }
}

static void grad_data_plane(int64_t i, void *context)
{
    Loop *l = context;
    ConvDesc d = l->d;
    int Cg = d.C / d.groups, Kg = d.K / d.groups, c = (int)(i % d.C), n = (int)(i / d.C),
        k0 = c / Cg * Kg;
    double *dx = l->out + i * d.H * d.W;
    for (int k = k0; k < k0 + Kg; k++) {
        const double *dy = l->dy + ((int64_t)n * d.K + k) * d.P * d.Q;
        const double *w = l->w + ((int64_t)k * Cg + c % Cg) * d.R * d.S;
        for (int r = 0; r < d.R; r++)
            for (int s = 0; s < d.S; s++)
                EACH_ROW(d, r, s,
                         add_row(q1 - q0, w[r * d.S + s], dy + y_at, 1, dx + x_at, d.stride));
    }
}

static void grad_weight_plane(int64_t i, void *context)
{
    Loop *l = context;
    ConvDesc d = l->d;
    int Cg = d.C / d.groups, c = (int)(i % Cg), k = (int)(i / Cg), c0 = k / (d.K / d.groups) * Cg;
    double *dw = l->out + i * d.R * d.S;
    memset(dw, 0, (size_t)(d.R * d.S) * sizeof *dw);
    for (int n = 0; n < d.N; n++) {
        const double *x = l->x + ((int64_t)n * d.C + c0 + c) * d.H * d.W;
        const double *dy = l->dy + ((int64_t)n * d.K + k) * d.P * d.Q;
        for (int r = 0; r < d.R; r++)
            for (int s = 0; s < d.S; s++) {
                double sum = 0;
                EACH_ROW(d, r, s,
                         for (int q = 0; q < q1 - q0; q++) sum +=
                         x[x_at + (int64_t)q * d.stride] * dy[y_at + q]);
                dw[r * d.S + s] += sum;
            }
    }
}

/* ------------------------------------------------------------------------------------ conv */

void conv_infer(Graph *graph, Node *n)
{
    Dims y = output_dims(n->attrs, n->in[0]->dims, n->in[1]->dims);
    node_output(graph, n, "y", DTYPE_F32, y);
}

void conv_grad(Graph *graph, Node *n, Gradients *g)
{
    const ConvAttrs *a = n->attrs;
    Value *x = n->in[0], *w = n->in[1], *dy = gradient_of(g, n->out[0]);
    if (gradient_wanted(g, w))
        gradient_add(g, w, NODE(graph, conv_grad_weight, a, x, dy, w)->out[0]);
    if (gradient_wanted(g, x))
        gradient_add(g, x, NODE(graph, conv_grad_data, a, dy, w, NULL)->out[0]);
}

void conv_lower(Lowering *l, const Node *n)
{
    ConvDesc d = describe(n->attrs, n->in[0], n->in[1], n->out[0]);
    lower_conv(l, d, 1, 5, (Operand[]){IN(n->in[0]), IN(n->in[1]), OUT(n->out[0]), {0}, {0}});
}

void conv_reference(const RefCall *call)
{
    const Node *n = call->node;
    Loop loop = {describe(n->attrs, n->in[0], n->in[1], n->out[0]), call->in[0], call->in[1], NULL,
                 call->out[0]};
    threads_for((int64_t)loop.d.N * loop.d.K, forward_plane, &loop);
}

/* ------------------------------------------------------------------------------------ gradients */

void conv_grad_data_infer(Graph *graph, Node *n)
{
    const ConvAttrs *a = n->attrs;
    const Value *dy = n->in[0], *w = n->in[1];
    Dims x = DIMS4(dy->dims.d[0], w->dims.d[1] * a->groups, a->H, a->W);
    CHECK(dims_equal(output_dims(a, x, w->dims), dy->dims));
    node_output(graph, n, "dx", DTYPE_F32, x);
}

void conv_grad_data_lower(Lowering *l, const Node *n)
{
    const Value *dy = n->in[0], *w = n->in[1], *to = n->in[2], *dx = n->out[0];
    ConvDesc d = describe(n->attrs, dx, w, dy);
    d.op = CONV_GRAD_DATA;
    d.accumulate = to != NULL;
    if (to)
        lower_accumulate(l, dx, to);
    lower_conv(l, d, 1, 3, (Operand[]){IN(dy), IN(w), OUT(dx)});
}

void conv_grad_data_reference(const RefCall *call)
{
    const Node *n = call->node;
    int64_t count = dims_count(n->out[0]->dims);
    Loop loop = {describe(n->attrs, n->out[0], n->in[1], n->in[0]), NULL, call->in[1], call->in[0],
                 call->out[0]};
    for (int64_t i = 0; i < count; i++)
        loop.out[i] = call->in[2] ? call->in[2][i] : 0;
    threads_for((int64_t)loop.d.N * loop.d.C, grad_data_plane, &loop);
}

void conv_grad_weight_infer(Graph *graph, Node *n)
{
    CHECK(dims_equal(output_dims(n->attrs, n->in[0]->dims, n->in[2]->dims), n->in[1]->dims));
    node_output(graph, n, "dw", DTYPE_F32, n->in[2]->dims)->role = ROLE_DERIVED;
}

void conv_grad_weight_lower(Lowering *l, const Node *n)
{
    ConvDesc d = describe(n->attrs, n->in[0], n->out[0], n->in[1]);
    d.op = CONV_GRAD_WEIGHT;
    lower_conv(l, d, 0, 3, (Operand[]){IN(n->in[0]), IN(n->in[1]), OUT(n->out[0])});
}

void conv_grad_weight_reference(const RefCall *call)
{
    const Node *n = call->node;
    Loop loop = {describe(n->attrs, n->in[0], n->out[0], n->in[1]), call->in[0], NULL, call->in[1],
                 call->out[0]};
    threads_for((int64_t)loop.d.K * (loop.d.C / loop.d.groups), grad_weight_plane, &loop);
}

/* ------------------------------------------------------------------------------------ evaluation
 */

void conv_bias_act_infer(Graph *graph, Node *n)
{
    const ConvActAttrs *a = n->attrs;
    Dims y = output_dims(&a->conv, n->in[0]->dims, n->in[1]->dims);
    CHECK(n->in[2]->dims.d[0] == y.d[1] && (!n->in[3] || dims_equal(n->in[3]->dims, y)));
    node_output(graph, n, "y", DTYPE_F32, y);
}

void conv_bias_act_lower(Lowering *l, const Node *n)
{
    const ConvActAttrs *a = n->attrs;
    ConvDesc d = describe(&a->conv, n->in[0], n->in[1], n->out[0]);
    d.relu = a->relu;
    /* A residual that nobody else needs lies where the result goes. */
    d.accumulate = n->in[3] && lower_over(l, n->out[0], n->in[3]);
    const Value *residual = d.accumulate ? NULL : n->in[3];
    lower_conv(l, d, 1, 5,
               (Operand[]){IN(n->in[0]), IN(n->in[1]), OUT(n->out[0]), IN(n->in[2]), IN(residual)});
}

void conv_bias_act_reference(const RefCall *call)
{
    const Node *n = call->node;
    const ConvActAttrs *a = n->attrs;
    Loop loop = {describe(&a->conv, n->in[0], n->in[1], n->out[0]), call->in[0], call->in[1], NULL,
                 call->out[0]};
    threads_for((int64_t)loop.d.N * loop.d.K, forward_plane, &loop);
    int64_t plane = (int64_t)loop.d.P * loop.d.Q, count = dims_count(n->out[0]->dims);
    for (int64_t i = 0; i < count; i++) {
        double y =
            loop.out[i] + call->in[2][i / plane % loop.d.K] + (call->in[3] ? call->in[3][i] : 0);
        loop.out[i] = a->relu && y < 0 ? 0 : y; /* not-a-number stays */
    }
}
