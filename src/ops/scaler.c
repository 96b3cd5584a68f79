/* fp16's loss scale, as PyTorch's GradScaler keeps it: what gradients are scaled by at their root,
 * so that small ones do not vanish in 16 bits, grows until something overflows; such a step changes
 * no weight.
 *
 * Scale and verdict are a value of the device (device/kernel_args.h, SCALER_FLOATS): the losses,
 * grad_check, sgd and scale_update read and write it, and the host need not wait for any of them to
 * decide. */
#include "base/check.h"
#include "plan/lower.h"

#include <math.h>

static void check_scaler(const Value *scaler)
{
    CHECK(scaler->dtype == DTYPE_F32 && scaler->dims.rank == 1 &&
          scaler->dims.d[0] == SCALER_FLOATS);
}

/* ------------------------------------------------------------------------- grad_check */

void grad_check_infer(Graph *graph, Node *n)
{
    (void)graph;
    check_scaler(n->in[1]);
}

void grad_check_lower(Lowering *l, const Node *n)
{
    RangeArgs args = {.n = (long)dims_count(n->in[0]->dims)};
    Grid grid = lower_range(l, args.n, &args.chunk);
    LOWER_KERNEL(l, grad_check, &args, grid, 0, IN(n->in[0]), OUT(n->in[1]));
    lower_moves(l, 4 * (int64_t)args.n);
}

/* In the float that a gradient is stored in. */
void grad_check_reference(const RefCall *call)
{
    int64_t count = dims_count(call->node->in[0]->dims);
    for (int64_t i = 0; i < count; i++)
        if (!isfinite((float)call->in[0][i]))
            call->in[1][SCALER_FOUND] = 1;
}

/* ------------------------------------------------------------------------- scale_update */

void scale_update_infer(Graph *graph, Node *n)
{
    (void)graph;
    check_scaler(n->in[0]);
}

void scale_update_lower(Lowering *l, const Node *n)
{
    const ScaleAttrs *a = n->attrs;
    ScaleArgs args = {
        .interval = a->interval, .growth = (float)a->growth, .backoff = (float)a->backoff};
    LOWER_KERNEL(l, scale_update, &args, lower_teams(l, 1, 1, 1), 0, OUT(n->in[0]));
}

void scale_update_reference(const RefCall *call)
{
    const ScaleAttrs *a = call->node->attrs;
    double *s = call->in[0];
    if (s[SCALER_FOUND] != 0) {
        s[SCALER_SCALE] *= a->backoff;
        s[SCALER_GROWTH] = 0;
        s[SCALER_SKIPS]++;
    } else if (++s[SCALER_GROWTH] >= a->interval) {
        if (isfinite((float)(s[SCALER_SCALE] * a->growth)))
            s[SCALER_SCALE] *= a->growth;
        s[SCALER_GROWTH] = 0;
    }
    s[SCALER_FOUND] = 0;
}
