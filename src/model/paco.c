/* The PaCo step: segments PROLOGUE (key encoder follows), KEY (keys of one rank), GATHER (keys back
 * from the shuffle), QUERY (queries, loss and gradients of one rank), REDUCE (gradients of other
 * processes), EPILOGUE (SGD, enqueue), and evaluation (FOLD, EVAL). */
#include "model/paco.h"

#include "base/check.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

static const char *const method_names[METHOD_COUNT] = {
#define X(name, word) word,
    METHOD_LIST(X)
#undef X
};

int method_find(const char *name)
{
    for (int i = 0; i < METHOD_COUNT; i++)
        if (strcmp(method_names[i], name) == 0)
            return i;
    return -1;
}

const char *method_name(Method method)
{
    return method_names[method];
}

Status model_check(const ModelConfig *c)
{
    if (c->size < arch_least_size(c->arch))
        return status_fail(STATUS_USAGE, "size: %s needs larger images (%d vs at least %d)",
                           c->arch->name, c->size, arch_least_size(c->arch));
    if (c->classes < 2)
        return status_fail(STATUS_USAGE, "classes: at least 2 are needed (got %d)", c->classes);
    bool single =
        !arch_family(c->arch)->small && c->size <= 32; /* one pixel in the last stage */
    if (c->train && (single || (c->method == METHOD_PACO && c->mlp)) && c->batch < 2)
        return status_fail(
            STATUS_USAGE,
            "batch: batch norm over single features needs at least 2 images per rank "
            "(got %d)",
            c->batch);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ pieces */

static Value *image_input(Graph *g, const ModelConfig *c, const char *name, int count)
{
    Dims dims = c->bytes ? DIMS4(count, c->size, c->size, 3) : DIMS4(count, 3, c->size, c->size);
    return graph_value(g, name, ROLE_INPUT, c->bytes ? DTYPE_U8 : DTYPE_F32, dims);
}

static Value *images(Graph *g, const ModelConfig *c, const char *name, Value *raw, int batch)
{
    ImagesAttrs attrs = {.batch = batch, .bytes = c->bytes};
    memcpy(attrs.mean, c->mean, sizeof attrs.mean);
    memcpy(attrs.std, c->std, sizeof attrs.std);
    g->scope = name;
    return NODE(g, images, &attrs, raw)->out[0];
}

/* This rank's rows of a value of all ranks. */
static Value *own_rows(Graph *g, Value *all)
{
    g->scope = "take_rank";
    return g->ranks.all == 1 ? all : NODE(g, take_rank, &(NoAttrs){0}, all)->out[0];
}

static void mark_trainable(const ModelConfig *c, Graph *g)
{
    for (int i = 0; i < g->values_count && c->trainable; i++)
        if (g->values[i]->role == ROLE_PARAM)
            g->values[i]->trainable = c->trainable(g->values[i]->name, c->trainable_context);
}

/* ------------------------------------------------------------------------------------ segments */

/* What every process must know of the images of all: their keys and labels, and, to be sure that
 * all saw the same, their numbers. */
static void gather(Model *m, const ModelConfig *c)
{
    Graph *g = m->graph;
    Dims all = DIMS1(2 * c->batch * c->ranks.all);
    if (c->ranks.own == c->ranks.all)
        return;
    m->samples = graph_value(g, "samples", ROLE_INPUT, DTYPE_I32, all);
    g->scope = "gather";
    NODE(g, all_gather, &(NoAttrs){0}, m->encoded, m->labels, m->samples);
}

static void build_keys(Model *m, const ModelConfig *c)
{
    Graph *g = m->graph;
    int all = c->batch * c->ranks.all;
    g->segment = SEGMENT_KEY;
    m->images_k = image_input(g, c, "im_k", c->batch * c->ranks.own);
    m->order = graph_value(g, "order", ROLE_INPUT, DTYPE_I32, DIMS1(all));
    m->encoded = graph_value(g, "encoded", ROLE_STATE, DTYPE_F32, DIMS2(all, c->dim));
    m->keys = graph_value(g, "keys", ROLE_STATE, DTYPE_F32, DIMS2(all, c->dim));
    m->queue = graph_value(g, "queue", ROLE_STATE, DTYPE_F32, DIMS2(c->queue, c->dim));
    m->queue_labels = graph_value(g, "queue_l", ROLE_STATE, DTYPE_I32, DIMS1(c->queue));
    Net net = {g, c->arch, NET_KEY};
    Value *h = net_pooled(&net, images(g, c, "images_k", m->images_k, c->batch));
    Value *k = net_head(&net, h, c->dim, c->mlp);
    g->scope = "normalize_k";
    k = NODE(g, l2norm, &(NoAttrs){0}, k)->out[0];
    g->scope = "store_rank";
    NODE(g, store_rank, &(NoAttrs){0}, k, m->encoded);
    g->segment = SEGMENT_GATHER;
    gather(m, c);
    g->scope = "unshuffle";
    NODE(g, unshuffle, &(NoAttrs){0}, m->encoded, m->order, m->keys);
}

static void build_paco_loss(Model *m, const ModelConfig *c, Net *net, Value *h, Value *labels)
{
    Graph *g = m->graph;
    Value *projected = net_head(net, h, c->dim, c->mlp);
    Value *logits = net_classifier(net, h, c->classes, false);
    mark_trainable(c, g);
    g->scope = "normalize_q";
    Value *q = NODE(g, l2norm, &(NoAttrs){0}, projected)->out[0];
    Value *k = own_rows(g, m->keys);
    g->scope = "paco_loss";
    Node *loss = NODE(g, paco_loss, &c->loss, q, k, m->queue, labels, m->queue_labels, logits,
                      m->prior, m->loss, m->scaler);
    g->scope = "accuracy";
    NODE(g, count_correct, &(NoAttrs){0}, logits, labels, m->correct, m->prior);
    graph_gradients(g, (GradRoot[]){{q, loss->out[0]}, {logits, loss->out[1]}}, 2);
}

static void build_softmax_loss(Model *m, const ModelConfig *c, Net *net, Value *h, Value *labels)
{
    Graph *g = m->graph;
    net_declare_head(net, c->dim, c->mlp);
    Value *logits = net_classifier(net, h, c->classes, false);
    mark_trainable(c, g);
    g->scope = method_name(c->method);
    Node *loss = NODE(g, softmax_loss, &(NoAttrs){0}, logits, labels, m->prior, m->loss, m->scaler);
    g->scope = "accuracy";
    NODE(g, count_correct, &(NoAttrs){0}, logits, labels, m->correct, m->prior);
    graph_gradients(g, (GradRoot[]){{logits, loss->out[0]}}, 1);
}

static void build_queries(Model *m, const ModelConfig *c)
{
    Graph *g = m->graph;
    g->segment = SEGMENT_QUERY;
    m->images_q = image_input(g, c, "im_q", c->batch * c->ranks.own);
    m->loss = graph_value(g, "loss", ROLE_OUTPUT, DTYPE_F32, DIMS1(c->ranks.own));
    m->correct = graph_value(g, "correct", ROLE_OUTPUT, DTYPE_I32, DIMS2(c->ranks.own, 2));
    if (c->storage == DTYPE_F16) /* bf16 reaches as far as float32 */
        m->scaler = graph_value(g, "scaler", ROLE_STATE, DTYPE_F32, DIMS1(SCALER_FLOATS));
    if (c->prior)
        m->prior = graph_value(g, "prior", ROLE_CONSTANT, DTYPE_F32, DIMS1(c->classes));
    Net net = {g, c->arch, NET_QUERY};
    Value *h = net_pooled(&net, images(g, c, "images_q", m->images_q, c->batch));
    Value *labels = own_rows(g, m->labels);
    if (c->method == METHOD_PACO)
        build_paco_loss(m, c, &net, h, labels);
    else
        build_softmax_loss(m, c, &net, h, labels);
}

static Value *companion(Graph *g, Value *param, Role role, const char *prefix)
{
    char name[256];
    snprintf(name, sizeof name, "%s.%s", prefix, param->name);
    return graph_companion(g, param, role, name);
}

/* The partial sums of a parameter's gradient that the share holds at most; number 0 ends as the
 * sum of all its ranks. */
static void declare_sums(Model *m, const ModelConfig *c)
{
    Graph *g = m->graph;
    int count = g->values_count;
    for (int s = 0; s < ranks_sums_held(c->ranks) && c->ranks.own > 1; s++)
        for (int i = 0; i < count; i++) {
            char name[256];
            Value *w = g->values[i];
            if (w->role != ROLE_PARAM || !graph_companion_of(g, w, ROLE_GRAD))
                continue;
            if (s == 0) {
                companion(g, w, ROLE_GRAD_SUM, "sum");
                continue;
            }
            snprintf(name, sizeof name, "sum%d.%s", s, w->name);
            graph_value(g, name, ROLE_GRAD_PARTIAL, DTYPE_F32, w->dims)->of = w;
        }
}

/* The sums of a parameter's gradient that the share holds, number 0 first; returns how many. */
static int sums_of(const Graph *g, const Value *w, Value **sums)
{
    int count = 0;
    sums[count++] = graph_companion_of(g, w, ROLE_GRAD_SUM);
    for (int i = 0; i < g->values_count; i++)
        if (g->values[i]->role == ROLE_GRAD_PARTIAL && g->values[i]->of == w)
            sums[count++] = g->values[i];
    return count;
}

/* A rank's gradient on its way up the tree of comm/ranks.h. */
static void sum_ranks(Model *m, const Value *w)
{
    Graph *g = m->graph;
    Value *in[1 + GRAD_SUMS_MAX] = {graph_companion_of(g, w, ROLE_GRAD)};
    int count = 1 + sums_of(g, w, in + 1);
    g->segment = SEGMENT_QUERY;
    g->scope = "grad_sum";
    graph_node(g, OP_grad_sum, &(NoAttrs){0}, sizeof(NoAttrs), count, in);
}

/* What the processes hold of the gradients becomes the sums over all ranks, everywhere. */
static void reduce(Model *m, const ModelConfig *c, const Value *w)
{
    Graph *g = m->graph;
    RankNode nodes[RANK_NODES_MAX];
    Value *in[1 + GRAD_SUMS_MAX] = {graph_companion_of(g, w, ROLE_GRAD)};
    if (c->ranks.own > 1)
        sums_of(g, w, in);
    g->segment = SEGMENT_REDUCE;
    g->scope = "reduce";
    graph_node(g, OP_all_reduce, &(NoAttrs){0}, sizeof(NoAttrs), ranks_nodes(c->ranks, nodes), in);
}

/* The gradient of a parameter, over all ranks; NULL where it has none. */
static Value *whole_gradient(const Model *m, const ModelConfig *c, const Value *w)
{
    return w->role == ROLE_PARAM
               ? graph_companion_of(m->graph, w, c->ranks.own > 1 ? ROLE_GRAD_SUM : ROLE_GRAD)
               : NULL;
}

/* Gradients are summed over the ranks (each is already scaled by 1 / ranks at its root), then SGD;
 * with a scaler all of them are looked through before the first weight changes. */
static void build_update(Model *m, const ModelConfig *c)
{
    Graph *g = m->graph;
    int count = g->values_count;
    declare_sums(m, c);
    for (int i = 0; i < count && c->ranks.own > 1; i++)
        if (whole_gradient(m, c, g->values[i]))
            sum_ranks(m, g->values[i]);
    for (int i = 0; i < count && c->ranks.own < c->ranks.all; i++)
        if (whole_gradient(m, c, g->values[i]))
            reduce(m, c, g->values[i]);
    g->segment = SEGMENT_EPILOGUE;
    g->scope = "grad_check";
    for (int i = 0; i < count && m->scaler; i++)
        if (whole_gradient(m, c, g->values[i]))
            NODE(g, grad_check, &(NoAttrs){0}, whole_gradient(m, c, g->values[i]), m->scaler);
    g->scope = "sgd";
    for (int i = 0; i < count; i++) {
        Value *w = g->values[i], *grad = whole_gradient(m, c, w);
        if (grad)
            NODE(g, sgd, &c->sgd, w, grad, companion(g, w, ROLE_MOMENTUM, "momentum"), m->scaler);
    }
}

/* The last of a step. */
static void build_scaling(Model *m)
{
    Graph *g = m->graph;
    g->segment = SEGMENT_EPILOGUE;
    g->scope = "scale_update";
    NODE(g, scale_update, &SCALER_RULE, m->scaler);
}

static void build_follow_and_push(Model *m, const ModelConfig *c)
{
    Graph *g = m->graph;
    int count = g->values_count;
    g->segment = SEGMENT_PROLOGUE;
    g->scope = "ema";
    for (int i = 0; i < count; i++) {
        Value *q = g->values[i];
        if (q->role != ROLE_PARAM)
            continue;
        Value *k = graph_companion_of(g, q, ROLE_EMA);
        if (!k) { /* linear_k follows linear; nothing reads it but checkpoints */
            char name[256];
            snprintf(name, sizeof name, "linear_k.%s", q->name + strlen("linear."));
            k = graph_companion(g, q, ROLE_EMA, name);
        }
        NODE(g, ema, &(EmaAttrs){c->moco_m}, k, q);
    }
    g->segment = SEGMENT_EPILOGUE;
    g->scope = "enqueue";
    NODE(g, queue_push, &(NoAttrs){0}, m->keys, m->labels, m->queue, m->queue_labels);
}

static void build_evaluation(Model *m, const ModelConfig *c)
{
    Graph *g = m->graph;
    g->segment = SEGMENT_EVAL;
    m->eval_images = image_input(g, c, "im_eval", c->eval_batch);
    Net net = {g, c->arch, NET_EVAL};
    Value *h = net_pooled(&net, images(g, c, "images_eval", m->eval_images, c->eval_batch));
    if (c->features) {
        m->eval_features = h;
        h->role = ROLE_OUTPUT;
    }
    m->eval_logits = net_classifier(&net, h, c->classes, c->cosine);
    m->eval_logits->role = ROLE_OUTPUT;
}

Model model_build(const ModelConfig *c)
{
    Model m = {.graph = graph_new()};
    m.graph->ranks = c->ranks;
    m.graph->storage = c->storage;
    if (c->train) {
        m.labels =
            graph_value(m.graph, "labels", ROLE_INPUT, DTYPE_I32, DIMS1(c->batch * c->ranks.all));
        if (c->method == METHOD_PACO)
            build_keys(&m, c);
        build_queries(&m, c);
        build_update(&m, c);
        if (c->method == METHOD_PACO)
            build_follow_and_push(&m, c);
        if (m.scaler)
            build_scaling(&m);
    }
    if (c->eval_batch > 0)
        build_evaluation(&m, c);
    m.graph->scope = NULL;
    graph_sort_segments(m.graph);
    return m;
}
