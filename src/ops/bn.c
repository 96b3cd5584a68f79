/* Batch normalisation over images and pixels of a channel, and its fusions with residual addition
 * and ReLU.
 *
 * Training: y = gamma (x - mean) invstd + beta with the batch's biased variance; running statistics
 * move by `momentum` towards the batch's mean and unbiased variance, on rank 0 only, as
 * data-parallel training keeps them. The plan needs three kernels: partial statistics per split,
 * their merge, and the application; two where the last team of the first one merges. Where both
 * operands of a sum are normalised (bn_pair) such a device has one launch for the statistics of
 * both, and in the backward pass one for their sums and one for both dx. */
#include "base/check.h"
#include "plan/lower.h"

#include <math.h>

/* Outputs: MASK of bn_relu and bn_add_relu, where it is wanted; of bn_pair what is the residual's.
 */
enum { MASK = 3, PAIR_MEAN2 = 3, PAIR_INVSTD2, PAIR_MASK };
/* Inputs of bn, bn_relu, bn_add_relu, bn_pair, bn_eval; with the last four bn_add_relu normalises
 * the residual by them on its way, and bn_pair has running statistics there. */
enum { X, GAMMA, BETA, MEAN, VAR, RESIDUAL, GAMMA2, BETA2, MEAN2, INVSTD2, VAR2 = INVSTD2 };

/* ------------------------------------------------------------------------------------ shapes */

static void infer_forward(Graph *graph, Node *n)
{
    Value *x = n->in[X];
    for (int i = GAMMA; i <= VAR; i++)
        CHECK(n->in[i]->dims.rank == 1 && n->in[i]->dims.d[0] == x->dims.d[1]);
    node_output(graph, n, "y", DTYPE_F32, x->dims);
    node_output(graph, n, "mean", DTYPE_F32, DIMS1(x->dims.d[1]));
    node_output(graph, n, "invstd", DTYPE_F32, DIMS1(x->dims.d[1]));
}

/* Inputs of bn_pair_grad: those of bn_relu_grad, then what is the other's. */
enum { X2 = 6, GAMMA_X2, MEAN_X2, INVSTD_X2 };

static void infer_backward(Graph *graph, Node *n)
{
    CHECK(dims_equal(n->in[0]->dims, n->in[1]->dims));
    node_output(graph, n, "dx", DTYPE_F32, n->in[1]->dims);
    node_output(graph, n, "dgamma", DTYPE_F32, n->in[2]->dims);
    node_output(graph, n, "dbeta", DTYPE_F32, n->in[2]->dims);
}

/* ------------------------------------------------------------------------------------ reference */

/* Visits every element of channel c: i is its index. */
#define EACH_OF_CHANNEL(s, c, i)                                  \
    for (int64_t n_ = 0; n_ < (s).N; n_++)                        \
        for (int64_t i = (n_ * (s).C + (c)) * (s).HW, e_ = i + (s).HW; i < e_; i++)

/* Mean and inverse deviation of channel c of x, and the running statistics' move on rank 0. */
static void channel_moments(const RefCall *call, const double *x, Shape s, int c, double *mean,
                            double *invstd, double *running_mean, double *running_var)
{
    const BnAttrs *a = call->node->attrs;
    double count = (double)s.N * s.HW, sum = 0, squares = 0, m = a->momentum;
    EACH_OF_CHANNEL(s, c, i)
        sum += x[i];
    *mean = sum / count;
    EACH_OF_CHANNEL(s, c, i)
        squares += (x[i] - *mean) * (x[i] - *mean);
    *invstd = 1 / sqrt(squares / count + a->eps);
    if (call->state->rank != 0)
        return;
    *running_mean = (1 - m) * *running_mean + m * *mean;
    *running_var = (1 - m) * *running_var + m * (squares / (count - 1));
}

/* What is added, normalised where there is a gamma; x is NULL where nothing is. */
typedef struct Residual {
    const double *x, *gamma, *beta, *mean, *invstd;
} Residual;

static double residual_at(const Residual *r, int c, int64_t i)
{
    if (!r->x || !r->gamma)
        return r->x ? r->x[i] : 0;
    return r->gamma[c] * r->invstd[c] * (r->x[i] - r->mean[c]) + r->beta[c];
}

/* The output that is the mask; 0: there is none. */
static int mask_of(const Node *n)
{
    int mask = n->op == OP_bn_pair ? PAIR_MASK : MASK;
    return n->out_count > mask ? mask : 0;
}

static void forward_channel(const RefCall *call, Shape s, int c, const Residual *residual,
                            bool relu)
{
    double *mean = &call->out[1][c], *invstd = &call->out[2][c];
    int mask = mask_of(call->node);
    channel_moments(call, call->in[X], s, c, mean, invstd, &call->in[MEAN][c], &call->in[VAR][c]);
    EACH_OF_CHANNEL(s, c, i) {
        double v = call->in[GAMMA][c] * *invstd * (call->in[X][i] - *mean) + call->in[BETA][c];
        v += residual_at(residual, c, i);
        call->out[0][i] = relu && v < 0 ? 0 : v; /* not-a-number stays */
        if (mask)
            call->out[mask][i] = !(v <= 0);
    }
}

static void forward_reference(const RefCall *call, Residual residual, bool relu)
{
    Shape s = shape_of(call->node->in[X]);
    for (int c = 0; c < s.C; c++)
        forward_channel(call, s, c, &residual, relu);
}

/* y: the output whose zeros mask dy, or the bits that say so, or NULL; masked: where the masked dy
 * goes, or NULL. */
static void backward_channel(const RefCall *call, Shape s, int c, const double *y, double *masked)
{
    const double *dy = call->in[0], *x = call->in[1];
    double gamma = call->in[2][c], mean = call->in[3][c], invstd = call->in[4][c];
    double sum = 0, dot = 0, count = (double)s.N * s.HW;
    EACH_OF_CHANNEL(s, c, i) {
        double d = y && y[i] <= 0 ? 0 : dy[i];
        sum += d;
        dot += d * (x[i] - mean) * invstd;
    }
    EACH_OF_CHANNEL(s, c, i) {
        double d = y && y[i] <= 0 ? 0 : dy[i];
        call->out[0][i] = gamma * invstd * (d - sum / count - (x[i] - mean) * invstd * dot / count);
        if (masked)
            masked[i] = d;
    }
    call->out[1][c] = dot;
    call->out[2][c] = sum;
}

static void backward_reference(const RefCall *call, const double *y, double *masked)
{
    Shape s = shape_of(call->node->in[1]);
    for (int c = 0; c < s.C; c++)
        backward_channel(call, s, c, y, masked);
}

/* ------------------------------------------------------------------------------------ lowering */

enum { LEAST_PIXELS = 64 }; /* of a work-item of a CPU */

static BnArgs bn_args(const BnAttrs *a, Layout s)
{
    return (BnArgs){.N = s.N, .C = s.C, .width = s.width, .HW = s.HW, .eps = (float)a->eps,
                    .momentum = (float)a->momentum};
}

/* Work of the sums: a team per tile of channels and split. */
static void split_sums(const Lowering *l, Layout s, BnArgs *args)
{
    args->pieces = lower_pieces(l, s);
    args->splits = lower_splits(l, s.tiles, (int64_t)s.N * args->pieces);
}

/* The kernel or the two of the statistics. */
static void lower_moments(Lowering *l, const Node *n, const Value *mean, const Value *invstd,
                          const Value *running_mean, const Value *running_var)
{
    Layout s = lower_pixels(l, n->in[X]);
    BnArgs args = bn_args(n->attrs, s);
    split_sums(l, s, &args);
    const Value *partial = lower_temp(l, (int64_t)args.splits * 2 * s.width);
    const Value *arrivals = lower_arrivals(l, s.tiles);
    const Grid teams = lower_teams(l, s.tiles, args.splits, 1);
    if (arrivals)
        LOWER_KERNEL(l, bn_stats, &args, teams, 0, IN(n->in[X]), OUT(partial), OUT(mean),
                     OUT(invstd), OUT(running_mean), OUT(running_var), lower_state(l),
                     OUT(arrivals));
    else {
        LOWER_KERNEL(l, bn_stats, &args, teams, 0, IN(n->in[X]), OUT(partial), IN(NULL), IN(NULL),
                     IN(NULL), IN(NULL), IN(NULL), IN(NULL));
        LOWER_KERNEL(l, bn_merge, &args, lower_teams(l, s.tiles, 1, 1), 0, IN(partial), OUT(mean),
                     OUT(invstd), OUT(running_mean), OUT(running_var), lower_state(l));
    }
}

/* The same of x and of the residual: one launch where its last teams merge. */
static void lower_pair_moments(Lowering *l, const Node *n)
{
    Layout s = lower_pixels(l, n->in[X]);
    BnArgs args = bn_args(n->attrs, s);
    split_sums(l, s, &args);
    int64_t floats = (int64_t)args.splits * 2 * s.width;
    const Value *partial = lower_temp(l, 2 * floats), *arrivals = lower_arrivals(l, 2 * s.tiles);
    const Value *mean = n->out[1], *invstd = n->out[2], *mean2 = n->out[PAIR_MEAN2],
                *invstd2 = n->out[PAIR_INVSTD2];
    const Grid teams = lower_teams(l, s.tiles, args.splits, 2);
    const Grid merge = lower_teams(l, s.tiles, 1, 1);
    if (arrivals) {
        LOWER_KERNEL(l, bn_pair_stats, &args, teams, 0, IN(n->in[X]), IN(n->in[RESIDUAL]),
                     OUT(partial), OUT(mean), OUT(invstd), OUT(n->in[MEAN]), OUT(n->in[VAR]),
                     OUT(mean2), OUT(invstd2), OUT(n->in[MEAN2]), OUT(n->in[VAR2]), lower_state(l),
                     OUT(arrivals));
        return;
    }
    LOWER_KERNEL(l, bn_pair_stats, &args, teams, 0, IN(n->in[X]), IN(n->in[RESIDUAL]), OUT(partial),
                 IN(NULL), IN(NULL), IN(NULL), IN(NULL), IN(NULL), IN(NULL), IN(NULL), IN(NULL),
                 IN(NULL), IN(NULL));
    LOWER_KERNEL(l, bn_merge, &args, merge, 0, IN(partial), OUT(mean), OUT(invstd),
                 OUT(n->in[MEAN]), OUT(n->in[VAR]), lower_state(l));
    LOWER_KERNEL(l, bn_merge, &args, merge, 0, AT(partial, 4 * floats), OUT(mean2), OUT(invstd2),
                 OUT(n->in[MEAN2]), OUT(n->in[VAR2]), lower_state(l));
}

/* y from statistics that are known; mean2, invstd2: of a residual that is normalised, or NULL. */
static void lower_apply(Lowering *l, const Node *n, const Value *residual, const Value *mean2,
                        const Value *invstd2, bool relu)
{
    Layout s = lower_pixels(l, n->in[X]);
    int mask = mask_of(n);
    BnArgs args = bn_args(n->attrs, s);
    args.relu = relu;
    lower_over(l, n->out[0], n->in[X]);
    LOWER_KERNEL(l, bn_apply, &args, lower_planes(l, s, LEAST_PIXELS), 0, IN(n->in[X]),
                 IN(n->in[GAMMA]), IN(n->in[BETA]), IN(n->out[1]), IN(n->out[2]), IN(residual),
                 IN(n->in[GAMMA2]), IN(n->in[BETA2]), IN(mean2), IN(invstd2), OUT(n->out[0]),
                 OUT(mask ? n->out[mask] : NULL));
}

static void lower_forward(Lowering *l, const Node *n, const Value *residual, bool relu)
{
    lower_moments(l, n, n->out[1], n->out[2], n->in[MEAN], n->in[VAR]);
    lower_apply(l, n, residual, n->in[MEAN2], n->in[INVSTD2], relu);
}

/* The kernel or the two of dgamma and dbeta. */
static void lower_sums(Lowering *l, const Node *n, Layout s, const BnArgs *args, const Value *y,
                       const Value *mask)
{
    const Value *dy = n->in[0], *x = n->in[1], *mean = n->in[3], *invstd = n->in[4];
    const Value *dgamma = n->out[1], *dbeta = n->out[2], *arrivals = lower_arrivals(l, s.tiles);
    const Value *partial = lower_temp(l, (int64_t)args->splits * 2 * s.width);
    LOWER_KERNEL(l, bn_grad_sums, args, lower_teams(l, s.tiles, args->splits, 1), 0, IN(dy), IN(x),
                 IN(mean), IN(invstd), IN(y), IN(mask), OUT(partial),
                 OUT(arrivals ? dgamma : NULL), OUT(arrivals ? dbeta : NULL), OUT(arrivals));
    if (!arrivals)
        LOWER_KERNEL(l, bn_grad_merge, args, lower_teams(l, s.tiles, 1, 1), 0, IN(partial),
                     OUT(dgamma), OUT(dbeta));
}

static void lower_backward(Lowering *l, const Node *n, const Value *y, const Value *masked)
{
    Layout s = lower_pixels(l, n->in[1]);
    const Value *mask = y && y->dtype == DTYPE_BIT ? y : NULL, *kept = mask ? NULL : y;
    const Value *dy = n->in[0], *x = n->in[1], *gamma = n->in[2], *mean = n->in[3],
                *invstd = n->in[4];
    BnArgs args = bn_args(n->attrs, s);
    split_sums(l, s, &args);
    lower_sums(l, n, s, &args, kept, mask);
    lower_over(l, masked ? masked : n->out[0], dy);
    LOWER_KERNEL(l, bn_grad_apply, &args, lower_planes(l, s, LEAST_PIXELS), 0, IN(dy), IN(x),
                 IN(gamma), IN(mean), IN(invstd), IN(n->out[1]), IN(n->out[2]), IN(kept),
                 IN(mask), OUT(n->out[0]), OUT(masked));
}

/* The kernel or the three of dgamma and dbeta of both. */
static void lower_pair_sums(Lowering *l, const Node *n, Layout s, const BnArgs *args)
{
    int64_t floats = (int64_t)args->splits * 2 * s.width;
    const Value *partial = lower_temp(l, 2 * floats), *arrivals = lower_arrivals(l, s.tiles);
    const Grid merge = lower_teams(l, s.tiles, 1, 1);
    Value *const *sums = n->out;
    LOWER_KERNEL(l, bn_pair_grad_sums, args, lower_teams(l, s.tiles, args->splits, 1), 0,
                 IN(n->in[0]), IN(n->in[5]), IN(n->in[1]), IN(n->in[3]), IN(n->in[4]),
                 IN(n->in[X2]), IN(n->in[MEAN_X2]), IN(n->in[INVSTD_X2]), OUT(partial),
                 OUT(arrivals ? sums[1] : NULL), OUT(arrivals ? sums[2] : NULL),
                 OUT(arrivals ? sums[4] : NULL), OUT(arrivals ? sums[5] : NULL), OUT(arrivals));
    if (arrivals)
        return;
    LOWER_KERNEL(l, bn_grad_merge, args, merge, 0, IN(partial), OUT(sums[1]), OUT(sums[2]));
    LOWER_KERNEL(l, bn_grad_merge, args, merge, 0, AT(partial, 4 * floats), OUT(sums[4]),
                 OUT(sums[5]));
}

/* ------------------------------------------------------------------------------------ the slices
 */

void bn_infer(Graph *graph, Node *n) { infer_forward(graph, n); }
void bn_lower(Lowering *l, const Node *n) { lower_forward(l, n, NULL, false); }
void bn_reference(const RefCall *call) { forward_reference(call, (Residual){0}, false); }

void bn_grad(Graph *graph, Node *n, Gradients *g)
{
    Value *dy = gradient_of(g, n->out[0]);
    Node *back = NODE(graph, bn_grad, (const BnAttrs *)n->attrs, dy, n->in[X], n->in[GAMMA],
                      n->out[1], n->out[2]);
    if (gradient_wanted(g, n->in[GAMMA]))
        gradient_add(g, n->in[GAMMA], back->out[1]);
    if (gradient_wanted(g, n->in[BETA]))
        gradient_add(g, n->in[BETA], back->out[2]);
    if (gradient_wanted(g, n->in[X]))
        gradient_add(g, n->in[X], back->out[0]);
}

/* x, running mean, running variance -> mean, invstd: bn whose output is made where it is used. */
void bn_stats_infer(Graph *graph, Node *n)
{
    node_output(graph, n, "mean", DTYPE_F32, n->in[1]->dims);
    node_output(graph, n, "invstd", DTYPE_F32, n->in[1]->dims);
}

void bn_stats_lower(Lowering *l, const Node *n)
{
    lower_moments(l, n, n->out[0], n->out[1], n->in[1], n->in[2]);
}

void bn_stats_reference(const RefCall *call)
{
    Shape s = shape_of(call->node->in[X]);
    for (int c = 0; c < s.C; c++)
        channel_moments(call, call->in[X], s, c, &call->out[0][c], &call->out[1][c],
                        &call->in[1][c], &call->in[2][c]);
}

void bn_relu_infer(Graph *graph, Node *n) { infer_forward(graph, n); }

/* x must be kept for the gradient of the batch norm anyway; normalising it again costs one pass
 * over memory. Outputs with a residual are kept: computing them again would need their own inputs'
 * inputs; so are single features, which are small. */
Node *bn_relu_remake(Graph *graph, const Node *n)
{
    if (n->in[X]->dims.rank != 4)
        return NULL;
    return NODE(graph, bn_relu_again, (const BnAttrs *)n->attrs, n->in[X], n->in[GAMMA],
                n->in[BETA], n->out[1], n->out[2]);
}

void bn_relu_lower(Lowering *l, const Node *n) { lower_forward(l, n, NULL, true); }
void bn_relu_reference(const RefCall *call) { forward_reference(call, (Residual){0}, true); }

/* x, gamma, beta, mean, invstd -> y */
void bn_relu_again_infer(Graph *graph, Node *n)
{
    for (int i = 1; i <= 4; i++)
        CHECK(n->in[i]->dims.rank == 1 && n->in[i]->dims.d[0] == n->in[X]->dims.d[1]);
    node_output(graph, n, "y", DTYPE_F32, n->in[X]->dims);
}

void bn_relu_again_lower(Lowering *l, const Node *n)
{
    Layout s = lower_pixels(l, n->in[X]);
    BnArgs args = bn_args(n->attrs, s);
    args.relu = true;
    LOWER_KERNEL(l, bn_apply, &args, lower_planes(l, s, LEAST_PIXELS), 0, IN(n->in[X]),
                 IN(n->in[GAMMA]), IN(n->in[BETA]), IN(n->in[3]), IN(n->in[4]), IN(NULL),
                 IN(NULL), IN(NULL), IN(NULL), IN(NULL), OUT(n->out[0]), OUT(NULL));
}

void bn_relu_again_reference(const RefCall *call)
{
    Shape s = shape_of(call->node->in[X]);
    for (int c = 0; c < s.C; c++)
        EACH_OF_CHANNEL(s, c, i) {
            double v = call->in[GAMMA][c] * call->in[4][c] * (call->in[X][i] - call->in[3][c]) +
                       call->in[BETA][c];
            call->out[0][i] = v < 0 ? 0 : v;
        }
}

void bn_add_relu_infer(Graph *graph, Node *n)
{
    CHECK(dims_equal(n->in[RESIDUAL]->dims, n->in[X]->dims));
    infer_forward(graph, n);
}

void bn_add_relu_lower(Lowering *l, const Node *n) { lower_forward(l, n, n->in[RESIDUAL], true); }
void bn_add_relu_reference(const RefCall *call)
{
    Residual residual = {call->in[RESIDUAL], call->in[GAMMA2], call->in[BETA2], call->in[MEAN2],
                         call->in[INVSTD2]};
    forward_reference(call, residual, true);
}

void bn_pair_infer(Graph *graph, Node *n)
{
    CHECK(dims_equal(n->in[RESIDUAL]->dims, n->in[X]->dims));
    for (int i = GAMMA2; i <= VAR2; i++)
        CHECK(n->in[i]->dims.rank == 1 && n->in[i]->dims.d[0] == n->in[X]->dims.d[1]);
    infer_forward(graph, n);
    node_output(graph, n, "mean2", DTYPE_F32, n->out[1]->dims);
    node_output(graph, n, "invstd2", DTYPE_F32, n->out[2]->dims);
}

void bn_pair_lower(Lowering *l, const Node *n)
{
    lower_pair_moments(l, n);
    lower_apply(l, n, n->in[RESIDUAL], n->out[PAIR_MEAN2], n->out[PAIR_INVSTD2], true);
}

void bn_pair_reference(const RefCall *call)
{
    Shape s = shape_of(call->node->in[X]);
    Residual residual = {call->in[RESIDUAL], call->in[GAMMA2], call->in[BETA2],
                         call->out[PAIR_MEAN2], call->out[PAIR_INVSTD2]};
    for (int c = 0; c < s.C; c++)
        channel_moments(call, residual.x, s, c, &call->out[PAIR_MEAN2][c],
                        &call->out[PAIR_INVSTD2][c], &call->in[MEAN2][c], &call->in[VAR2][c]);
    forward_reference(call, residual, true);
}

void bn_grad_infer(Graph *graph, Node *n) { infer_backward(graph, n); }
void bn_grad_lower(Lowering *l, const Node *n) { lower_backward(l, n, NULL, NULL); }
void bn_grad_reference(const RefCall *call) { backward_reference(call, NULL, NULL); }

void bn_relu_grad_infer(Graph *graph, Node *n) { infer_backward(graph, n); }
void bn_relu_grad_lower(Lowering *l, const Node *n) { lower_backward(l, n, n->in[5], NULL); }
void bn_relu_grad_reference(const RefCall *call) { backward_reference(call, call->in[5], NULL); }

void bn_add_relu_grad_infer(Graph *graph, Node *n)
{
    infer_backward(graph, n);
    node_output(graph, n, "dresidual", DTYPE_F32, n->in[1]->dims);
}

void bn_add_relu_grad_lower(Lowering *l, const Node *n)
{
    lower_backward(l, n, n->in[5], n->out[3]);
}
void bn_add_relu_grad_reference(const RefCall *call)
{
    backward_reference(call, call->in[5], call->out[3]);
}

void bn_pair_grad_infer(Graph *graph, Node *n)
{
    CHECK(dims_equal(n->in[0]->dims, n->in[X2]->dims) && n->in[5]->dtype == DTYPE_BIT);
    infer_backward(graph, n);
    node_output(graph, n, "dx2", DTYPE_F32, n->in[X2]->dims);
    node_output(graph, n, "dgamma2", DTYPE_F32, n->in[GAMMA_X2]->dims);
    node_output(graph, n, "dbeta2", DTYPE_F32, n->in[GAMMA_X2]->dims);
}

void bn_pair_grad_lower(Lowering *l, const Node *n)
{
    Layout s = lower_pixels(l, n->in[1]);
    BnArgs args = bn_args(n->attrs, s);
    split_sums(l, s, &args);
    lower_pair_sums(l, n, s, &args);
    lower_over(l, n->out[0], n->in[0]);
    LOWER_KERNEL(l, bn_pair_grad_apply, &args, lower_planes(l, s, LEAST_PIXELS), 0, IN(n->in[0]),
                 IN(n->in[5]), IN(n->out[2]), IN(n->in[1]), IN(n->in[2]), IN(n->in[3]),
                 IN(n->in[4]), IN(n->out[1]), IN(n->in[X2]), IN(n->in[GAMMA_X2]),
                 IN(n->in[MEAN_X2]), IN(n->in[INVSTD_X2]), IN(n->out[4]), OUT(n->out[0]),
                 OUT(n->out[3]));
}

void bn_pair_grad_reference(const RefCall *call)
{
    RefCall other = *call;
    other.in = (double *[]){call->in[0], call->in[X2], call->in[GAMMA_X2], call->in[MEAN_X2],
                            call->in[INVSTD_X2]};
    other.out = call->out + 3;
    backward_reference(call, call->in[5], NULL);
    backward_reference(&other, call->in[5], NULL);
}

/* ------------------------------------------------------------------------------------ evaluation */

void bn_eval_infer(Graph *graph, Node *n)
{
    for (int i = GAMMA; i <= VAR; i++)
        CHECK(n->in[i]->dims.rank == 1 && n->in[i]->dims.d[0] == n->in[X]->dims.d[1]);
    node_output(graph, n, "y", DTYPE_F32, n->in[X]->dims);
}

void bn_eval_lower(Lowering *l, const Node *n)
{
    Layout s = lower_pixels(l, n->in[X]);
    BnArgs args = bn_args(n->attrs, s);
    lower_over(l, n->out[0], n->in[X]);
    LOWER_KERNEL(l, bn_eval, &args, lower_planes(l, s, LEAST_PIXELS), 0, IN(n->in[X]),
                 IN(n->in[GAMMA]), IN(n->in[BETA]), IN(n->in[MEAN]), IN(n->in[VAR]),
                 OUT(n->out[0]));
}

void bn_eval_reference(const RefCall *call)
{
    const BnAttrs *a = call->node->attrs;
    Shape s = shape_of(call->node->in[X]);
    for (int c = 0; c < s.C; c++) {
        double scale = call->in[GAMMA][c] / sqrt(call->in[VAR][c] + a->eps);
        EACH_OF_CHANNEL(s, c, i)
            call->out[0][i] = scale * (call->in[X][i] - call->in[MEAN][c]) + call->in[BETA][c];
    }
}
