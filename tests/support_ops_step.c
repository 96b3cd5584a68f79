/* Cases of the operators around a network: images, ranks, losses, counts, optimiser, queue. */
#include "support_ops.h"

#include <math.h>
#include <stdio.h>

static const NoAttrs none = {0};

/* ------------------------------------------------------------------------------------ images and ranks */

/* p: B, H, W, ranks, turn, bytes */
static void build_images(Trial *t)
{
    const int *p = t->p;
    ImagesAttrs attrs = {p[0], p[5], {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
    int all = p[0] * p[3];
    Dims dims = p[5] ? DIMS4(all, p[1], p[2], 3) : DIMS4(all, 3, p[1], p[2]);
    Value *raw = trial_input(t, "raw", ROLE_INPUT, p[5] ? DTYPE_U8 : DTYPE_F32, dims,
                             p[5] ? FILL_BYTES : FILL_NORMAL);
    t->graph->ranks = ranks_whole(p[3]);
    t->state.turn = p[4];
    trial_output(t, NODE(t->graph, images, &attrs, raw)->out[0], p[5] ? SUM(2) : EXACT);
}

void cases_images(Rig *rig)
{
    TRIALS(rig, build_images, {2, 5, 7, 1, 0, 1}, {3, 1, 1, 4, 3, 1}, {2, 33, 9, 2, 1, 0}, {1, 6, 6, 1, 0, 0},
           {5, 17, 17, 3, 1, 1}, {1, 1, 1, 1, 0, 1}, {1, 1, 1, 1, 0, 0}, {1, 1, 2, 2, 1, 1},
           {2, 3, 1, 2, 0, 0}, {1, 31, 1, 1, 0, 1}, {1, 3, 11, 2, 1, 0}, {3, 4, 8, 1, 0, 1},
           {2, 1, 33, 2, 1, 1}, {1, 5, 13, 1, 0, 0}, {7, 2, 2, 1, 0, 1}, {2, 2, 3, 5, 4, 0},
           {1, 9, 7, 3, 2, 1}, {1, 2, 65, 1, 0, 1}, {4, 3, 3, 1, 0, 0}, {1, 16, 8, 1, 0, 1},
           {2, 7, 5, 2, 0, 0}, {1, 4, 19, 1, 0, 1}, {3, 1, 7, 2, 1, 0});
}

/* p: B, D (0: labels), ranks, rank */
static void build_take_rank(Trial *t)
{
    const int *p = t->p;
    int all = p[0] * p[2];
    Value *rows = p[1] ? trial_features(t, "rows", DIMS2(all, p[1]), FILL_NORMAL)
                       : trial_labels(t, "labels", all, 1000);
    t->graph->ranks = ranks_whole(p[2]);
    t->state.rank = p[3];
    trial_output(t, NODE(t->graph, take_rank, &none, rows)->out[0], EXACT);
}

void cases_take_rank(Rig *rig)
{
    TRIALS(rig, build_take_rank, {4, 32, 2, 1}, {1, 5, 3, 2}, {3, 0, 4, 3}, {1, 0, 1, 0}, {17, 17, 2, 0});
}

/* p: B, D, ranks, rank */
static void build_store_rank(Trial *t)
{
    const int *p = t->p;
    Value *own = trial_features(t, "own", DIMS2(p[0], p[1]), FILL_NORMAL);
    Value *all = trial_features(t, "all", DIMS2(p[0] * p[2], p[1]), FILL_NORMAL);
    t->graph->ranks = ranks_whole(p[2]);
    t->state.rank = p[3];
    NODE(t->graph, store_rank, &none, own, all);
    trial_mutated(t, all, EXACT);
}

void cases_store_rank(Rig *rig)
{
    TRIALS(rig, build_store_rank, {4, 32, 2, 1}, {1, 5, 3, 2}, {7, 17, 1, 0});
}

/* p: rows of all ranks, D */
static void build_unshuffle(Trial *t)
{
    const int *p = t->p;
    Value *encoded = trial_features(t, "encoded", DIMS2(p[0], p[1]), FILL_NORMAL);
    Value *order = trial_input(t, "order", ROLE_INPUT, DTYPE_I32, DIMS1(p[0]), FILL_PERMUTATION);
    Value *keys = trial_features(t, "keys", DIMS2(p[0], p[1]), FILL_NORMAL);
    NODE(t->graph, unshuffle, &none, encoded, order, keys);
    trial_mutated(t, keys, EXACT);
}

void cases_unshuffle(Rig *rig)
{
    TRIALS(rig, build_unshuffle, {8, 32}, {3, 5}, {7, 17}, {1, 1}, {130, 16});
}

/* In one process they leave alone what they are given. p: rows, D */
static void build_all_gather(Trial *t)
{
    const int *p = t->p;
    Value *rows = trial_features(t, "rows", DIMS2(p[0], p[1]), FILL_NORMAL);
    Value *labels = trial_labels(t, "labels", p[0], 100);
    NODE(t->graph, all_gather, &none, rows, labels);
    trial_mutated(t, rows, EXACT);
    trial_mutated(t, labels, EXACT);
}

void cases_all_gather(Rig *rig)
{
    TRIALS(rig, build_all_gather, {4, 32}, {3, 5});
}

/* p: elements */
static void build_all_reduce(Trial *t)
{
    Value *g = trial_param(t, "g", DIMS1(t->p[0]), FILL_NORMAL);
    NODE(t->graph, all_reduce, &none, g);
    trial_mutated(t, g, EXACT);
}

void cases_all_reduce(Rig *rig)
{
    TRIALS(rig, build_all_reduce, {1}, {37});
}

/* p: rows of all ranks, D, M, head */
static void build_queue_push(Trial *t)
{
    const int *p = t->p;
    Value *keys = trial_features(t, "keys", DIMS2(p[0], p[1]), FILL_NORMAL);
    Value *labels = trial_labels(t, "labels", p[0], 100);
    Value *queue = trial_features(t, "queue", DIMS2(p[2], p[1]), FILL_NORMAL);
    Value *queue_labels =
        trial_input(t, "queue_labels", ROLE_STATE, DTYPE_I32, DIMS1(p[2]), FILL_PERMUTATION);
    t->state.queue_head = p[3];
    NODE(t->graph, queue_push, &none, keys, labels, queue, queue_labels);
    trial_mutated(t, queue, EXACT);
    trial_mutated(t, queue_labels, EXACT);
}

/* Longer than the keys, of any phase; as long; shorter, so that keys overwrite keys; a single row. */
void cases_queue_push(Rig *rig)
{
    TRIALS(rig, build_queue_push, {4, 32, 11, 0}, {4, 5, 11, 9}, {6, 17, 6, 2}, {9, 16, 4, 3},
           {10, 3, 7, 6}, {5, 8, 1, 0}, {1, 20, 300, 299});
}

/* ------------------------------------------------------------------------------------ losses */

static const PacoAttrs paco_attrs[] = {
    {0.05, 1, 1, 1, 0.2, 0.2},    /* the published defaults */
    {0.01, 1, 1, 1, 0.05, 0.05},  /* CIFAR */
    {0.3, 0.7, 1.5, 2, 0.1, 0.07}, /* all different */
};

/* Rows of unit length that are rounded in float32, as a network gives them. */
static Value *unit_rows(Trial *t, const char *name, int rows, int width)
{
    Value *x = trial_features(t, name, DIMS2(rows, width), FILL_NORMAL);
    return NODE(t->graph, l2norm, &none, x)->out[0];
}

/* Logits whose last rounding is float32's, too. */
static Value *logits(Trial *t, int rows, int classes)
{
    Value *a = trial_features(t, "logits_a", DIMS2(rows, classes), FILL_NORMAL);
    Value *b = trial_features(t, "logits_b", DIMS2(rows, classes), FILL_NORMAL);
    return NODE(t->graph, add, &none, a, b)->out[0];
}

static Value *rank_losses(Trial *t, int ranks, int rank)
{
    t->graph->ranks = ranks_whole(ranks);
    t->state.turn = rank;
    t->state.grad_scale = 1.0 / ranks;
    return trial_input(t, "loss", ROLE_OUTPUT, DTYPE_F32, DIMS1(ranks), FILL_NORMAL);
}

static Value *scaler(Trial *t, double scale, int growth, bool found)
{
    double numbers[SCALER_FLOATS] = {scale, growth, 5, found};
    return trial_given(t, "scaler", ROLE_STATE, SCALER_FLOATS, numbers);
}

/* p: B, D, M, L, ranks, rank, prior, attributes, scale or 0 */
static void build_paco_loss(Trial *t)
{
    const int *p = t->p;
    Value *q = unit_rows(t, "q", p[0], p[1]), *k = unit_rows(t, "k", p[0], p[1]);
    Value *queue = unit_rows(t, "queue", p[2], p[1]), *z = logits(t, p[0], p[3]);
    Value *labels = trial_labels(t, "labels", p[0], p[3]);
    Value *queue_labels = trial_input(t, "queue_labels", ROLE_STATE, DTYPE_I32, DIMS1(p[2]), FILL_CLASS);
    t->values[t->count - 1].below = p[3];
    Value *prior =
        p[6] ? trial_input(t, "prior", ROLE_CONSTANT, DTYPE_F32, DIMS1(p[3]), FILL_NORMAL) : NULL;
    Value *loss = rank_losses(t, p[4], p[5]);
    Node *n = NODE(t->graph, paco_loss, &paco_attrs[p[7]], q, k, queue, labels, queue_labels, z, prior, loss,
                   p[8] ? scaler(t, p[8], 7, false) : NULL);
    trial_mutated(t, loss, SUM(p[3] + 2 * p[0] + p[2]));
    trial_output(t, n->out[0], CANCEL(p[1])); /* a product with the logits' gradients, which cancel */
    trial_output(t, n->out[1], CANCEL(p[1]));
}

void cases_paco_loss(Rig *rig)
{
    TRIALS(rig, build_paco_loss, {4, 32, 64, 10, 1, 0, 1, 0}, {1, 5, 3, 2, 1, 0, 0, 1},
           {7, 33, 100, 17, 2, 1, 1, 2}, {16, 16, 5, 3, 4, 2, 1, 1}, {3, 1, 1, 50, 1, 0, 0, 2},
           {9, 128, 1000, 101, 1, 0, 1, 1});
    TRIALS(rig, build_paco_loss, {2, 3, 1, 1, 1, 0, 1, 0}, {1, 2, 9, 4, 1, 0, 0, 2},
           {5, 4, 13, 5, 1, 0, 1, 1}, {2, 7, 130, 6, 2, 1, 0, 0}, {3, 2, 40, 131, 1, 0, 1, 2},
           {2, 5, 64, 16, 3, 2, 1, 1}, {4, 3, 17, 33, 1, 0, 0, 0}, {4, 32, 64, 10, 4, 2, 1, 0, 65536},
           {3, 17, 5, 18, 1, 0, 0, 2, 3});
}

/* p: B, L, ranks, rank, prior, scale or 0 */
static void build_softmax_loss(Trial *t)
{
    const int *p = t->p;
    Value *z = logits(t, p[0], p[1]), *labels = trial_labels(t, "labels", p[0], p[1]);
    Value *prior =
        p[4] ? trial_input(t, "prior", ROLE_CONSTANT, DTYPE_F32, DIMS1(p[1]), FILL_NORMAL) : NULL;
    Value *loss = rank_losses(t, p[2], p[3]);
    Node *n = NODE(t->graph, softmax_loss, &none, z, labels, prior, loss, p[5] ? scaler(t, p[5], 7, false) : NULL);
    trial_mutated(t, loss, SUM(p[1] + p[0]));
    trial_output(t, n->out[0], CANCEL(1));
}

void cases_softmax_loss(Rig *rig)
{
    TRIALS(rig, build_softmax_loss, {4, 10, 1, 0, 1}, {1, 2, 1, 0, 0}, {7, 17, 3, 2, 1}, {5, 100, 2, 0, 0},
           {3, 1000, 1, 0, 1});
    TRIALS(rig, build_softmax_loss, {1, 1, 1, 0, 0}, {2, 3, 1, 0, 1}, {3, 4, 2, 1, 1}, {2, 15, 1, 0, 0},
               {1, 33, 1, 0, 1}, {2, 130, 1, 0, 0}, {140, 2, 1, 0, 0}, {7, 17, 4, 2, 1, 65536}, {2, 130, 1, 0, 0, 3});
}

/* p: B, L, ranks, rank, prior */
static void build_count_correct(Trial *t)
{
    const int *p = t->p;
    Value *z = trial_features(t, "logits", DIMS2(p[0], p[1]), FILL_COARSE),
          *labels = trial_labels(t, "labels", p[0], p[1]);
    Value *counts = trial_input(t, "counts", ROLE_OUTPUT, DTYPE_I32, DIMS2(p[2], 2), FILL_PERMUTATION);
    t->graph->ranks = ranks_whole(p[2]);
    t->state.turn = p[3];
    Value *prior =
        p[4] ? trial_input(t, "prior", ROLE_CONSTANT, DTYPE_F32, DIMS1(p[1]), FILL_COARSE) : NULL;
    NODE(t->graph, count_correct, &none, z, labels, counts, prior);
    trial_mutated(t, counts, EXACT);
}

void cases_count_correct(Rig *rig)
{
    TRIALS(rig, build_count_correct, {40, 10, 1, 0}, {1, 2, 2, 1, 1}, {33, 17, 3, 2, 1}, {20, 100, 1, 0},
           {1, 1, 1, 0, 1}, {3, 5, 1, 0}, {2, 131, 1, 0, 1}, {140, 3, 1, 0, 1});
}

/* ------------------------------------------------------------------------------------ optimiser */

/* p: elements; long ranges go to several work-items. */
#define RANGE_SIZES {1}, {3}, {15}, {16}, {17}, {63}, {513}, {4097}, {70001}

/* p: elements, ranks, first and own ranks of the share, rank. Sums that the rank leaves alone keep their bits, and one
 * addition is exact to the bit. */
static void build_grad_sum(Trial *t)
{
    Ranks ranks = {t->p[1], t->p[2], t->p[3]};
    Value *in[1 + GRAD_SUMS_MAX] = {trial_param(t, "g", DIMS1(t->p[0]), FILL_NORMAL)};
    int sums = ranks_sums_held(ranks);
    t->graph->ranks = ranks;
    t->state.rank = t->p[4];
    t->state.sum = ranks_sum(ranks, t->p[4]);
    for (int s = 0; s < sums; s++) {
        char name[16];
        snprintf(name, sizeof name, "sum%d", s);
        in[1 + s] = trial_param(t, name, DIMS1(t->p[0]), FILL_NORMAL);
    }
    graph_node(t->graph, OP_grad_sum, &none, sizeof none, 1 + sums, in);
    for (int s = 0; s < sums; s++) {
        bool sum_of_many = s == t->state.sum.held - t->state.sum.merged && t->state.sum.merged > 1;
        if (sum_of_many)
            trial_mutated(t, in[1 + s], SUM(t->state.sum.merged + 1));
        else
            trial_mutated(t, in[1 + s], EXACT);
    }
}

void cases_grad_sum(Rig *rig)
{
    TRIALS(rig, build_grad_sum, {1, 1, 0, 1, 0}, {3, 2, 0, 2, 0}, {15, 2, 0, 2, 1}, {16, 4, 0, 4, 1}, {17, 4, 0, 4, 2},
           {63, 4, 0, 4, 3}, {513, 3, 0, 3, 2}, {4097, 6, 3, 3, 5}, {70001, 4, 0, 4, 3}, {37, 4096, 0, 4096, 4095},
           {40, 4096, 0, 4096, 2047});
}

/* p: elements, scale in tenths or 0, whether the scaler found something: then nothing changes; whether there is a copy */
static void build_sgd(Trial *t)
{
    SgdAttrs attrs = {0.9, 5e-4};
    Dims dims = DIMS1(t->p[0]);
    Value *w = trial_param(t, "w", dims, FILL_NORMAL), *g = trial_param(t, "g", dims, FILL_NORMAL);
    Value *v = trial_param(t, "v", dims, FILL_NORMAL);
    t->state.lr = 0.05;
    Value *copy = t->p[3] ? trial_copy(t, "copy", w) : NULL;
    NODE(t->graph, sgd, &attrs, w, g, v, t->p[1] ? scaler(t, t->p[1] / 10.0, 7, t->p[2]) : NULL, copy);
    trial_mutated(t, w, t->p[2] ? EXACT : SUM(4));
    trial_mutated(t, v, t->p[2] ? EXACT : SUM(3));
    if (copy)
        trial_mutated(t, copy, t->p[2] ? EXACT : SUM(4));
}

void cases_sgd(Rig *rig)
{
    TRIALS(rig, build_sgd, RANGE_SIZES);
    TRIALS(rig, build_sgd, {1, 40, 0}, {17, 3, 0}, {513, 40, 0}, {70001, 3, 0}, {1, 40, 1}, {37, 40, 1}, {70001, 3, 1});
    TRIALS(rig, build_sgd, {37, 0, 0, 1}, {70001, 0, 0, 1}, {37, 40, 0, 1}, {70001, 3, 0, 1}, {513, 40, 1, 1}, {37, 3, 1, 1});
}

/* p: elements; what the gradient has that is not finite: 0 nothing, 1 a not-a-number, 2 its last element is infinite;
 * what the scaler has found before */
static void build_grad_check(Trial *t)
{
    static const Fill fills[] = {FILL_NORMAL, FILL_NAN, FILL_INFINITE};
    Value *g = trial_param(t, "g", DIMS1(t->p[0]), fills[t->p[1]]), *found = scaler(t, 256, 7, t->p[2]);
    NODE(t->graph, grad_check, &none, g, found);
    trial_mutated(t, found, EXACT);
}

/* The end of a step over two parameters. p: elements of both; what their gradients have that is not finite */
static void build_scaled_update(Trial *t)
{
    static const Fill fills[] = {FILL_NORMAL, FILL_NAN, FILL_INFINITE};
    const SgdAttrs attrs = {0.9, 5e-4};
    const ScaleAttrs rule = {2, 0.5, 8};
    const int *p = t->p;
    bool skipped = p[2] || p[3];
    Value *both = scaler(t, 0.25, 7, false), *w[2], *g[2], *v[2];
    t->state.lr = 0.05;
    for (int i = 0; i < 2; i++) {
        w[i] = trial_param(t, i ? "w1" : "w0", DIMS1(p[i]), FILL_NORMAL);
        v[i] = trial_param(t, i ? "v1" : "v0", DIMS1(p[i]), FILL_NORMAL);
        g[i] = trial_param(t, i ? "g1" : "g0", DIMS1(p[i]), fills[p[2 + i]]);
    }
    for (int i = 0; i < 2; i++)
        NODE(t->graph, grad_check, &none, g[i], both);
    for (int i = 0; i < 2; i++)
        NODE(t->graph, sgd, &attrs, w[i], g[i], v[i], both);
    NODE(t->graph, scale_update, &rule, both);
    trial_mutated(t, both, EXACT);
    for (int i = 0; i < 2; i++) {
        trial_mutated(t, w[i], skipped ? EXACT : SUM(4));
        trial_mutated(t, v[i], skipped ? EXACT : SUM(3));
    }
}

void cases_grad_check(Rig *rig)
{
    TRIALS(rig, build_grad_check, RANGE_SIZES);
    TRIALS(rig, build_grad_check, {1, 1, 0}, {1, 2, 0}, {16, 1, 0}, {17, 2, 0}, {513, 1, 0}, {4097, 2, 0}, {70001, 1, 0},
           {70001, 2, 0}, {33, 0, 1}, {33, 1, 1});
    TRIALS(rig, build_scaled_update, {5, 19, 0, 0}, {5, 19, 1, 0}, {5, 19, 0, 2}, {70001, 3, 1, 2}, {3, 70001, 0, 1});
}

/* p: the scale is 2 to the power of it; growth, found, interval */
static void build_scale_update(Trial *t)
{
    const int *p = t->p;
    const ScaleAttrs rule = {2, 0.5, p[3]};
    Value *s = scaler(t, ldexp(1, p[0]), p[1], p[2]);
    NODE(t->graph, scale_update, &rule, s);
    trial_mutated(t, s, EXACT);
}

/* It grows, is halved, below one, too, and never becomes infinite. */
void cases_scale_update(Rig *rig)
{
    TRIALS(rig, build_scale_update, {16, 0, 0, 2000}, {16, 1998, 0, 2000}, {16, 1999, 0, 2000}, {16, 1999, 1, 2000},
           {16, 0, 1, 2000}, {0, 3, 1, 2000}, {-3, 2, 0, 3}, {-3, 1, 0, 3}, {127, 1999, 0, 2000}, {126, 1999, 0, 2000},
           {16, 2500, 0, 2000});
}

/* p: elements, whether there is a copy */
static void build_ema(Trial *t)
{
    EmaAttrs attrs = {0.999};
    Value *k = trial_param(t, "k", DIMS1(t->p[0]), FILL_NORMAL),
          *q = trial_param(t, "q", DIMS1(t->p[0]), FILL_NORMAL);
    Value *copy = t->p[1] ? trial_copy(t, "copy", k) : NULL;
    NODE(t->graph, ema, &attrs, k, q, copy);
    trial_mutated(t, k, SUM(2));
    if (copy)
        trial_mutated(t, copy, SUM(2));
}

void cases_ema(Rig *rig)
{
    TRIALS(rig, build_ema, RANGE_SIZES);
    TRIALS(rig, build_ema, {5, 1}, {37, 1}, {70001, 1});
}

/* There and back. p: elements */
static void build_cast(Trial *t)
{
    Value *w = trial_param(t, "w", DIMS1(t->p[0]), FILL_NORMAL), *g = trial_param(t, "g", DIMS1(t->p[0]), FILL_NORMAL);
    Value *copy = trial_copy(t, "copy", w);
    NODE(t->graph, cast, &(CastAttrs){1}, w, copy);
    NODE(t->graph, cast, &(CastAttrs){0.125}, copy, g);
    trial_mutated(t, copy, EXACT);
    trial_mutated(t, g, EXACT);
}

/* In 16 bits numbers that lie between two are rounded, to even where they lie in the middle. */
void cases_cast(Rig *rig)
{
    TRIALS(rig, build_cast, RANGE_SIZES);
}
