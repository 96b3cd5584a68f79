/* Run: from options to a network on a device, and the training step. The step is one for whoever
 * runs one: what a golden file proves is what a user trains with. */
#include "train/run.h"

#include "base/arena.h"
#include "base/check.h"
#include "comm/watch.h"
#include "model/initial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ opening */

/* Places-LT trains classifier, head and batch norms, and of the convolutions only those of the last
 * block. */
static bool convs_but_last_block(const char *name, const void *context)
{
    const Arch *arch = context;
    char last[64];
    int stages = arch->layers[3] ? 4 : 3;
    snprintf(last, sizeof last, "encoder_q.layer%d.%d.", stages, arch->layers[stages - 1] - 1);
    bool conv = strstr(name, ".conv") || (strstr(name, ".downsample.0.") != NULL);
    return !conv || strncmp(name, last, strlen(last)) == 0;
}

ModelConfig run_config(Options *o, int classes, int size, bool train, int eval_batch)
{
    double base = o->base_temperature > 0 ? o->base_temperature : o->temperature;
    ModelConfig c = {
        .arch = arch_at(o->arch),
        .method = (Method)o->method,
        .classes = classes,
        .size = size,
        .batch = o->batch / o->ranks,
        .ranks = ranks_whole(o->ranks),
        .eval_batch = eval_batch,
        .dim = o->dim,
        .queue = o->queue,
        .mlp = o->mlp,
        .train = train,
        .storage = (DType)o->amp,
        .bytes = true,
        .moco_m = o->moco_m,
        .loss = {o->alpha, o->beta, o->gamma, o->supt, o->temperature, base},
        .sgd = {o->momentum, o->wd},
    };
    c.prior = train &&
              (c.method == METHOD_BALANCED_SOFTMAX || (c.method == METHOD_PACO && o->long_tailed));
    options_normalise(o, classes);
    memcpy(c.mean, o->mean, sizeof c.mean);
    memcpy(c.std, o->std, sizeof c.std);
    if (o->freeze == FREEZE_CONVS_BUT_LAST_BLOCK) {
        c.trainable = convs_but_last_block;
        c.trainable_context = c.arch;
    }
    return c;
}

SessionOptions run_session(const Options *o)
{
    return (SessionOptions){.device = o->device,
                            .on = {.kernels = o->kernels, .profile = o->profile,
                                   .math = (Math)o->math},
                            .plan = {.no_fuse = !o->fuse, .no_recompute = !o->recompute}};
}

Status run_open(const ModelConfig *config, const SessionOptions *session, Run *run)
{
    *run = (Run){.config = *config};
    TRY(model_check(config));
    run->model = model_build(config);
    run->loss = mem_zero((size_t)config->ranks.all, sizeof *run->loss);
    run->correct = mem_zero((size_t)config->ranks.all, 2 * sizeof *run->correct);
    run->comm = session->plan.comm;
    run->heard = mem_zero((size_t)comm_count(run->comm), sizeof *run->heard);
    for (int i = 0; i < RUN_AHEAD_MAX; i++)
        run->orders[i] = mem_zero((size_t)(config->batch * config->ranks.all), sizeof(int32_t));
    return session_open(run->model.graph, session, &run->session);
}

void run_close(Run *run)
{
    session_close(run->session);
    free(run->loss);
    free(run->correct);
    free(run->heard);
    for (int i = 0; i < RUN_AHEAD_MAX; i++)
        free(run->orders[i]);
    *run = (Run){0};
}

Status run_begin(Run *run, const Schedule *schedule, uint64_t seed, const int64_t *counts)
{
    run->schedule = *schedule;
    TRY(initial_write(run->session, &run->model, &run->config, seed));
    return initial_prior(run->session, &run->model, counts);
}

/* ------------------------------------------------------------------------------------ training */

/* Writes a value of all ranks, `width` numbers an image; rows of other processes come from them. */
static Status write_own(Run *run, const Value *value, const int32_t *rows, int width)
{
    const Ranks ranks = run->config.ranks;
    const size_t row = (size_t)width * sizeof *rows, rank = (size_t)run->config.batch * row;
    if (ranks.own == ranks.all)
        return session_write(run->session, value, rows, DTYPE_I32);
    int32_t *all = mem_zero((size_t)ranks.all, rank);
    memcpy((char *)all + (size_t)ranks.first * rank, rows, (size_t)ranks.own * rank);
    Status status = session_write(run->session, value, all, DTYPE_I32);
    free(all);
    return status;
}

static Status write_samples(Run *run, const RunFeed *feed)
{
    int n = run->config.batch * run->config.ranks.own;
    int32_t *pairs = mem_alloc(2 * (size_t)n * sizeof *pairs);
    for (int i = 0; i < n; i++) {
        pairs[2 * i] = (int32_t)feed->samples[i];
        pairs[2 * i + 1] = (int32_t)feed->key_samples[i];
    }
    Status status = write_own(run, run->model.samples, pairs, 2);
    free(pairs);
    return status;
}

Status run_feed(Run *run, const RunFeed *feed)
{
    const Model *m = &run->model;
    TRY(session_write(run->session, m->images_q, feed->query, feed->images));
    TRY(write_own(run, m->labels, feed->labels, 1));
    if (run->config.method != METHOD_PACO)
        return STATUS_OK;
    memcpy(run->orders[run->ahead], feed->order,
           (size_t)(run->config.batch * run->config.ranks.all) * sizeof *feed->order);
    TRY(session_write(run->session, m->images_k, feed->key, feed->images));
    TRY(session_write(run->session, m->order, feed->order, DTYPE_I32));
    return m->samples ? write_samples(run, feed) : STATUS_OK;
}

double run_lr(const Run *run, const Progress *at)
{
    return schedule_lr(&run->schedule, at->epoch);
}

/* The row of the queue that keys go to, `steps` steps after `at`. */
static int queue_head(const Run *run, const Progress *at, int steps)
{
    const ModelConfig *c = &run->config;
    int64_t keys = (int64_t)c->batch * c->ranks.all * steps;
    return run->model.queue ? (int)((at->queue_head + keys) % c->queue) : at->queue_head;
}

static Status fetch_results(Run *run, RunTickets *tickets)
{
    const Model *m = &run->model;
    if (m->scaler)
        TRY(session_fetch(run->session, m->scaler, &tickets->scaler));
    if (m->samples)
        TRY(session_fetch(run->session, m->samples, &tickets->samples));
    TRY(session_fetch(run->session, m->loss, &tickets->loss));
    return session_fetch(run->session, m->correct, &tickets->correct);
}

Status run_step(Run *run, const Progress *at)
{
    CHECK(run->ahead < RUN_AHEAD_MAX);
    StepParams params = {.lr = run_lr(run, at),
                         .grad_scale = 1.0 / run->config.ranks.all,
                         .queue_head = queue_head(run, at, run->ahead),
                         .step = (int)at->done + run->ahead};
    TRY(session_step(run->session, params));
    TRY(fetch_results(run, &run->tickets[run->ahead]));
    run->ahead++;
    return STATUS_OK;
}

static void take_scaler(Run *run, Progress *at, const float scaler[SCALER_FLOATS])
{
    int64_t skips = (int64_t)scaler[SCALER_SKIPS];
    run->scale = scaler[SCALER_SCALE];
    run->skipped = skips != at->overflows;
    at->overflows = skips;
}

Status run_scaler(Run *run, Progress *at)
{
    float scaler[SCALER_FLOATS];
    if (!run->model.scaler)
        return STATUS_OK;
    TRY(session_read(run->session, run->model.scaler, scaler, DTYPE_F32));
    take_scaler(run, at, scaler);
    return STATUS_OK;
}

/* Whether every key is that of its query's image, whoever read the file. */
static Status compare_samples(const int32_t *pairs, const int32_t *order, int all)
{
    for (int i = 0; i < all; i++) {
        int32_t query = pairs[2 * order[i]], key = pairs[2 * i + 1];
        if (query != key)
            return status_fail(STATUS_IO,
                               "processes: one took image %d for a query, another image %d for its "
                               "key: they do not read the same files",
                               query, key);
    }
    return STATUS_OK;
}

static Status check_samples(Run *run, const RunTickets *tickets, const int32_t *order)
{
    const Value *v = run->model.samples;
    int all = run->config.batch * run->config.ranks.all;
    if (!v)
        return STATUS_OK;
    int32_t *pairs = mem_alloc(2 * (size_t)all * sizeof *pairs);
    Status status = session_wait(run->session, v, tickets->samples, pairs, DTYPE_I32);
    if (status == STATUS_OK)
        status = compare_samples(pairs, order, all);
    free(pairs);
    return status;
}

/* Of the first step ahead: its results in this process. */
static Status wait_results(Run *run, Progress *at)
{
    const Model *m = &run->model;
    const RunTickets tickets = run->tickets[0];
    const int first = run->config.ranks.first;
    float scaler[SCALER_FLOATS];
    int32_t *order = run->orders[0];
    memmove(run->tickets, run->tickets + 1, sizeof run->tickets - sizeof *run->tickets);
    memmove(run->orders, run->orders + 1, sizeof run->orders - sizeof *run->orders);
    run->orders[RUN_AHEAD_MAX - 1] = order;
    run->ahead--;
    if (m->scaler) {
        TRY(session_wait(run->session, m->scaler, tickets.scaler, scaler, DTYPE_F32));
        take_scaler(run, at, scaler);
    }
    TRY(check_samples(run, &tickets, order));
    TRY(session_wait(run->session, m->loss, tickets.loss, run->loss + first, DTYPE_F64));
    return session_wait(run->session, m->correct, tickets.correct, run->correct + 2 * first,
                        DTYPE_I32);
}

/* Everything that processes tell each other in a step is one message: news, then losses and counts
 * of the sender's ranks. */
void run_exchange(Run *run)
{
    const Ranks ranks = run->config.ranks;
    const size_t own = (size_t)ranks.own, losses = own * sizeof *run->loss,
                 counts = 2 * own * sizeof *run->correct, each = sizeof run->news + losses + counts;
    int count = comm_count(run->comm), index = comm_index(run->comm);
    char *all = mem_zero((size_t)count, each), *mine = all + (size_t)index * each;
    memcpy(mine, &run->news, sizeof run->news);
    memcpy(mine + sizeof run->news, run->loss + ranks.first, losses);
    memcpy(mine + sizeof run->news + losses, run->correct + 2 * ranks.first, counts);
    comm_gather(run->comm, all, each);
    for (int p = 0; p < count; p++) {
        const char *from = all + (size_t)p * each;
        memcpy(&run->heard[p], from, sizeof *run->heard);
        memcpy(run->loss + (size_t)p * own, from + sizeof run->news, losses);
        memcpy(run->correct + 2 * (size_t)p * own, from + sizeof run->news + losses, counts);
    }
    free(all);
    run->news = (RunNews){0};
}

Status run_results(Run *run, Progress *at)
{
    int ranks = run->config.ranks.all;
    double sum = 0;
    CHECK(run->ahead > 0);
    WatchPhase before = watch_enter(WATCH_DEVICE, "results");
    Status status = wait_results(run, at);
    watch_enter(before, NULL);
    TRY(status);
    run_exchange(run);
    at->queue_head = queue_head(run, at, 1);
    at->step++;
    at->done++;
    for (int r = 0; r < ranks; r++) {
        sum += run->loss[r];
        at->correct += run->correct[2 * r];
        at->correct_prior += run->correct[2 * r + 1];
    }
    bool lost = run->skipped && !isfinite(sum);
    at->loss_sum += lost ? 0 : sum / ranks;
    at->lost += lost;
    at->seen += (int64_t)run->config.batch * ranks;
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ evaluation
 */

Status run_fold(Run *run)
{
    return session_run(run->session, SEGMENT_FOLD, &(StepParams){0});
}

Status run_feed_eval(Run *run, const void *images, DType type)
{
    return session_write(run->session, run->model.eval_images, images, type);
}

Status run_eval(Run *run)
{
    return session_run(run->session, SEGMENT_EVAL, &(StepParams){0});
}
