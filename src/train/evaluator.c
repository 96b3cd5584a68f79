/* Evaluation, batch by batch in the data set's order; a short last batch leaves old rows behind,
 * unused. */
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

typedef struct EvalBuffers {
    uint8_t *images;
    float *logits;
} EvalBuffers;

static Status evaluate_batch(const Evaluation *e, const Batch *batch, const EvalBuffers *buffers,
                             Metrics *metrics, double *loss)
{
    size_t image = (size_t)e->views.size * (size_t)e->views.size * 3;
    const Value *logits = e->run->model.eval_logits;
    int classes = (int)logits->dims.d[1];
    if (batch->n == 0)
        return STATUS_OK;
    memcpy(buffers->images, batch->query, (size_t)batch->n * image);
    TRY(run_feed_eval(e->run, buffers->images, DTYPE_U8));
    TRY(run_eval(e->run));
    TRY(session_read(e->run->session, logits, buffers->logits, DTYPE_F32));
    for (int i = 0; i < batch->n; i++)
        *loss += cross_entropy(buffers->logits + (int64_t)i * classes, classes, batch->labels[i]);
    return metrics_add(metrics, buffers->logits, batch->labels, batch->samples, batch->n);
}

static Status evaluate_all(const Evaluation *e, Loader *loader, const EvalBuffers *buffers,
                           Metrics *metrics, EvaluationResult *result)
{
    int64_t done = 0;
    double total = 0;
    TRY(run_fold(e->run));
    for (;;) {
        const Batch *batch;
        TRY(loader_next(loader, &batch));
        if (!batch)
            break;
        TRY(evaluate_batch(e, batch, buffers, metrics, &total));
        done += batch->n;
        log_progress(60, "evaluating: %lld of %lld images", (long long)done,
                     (long long)e->data->count);
        if (e->stop && atomic_load(e->stop))
            return status_fail(STATUS_STOPPED, "evaluation stopped on request");
    }
    result->loss = total / (double)done;
    result->skipped = loader_stats(loader).skipped;
    return STATUS_OK;
}

Status evaluate(const Evaluation *e, Metrics *metrics, EvaluationResult *result)
{
    LoaderSpec spec = {.data = e->data,
                       .views = LOADER_EVAL,
                       .options = e->views,
                       .batch = e->run->config.eval_batch,
                       .on_corrupt = e->on_corrupt,
                       .threads = e->threads};
    const Model *model = &e->run->model;
    Loader *loader;
    TRY(loader_open(&spec, &loader));
    EvalBuffers buffers = {
        mem_zero((size_t)dims_count(model->eval_images->dims), 1),
        mem_zero((size_t)dims_count(model->eval_logits->dims), sizeof(float))};
    Status status = evaluate_all(e, loader, &buffers, metrics, result);
    free(buffers.logits);
    free(buffers.images);
    loader_close(loader);
    return status;
}
