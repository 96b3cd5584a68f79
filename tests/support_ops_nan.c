/* Cases of not-a-numbers: whatever goes wrong must reach the loss, where training stops. One goes into every operator
 * that computes; how many come out was counted with PyTorch 1.13. A mask of ReLU passes gradients where its output is
 * not-a-number. */
#include "support_ops.h"

static const NoAttrs none = {0};
static const BnAttrs bn_attrs = {1e-5, 0.1};

enum { N = 2, C = 17, H = 5, W = 3, K = 5, ALL = N * H * W }; /* the not-a-number: image 1, channel 5, pixel (3, 1) */

static Value *map(Trial *t, const char *name, Fill fill)
{
    return trial_features(t, name, DIMS4(N, C, H, W), fill);
}

static Value *channels(Trial *t, const char *name, Fill fill)
{
    return trial_input(t, name, ROLE_STATE, DTYPE_F32, DIMS1(C), fill);
}

/* ------------------------------------------------------------------------------------ elementwise */

static void build_elementwise(Trial *t)
{
    Value *x = map(t, "x", FILL_NAN), *z = map(t, "z", FILL_NORMAL);
    trial_output(t, NODE(t->graph, relu, &none, x)->out[0], NANS(1));
    trial_output(t, NODE(t->graph, add, &none, z, x)->out[0], NANS(1));
    trial_output(t, NODE(t->graph, relu_grad, &none, x, map(t, "y", FILL_POSITIVE))->out[0], NANS(1));
    trial_output(t, NODE(t->graph, relu_grad, &none, z, x)->out[0], EXACT);
    trial_output(t, NODE(t->graph, avg_pool, &none, x)->out[0], NANS(1));
}

static void build_update(Trial *t)
{
    SgdAttrs sgd = {0.9, 1e-4};
    EmaAttrs ema = {0.999};
    Value *w = trial_param(t, "w", DIMS1(99), FILL_NORMAL), *g = trial_param(t, "g", DIMS1(99), FILL_NAN);
    Value *v = trial_param(t, "v", DIMS1(99), FILL_NORMAL), *k = trial_param(t, "k", DIMS1(99), FILL_NORMAL);
    t->state.lr = 0.1;
    NODE(t->graph, sgd, &sgd, w, g, v);
    NODE(t->graph, ema, &ema, k, w);
    trial_mutated(t, w, NANS(1));
    trial_mutated(t, v, NANS(1));
    trial_mutated(t, k, NANS(1));
}

/* p: window, stride, pad, not-a-numbers of y, of dx */
static void build_pool(Trial *t)
{
    const int *p = t->p;
    PoolAttrs attrs = {p[0], p[1], p[2], H, W};
    Node *n = NODE(t->graph, max_pool, &attrs, map(t, "x", FILL_NAN));
    trial_output(t, n->out[0], NANS(p[3]));
    trial_output(t, n->out[1], EXACT);
    Value *dy = trial_features(t, "dy", n->out[0]->dims, FILL_NORMAL);
    trial_output(t, NODE(t->graph, max_pool_grad, &attrs, dy, n->out[1])->out[0], SUM(9));
}

/* ------------------------------------------------------------------------------------ batch norm */

/* Fused and not. p: 1: fused; 2: the residual has the not-a-number, 1: there is one without, 0: none; ReLU */
static void build_norm(Trial *t)
{
    const int *p = t->p;
    Value *x = map(t, "x", p[1] == 2 ? FILL_NORMAL : FILL_NAN), *mean = channels(t, "mean", FILL_NORMAL);
    Value *var = channels(t, "var", FILL_POSITIVE);
    Node *n = NODE(t->graph, bn, &bn_attrs, x, channels(t, "gamma", FILL_POSITIVE), channels(t, "beta", FILL_NORMAL),
                   mean, var);
    Value *y = n->out[0];
    if (p[1])
        y = NODE(t->graph, add, &none, y, map(t, "residual", p[1] == 2 ? FILL_NAN : FILL_NORMAL))->out[0];
    if (p[2])
        y = NODE(t->graph, relu, &none, y)->out[0];
    if (p[0])
        trial_fuses(t, p[1] ? OP_bn_add_relu : OP_bn_relu, OP_relu);
    trial_output(t, y, NANS(p[1] == 2 ? 1 : ALL));
    trial_output(t, n->out[1], NANS(p[1] != 2));
    trial_output(t, n->out[2], NANS(p[1] != 2));
    trial_mutated(t, mean, NANS(p[1] != 2));
    trial_mutated(t, var, NANS(p[1] != 2));
}

/* As one node on the reference, too. */
static void build_norm_node(Trial *t)
{
    Value *x = map(t, "x", FILL_NAN), *residual = map(t, "residual", FILL_NORMAL);
    for (int i = 0; i < 2; i++) {
        Value *in[] = {channels(t, "gamma", FILL_POSITIVE), channels(t, "beta", FILL_NORMAL),
                       channels(t, "mean", FILL_NORMAL), channels(t, "var", FILL_POSITIVE)};
        Node *n = i ? NODE(t->graph, bn_add_relu, &bn_attrs, x, in[0], in[1], in[2], in[3], residual)
                    : NODE(t->graph, bn_relu, &bn_attrs, x, in[0], in[1], in[2], in[3]);
        trial_output(t, n->out[0], NANS(ALL));
        trial_mutated(t, in[2], NANS(1));
        trial_mutated(t, in[3], NANS(1));
    }
}

/* Of a residual that is normalised on the way with known statistics one comes out. */
static void build_norm_twice(Trial *t)
{
    Value *in[] = {map(t, "x", FILL_NORMAL),
                   channels(t, "gamma", FILL_POSITIVE),
                   channels(t, "beta", FILL_NORMAL),
                   channels(t, "mean", FILL_NORMAL),
                   channels(t, "var", FILL_POSITIVE),
                   map(t, "residual", FILL_NAN),
                   channels(t, "gamma2", FILL_POSITIVE),
                   channels(t, "beta2", FILL_NORMAL),
                   channels(t, "mean2", FILL_NORMAL),
                   channels(t, "invstd2", FILL_POSITIVE)};
    Node *n = graph_node(t->graph, OP_bn_add_relu, &bn_attrs, sizeof bn_attrs, 10, in);
    trial_output(t, n->out[0], NANS(1));
    trial_mutated(t, in[3], NANS(0));
    trial_mutated(t, in[4], NANS(0));
}

/* p: which of the two that are normalised and added has the not-a-number. */
static void build_norm_pair(Trial *t)
{
    const int *p = t->p;
    Value *in[] = {map(t, "x", p[0] ? FILL_NORMAL : FILL_NAN),
                   channels(t, "gamma", FILL_POSITIVE),
                   channels(t, "beta", FILL_NORMAL),
                   channels(t, "mean", FILL_NORMAL),
                   channels(t, "var", FILL_POSITIVE),
                   map(t, "residual", p[0] ? FILL_NAN : FILL_NORMAL),
                   channels(t, "gamma2", FILL_POSITIVE),
                   channels(t, "beta2", FILL_NORMAL),
                   channels(t, "mean2", FILL_NORMAL),
                   channels(t, "var2", FILL_POSITIVE)};
    Node *n = graph_node(t->graph, OP_bn_pair, &bn_attrs, sizeof bn_attrs, 10, in);
    trial_output(t, n->out[0], NANS(ALL));
    for (int i = 0; i < 4; i++)
        trial_output(t, n->out[1 + i], NANS(i / 2 == p[0]));
    for (int i = 0; i < 2; i++) {
        trial_mutated(t, in[3 + i], NANS(!p[0]));
        trial_mutated(t, in[8 + i], NANS(p[0]));
    }
}

/* With statistics that are known. */
static void build_known(Trial *t)
{
    Value *x = map(t, "x", FILL_NAN), *gamma = channels(t, "gamma", FILL_POSITIVE);
    Value *beta = channels(t, "beta", FILL_NORMAL), *mean = channels(t, "mean", FILL_NORMAL);
    Value *var = channels(t, "var", FILL_POSITIVE);
    trial_output(t, NODE(t->graph, bn_relu_again, &bn_attrs, x, gamma, beta, mean, var)->out[0], NANS(1));
    trial_output(t, NODE(t->graph, bn_eval, &bn_attrs, x, gamma, beta, mean, var)->out[0], NANS(1));
}

/* p: 1: dy has the not-a-number; 0: the output that masks it */
static void build_norm_grad(Trial *t)
{
    bool bad = t->p[0];
    Value *x = map(t, "x", FILL_NORMAL), *gamma = channels(t, "gamma", FILL_POSITIVE);
    Value *mean = channels(t, "mean", FILL_NORMAL), *invstd = channels(t, "invstd", FILL_POSITIVE);
    Value *mask = trial_input(t, "mask", ROLE_STATE, DTYPE_BIT, DIMS4(N, C, H, W), FILL_POSITIVE); /* all of dy */
    Value *dy = map(t, "dy", bad ? FILL_NAN : FILL_NORMAL), *y = map(t, "y", bad ? FILL_POSITIVE : FILL_NAN);
    Node *grads[] = {NODE(t->graph, bn_relu_grad, &bn_attrs, dy, x, gamma, mean, invstd, y),
                     NODE(t->graph, bn_add_relu_grad, &bn_attrs, dy, x, gamma, mean, invstd, y),
                     NODE(t->graph, bn_pair_grad, &bn_attrs, dy, x, gamma, mean, invstd, mask,
                          map(t, "x2", FILL_NORMAL), gamma, mean, invstd)};
    Value *const *outs[] = {grads[0]->out, grads[1]->out, grads[2]->out, grads[2]->out + 3};
    for (int i = 0; i < 4; i++) {
        trial_output(t, outs[i][0], bad ? NANS(ALL) : SUM(ALL));
        trial_output(t, outs[i][1], bad ? NANS(1) : SUM(ALL));
        trial_output(t, outs[i][2], bad ? NANS(1) : SUM(ALL));
    }
    trial_output(t, grads[1]->out[3], bad ? NANS(1) : EXACT);
}

/* ------------------------------------------------------------------------------------ products */

/* p: which has the not-a-number: 0 x, 1 w, 2 bias, 3 residual; ReLU; how many come out */
static void build_conv(Trial *t)
{
    const int *p = t->p;
    ConvActAttrs attrs = {{.stride = 1, .pad = p[0] == 1 ? 0 : 1, .groups = 1, .H = H, .W = W}, p[1]};
    Dims dims = DIMS4(N, K, p[0] == 1 ? H - 2 : H, p[0] == 1 ? W - 2 : W); /* what 0 times NaN is at edges is free */
    Value *x = map(t, "x", p[0] == 0 ? FILL_NAN : FILL_NORMAL);
    Value *w = trial_param(t, "w", DIMS4(K, C, 3, 3), p[0] == 1 ? FILL_NAN : FILL_NORMAL);
    Value *bias = trial_param(t, "bias", DIMS1(K), p[0] == 2 ? FILL_NAN : FILL_NORMAL);
    Value *residual = trial_features(t, "residual", dims, p[0] == 3 ? FILL_NAN : FILL_NORMAL);
    trial_output(t, NODE(t->graph, conv_bias_act, &attrs, x, w, bias, residual)->out[0], NANS(p[2]));
    if (p[0] < 2)
        trial_output(t, NODE(t->graph, conv, &attrs.conv, x, w)->out[0], NANS(p[2]));
}

static void build_conv_grad(Trial *t)
{
    ConvAttrs attrs = {.stride = 1, .pad = 1, .groups = 1, .H = H, .W = W};
    Value *x = map(t, "x", FILL_NORMAL), *w = trial_param(t, "w", DIMS4(K, C, 3, 3), FILL_NORMAL);
    Value *dy = trial_features(t, "dy", DIMS4(N, K, H, W), FILL_NAN); /* image 1, channel 1, pixel (3, 1) */
    trial_output(t, NODE(t->graph, conv_grad_data, &attrs, dy, w, NULL)->out[0], NANS(C * 9));
    trial_output(t, NODE(t->graph, conv_grad_weight, &attrs, x, dy, w)->out[0], NANS(C * 9));
}

static void build_linear(Trial *t)
{
    Value *x = trial_features(t, "x", DIMS2(N, C), FILL_NAN), *dy = trial_features(t, "dy", DIMS2(N, K), FILL_NORMAL);
    Value *w = trial_param(t, "w", DIMS2(K, C), FILL_NAN), *b = trial_param(t, "b", DIMS1(K), FILL_NORMAL);
    Node *back = NODE(t->graph, linear_grad_weight, &none, x, dy);
    trial_output(t, NODE(t->graph, linear, &none, x, w, b)->out[0], NANS(K + N - 1)); /* a row and a column */
    trial_output(t, NODE(t->graph, linear_grad_data, &none, dy, w, NULL)->out[0], NANS(N));
    trial_output(t, back->out[0], NANS(K));
}

/* ------------------------------------------------------------------------------------ features and losses */

static void build_l2norm(Trial *t)
{
    Value *x = trial_features(t, "x", DIMS2(3, C), FILL_NAN), *dy = trial_features(t, "dy", DIMS2(3, C), FILL_NORMAL);
    Node *n = NODE(t->graph, l2norm, &none, x);
    trial_output(t, n->out[0], NANS(C));
    trial_output(t, n->out[1], NANS(1));
    trial_output(t, NODE(t->graph, l2norm_grad, &none, dy, n->out[0], n->out[1])->out[0], NANS(C));
}

static Value *loss_value(Trial *t)
{
    return trial_input(t, "loss", ROLE_OUTPUT, DTYPE_F32, DIMS1(1), FILL_NORMAL);
}

/* p: images, classes */
static void build_softmax(Trial *t)
{
    const int *p = t->p;
    Value *z = trial_features(t, "logits", DIMS2(p[0], p[1]), FILL_NAN), *loss = loss_value(t);
    Node *n = NODE(t->graph, softmax_loss, &none, z, trial_labels(t, "labels", p[0], p[1]), NULL, loss);
    trial_mutated(t, loss, NANS(1));
    trial_output(t, n->out[0], NANS(p[1]));
}

/* p: which has the not-a-number: 0 q, 1 k, 2 queue, 3 logits; not-a-numbers of dq and dlogits */
static void build_paco(Trial *t)
{
    enum { B = 3, D = 9, M = 40, L = 21 };
    const int *p = t->p;
    PacoAttrs attrs = {0.05, 1, 1, 1, 0.2, 0.2};
    Fill fills[] = {FILL_NORMAL, FILL_NORMAL, FILL_NORMAL, FILL_NORMAL};
    fills[p[0]] = FILL_NAN;
    Value *q = trial_features(t, "q", DIMS2(B, D), fills[0]), *k = trial_features(t, "k", DIMS2(B, D), fills[1]);
    Value *queue = trial_features(t, "queue", DIMS2(M, D), fills[2]);
    Value *z = trial_features(t, "logits", DIMS2(B, L), fills[3]), *loss = loss_value(t);
    Value *labels = trial_labels(t, "labels", B, L), *queue_labels = trial_labels(t, "queue_labels", M, L);
    Node *n = NODE(t->graph, paco_loss, &attrs, q, k, queue, labels, queue_labels, z, NULL, loss);
    trial_mutated(t, loss, NANS(1));
    trial_output(t, n->out[0], NANS(B * D));
    trial_output(t, n->out[1], NANS(p[0] == 3 ? L : B * L));
}

void cases_nan(Rig *rig)
{
    TRIALS(rig, build_elementwise, {0});
    TRIALS(rig, build_update, {0});
    TRIALS(rig, build_pool, {3, 2, 1, 4}, {2, 2, 0, 1}, {3, 1, 1, 9});
    TRIALS(rig, build_norm, {0, 0, 0}, {0, 1, 1}, {0, 2, 1}, {1, 0, 1}, {1, 1, 1}, {1, 2, 1});
    TRIALS(rig, build_norm_node, {0});
    TRIALS(rig, build_norm_twice, {0});
    TRIALS(rig, build_norm_pair, {0}, {1});
    TRIALS(rig, build_known, {0});
    TRIALS(rig, build_norm_grad, {0}, {1});
    TRIALS(rig, build_conv, {0, 0, 9 * K}, {0, 1, 9 * K}, {1, 1, N * (H - 2) * (W - 2)}, {2, 1, ALL}, {3, 1, 1});
    TRIALS(rig, build_conv_grad, {0});
    TRIALS(rig, build_linear, {0});
    TRIALS(rig, build_l2norm, {0});
    TRIALS(rig, build_softmax, {4, 10}, {1, 1}, {3, 1000}, {5, 17});
    TRIALS(rig, build_paco, {0}, {1}, {2}, {3});
}
