/* Cases of fusion: the chain as the model builds it, fused on the device, un-fused on the reference.
 * Each names the operator that fusion must make and one that it must swallow. */
#include "support_ops.h"

static const NoAttrs none = {0};
static const BnAttrs bn_attrs = {1e-5, 0.1};

typedef struct Norm {
    Value *gamma, *beta, *mean, *var;
} Norm;

/* Values of the same branch and name are filled alike. */
static Norm norm_of_branch(Trial *t, int channels, const char *branch)
{
    Dims dims = DIMS1(channels);
    static const char *const of[] = {"gamma", "beta", "mean", "var"};
    const char *names[4];
    for (int i = 0; i < 4; i++)
        names[i] = arena_printf(&t->graph->arena, "%s%s", branch, of[i]);
    return (Norm){trial_param(t, names[0], dims, FILL_POSITIVE), trial_param(t, names[1], dims, FILL_NORMAL),
                  trial_input(t, names[2], ROLE_STATE, DTYPE_F32, dims, FILL_NORMAL),
                  trial_input(t, names[3], ROLE_STATE, DTYPE_F32, dims, FILL_POSITIVE)};
}

static Norm norm_values(Trial *t, int channels)
{
    return norm_of_branch(t, channels, "");
}

/* p: N, C, H, W, variant */
static Dims map_dims(const int *p)
{
    return DIMS4(p[0], p[1], p[2], p[3]);
}

static int terms(const int *p)
{
    return p[0] * p[2] * p[3];
}

static Node *bn_of_branch(Trial *t, Value *x, const char *branch)
{
    Norm v = norm_of_branch(t, t->p[1], branch);
    trial_mutated(t, v.mean, SUM(terms(t->p)));
    trial_mutated(t, v.var, SUM(terms(t->p)));
    return NODE(t->graph, bn, &bn_attrs, x, v.gamma, v.beta, v.mean, v.var);
}

static Node *bn_node(Trial *t, Value *x)
{
    return bn_of_branch(t, x, "");
}

#define MAPS(variant) {2, 17, 5, 3, variant}, {1, 5, 3, 7, variant}, {3, 32, 4, 4, variant}

/* ------------------------------------------------------------------------------------ training */

static void build_bn_then_relu(Trial *t)
{
    trial_fuses(t, OP_bn_relu, OP_relu);
    Node *n = bn_node(t, trial_features(t, "x", map_dims(t->p), FILL_NORMAL));
    trial_output(t, NODE(t->graph, relu, &none, n->out[0])->out[0], SUM(terms(t->p)));
}

/* Variant: which operand of the sum is normalised. */
static void build_bn_then_add_relu(Trial *t)
{
    trial_fuses(t, OP_bn_add_relu, OP_add);
    Value *x = trial_features(t, "x", map_dims(t->p), FILL_NORMAL);
    Value *residual = trial_features(t, "residual", map_dims(t->p), FILL_NORMAL);
    Value *a = bn_node(t, x)->out[0];
    Value *sum = t->p[4] == 1 ? NODE(t->graph, add, &none, residual, a)->out[0]
                              : NODE(t->graph, add, &none, a, residual)->out[0];
    trial_output(t, NODE(t->graph, relu, &none, sum)->out[0], SUM(terms(t->p)));
}

/* Both operands of the sum are normalised. Variants: 0; 1: the gradients of both are computed from their
 * statistics; 2: the normalised residual is read again, so that it stays what it is; 3: as 1, but the masked dy is
 * read again; 4: as 1, but one gradient needs what the other made. */
static void build_bn_twice(Trial *t)
{
    const int *p = t->p;
    trial_fuses(t, p[4] == 2 ? OP_bn : OP_bn_stats, p[4] == 2 ? OP_bn_stats : OP_bn);
    if (p[4] == 1)
        trial_fuses_last_team(t, OP_bn_pair_grad, OP_bn_grad);
    else if (p[4] != 2)
        trial_fuses_last_team(t, OP_bn_pair, p[4] ? OP_bn_pair_grad : OP_bn_stats);
    Value *x = trial_features(t, "x", map_dims(p), FILL_NORMAL);
    Value *residual = trial_features(t, "residual", map_dims(p), FILL_NORMAL);
    Node *a = bn_of_branch(t, x, ""), *b = bn_of_branch(t, residual, "downsample.");
    Value *y = NODE(t->graph, relu, &none, NODE(t->graph, add, &none, a->out[0], b->out[0])->out[0])->out[0];
    trial_output(t, y, SUM(terms(p)));
    if (p[4] == 2)
        trial_output(t, NODE(t->graph, relu, &none, b->out[0])->out[0], SUM(terms(p)));
    if (p[4] == 0 || p[4] == 2)
        return;
    Value *dy = trial_features(t, "dy", map_dims(p), FILL_NORMAL);
    Value *masked = NODE(t->graph, relu_grad, &none, dy, y)->out[0], *late = NULL;
    for (int i = 0; i < 2; i++) {
        Node *n = i ? b : a;
        Node *back = NODE(t->graph, bn_grad, &bn_attrs, masked, late ? late : n->in[0], n->in[1], n->out[1], n->out[2]);
        if (p[4] == 4)
            late = NODE(t->graph, relu, &none, back->out[0])->out[0];
        for (int j = 0; j < 3; j++)
            trial_output(t, back->out[j], j == 2 ? SUM(terms(p)) : CANCEL(terms(p)));
    }
    if (p[4] == 3)
        trial_output(t, NODE(t->graph, relu, &none, masked)->out[0], EXACT);
}

/* The backward pass of bn and relu; with variant 1 of bn, add and relu: the masked dy goes to the
 * residual as well; with variant 2 the host reads the masked dy. */
static void build_bn_relu_backward(Trial *t)
{
    trial_fuses(t, t->p[4] ? OP_bn_add_relu_grad : OP_bn_relu_grad, OP_relu_grad);
    Value *x = trial_features(t, "x", map_dims(t->p), FILL_NORMAL),
          *dy = trial_features(t, "dy", map_dims(t->p), FILL_NORMAL);
    Value *y = trial_features(t, "y", map_dims(t->p), FILL_RELU);
    Value *gamma = trial_param(t, "gamma", DIMS1(t->p[1]), FILL_POSITIVE);
    Value *mean = trial_input(t, "batch_mean", ROLE_STATE, DTYPE_F32, DIMS1(t->p[1]), FILL_NORMAL);
    Value *invstd = trial_input(t, "invstd", ROLE_STATE, DTYPE_F32, DIMS1(t->p[1]), FILL_POSITIVE);
    Value *masked = NODE(t->graph, relu_grad, &none, dy, y)->out[0];
    Node *n = NODE(t->graph, bn_grad, &bn_attrs, masked, x, gamma, mean, invstd);
    if (t->p[4] == 1)
        trial_output(t, NODE(t->graph, add, &none, masked, x)->out[0], EXACT);
    if (t->p[4] == 2)
        trial_output(t, masked, EXACT);
    trial_output(t, n->out[0], SUM(terms(t->p)));
    trial_output(t, n->out[1], SUM(terms(t->p)));
    trial_output(t, n->out[2], SUM(terms(t->p)));
}

/* Variants: the other contribution is the first or the second operand; 2: it is read again; 3: it is dy itself. */
static void build_conv_accumulate(Trial *t)
{
    trial_fuses(t, OP_conv_grad_data, OP_add);
    const int *p = t->p;
    ConvAttrs attrs = {.stride = 1, .pad = 1, .groups = 1, .H = p[2], .W = p[3]};
    int channels = p[4] == 3 ? p[1] : 19;
    Value *w = trial_param(t, "w", DIMS4(channels, p[1], 3, 3), FILL_NORMAL);
    Value *other =
        NODE(t->graph, relu, &none, trial_features(t, "other", map_dims(p), FILL_NORMAL))->out[0];
    Value *dy = p[4] == 3 ? other : trial_features(t, "dy", DIMS4(p[0], 19, p[2], p[3]), FILL_NORMAL);
    Value *dx = NODE(t->graph, conv_grad_data, &attrs, dy, w, NULL)->out[0];
    Value *sum = p[4] == 1 ? NODE(t->graph, add, &none, dx, other)->out[0]
                           : NODE(t->graph, add, &none, other, dx)->out[0];
    if (p[4] == 2)
        trial_output(t, NODE(t->graph, relu, &none, other)->out[0], EXACT);
    trial_output(t, p[4] == 3 ? NODE(t->graph, relu, &none, sum)->out[0] : sum, SUM(channels * 9 + 1));
}

static void build_linear_accumulate(Trial *t)
{
    trial_fuses(t, OP_linear_grad_data, OP_add);
    const int *p = t->p;
    Value *dy = trial_features(t, "dy", DIMS2(p[0], 19), FILL_NORMAL);
    Value *w = trial_param(t, "w", DIMS2(19, p[1]), FILL_NORMAL);
    Value *other =
        NODE(t->graph, relu, &none, trial_features(t, "other", DIMS2(p[0], p[1]), FILL_NORMAL))->out[0];
    Value *dx = NODE(t->graph, linear_grad_data, &none, dy, w, NULL)->out[0];
    if (p[4] == 2)
        trial_output(t, NODE(t->graph, relu, &none, other)->out[0], EXACT);
    trial_output(t, NODE(t->graph, add, &none, other, dx)->out[0], SUM(20));
}

/* ------------------------------------------------------------------------------------ evaluation */

/* Variants: 0 conv, bn; 1 conv, bn, relu; 2 conv, bn, add, relu; 3 the same with a second folded branch. */
static void build_folded(Trial *t)
{
    trial_fuses(t, OP_conv_bias_act, OP_bn_eval);
    const int *p = t->p;
    t->graph->segment = SEGMENT_EVAL;
    ConvAttrs attrs = {.stride = 1, .pad = 1, .groups = 1, .H = p[2], .W = p[3]};
    Value *x = trial_features(t, "x", DIMS4(p[0], 7, p[2], p[3]), FILL_NORMAL);
    Value *w = trial_param(t, "w", DIMS4(p[1], 7, 3, 3), FILL_NORMAL);
    Norm v = norm_values(t, p[1]);
    Value *y = NODE(t->graph, conv, &attrs, x, w)->out[0];
    y = NODE(t->graph, bn_eval, &bn_attrs, y, v.gamma, v.beta, v.mean, v.var)->out[0];
    Value *residual = NULL;
    if (p[4] == 2)
        residual = trial_features(t, "residual", map_dims(p), FILL_NORMAL);
    if (p[4] == 3) {
        attrs.pad = 0;
        Value *side = trial_param(t, "side", DIMS4(p[1], 7, 1, 1), FILL_NORMAL);
        residual = NODE(t->graph, conv, &attrs, x, side)->out[0];
        residual = NODE(t->graph, bn_eval, &bn_attrs, residual, v.gamma, v.beta, v.mean, v.var)->out[0];
    }
    if (residual)
        y = NODE(t->graph, add, &none, y, residual)->out[0];
    if (p[4])
        y = NODE(t->graph, relu, &none, y)->out[0];
    trial_output(t, y, SUM(63 + 4));
}

/* The sum may lie where the residual lay. Variants: 0 nobody else needs the residual; 1 it is read again; 2 it is what
 * the convolution reads. */
static void build_folded_over(Trial *t)
{
    trial_fuses(t, OP_conv_bias_act, OP_bn_eval);
    const int *p = t->p, terms = p[1] * 9 + 4;
    t->graph->segment = SEGMENT_EVAL;
    ConvAttrs attrs = {.stride = 1, .pad = 1, .groups = 1, .H = p[2], .W = p[3]};
    Value *x = NODE(t->graph, relu, &none, trial_features(t, "x", map_dims(p), FILL_NORMAL))->out[0];
    Value *residual = x;
    if (p[4] != 2)
        residual = NODE(t->graph, relu, &none, trial_features(t, "residual", map_dims(p), FILL_NORMAL))->out[0];
    Norm v = norm_values(t, p[1]);
    Value *y = NODE(t->graph, conv, &attrs, x, trial_param(t, "w", DIMS4(p[1], p[1], 3, 3), FILL_NORMAL))->out[0];
    y = NODE(t->graph, bn_eval, &bn_attrs, y, v.gamma, v.beta, v.mean, v.var)->out[0];
    y = NODE(t->graph, relu, &none, NODE(t->graph, add, &none, y, residual)->out[0])->out[0];
    if (p[4] == 1)
        trial_output(t, NODE(t->graph, relu, &none, residual)->out[0], EXACT);
    trial_output(t, NODE(t->graph, relu, &none, y)->out[0], SUM(terms));
}

void cases_fusion(Rig *rig)
{
    TRIALS(rig, build_bn_then_relu, MAPS(0));
    TRIALS(rig, build_bn_then_add_relu, MAPS(0), MAPS(1));
    TRIALS(rig, build_bn_twice, MAPS(0), MAPS(1), MAPS(2), MAPS(3), MAPS(4));
    TRIALS(rig, build_bn_relu_backward, MAPS(0), MAPS(1), MAPS(2));
    TRIALS(rig, build_conv_accumulate, MAPS(0), MAPS(1), MAPS(2), MAPS(3));
    TRIALS(rig, build_linear_accumulate, MAPS(0), MAPS(2));
    TRIALS(rig, build_folded, MAPS(0), MAPS(1), MAPS(2), MAPS(3));
    TRIALS(rig, build_folded_over, MAPS(0), MAPS(1), MAPS(2));
}
