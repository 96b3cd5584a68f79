/* Evaluation, batch by batch in the data set's order, which processes take in turn; each launched
 * before the logits of the one before are read; a short last batch leaves old rows behind, unused.
 */
#include "train/evaluator.h"

#include "base/log.h"
#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    int n = late->n;
    if (n == 0)
        return STATUS_OK;
    late->n = 0;
    TRY(session_wait(v->e->run->session, logits, late->ticket, v->logits, DTYPE_F32));
    TRY(metrics_add(v->metrics, v->logits, late->labels, late->samples, n));
    v->done += n;
    log_progress(60, "evaluating: %lld of %lld images", (long long)v->done,
                 (long long)v->e->data->count);
    return STATUS_OK;
}

/* What ends an evaluation in all processes, as soon as it does in one. */
typedef enum End { END_NONE, END_STOPPED, END_FAILED } End;

static End agree(const Evaluator *v, Status status)
{
    Comm *comm = v->e->run->comm;
    int count = comm_count(comm);
    uint8_t *ends = mem_zero((size_t)count, 1), worst = END_NONE;
    bool stop = v->e->stop && atomic_load(v->e->stop);
    ends[comm_index(comm)] = status != STATUS_OK ? END_FAILED : stop ? END_STOPPED : END_NONE;
    comm_gather(comm, ends, 1);
    for (int p = 0; p < count; p++)
        worst = ends[p] > worst ? ends[p] : worst;
    free(ends);
    return (End)worst;
}

/* One batch of this process is launched, if there is one more, and the one before is finished: also
 * where the next cannot be loaded. */
static Status one_batch(Evaluator *v, int turn)
{
    const Batch *batch;
    Status status = loader_next(v->loader, &batch);
    if (status == STATUS_OK && batch)
        TRY(launch(v, batch, &v->late[turn]));
    TRY(finish(v, &v->late[1 - turn]));
    return status;
}

/* Processes take batches in turn, and all of them as many turns. */
static Status evaluate_all(Evaluator *v)
{
    const Run *run = v->e->run;
    int64_t batches = (v->e->data->count + run->config.eval_batch - 1) / run->config.eval_batch;
    int64_t turns = (batches + comm_count(run->comm) - 1) / comm_count(run->comm);
    Status status = run_fold(v->e->run);
    End end = END_NONE;
    for (int64_t i = 0; i <= turns && end == END_NONE; i++) {
        if (status == STATUS_OK)
            status = one_batch(v, (int)(i % 2));
        end = agree(v, status);
        if (end == END_STOPPED && i == turns) /* too late: all is done */
            end = END_NONE;
    }
    if (end == END_STOPPED)
        return status_fail(STATUS_STOPPED, "evaluation stopped on request");
    return comm_status(run->comm, status);
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

static int64_t skipped_by_all(const Evaluator *v)
{
    Comm *comm = v->e->run->comm;
    int64_t *each = mem_zero((size_t)comm_count(comm), sizeof *each), sum = 0;
    each[comm_index(comm)] = loader_stats(v->loader).skipped;
    comm_gather(comm, each, sizeof *each);
    for (int p = 0; p < comm_count(comm); p++)
        sum += each[p];
    free(each);
    return sum;
}

Status evaluate(const Evaluation *e, Metrics *metrics, EvaluationResult *result)
{
    LoaderSpec spec = {.data = e->data,
                       .views = LOADER_EVAL,
                       .options = e->views,
                       .batch = e->run->config.eval_batch,
                       .ranks = {comm_count(e->run->comm), comm_index(e->run->comm), 1},
                       .on_corrupt = e->on_corrupt,
                       .threads = e->threads};
    Evaluator v = {.e = e, .metrics = metrics};
    TRY(loader_open(&spec, &v.loader));
    evaluator_open(&v);
    Status status = evaluate_all(&v);
    if (status == STATUS_OK) {
        metrics_gather(metrics, e->run->comm);
        *result = (EvaluationResult){metrics_loss(metrics), skipped_by_all(&v)};
    }
    evaluator_close(&v);
    return status;
}
