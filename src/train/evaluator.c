/* Evaluation, batch by batch in the data set's order, each launched before the logits of the one
 * before are read; a short last batch leaves old rows behind, unused. */
#include "train/evaluator.h"

#include "base/log.h"
#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double cross_entropy(const float *logits, int classes, int label)
{
    double most = -INFINITY, sum = 0;
    for (int c = 0; c < classes; c++)
        most = fmax(most, logits[c]);
    for (int c = 0; c < classes; c++)
        sum += exp(logits[c] - most);
    return log(sum) + most - logits[label];
}

/* A batch at which the device may still be. */
typedef struct Late {
    int n, ticket; /* n: images; 0: none */
    int32_t *labels;
    uint32_t *samples;
} Late;

typedef struct Evaluator {
    const Evaluation *e;
    Loader *loader;
    uint8_t *images;
    float *logits;
    Late late[2];
    Metrics *metrics;
    double loss; /* summed */
    int64_t done;
} Evaluator;

static Status launch(Evaluator *v, const Batch *batch, Late *late)
{
    size_t n = (size_t)batch->n, size = (size_t)v->e->views.size;
    Run *run = v->e->run;
    if (n == 0)
        return STATUS_OK;
    memcpy(v->images, batch->query, n * size * size * 3);
    TRY(run_feed_eval(run, v->images, DTYPE_U8));
    TRY(run_eval(run));
    TRY(session_fetch(run->session, run->model.eval_logits, &late->ticket));
    memcpy(late->labels, batch->labels, n * sizeof *late->labels);
    memcpy(late->samples, batch->samples, n * sizeof *late->samples);
    late->n = batch->n;
    return STATUS_OK;
}

static Status finish(Evaluator *v, Late *late)
{
    const Value *logits = v->e->run->model.eval_logits;
    int classes = (int)logits->dims.d[1], n = late->n;
    if (n == 0)
        return STATUS_OK;
    late->n = 0;
    TRY(session_wait(v->e->run->session, logits, late->ticket, v->logits, DTYPE_F32));
    for (int i = 0; i < n; i++)
        v->loss += cross_entropy(v->logits + (int64_t)i * classes, classes, late->labels[i]);
    TRY(metrics_add(v->metrics, v->logits, late->labels, late->samples, n));
    v->done += n;
    log_progress(60, "evaluating: %lld of %lld images", (long long)v->done,
                 (long long)v->e->data->count);
    return STATUS_OK;
}

/* A batch that cannot be loaded ends it once those before it are done. */
static Status evaluate_all(Evaluator *v)
{
    TRY(run_fold(v->e->run));
    for (int turn = 0;; turn = 1 - turn) {
        const Batch *batch;
        Status status = loader_next(v->loader, &batch);
        bool more = status == STATUS_OK && batch;
        if (more)
            TRY(launch(v, batch, &v->late[turn]));
        TRY(finish(v, &v->late[1 - turn]));
        if (!more)
            return status;
        if (v->e->stop && atomic_load(v->e->stop))
            return status_fail(STATUS_STOPPED, "evaluation stopped on request");
    }
}

static void evaluator_open(Evaluator *v)
{
    const Run *run = v->e->run;
    size_t batch = (size_t)run->config.eval_batch;
    v->images = mem_zero((size_t)dims_count(run->model.eval_images->dims), 1);
    v->logits = mem_zero((size_t)dims_count(run->model.eval_logits->dims), sizeof *v->logits);
    for (int i = 0; i < 2; i++) {
        v->late[i].labels = mem_alloc(batch * sizeof *v->late[i].labels);
        v->late[i].samples = mem_alloc(batch * sizeof *v->late[i].samples);
    }
}

static void evaluator_close(Evaluator *v)
{
    for (int i = 0; i < 2; i++) {
        free(v->late[i].labels);
        free(v->late[i].samples);
    }
    free(v->logits);
    free(v->images);
    loader_close(v->loader);
}

Status evaluate(const Evaluation *e, Metrics *metrics, EvaluationResult *result)
{
    LoaderSpec spec = {.data = e->data,
                       .views = LOADER_EVAL,
                       .options = e->views,
                       .batch = e->run->config.eval_batch,
                       .on_corrupt = e->on_corrupt,
                       .threads = e->threads};
    Evaluator v = {.e = e, .metrics = metrics};
    TRY(loader_open(&spec, &v.loader));
    evaluator_open(&v);
    Status status = evaluate_all(&v);
    if (status == STATUS_OK)
        *result = (EvaluationResult){v.loss / (double)v.done, loader_stats(v.loader).skipped};
    evaluator_close(&v);
    return status;
}
