/* Cases of the operators of networks: sizes are odd on purpose (channels that are no multiple of 16,
 * one pixel, one image, windows that hang over the edge). */
#include "support_ops.h"

static const NoAttrs none = {0};

/* ------------------------------------------------------------------------------------ convolutions */

/* p: N, C, H, W, K, R, stride, pad, groups, variant */
static ConvAttrs conv_attrs(const int *p)
{
    return (ConvAttrs){.stride = p[6], .pad = p[7], .groups = p[8], .H = p[2], .W = p[3]};
}

static Value *conv_x(Trial *t)
{
    return trial_features(t, "x", DIMS4(t->p[0], t->p[1], t->p[2], t->p[3]), FILL_NORMAL);
}

static Value *conv_w(Trial *t)
{
    const int *p = t->p;
    return trial_param(t, "w", DIMS4(p[4], p[1] / p[8], p[5], p[5]), FILL_NORMAL);
}

static Dims conv_y(const int *p)
{
    return DIMS4(p[0], p[4], (p[2] + 2 * p[7] - p[5]) / p[6] + 1, (p[3] + 2 * p[7] - p[5]) / p[6] + 1);
}

static int conv_terms(const int *p)
{
    return p[1] / p[8] * p[5] * p[5];
}

#define CONV_SIZES                                                                                   \
    {2, 3, 9, 11, 16, 3, 1, 1, 1, 0}, {1, 17, 1, 1, 5, 1, 1, 0, 1, 1}, {1, 20, 7, 5, 33, 3, 2, 1, 1, 2}, \
    {2, 32, 6, 6, 32, 3, 1, 1, 8, 3}, {1, 3, 17, 15, 20, 7, 2, 3, 1, 0}, {2, 48, 5, 5, 24, 1, 2, 0, 3, 1}, \
    {1, 36, 6, 7, 18, 3, 2, 1, 9, 2}, {3, 16, 2, 3, 16, 3, 1, 1, 1, 3}

static void build_conv(Trial *t)
{
    ConvAttrs attrs = conv_attrs(t->p);
    Value *x = conv_x(t);
    trial_output(t, NODE(t->graph, conv, &attrs, x, conv_w(t))->out[0], SUM(conv_terms(t->p)));
}

void cases_conv(Rig *rig)
{
    TRIALS(rig, build_conv, CONV_SIZES);
}

/* Variants: 0 overwrites; 1 adds to a copy of what the host keeps; 2 adds in place; 3 adds to a copy of
 * what is read again later. */
static void build_conv_grad_data(Trial *t)
{
    const int *p = t->p;
    ConvAttrs attrs = conv_attrs(p);
    Value *dy = trial_features(t, "dy", conv_y(p), FILL_NORMAL), *w = conv_w(t), *to = NULL;
    if (p[9])
        to = conv_x(t);
    if (p[9] > 1)
        to = NODE(t->graph, relu, &none, to)->out[0];
    Node *n = NODE(t->graph, conv_grad_data, &attrs, dy, w, to);
    if (p[9] == 3)
        trial_output(t, NODE(t->graph, relu, &none, to)->out[0], EXACT);
    trial_output(t, n->out[0], SUM(p[4] / p[8] * p[5] * p[5] + 1));
}

void cases_conv_grad_data(Rig *rig)
{
    TRIALS(rig, build_conv_grad_data, CONV_SIZES);
}

static void build_conv_grad_weight(Trial *t)
{
    ConvAttrs attrs = conv_attrs(t->p);
    Dims y = conv_y(t->p);
    Value *x = conv_x(t), *dy = trial_features(t, "dy", y, FILL_NORMAL);
    Node *n = NODE(t->graph, conv_grad_weight, &attrs, x, dy, conv_w(t));
    trial_output(t, n->out[0], SUM(y.d[0] * y.d[2] * y.d[3]));
}

void cases_conv_grad_weight(Rig *rig)
{
    TRIALS(rig, build_conv_grad_weight, CONV_SIZES);
}

/* Variants: bit 0 a residual, bit 1 relu. */
static void build_conv_bias_act(Trial *t)
{
    ConvActAttrs attrs = {conv_attrs(t->p), t->p[9] & 2};
    Value *x = conv_x(t), *w = conv_w(t), *bias = trial_param(t, "bias", DIMS1(t->p[4]), FILL_NORMAL);
    Value *residual = t->p[9] & 1 ? trial_features(t, "residual", conv_y(t->p), FILL_NORMAL) : NULL;
    Node *n = NODE(t->graph, conv_bias_act, &attrs, x, w, bias, residual);
    trial_output(t, n->out[0], SUM(conv_terms(t->p) + 2));
}

void cases_conv_bias_act(Rig *rig)
{
    TRIALS(rig, build_conv_bias_act, CONV_SIZES);
}

/* ------------------------------------------------------------------------------------ batch norm */

static const BnAttrs bn_attrs = {1e-5, 0.1};

/* p: N, C, H, W (0: features [N,C]), rank, fill of x */
static Dims bn_dims(const int *p)
{
    return p[2] ? DIMS4(p[0], p[1], p[2], p[3]) : DIMS2(p[0], p[1]);
}

static int bn_terms(const int *p)
{
    return p[2] ? p[0] * p[2] * p[3] : p[0];
}

/* Values far from zero, or a few that happen to lie close together: their distances from the mean
 * cancel. */
static Judge bn_judge(const int *p)
{
    return bn_terms(p) < 16 || p[5] == FILL_POSITIVE ? CANCEL(bn_terms(p)) : SUM(bn_terms(p));
}

#define BN_SIZES                                                                                    \
    {2, 16, 4, 4, 0, FILL_NORMAL}, {1, 5, 3, 7, 0, FILL_POSITIVE}, {3, 33, 1, 1, 0, FILL_NORMAL},    \
    {7, 20, 5, 5, 1, FILL_NORMAL}, {2, 3, 0, 0, 0, FILL_NORMAL}, {9, 70, 0, 0, 0, FILL_POSITIVE},    \
    {2, 17, 13, 11, 0, FILL_POSITIVE}, {2, 19, 23, 29, 0, FILL_POSITIVE}
#define BN_FEW                                                                                      \
    {2, 1, 1, 1, 0, FILL_NORMAL}, {1, 1, 1, 2, 1, FILL_NORMAL},  \
    {3, 16, 1, 3, 0, FILL_NORMAL}, {1, 4, 33, 1, 0, FILL_NORMAL}, {1, 2, 5, 13, 1, FILL_NORMAL},     \
    {1, 3, 4, 32, 0, FILL_NORMAL}, {1, 1, 3, 43, 0, FILL_POSITIVE}, {5, 2, 2, 7, 0, FILL_NORMAL},    \
    {13, 5, 2, 1, 1, FILL_NORMAL}, {2, 18, 3, 3, 0, FILL_NORMAL}, {37, 3, 0, 0, 0, FILL_NORMAL},     \
    {4, 31, 0, 0, 1, FILL_NORMAL}, {1, 8, 1, 31, 0, FILL_NORMAL}, {6, 7, 3, 1, 0, FILL_NORMAL},      \
    {1, 6, 2, 16, 0, FILL_NORMAL}, {3, 15, 2, 2, 1, FILL_NORMAL}

typedef struct BnInputs {
    Value *x, *gamma, *beta, *mean, *var;
} BnInputs;

/* x has been rounded in float32, as what a network normalises. Of another branch, that names end in, the numbers
 * are others. */
static BnInputs bn_inputs_of(Trial *t, const char *branch)
{
    static const char *const of[] = {"a", "b", "gamma", "beta", "mean", "var"};
    Dims channels = DIMS1(t->p[1]);
    const char *names[6];
    for (int i = 0; i < 6; i++)
        names[i] = arena_printf(&t->graph->arena, "%s%s", of[i], branch);
    Value *a = trial_features(t, names[0], bn_dims(t->p), (Fill)t->p[5]);
    Value *b = trial_features(t, names[1], bn_dims(t->p), (Fill)t->p[5]);
    t->state.rank = t->p[4];
    return (BnInputs){NODE(t->graph, add, &none, a, b)->out[0],
                      trial_param(t, names[2], channels, FILL_POSITIVE),
                      trial_param(t, names[3], channels, FILL_NORMAL),
                      trial_input(t, names[4], ROLE_STATE, DTYPE_F32, channels, FILL_NORMAL),
                      trial_input(t, names[5], ROLE_STATE, DTYPE_F32, channels, FILL_POSITIVE)};
}

static BnInputs bn_inputs(Trial *t)
{
    return bn_inputs_of(t, "");
}

/* What every training form gives; running statistics move on rank 0 only. */
static void bn_outputs(Trial *t, Node *n, BnInputs in)
{
    Judge judge = bn_judge(t->p);
    for (int i = 0; i < 3; i++)
        trial_output(t, n->out[i], judge);
    trial_mutated(t, in.mean, t->p[4] ? EXACT : judge);
    trial_mutated(t, in.var, t->p[4] ? EXACT : judge);
}

static void build_bn(Trial *t)
{
    BnInputs i = bn_inputs(t);
    bn_outputs(t, NODE(t->graph, bn, &bn_attrs, i.x, i.gamma, i.beta, i.mean, i.var), i);
}

void cases_bn(Rig *rig)
{
    TRIALS(rig, build_bn, BN_SIZES);
    TRIALS(rig, build_bn, BN_FEW);
}

static void build_bn_stats(Trial *t)
{
    BnInputs i = bn_inputs(t);
    Node *n = NODE(t->graph, bn_stats, &bn_attrs, i.x, i.mean, i.var);
    for (int j = 0; j < 2; j++)
        trial_output(t, n->out[j], bn_judge(t->p));
    trial_mutated(t, i.mean, t->p[4] ? EXACT : bn_judge(t->p));
    trial_mutated(t, i.var, t->p[4] ? EXACT : bn_judge(t->p));
}

void cases_bn_stats(Rig *rig)
{
    TRIALS(rig, build_bn_stats, BN_SIZES);
}

static void build_bn_relu(Trial *t)
{
    BnInputs i = bn_inputs(t);
    bn_outputs(t, NODE(t->graph, bn_relu, &bn_attrs, i.x, i.gamma, i.beta, i.mean, i.var), i);
}

void cases_bn_relu(Rig *rig)
{
    TRIALS(rig, build_bn_relu, BN_SIZES);
    TRIALS(rig, build_bn_relu, BN_FEW);
}

/* With the statistics of a bn_relu before it: the same output again. */
static void build_bn_relu_again(Trial *t)
{
    BnInputs i = bn_inputs(t);
    Node *bn = NODE(t->graph, bn_relu, &bn_attrs, i.x, i.gamma, i.beta, i.mean, i.var);
    Node *again = NODE(t->graph, bn_relu_again, &bn_attrs, i.x, i.gamma, i.beta, bn->out[1],
                       bn->out[2]);
    trial_output(t, again->out[0], bn_judge(t->p));
    trial_mutated(t, i.mean, t->p[4] ? EXACT : bn_judge(t->p));
    trial_mutated(t, i.var, t->p[4] ? EXACT : bn_judge(t->p));
}

void cases_bn_relu_again(Rig *rig)
{
    TRIALS(rig, build_bn_relu_again, BN_SIZES);
    TRIALS(rig, build_bn_relu_again, BN_FEW);
}

static void build_bn_add_relu(Trial *t)
{
    BnInputs i = bn_inputs(t);
    Value *residual = trial_features(t, "residual", bn_dims(t->p), FILL_NORMAL);
    bn_outputs(t, NODE(t->graph, bn_add_relu, &bn_attrs, i.x, i.gamma, i.beta, i.mean, i.var, residual), i);
}

/* The residual is normalised on its way, by statistics of its own. */
static void build_bn_add_relu_twice(Trial *t)
{
    BnInputs i = bn_inputs(t);
    Dims channels = DIMS1(t->p[1]);
    Value *residual = trial_features(t, "residual", bn_dims(t->p), FILL_NORMAL);
    Value *gamma = trial_param(t, "gamma2", channels, FILL_POSITIVE), *beta = trial_param(t, "beta2", channels, FILL_NORMAL);
    Value *mean = trial_input(t, "mean2", ROLE_STATE, DTYPE_F32, channels, FILL_NORMAL);
    Value *invstd = trial_input(t, "invstd2", ROLE_STATE, DTYPE_F32, channels, FILL_POSITIVE);
    bn_outputs(t, NODE(t->graph, bn_add_relu, &bn_attrs, i.x, i.gamma, i.beta, i.mean, i.var, residual, gamma, beta, mean,
                       invstd), i);
}

void cases_bn_add_relu(Rig *rig)
{
    TRIALS(rig, build_bn_add_relu_twice, BN_SIZES);
    TRIALS(rig, build_bn_add_relu, BN_SIZES);
    TRIALS(rig, build_bn_add_relu, BN_FEW);
}

static Node *bn_pair_node(Trial *t, BnInputs i, BnInputs other)
{
    return NODE(t->graph, bn_pair, &bn_attrs, i.x, i.gamma, i.beta, i.mean, i.var, other.x, other.gamma, other.beta,
                other.mean, other.var);
}

static void build_bn_pair(Trial *t)
{
    BnInputs i = bn_inputs(t), other = bn_inputs_of(t, "2");
    Node *n = bn_pair_node(t, i, other);
    bn_outputs(t, n, i);
    for (int j = 3; j < 5; j++)
        trial_output(t, n->out[j], bn_judge(t->p));
    trial_mutated(t, other.mean, t->p[4] ? EXACT : bn_judge(t->p));
    trial_mutated(t, other.var, t->p[4] ? EXACT : bn_judge(t->p));
}

void cases_bn_pair(Rig *rig)
{
    TRIALS(rig, build_bn_pair, BN_SIZES);
    TRIALS(rig, build_bn_pair, BN_FEW);
}

/* The running statistics are beside the point here. */
static void bn_ignore_running(Trial *t, BnInputs in)
{
    trial_mutated(t, in.mean, t->p[4] ? EXACT : bn_judge(t->p));
    trial_mutated(t, in.var, t->p[4] ? EXACT : bn_judge(t->p));
}

/* Over its input, which nothing reads again. */
static void build_bn_in_place(Trial *t)
{
    BnInputs i = bn_inputs(t);
    Node *n = NODE(t->graph, bn, &bn_attrs, i.x, i.gamma, i.beta, i.mean, i.var);
    bn_ignore_running(t, i);
    trial_output(t, NODE(t->graph, relu, &none, n->out[0])->out[0], bn_judge(t->p));
}

static Value *bn_dy(Trial *t)
{
    return trial_features(t, "dy", bn_dims(t->p), FILL_NORMAL);
}

/* dx, dgamma, dbeta */
static void bn_gradients(Trial *t, Value *const *out)
{
    trial_output(t, out[0], CANCEL(bn_terms(t->p)));
    trial_output(t, out[1], CANCEL(bn_terms(t->p)));
    trial_output(t, out[2], SUM(bn_terms(t->p)));
}

static void build_bn_grad(Trial *t)
{
    BnInputs i = bn_inputs(t);
    Node *n = NODE(t->graph, bn, &bn_attrs, i.x, i.gamma, i.beta, i.mean, i.var);
    bn_ignore_running(t, i);
    bn_gradients(t, NODE(t->graph, bn_grad, &bn_attrs, bn_dy(t), i.x, i.gamma, n->out[1], n->out[2])
                        ->out);
}

void cases_bn_grad(Rig *rig)
{
    TRIALS(rig, build_bn_grad, BN_SIZES);
    TRIALS(rig, build_bn_grad, BN_FEW);
    TRIALS(rig, build_bn_in_place, BN_SIZES);
    TRIALS(rig, build_bn_in_place, BN_FEW);
}

static void build_bn_relu_grad(Trial *t)
{
    BnInputs i = bn_inputs(t);
    Node *n = NODE(t->graph, bn_relu, &bn_attrs, i.x, i.gamma, i.beta, i.mean, i.var);
    bn_ignore_running(t, i);
    bn_gradients(t, NODE(t->graph, bn_relu_grad, &bn_attrs, bn_dy(t), i.x, i.gamma, n->out[1], n->out[2],
                         n->out[0])
                        ->out);
}

void cases_bn_relu_grad(Rig *rig)
{
    TRIALS(rig, build_bn_relu_grad, BN_SIZES);
    TRIALS(rig, build_bn_relu_grad, BN_FEW);
}

static void build_bn_add_relu_grad(Trial *t)
{
    BnInputs i = bn_inputs(t);
    Value *residual = trial_features(t, "residual", bn_dims(t->p), FILL_NORMAL);
    Node *n = NODE(t->graph, bn_add_relu, &bn_attrs, i.x, i.gamma, i.beta, i.mean, i.var, residual);
    bn_ignore_running(t, i);
    n = NODE(t->graph, bn_add_relu_grad, &bn_attrs, bn_dy(t), i.x, i.gamma, n->out[1], n->out[2],
             n->out[0]);
    bn_gradients(t, n->out);
    trial_output(t, n->out[3], EXACT);
}

void cases_bn_add_relu_grad(Rig *rig)
{
    TRIALS(rig, build_bn_add_relu_grad, BN_SIZES);
    TRIALS(rig, build_bn_add_relu_grad, BN_FEW);
}

/* A bit is set where the number is not zero. */
static void build_bn_pair_grad(Trial *t)
{
    BnInputs i = bn_inputs(t), other = bn_inputs_of(t, "2");
    Node *n = bn_pair_node(t, i, other);
    Value *mask = trial_input(t, "mask", ROLE_STATE, DTYPE_BIT, bn_dims(t->p), FILL_RELU);
    bn_ignore_running(t, i);
    bn_ignore_running(t, other);
    n = NODE(t->graph, bn_pair_grad, &bn_attrs, bn_dy(t), i.x, i.gamma, n->out[1], n->out[2], mask, other.x,
             other.gamma, n->out[3], n->out[4]);
    bn_gradients(t, n->out);
    bn_gradients(t, n->out + 3);
}

void cases_bn_pair_grad(Rig *rig)
{
    TRIALS(rig, build_bn_pair_grad, BN_SIZES);
    TRIALS(rig, build_bn_pair_grad, BN_FEW);
}

static void build_bn_eval(Trial *t)
{
    BnInputs i = bn_inputs(t);
    trial_output(t, NODE(t->graph, bn_eval, &bn_attrs, i.x, i.gamma, i.beta, i.mean, i.var)->out[0],
                 SUM(4));
}

void cases_bn_eval(Rig *rig)
{
    TRIALS(rig, build_bn_eval, BN_SIZES, {1, 19, 1, 1, 0, FILL_NORMAL});
    TRIALS(rig, build_bn_eval, BN_FEW);
}

/* p: K, C, R */
static void build_bn_fold(Trial *t)
{
    Dims channels = DIMS1(t->p[0]);
    Value *w = trial_param(t, "w", DIMS4(t->p[0], t->p[1], t->p[2], t->p[2]), FILL_NORMAL);
    Value *gamma = trial_param(t, "gamma", channels, FILL_POSITIVE);
    Value *beta = trial_param(t, "beta", channels, FILL_NORMAL);
    Value *mean = trial_input(t, "mean", ROLE_STATE, DTYPE_F32, channels, FILL_NORMAL);
    Value *var = trial_input(t, "var", ROLE_STATE, DTYPE_F32, channels, FILL_POSITIVE);
    Node *n = NODE(t->graph, bn_fold, &bn_attrs, w, gamma, beta, mean, var);
    trial_output(t, n->out[0], SUM(2));
    trial_output(t, n->out[1], SUM(2));
}

void cases_bn_fold(Rig *rig)
{
    TRIALS(rig, build_bn_fold, {16, 3, 3}, {5, 17, 1}, {33, 2, 7}, {3, 1, 1});
}

/* ------------------------------------------------------------------------------------ elementwise */

#define MAP_SIZES                                                                               \
    {2, 16, 4, 4}, {1, 5, 3, 7}, {3, 33, 1, 1}, {1, 1, 0, 0}, {9, 70, 0, 0}, {2, 17, 39, 41},   \
    {1, 1, 1, 2}, {1, 2, 1, 31}, {1, 16, 1, 33}, {2, 5, 2, 3}, {5, 19, 0, 0}, {1, 3, 8, 4}, {1, 7, 13, 5}

static void build_relu(Trial *t)
{
    Value *x = trial_features(t, "x", bn_dims(t->p), FILL_NORMAL);
    trial_output(t, NODE(t->graph, relu, &none, x)->out[0], EXACT);
}

void cases_relu(Rig *rig)
{
    TRIALS(rig, build_relu, MAP_SIZES);
}

static void build_relu_grad(Trial *t)
{
    Value *y = trial_features(t, "y", bn_dims(t->p), FILL_RELU);
    trial_output(t, NODE(t->graph, relu_grad, &none, bn_dy(t), y)->out[0], EXACT);
}

void cases_relu_grad(Rig *rig)
{
    TRIALS(rig, build_relu_grad, MAP_SIZES);
}

static void build_add(Trial *t)
{
    Value *a = trial_features(t, "a", bn_dims(t->p), FILL_NORMAL);
    Value *b = trial_features(t, "b", bn_dims(t->p), FILL_NORMAL);
    trial_output(t, NODE(t->graph, add, &none, a, b)->out[0], EXACT);
}

/* The first sum takes its input's place, the second one must not: its input is read again. */
static void build_add_in_place(Trial *t)
{
    Value *a = trial_features(t, "a", bn_dims(t->p), FILL_NORMAL);
    Value *b = NODE(t->graph, relu, &none, a)->out[0];
    Value *c = NODE(t->graph, add, &none, b, a)->out[0];
    Value *d = NODE(t->graph, add, &none, c, a)->out[0];
    trial_output(t, NODE(t->graph, add, &none, d, c)->out[0], SUM(4));
}

void cases_add(Rig *rig)
{
    TRIALS(rig, build_add, MAP_SIZES);
    TRIALS(rig, build_add_in_place, MAP_SIZES);
}

/* p: N, C, H, W, K */
static void build_shortcut_a(Trial *t)
{
    const int *p = t->p;
    ShortcutAttrs attrs = {p[4], p[2], p[3]};
    Value *x = trial_features(t, "x", bn_dims(p), FILL_NORMAL);
    trial_output(t, NODE(t->graph, shortcut_a, &attrs, x)->out[0], EXACT);
}

#define SHORTCUT_SIZES                                                                               \
    {2, 16, 8, 8, 32}, {1, 5, 7, 9, 11}, {1, 16, 1, 1, 16}, {3, 20, 5, 4, 40},                       \
    {1, 1, 2, 3, 49}, {1, 2, 1, 1, 4}, {1, 3, 1, 2, 5}, {1, 4, 2, 1, 8}, {2, 3, 3, 3, 7},           \
    {1, 7, 3, 5, 9}, {1, 8, 5, 3, 16}, {2, 16, 2, 2, 32}, {1, 9, 1, 17, 17}, {1, 5, 17, 1, 5},      \
    {1, 2, 3, 18, 2}, {3, 1, 2, 2, 33}, {1, 15, 4, 3, 17}, {1, 17, 2, 3, 19}, {2, 6, 7, 2, 12},     \
    {1, 11, 2, 9, 31}

void cases_shortcut_a(Rig *rig)
{
    TRIALS(rig, build_shortcut_a, SHORTCUT_SIZES);
}

static void build_shortcut_a_grad(Trial *t)
{
    const int *p = t->p;
    ShortcutAttrs attrs = {p[1], p[2], p[3]};
    Value *dy = trial_features(t, "dy", DIMS4(p[0], p[4], (p[2] + 1) / 2, (p[3] + 1) / 2), FILL_NORMAL);
    trial_output(t, NODE(t->graph, shortcut_a_grad, &attrs, dy)->out[0], EXACT);
}

void cases_shortcut_a_grad(Rig *rig)
{
    TRIALS(rig, build_shortcut_a_grad, SHORTCUT_SIZES);
}

/* ------------------------------------------------------------------------------------ pooling */

/* p: N, C, H, W, window, stride, pad, fill */
#define POOL_SIZES                                                                                     \
    {2, 17, 9, 7, 3, 2, 1, FILL_NORMAL}, {1, 5, 1, 1, 3, 2, 1, FILL_NORMAL}, {1, 16, 8, 8, 2, 2, 0, FILL_COARSE}, \
    {1, 3, 5, 6, 5, 1, 2, FILL_COARSE}, {1, 64, 6, 5, 3, 3, 0, FILL_NORMAL}, {2, 20, 4, 9, 3, 1, 2, FILL_RELU}, \
    {1, 2, 20, 3, 16, 3, 15, FILL_NORMAL}, {1, 1, 2, 2, 2, 1, 0, FILL_COARSE},                            \
    {1, 3, 3, 3, 3, 2, 1, FILL_RELU}, {2, 2, 1, 5, 1, 1, 0, FILL_NORMAL}, {1, 4, 5, 1, 1, 2, 0, FILL_NORMAL},   \
    {1, 16, 2, 7, 2, 1, 1, FILL_COARSE}, {1, 5, 3, 35, 3, 1, 1, FILL_NORMAL}, {1, 2, 2, 70, 3, 2, 1, FILL_NORMAL}, \
    {1, 17, 3, 4, 3, 3, 2, FILL_NORMAL}, {3, 3, 4, 4, 4, 4, 0, FILL_NORMAL}, {1, 7, 6, 5, 2, 3, 0, FILL_RELU},    \
    {2, 9, 3, 2, 2, 2, 1, FILL_COARSE}, {1, 1, 9, 9, 3, 2, 0, FILL_NORMAL}, {1, 8, 7, 3, 3, 1, 0, FILL_NORMAL}

static Node *max_pool_node(Trial *t)
{
    const int *p = t->p;
    PoolAttrs attrs = {p[4], p[5], p[6], p[2], p[3]};
    return NODE(t->graph, max_pool, &attrs, trial_features(t, "x", bn_dims(p), (Fill)p[7]));
}

static void build_max_pool(Trial *t)
{
    Node *n = max_pool_node(t);
    trial_output(t, n->out[0], EXACT);
    trial_output(t, n->out[1], EXACT);
}

void cases_max_pool(Rig *rig)
{
    TRIALS(rig, build_max_pool, POOL_SIZES);
}

static void build_max_pool_grad(Trial *t)
{
    const int *p = t->p;
    PoolAttrs attrs = {p[4], p[5], p[6], p[2], p[3]};
    Node *n = max_pool_node(t);
    Value *dy = trial_features(t, "dy", n->out[0]->dims, FILL_NORMAL);
    trial_output(t, NODE(t->graph, max_pool_grad, &attrs, dy, n->out[1])->out[0], SUM(p[4] * p[4]));
}

void cases_max_pool_grad(Rig *rig)
{
    TRIALS(rig, build_max_pool_grad, POOL_SIZES);
}

#define PLANE_SIZES                                                                       \
    {2, 16, 4, 4}, {1, 5, 3, 7}, {3, 33, 1, 1}, {2, 17, 13, 11}, {1, 1, 1, 2}, {1, 3, 1, 31}, \
    {2, 2, 3, 11}, {1, 20, 2, 5}, {5, 4, 2, 3}

static void build_avg_pool(Trial *t)
{
    Value *x = trial_features(t, "x", bn_dims(t->p), FILL_NORMAL);
    trial_output(t, NODE(t->graph, avg_pool, &none, x)->out[0], SUM(t->p[2] * t->p[3]));
}

void cases_avg_pool(Rig *rig)
{
    TRIALS(rig, build_avg_pool, PLANE_SIZES);
}

static void build_avg_pool_grad(Trial *t)
{
    PoolAttrs attrs = {.H = t->p[2], .W = t->p[3]};
    Value *dy = trial_features(t, "dy", DIMS2(t->p[0], t->p[1]), FILL_NORMAL);
    trial_output(t, NODE(t->graph, avg_pool_grad, &attrs, dy)->out[0], SUM(1));
}

void cases_avg_pool_grad(Rig *rig)
{
    TRIALS(rig, build_avg_pool_grad, PLANE_SIZES);
}

/* ------------------------------------------------------------------------------------ features */

/* p: N, C, K, variant (of the data gradient: as for convolutions) */
#define LINEAR_SIZES                                                                                 \
    {4, 16, 32, 0}, {1, 5, 7, 1}, {3, 33, 1, 2}, {7, 1, 50, 3}, {5, 64, 10, 2},                      \
    {130, 20, 17, 1}

static void build_linear(Trial *t)
{
    const int *p = t->p;
    Value *x = trial_features(t, "x", DIMS2(p[0], p[1]), FILL_NORMAL);
    Value *w = trial_param(t, "w", DIMS2(p[2], p[1]), FILL_NORMAL);
    Value *b = trial_param(t, "b", DIMS1(p[2]), FILL_NORMAL);
    trial_output(t, NODE(t->graph, linear, &none, x, w, b)->out[0], SUM(p[1] + 1));
}

void cases_linear(Rig *rig)
{
    TRIALS(rig, build_linear, LINEAR_SIZES);
}

static void build_linear_grad_data(Trial *t)
{
    const int *p = t->p;
    Value *dy = trial_features(t, "dy", DIMS2(p[0], p[2]), FILL_NORMAL);
    Value *w = trial_param(t, "w", DIMS2(p[2], p[1]), FILL_NORMAL), *to = NULL;
    if (p[3])
        to = trial_features(t, "to", DIMS2(p[0], p[1]), FILL_NORMAL);
    if (p[3] > 1)
        to = NODE(t->graph, relu, &none, to)->out[0];
    Node *n = NODE(t->graph, linear_grad_data, &none, dy, w, to);
    if (p[3] == 3)
        trial_output(t, NODE(t->graph, relu, &none, to)->out[0], EXACT);
    trial_output(t, n->out[0], SUM(p[2] + 1));
}

void cases_linear_grad_data(Rig *rig)
{
    TRIALS(rig, build_linear_grad_data, LINEAR_SIZES);
}

static void build_linear_grad_weight(Trial *t)
{
    const int *p = t->p;
    Value *x = trial_features(t, "x", DIMS2(p[0], p[1]), FILL_NORMAL);
    Value *dy = trial_features(t, "dy", DIMS2(p[0], p[2]), FILL_NORMAL);
    Node *n = NODE(t->graph, linear_grad_weight, &none, x, dy);
    trial_output(t, n->out[0], SUM(p[0]));
    trial_output(t, n->out[1], SUM(p[0]));
}

void cases_linear_grad_weight(Rig *rig)
{
    TRIALS(rig, build_linear_grad_weight, LINEAR_SIZES);
}

/* p: N, D, fill; with FILL_CLASS all are zero. */
#define NORM_SIZES                                                                                   \
    {4, 16, FILL_NORMAL}, {1, 5, FILL_NORMAL}, {3, 33, FILL_POSITIVE}, {7, 1, FILL_NORMAL},          \
    {2, 128, FILL_NORMAL}, {2, 17, FILL_NORMAL}, {5, 12, FILL_NORMAL}, {1, 515, FILL_NORMAL}

static Node *l2norm_node(Trial *t)
{
    Value *x = trial_features(t, "x", DIMS2(t->p[0], t->p[1]), (Fill)t->p[2]);
    t->values[t->count - 1].below = 1;
    return NODE(t->graph, l2norm, &none, x);
}

static void build_l2norm(Trial *t)
{
    Node *n = l2norm_node(t);
    trial_output(t, n->out[0], SUM(t->p[1]));
    trial_output(t, n->out[1], SUM(t->p[1]));
}

void cases_l2norm(Rig *rig)
{
    TRIALS(rig, build_l2norm, NORM_SIZES, {2, 21, FILL_CLASS});
}

static void build_l2norm_grad(Trial *t)
{
    Node *n = l2norm_node(t);
    Value *dy = trial_features(t, "dy", n->out[0]->dims, FILL_NORMAL);
    n = NODE(t->graph, l2norm_grad, &none, dy, n->out[0], n->out[1]);
    trial_output(t, n->out[0], CANCEL(t->p[1]));
}

void cases_l2norm_grad(Rig *rig)
{
    TRIALS(rig, build_l2norm_grad, NORM_SIZES);
}
