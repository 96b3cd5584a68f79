/* What surrounds a forward and backward pass: images in, keys and queue, sums over ranks, SGD and
 * the key encoder's moving average. */
#include "base/check.h"
#include "plan/lower.h"

#include <string.h>

/* ------------------------------------------------------------------------------------ images */

/* raw is uint8 [n][H][W][3], normalised here, or float32 [n,3,H,W], of the ranks that the process
 * runs, one after another. */
void images_infer(Graph *graph, Node *n)
{
    const ImagesAttrs *a = n->attrs;
    Dims raw = n->in[0]->dims;
    CHECK(raw.rank == 4 && raw.d[a->bytes ? 3 : 1] == 3);
    Dims x =
        a->bytes ? DIMS4(a->batch, 3, raw.d[1], raw.d[2]) : DIMS4(a->batch, 3, raw.d[2], raw.d[3]);
    node_output(graph, n, "x", DTYPE_F32, x);
}

/* Images take a whole span of channels for three bytes, which stay where the host wrote them. */
Node *images_remake(Graph *graph, const Node *n)
{
    return NODE(graph, images, (const ImagesAttrs *)n->attrs, n->in[0]);
}

void images_lower(Lowering *l, const Node *n)
{
    const ImagesAttrs *a = n->attrs;
    Layout s = lower_layout(l, n->out[0]);
    ImageArgs args = {.B = a->batch, .HW = s.HW, .width = s.width};
    for (int c = 0; c < 3; c++) {
        args.scale[c] = (float)(1 / (255 * a->std[c]));
        args.shift[c] = (float)(-a->mean[c] / a->std[c]);
    }
    Grid grid = lower_planes(l, s, 256);
    if (a->bytes)
        LOWER_KERNEL(l, images_bytes, &args, grid, 0, IN(n->in[0]), lower_state(l), OUT(n->out[0]));
    else
        LOWER_KERNEL(l, images_floats, &args, grid, 0, IN(n->in[0]), lower_state(l),
                     OUT(n->out[0]));
    int64_t pixels = (int64_t)s.N * s.HW;
    lower_moves(l, pixels * (3 * dtype_bytes(n->in[0]->dtype) +
                             s.width * dtype_bytes(graph_stored(l->plan->graph, n->out[0]))));
}

void images_reference(const RefCall *call)
{
    const ImagesAttrs *a = call->node->attrs;
    Shape s = shape_of(call->node->out[0]);
    for (int64_t i = 0; i < (int64_t)s.N * 3 * s.HW; i++) {
        int64_t pixel = i % s.HW, c = i / s.HW % 3,
                n = call->state->turn * (int64_t)a->batch + i / s.HW / 3;
        call->out[0][i] =
            a->bytes ? (call->in[0][(n * s.HW + pixel) * 3 + c] / 255 - a->mean[c]) / a->std[c]
                     : call->in[0][(n * 3 + c) * s.HW + pixel];
    }
}

/* ------------------------------------------------------------------------------------ rows of
 * ranks */

/* Rows of features or labels, as the device sees them: 4-byte elements. */
static CopyRowsArgs rows_args(const Lowering *l, const Value *all, int64_t rows)
{
    int width = all->dims.rank == 1 ? 1 : lower_layout(l, all).width;
    return (CopyRowsArgs){.rows = (int)rows, .width = width};
}

void take_rank_infer(Graph *graph, Node *n)
{
    Dims d = n->in[0]->dims;
    CHECK(d.rank <= 2 && d.d[0] % graph->ranks.all == 0);
    d.d[0] /= graph->ranks.all;
    node_output(graph, n, "rows", n->in[0]->dtype, d);
}

void take_rank_lower(Lowering *l, const Node *n)
{
    CopyRowsArgs args = rows_args(l, n->in[0], n->out[0]->dims.d[0]);
    LOWER_KERNEL(l, take_rank, &args, lower_teams(l, args.rows, 1, 1), 0, IN(n->in[0]),
                 lower_state(l), OUT(n->out[0]));
    lower_moves(l, 8 * (int64_t)args.rows * args.width);
}

void take_rank_reference(const RefCall *call)
{
    int64_t count = dims_count(call->node->out[0]->dims);
    memcpy(call->out[0], call->in[0] + call->state->rank * count, (size_t)count * sizeof(double));
}

void store_rank_infer(Graph *graph, Node *n)
{
    CHECK(dims_count(n->in[1]->dims) == dims_count(n->in[0]->dims) * graph->ranks.all);
}

void store_rank_lower(Lowering *l, const Node *n)
{
    CopyRowsArgs args = rows_args(l, n->in[0], n->in[0]->dims.d[0]);
    LOWER_KERNEL(l, store_rank, &args, lower_teams(l, args.rows, 1, 1), 0, IN(n->in[0]),
                 lower_state(l), OUT(n->in[1]));
    lower_moves(l, 8 * (int64_t)args.rows * args.width);
}

void store_rank_reference(const RefCall *call)
{
    int64_t count = dims_count(call->node->in[0]->dims);
    memcpy(call->in[1] + call->state->rank * count, call->in[0], (size_t)count * sizeof(double));
}

/* keys[order[i]] = encoded[i], of all ranks. */
void unshuffle_infer(Graph *graph, Node *n)
{
    (void)graph;
    CHECK(dims_equal(n->in[0]->dims, n->in[2]->dims) && n->in[1]->dims.d[0] == n->in[0]->dims.d[0]);
}

void unshuffle_lower(Lowering *l, const Node *n)
{
    CopyRowsArgs args = rows_args(l, n->in[0], n->in[0]->dims.d[0]);
    LOWER_KERNEL(l, unshuffle, &args, lower_teams(l, args.rows, 1, 1), 0, IN(n->in[0]),
                 IN(n->in[1]), OUT(n->in[2]));
    lower_moves(l, 8 * (int64_t)args.rows * args.width);
}

void unshuffle_reference(const RefCall *call)
{
    int64_t rows = call->node->in[0]->dims.d[0], D = call->node->in[0]->dims.d[1];
    for (int64_t i = 0; i < rows; i++)
        memcpy(call->in[2] + (int64_t)call->in[1][i] * D, call->in[0] + i * D,
               (size_t)D * sizeof(double));
}

/* Keys of all ranks, in rank order, go to rows head, head + 1, ... of the ring. Where there are
 * more keys than rows, the last ones stay, as if pushed one by one. */
void queue_push_infer(Graph *graph, Node *n)
{
    (void)graph;
    CHECK(n->in[0]->dims.d[1] == n->in[2]->dims.d[1] &&
          n->in[0]->dims.d[0] == n->in[1]->dims.d[0] && n->in[2]->dims.d[0] == n->in[3]->dims.d[0]);
}

void queue_push_lower(Lowering *l, const Node *n)
{
    int rows = (int)n->in[0]->dims.d[0];
    PushArgs args = {
        .rows = rows, .width = lower_layout(l, n->in[0]).width, .M = (int)n->in[2]->dims.d[0]};
    LOWER_KERNEL(l, queue_push, &args, lower_teams(l, rows, 1, 1), 0, IN(n->in[0]), IN(n->in[1]),
                 lower_state(l), OUT(n->in[2]), OUT(n->in[3]));
    lower_moves(l, 8 * (int64_t)rows * (args.width + 1));
}

void queue_push_reference(const RefCall *call)
{
    int64_t rows = call->node->in[0]->dims.d[0], D = call->node->in[0]->dims.d[1];
    int64_t M = call->node->in[2]->dims.d[0];
    for (int64_t i = 0; i < rows; i++) {
        int64_t to = (call->state->queue_head + i) % M;
        memcpy(call->in[2] + to * D, call->in[0] + i * D, (size_t)D * sizeof(double));
        call->in[3][to] = call->in[1][i];
    }
}

/* ------------------------------------------------------------------------------------ optimiser */

static RangeArgs range_of(const Lowering *l, const Value *v, float a, float b, Grid *grid)
{
    RangeArgs args = {.n = (long)dims_count(v->dims), .a = a, .b = b};
    *grid = lower_range(l, args.n, &args.chunk);
    return args;
}

/* sums[held - merged] = sums[held - merged] + (... + (sums[held - 1] + g)), as RankSum says: with
 * nothing merged it is g. */
void grad_sum_infer(Graph *graph, Node *n)
{
    CHECK(n->in_count - 1 == ranks_sums_held(graph->ranks));
    for (int i = 1; i < n->in_count; i++)
        CHECK(dims_equal(n->in[0]->dims, n->in[i]->dims));
}

void grad_sum_lower(Lowering *l, const Node *n)
{
    Grid grid;
    RangeArgs args = range_of(l, n->in[0], 0, 0, &grid);
    Operand operands[2 + GRAD_SUMS_MAX] = {IN(n->in[0]), lower_state(l)};
    for (int i = 1; i < n->in_count; i++)
        operands[1 + i] = OUT(n->in[i]);
    lower_kernel(l, KERNEL_grad_sum, &args, sizeof args, grid, 0, 2 + GRAD_SUMS_MAX, operands);
    lower_moves(l, 3 * 4 * (int64_t)args.n); /* one sum read and written, seen over all ranks */
}

void grad_sum_reference(const RefCall *call)
{
    int64_t count = dims_count(call->node->in[0]->dims);
    RankSum sum = call->state->sum;
    int to = sum.held - sum.merged;
    for (int64_t i = 0; i < count; i++) {
        double x = call->in[0][i];
        for (int s = sum.held - 1; s >= to; s--)
            x = dtype_round(call->type,
                            x + call->in[1 + s][i]); /* as processes do, who send sums */
        call->in[1 + to][i] = x;
    }
}

/* The bytes of the operands of a pass over `n` elements: `floats` of them, and the copy. */
static int64_t moved(const Lowering *l, long n, int floats, const Value *copy)
{
    return n * (4 * floats + (copy ? dtype_bytes(graph_stored(l->plan->graph, copy)) : 0));
}

/* g += decay w;  v = momentum v + g;  w -= lr v  (v starts at zero). With a scaler g is divided by
 * its scale first, and nothing is done where it found a gradient that is not finite. */
void sgd_infer(Graph *graph, Node *n)
{
    (void)graph;
    CHECK(dims_equal(n->in[0]->dims, n->in[1]->dims) && dims_equal(n->in[0]->dims, n->in[2]->dims));
}

void sgd_lower(Lowering *l, const Node *n)
{
    const SgdAttrs *a = n->attrs;
    Grid grid;
    RangeArgs args = range_of(l, n->in[0], (float)a->momentum, (float)a->weight_decay, &grid);
    if (n->in[3])
        LOWER_KERNEL(l, sgd_scaled, &args, grid, 0, IN(n->in[1]), lower_state(l), IN(n->in[3]),
                     OUT(n->in[0]), OUT(n->in[2]), OUT(n->in[4]));
    else
        LOWER_KERNEL(l, sgd, &args, grid, 0, IN(n->in[1]), lower_state(l), OUT(n->in[0]),
                     OUT(n->in[2]), OUT(n->in[4]));
    lower_moves(l, moved(l, args.n, 5, n->in[4]));
}

void sgd_reference(const RefCall *call)
{
    const SgdAttrs *a = call->node->attrs;
    int64_t count = dims_count(call->node->in[0]->dims);
    const double *scaler = call->in[3];
    double *w = call->in[0], *v = call->in[2], unscale = scaler ? 1 / scaler[SCALER_SCALE] : 1;
    for (int64_t i = 0; i < count && !(scaler && scaler[SCALER_FOUND]); i++) {
        v[i] = a->momentum * v[i] + (unscale * call->in[1][i] + a->weight_decay * w[i]);
        w[i] -= call->state->lr * v[i];
        if (call->in[4])
            call->in[4][i] = w[i];
    }
}

/* k = m k + (1 - m) q */
void ema_infer(Graph *graph, Node *n)
{
    (void)graph;
    CHECK(dims_equal(n->in[0]->dims, n->in[1]->dims));
}

void ema_lower(Lowering *l, const Node *n)
{
    const EmaAttrs *a = n->attrs;
    Grid grid;
    RangeArgs args = range_of(l, n->in[0], (float)a->m, (float)(1 - a->m), &grid);
    LOWER_KERNEL(l, ema, &args, grid, 0, IN(n->in[1]), OUT(n->in[0]), OUT(n->in[2]));
    lower_moves(l, moved(l, args.n, 3, n->in[2]));
}

void ema_reference(const RefCall *call)
{
    const EmaAttrs *a = call->node->attrs;
    int64_t count = dims_count(call->node->in[0]->dims);
    for (int64_t i = 0; i < count; i++)
        call->in[0][i] = a->m * call->in[0][i] + (1 - a->m) * call->in[1][i];
    if (call->in[2])
        memcpy(call->in[2], call->in[0], (size_t)count * sizeof(double));
}

/* y = factor x, rounded where y is stored in 16 bits. One of them is; what becomes narrow has no
 * factor. */
void cast_infer(Graph *graph, Node *n)
{
    const CastAttrs *a = n->attrs;
    (void)graph;
    CHECK(a->factor == 1 || value_is_copy(n->in[0]));
    CHECK(dims_equal(n->in[0]->dims, n->in[1]->dims) &&
          value_is_copy(n->in[0]) != value_is_copy(n->in[1]));
}

void cast_lower(Lowering *l, const Node *n)
{
    Grid grid;
    RangeArgs args = range_of(l, n->in[0], (float)((const CastAttrs *)n->attrs)->factor, 0, &grid);
    bool narrow = value_is_copy(n->in[1]);
    if (narrow)
        LOWER_KERNEL(l, narrow, &args, grid, 0, IN(n->in[0]), OUT(n->in[1]));
    else {
        WidenArgs widen = {.n = args.n, .chunk = args.chunk, .a = args.a};
        for (int i = 0; i < WIDEN_MORE; i++)
            widen.begins[i] = WIDEN_NEVER; /* coalesce.c adds some */
        LOWER_KERNEL(l, widen, &widen, grid, 0, IN(n->in[0]), OUT(n->in[1]));
    }
    lower_moves(l, moved(l, args.n, 1, n->in[narrow]));
}

void cast_reference(const RefCall *call)
{
    const CastAttrs *a = call->node->attrs;
    for (int64_t i = 0; i < dims_count(call->node->in[0]->dims); i++)
        call->in[1][i] = a->factor * call->in[0][i];
}
