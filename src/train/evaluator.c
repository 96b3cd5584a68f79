/* Evaluation, batch by batch in the data set's order, which processes take in turn; each launched
 * before the logits of the one before are read; a short last batch leaves old rows behind, unused.
 */
#include "train/evaluator.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/log.h"
#include "comm/watch.h"
#include "image/image_ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A batch at which the device may still be: its tickets by kind of result and by view. */
enum { VIEWS_MAX = 2 };
typedef enum Result { RESULT_LOGITS, RESULT_FEATURES, RESULTS } Result;

typedef struct Late {
    int n, tickets[RESULTS][VIEWS_MAX]; /* n: images; 0: none */
    int32_t *labels;
    uint32_t *samples;
} Late;

/* One kind of result, of the batch that was finished last. */
typedef struct Rows {
    const Value *value; /* NULL: not wanted */
    int width;
    float *view[VIEWS_MAX]; /* [batch][width]; 0 becomes that of all views */
    bool kept;              /* it goes to the file of process 0 */
    RowsFile *file;
} Rows;

typedef struct Evaluator {
    const Evaluation *e;
    Loader *loader;
    uint8_t *images;
    Rows rows[RESULTS];
    Late late[2];
    Metrics *metrics;
    int finished;            /* images of the batch that was finished last, */
    const uint32_t *samples; /* and their numbers */
    int64_t done;
} Evaluator;

static int views_of(const Evaluator *v)
{
    return v->e->tta == TTA_FLIP ? 2 : 1;
}

static Status launch_view(Evaluator *v, int view, Late *late)
{
    Run *run = v->e->run;
    TRY(run_feed_eval(run, v->images, DTYPE_U8));
    TRY(run_eval(run));
    for (int r = 0; r < RESULTS; r++)
        if (v->rows[r].value)
            TRY(session_fetch(run->session, v->rows[r].value, &late->tickets[r][view]));
    return STATUS_OK;
}

static Status launch(Evaluator *v, const Batch *batch, Late *late)
{
    size_t n = (size_t)batch->n, size = (size_t)v->e->views.size;
    if (n == 0)
        return STATUS_OK;
    memcpy(v->images, batch->query, n * size * size * 3);
    TRY(launch_view(v, 0, late));
    if (v->e->tta == TTA_FLIP) {
        /* one below the other they are one */
        image_flip(&(Image){.width = (int)size, .height = (int)(n * size), .pixels = v->images});
        TRY(launch_view(v, 1, late));
    }
    memcpy(late->labels, batch->labels, n * sizeof *late->labels);
    memcpy(late->samples, batch->samples, n * sizeof *late->samples);
    late->n = batch->n;
    return STATUS_OK;
}

/* The log of the mean of two views' probabilities, into the first: its softmax is that mean. */
static void mean_logits(float *first, const float *second, int n, int classes)
{
    for (int i = 0; i < n; i++, first += classes, second += classes) {
        double a = metrics_log_sum(first, classes), b = metrics_log_sum(second, classes);
        for (int c = 0; c < classes; c++) {
            double p = first[c] - a, q = second[c] - b, most = fmax(p, q);
            first[c] = (float)(most + log((exp(p - most) + exp(q - most)) / 2));
        }
    }
}

static void mean_features(float *first, const float *second, int n, int features)
{
    for (size_t i = 0; i < (size_t)n * (size_t)features; i++)
        first[i] = (first[i] + second[i]) / 2;
}

/* Waits for all of a batch's results and makes one of each of its views'. */
static Status take_results(Evaluator *v, const Late *late)
{
    Rows *logits = &v->rows[RESULT_LOGITS], *features = &v->rows[RESULT_FEATURES];
    for (int view = 0; view < views_of(v); view++) {
        for (int r = 0; r < RESULTS; r++)
            if (v->rows[r].value)
                TRY(session_wait(v->e->run->session, v->rows[r].value, late->tickets[r][view],
                                 v->rows[r].view[view], DTYPE_F32));
        TRY(metrics_check(logits->view[view], logits->width, late->samples, late->n));
    }
    if (views_of(v) == 1)
        return STATUS_OK;
    mean_logits(logits->view[0], logits->view[1], late->n, logits->width);
    if (features->value)
        mean_features(features->view[0], features->view[1], late->n, features->width);
    return STATUS_OK;
}

static Status finish(Evaluator *v, Late *late)
{
    int n = late->n;
    v->finished = 0;
    if (n == 0)
        return STATUS_OK;
    Status status = take_results(v, late);
    late->n = 0;
    TRY(status);
    TRY(metrics_add(v->metrics, v->rows[RESULT_LOGITS].view[0], late->labels, late->samples, n));
    v->finished = n;
    v->samples = late->samples;
    v->done += n;
    log_progress(60, "evaluating: %lld of %lld images", (long long)v->done,
                 (long long)v->e->data->count);
    return STATUS_OK;
}

/* Writes what the processes finished in this turn, in their order, which is that of the images. A
 * process tells how many images it has, their numbers and their rows. */
static Status keep_rows(const Evaluator *v, const Rows *rows)
{
    Comm *comm = v->e->run->comm;
    size_t batch = (size_t)v->e->run->config.eval_batch, width = (size_t)rows->width;
    size_t numbers = (1 + batch) * sizeof(uint32_t), each = numbers + batch * width * sizeof(float);
    char *all = mem_zero((size_t)comm_count(comm), each);
    char *own = all + (size_t)comm_index(comm) * each;
    uint32_t count = (uint32_t)v->finished;
    memcpy(own, &count, sizeof count);
    if (count) {
        memcpy(own + sizeof count, v->samples, count * sizeof *v->samples);
        memcpy(own + numbers, rows->view[0], count * width * sizeof(float));
    }
    comm_gather(comm, all, each);
    Status status = STATUS_OK;
    for (int p = 0; p < comm_count(comm) && rows->file; p++) {
        const char *from = all + (size_t)p * each;
        const uint32_t *told = (const uint32_t *)from;
        const float *row = (const float *)(from + numbers);
        for (uint32_t i = 0; i < told[0] && status == STATUS_OK; i++, row += width)
            status = rows_file_put(rows->file, told[1 + i], row);
    }
    free(all);
    return status;
}

/* All processes together. */
static Status keep_all(const Evaluator *v)
{
    Status status = STATUS_OK;
    for (int r = 0; r < RESULTS; r++)
        if (v->rows[r].kept) {
            Status kept = keep_rows(v, &v->rows[r]);
            status = status == STATUS_OK ? kept : status;
        }
    return status;
}

/* What ends an evaluation in all processes, as soon as it does in one. */
typedef enum End { END_NONE, END_STOPPED, END_FAILED } End;

/* What a process tells the others behind each of its batches. */
typedef struct Told {
    uint32_t end, bad_count;
    uint32_t bad[]; /* [eval_batch] images that it found unreadable */
} Told;

/* A failure, also that there are too many unreadable images in all processes together, is each
 * process's own: *status. */
static End agree(Evaluator *v, Status *status)
{
    Comm *comm = v->e->run->comm;
    size_t room = (size_t)v->e->run->config.eval_batch,
           each = sizeof(Told) + room * sizeof(uint32_t);
    bool stop = v->e->stop && atomic_load(v->e->stop);
    char *all = mem_zero((size_t)comm_count(comm), each);
    Told *own = (Told *)(all + (size_t)comm_index(comm) * each);
    uint32_t worst = END_NONE;
    own->end = *status != STATUS_OK ? END_FAILED : stop ? END_STOPPED : END_NONE;
    own->bad_count = (uint32_t)loader_bad(v->loader, own->bad, (int)room);
    comm_gather(comm, all, each);
    for (int p = 0; p < comm_count(comm); p++) {
        const Told *told = (const Told *)(all + (size_t)p * each);
        for (uint32_t i = 0; i < told->bad_count && *status == STATUS_OK; i++)
            *status = loader_count_bad(v->loader, told->bad[i]);
        worst = told->end > worst ? told->end : worst;
    }
    free(all);
    return *status != STATUS_OK ? END_FAILED : (End)worst;
}

/* One batch of this process is launched, if there is one more, and the one before is finished: also
 * where the next cannot be loaded. */
static Status one_batch(Evaluator *v, int turn)
{
    const Batch *batch;
    Status loaded = loader_next(v->loader, &batch), status = STATUS_OK;
    WatchPhase before = watch_enter(WATCH_DEVICE, "an evaluation");
    if (loaded == STATUS_OK && batch)
        status = launch(v, batch, &v->late[turn]);
    if (status == STATUS_OK)
        status = finish(v, &v->late[1 - turn]);
    watch_enter(before, NULL);
    return status == STATUS_OK ? loaded : status;
}

/* Processes take batches in turn, and all of them as many turns. */
static Status evaluate_all(Evaluator *v)
{
    const Run *run = v->e->run;
    int64_t batches = (v->e->data->count + run->config.eval_batch - 1) / run->config.eval_batch;
    int64_t turns = (batches + comm_count(run->comm) - 1) / comm_count(run->comm);
    WatchPhase before = watch_enter(WATCH_DEVICE, "an evaluation");
    Status status = run_fold(v->e->run);
    End end = END_NONE;
    watch_enter(WATCH_WORK, NULL);
    for (int64_t i = 0; i <= turns && end == END_NONE; i++) {
        if (status == STATUS_OK)
            status = one_batch(v, (int)(i % 2));
        end = agree(v, &status);
        if (end == END_STOPPED && i == turns) /* too late: all is done */
            end = END_NONE;
        if (end == END_NONE)
            status = keep_all(v);
    }
    watch_enter(before, NULL);
    if (end == END_STOPPED)
        return status_fail(STATUS_STOPPED, "evaluation stopped on request");
    return comm_status(run->comm, status);
}

static void open_rows(Evaluator *v, Result result, const Value *value, bool kept, RowsFile *file)
{
    CHECKF(value || !kept, "result %d", (int)result);
    v->rows[result] = (Rows){.value = value, .kept = kept, .file = file};
    if (!value)
        return;
    v->rows[result].width = (int)value->dims.d[1];
    for (int view = 0; view < views_of(v); view++)
        v->rows[result].view[view] = mem_zero((size_t)dims_count(value->dims), sizeof(float));
}

static void evaluator_open(Evaluator *v)
{
    const Run *run = v->e->run;
    size_t batch = (size_t)run->config.eval_batch;
    v->images = mem_zero((size_t)dims_count(run->model.eval_images->dims), 1);
    open_rows(v, RESULT_LOGITS, run->model.eval_logits, v->e->keeps_logits, v->e->logits);
    open_rows(v, RESULT_FEATURES, run->model.eval_features, v->e->keeps_features, v->e->features);
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
    for (int r = 0; r < RESULTS; r++)
        for (int view = 0; view < VIEWS_MAX; view++)
            free(v->rows[r].view[view]);
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
                       .shared = comm_count(e->run->comm) > 1,
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
