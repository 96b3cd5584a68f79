/* Loss files: the PaCo loss alone, with its gradients. */
#include "base/arena.h"
#include "verify/golden_parts.h"
#include "verify/oracle_numbers.h"

#include <math.h>
#include <stdlib.h>

/* The values of the loss, in a graph of one node. */
typedef struct LossGraph {
    Value *q, *k, *queue, *logits, *labels, *queue_labels, *loss, *prior;
    Node *node;
} LossGraph;

static LossGraph build(const ModelConfig *c, Graph *g)
{
    int B = c->batch;
    g->segment = SEGMENT_QUERY;
    LossGraph l = {
        .q = graph_value(g, "q", ROLE_STATE, DTYPE_F32, DIMS2(B, c->dim)),
        .k = graph_value(g, "k", ROLE_STATE, DTYPE_F32, DIMS2(B, c->dim)),
        .queue = graph_value(g, "queue", ROLE_STATE, DTYPE_F32, DIMS2(c->queue, c->dim)),
        .logits = graph_value(g, "logits", ROLE_STATE, DTYPE_F32, DIMS2(B, c->classes)),
        .labels = graph_value(g, "labels", ROLE_INPUT, DTYPE_I32, DIMS1(B)),
        .queue_labels = graph_value(g, "queue_l", ROLE_STATE, DTYPE_I32, DIMS1(c->queue)),
        .loss = graph_value(g, "loss", ROLE_OUTPUT, DTYPE_F32, DIMS1(1)),
    };
    if (c->prior)
        l.prior = graph_value(g, "prior", ROLE_CONSTANT, DTYPE_F32, DIMS1(c->classes));
    l.node = NODE(g, paco_loss, &c->loss, l.q, l.k, l.queue, l.labels, l.queue_labels, l.logits,
                  l.prior, l.loss);
    l.node->out[0]->role = l.node->out[1]->role = ROLE_OUTPUT;
    return l;
}

static Status write_logits(Golden *g, const Value *logits)
{
    int64_t count = dims_count(logits->dims);
    double *x = mem_alloc((size_t)count * sizeof *x);
    oracle_uniform("logits", g->seed, count, x);
    for (int64_t i = 0; i < count; i++)
        x[i] = (float)(x[i] * json_number(g->config, "logit_scale", 3));
    Status status = session_write(g->run.session, logits, x, DTYPE_F64);
    free(x);
    return status;
}

static Status fill(Golden *g, const LossGraph *l)
{
    int classes = g->config_of_model.classes;
    TRY(golden_write_unit(g, l->q, "q"));
    TRY(golden_write_unit(g, l->k, "k"));
    TRY(golden_write_unit(g, l->queue, "queue"));
    TRY(golden_write_labels(g, l->labels, "labels", classes));
    TRY(golden_write_labels(g, l->queue_labels, "queue_l", classes));
    g->run.model.prior = l->prior;
    TRY(golden_write_prior(g));
    return write_logits(g, l->logits);
}

Status golden_loss(Golden *g)
{
    static const char *const names[] = {"dq", "dlogits"};
    double got, want = json_number(g->expected, "loss", NAN);
    Graph *graph = graph_new();
    LossGraph l = build(&g->config_of_model, graph);
    TRY(session_open(graph, &g->options->session, &g->run.session));
    TRY(fill(g, &l));
    TRY(session_run(g->run.session, SEGMENT_QUERY, &(StepParams){.grad_scale = 1}));
    TRY(session_read(g->run.session, l.loss, &got, DTYPE_F64));
    golden_note(g, "loss", 0, "loss", isfinite(got) ? fabs(got - want) / fabs(want) : INFINITY);
    for (int i = 0; i < 2; i++) {
        const Json *probe = json_get(g->expected, names[i]);
        double whole = json_number(probe, "norm", 0);
        TRY(golden_compare_value(g, names[i], names[i], probe, l.node->out[i], whole, 1, NULL));
    }
    return STATUS_OK;
}
