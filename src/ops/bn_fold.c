/* Batch norm of evaluation in the weights of the convolution before it: what it does to every pixel
 * is one factor and one sum for each channel. */
#include "base/check.h"
#include "plan/lower.h"

#include <math.h>

/* in[0] is the weight [K][...]: w' = w scale[k], bias' = beta - mean scale. */
void bn_fold_infer(Graph *graph, Node *n)
{
    CHECK(n->in[1]->dims.d[0] == n->in[0]->dims.d[0]);
    node_output(graph, n, "w", DTYPE_F32, n->in[0]->dims)->role = ROLE_DERIVED;
    node_output(graph, n, "bias", DTYPE_F32, n->in[1]->dims)->role = ROLE_DERIVED;
}

void bn_fold_lower(Lowering *l, const Node *n)
{
    const BnAttrs *a = n->attrs;
    int K = (int)n->in[0]->dims.d[0];
    FoldArgs args = {.K = K, .row = (int)(dims_count(n->in[0]->dims) / K), .eps = (float)a->eps};
    LOWER_KERNEL(l, bn_fold, &args, lower_teams(l, K, 1, 1), 0, IN(n->in[0]), IN(n->in[1]),
                 IN(n->in[2]), IN(n->in[3]), IN(n->in[4]), OUT(n->out[0]), OUT(n->out[1]));
}

void bn_fold_reference(const RefCall *call)
{
    const BnAttrs *a = call->node->attrs;
    int64_t K = call->node->in[0]->dims.d[0], row = dims_count(call->node->in[0]->dims) / K;
    for (int64_t k = 0; k < K; k++) {
        double scale = call->in[1][k] / sqrt(call->in[4][k] + a->eps);
        for (int64_t i = 0; i < row; i++)
            call->out[0][k * row + i] = call->in[0][k * row + i] * scale;
        call->out[1][k] = call->in[2][k] - call->in[3][k] * scale;
    }
}
