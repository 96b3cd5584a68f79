/* The training loop.
 *
 * One step: the next batch of views goes to the device, the run's step (run.h) is launched, then
 * loss and accuracy of the step before come back, so that the device always has work. What must
 * know the state catches up first; `at` is never ahead of what is known. Everything random is a
 * function of (seed, epoch, step), so a run is the same however it was cut. */
#include "train/trainer_parts.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "comm/watch.h"
#include "state/weights.h"
#include "train/replicas.h"
#include "train/stop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVAL_BATCH = 100 };

/* ------------------------------------------------------------------------------------ opening */

/* A run that stopped between an epoch's last step and its evaluation goes on loading with the next
 * epoch. */
static Status open_loader(Trainer *t)
{
    const Options *o = t->options;
    bool trained = t->at.step == t->steps;
    int epoch = t->at.epoch + trained;
    if (epoch >= o->epochs)
        return STATUS_OK;
    LoaderSpec spec = {
        .data = t->train,
        .views = t->run.config.method == METHOD_PACO ? LOADER_PAIR : LOADER_QUERY,
        .recipe = t->recipe,
        .options = t->views,
        .seed = o->seed,
        .ranks = t->run.config.ranks,
        .batch = t->run.config.batch,
        .balanced = o->sampling == SAMPLING_BALANCED,
        .on_corrupt = (OnCorrupt)o->on_corrupt,
        .shared = comm_count(t->comm) > 1,
        .threads = o->threads,
        .epoch = (uint32_t)epoch,
        .step = trained ? 0 : t->at.step,
        .epochs = (uint32_t)o->epochs,
    };
    return loader_open(&spec, &t->loader);
}

/* --init-from: weights of a checkpoint under a fresh schedule. The options of a run name them still
 * when it goes on. */
static Status init_from(Trainer *t)
{
    Weights weights;
    bool resumed = false;
    if (t->options->init_from)
        TRY(keeper_resumes(t->options, &resumed));
    if (!t->options->init_from || resumed)
        return STATUS_OK;
    TRY(weights_open(t->options->init_from, t->options->key, t->options->require_crc, &weights));
    weights.strict_finite = t->options->strict_finite;
    Status status = weights_load(&weights, t->run.session, &t->run.model,
                                 t->options->partial ? WEIGHTS_BEGIN : WEIGHTS_ALL);
    weights_close(&weights);
    if (status == STATUS_INPUT && !t->options->partial)
        return status_fail(status, "%s. --partial takes what fits and leaves the rest new",
                           status_text());
    return status;
}

static int64_t count_parameters(const Graph *graph)
{
    int64_t count = 0;
    for (int i = 0; i < graph->values_count; i++)
        if (graph->values[i]->role == ROLE_PARAM)
            count += dims_count(graph->values[i]->dims);
    return count;
}

static Status open_model(Trainer *t)
{
    Options *o = t->options;
    SessionOptions session = run_session(o);
    int eval_batch = trainer_evaluates(t) ? EVAL_BATCH : 0;
    ModelConfig config = run_config(o, t->train->classes, t->views.size, true, eval_batch);
    config.ranks = ranks_share(o->ranks, comm_count(t->comm), comm_index(t->comm));
    session.plan.comm = t->comm;
    TRY(run_open(&config, &session, &t->run));
    t->result->parameters = count_parameters(t->run.model.graph);
    return run_begin(&t->run, &t->schedule, o->seed, t->train->counts);
}

/* ------------------------------------------------------------------------------------ steps */

static Status feed(Trainer *t, const Batch *batch)
{
    RunFeed views = {batch->query,   batch->key,         DTYPE_U8,    batch->labels,
                     batch->samples, batch->key_samples, batch->order};
    return run_feed(&t->run, &views);
}

/* What overflowed in the step: the gradients, or activations already. */
static const char *what_overflowed(const Run *run)
{
    for (int r = 0; r < run->config.ranks.all; r++)
        if (!isfinite(run->loss[r]))
            return "the loss is not a number: activations overflow fp16";
    return "gradients overflow fp16";
}

static Status check_results(const Trainer *t)
{
    /* Above a scale of 1 a smaller one may help: the step was skipped. */
    if (t->run.skipped && t->run.scale / SCALER_RULE.backoff <= 1)
        return status_fail(STATUS_NAN,
                           "training: epoch %d, step %lld: %s even at loss scale %g (lr %g). A "
                           "lower --lr, a longer --warmup or --amp bf16 may help",
                           t->at.epoch + 1, (long long)t->at.step, what_overflowed(&t->run),
                           t->run.scale / SCALER_RULE.backoff, run_lr(&t->run, &t->at));
    if (isfinite(t->at.loss_sum))
        return STATUS_OK;
    return status_fail(STATUS_NAN,
                       "training: epoch %d, step %lld: the loss is not a number (lr %g). A lower "
                       "--lr or a longer --warmup may help",
                       t->at.epoch + 1, (long long)t->at.step, run_lr(&t->run, &t->at));
}

static void clock_begin(Trainer *t)
{
    t->clock.began = clock_seconds();
    t->clock.seconds = 0;
    t->clock.step = t->at.step;
    t->clock.seen = t->at.seen;
}

/* A step is done. */
static void clock_step(Trainer *t)
{
    bool alone = t->clock.step + 1 == t->steps; /* nothing else could be timed */
    t->clock.seconds = clock_seconds() - t->clock.began;
    if (!t->clock.warm && !alone)
        clock_begin(t);
    t->clock.warm = true;
}

/* A first step may take long, and that is no time of training: drivers build kernels where they are
 * launched first. */
static void end_first_step(Trainer *t)
{
    t->clock.first = log_busy_end();
    t->spent.training -= t->clock.first;
}

/* That they did shows the step after it. */
static void tell_first_step(Trainer *t)
{
    enum { LONG = 5 };
    double more = t->clock.first - t->clock.seconds;
    if (more > LONG && trainer_speaks(t) && session_plan(t->run.session))
        records_say(&t->records,
                    "the first step took %.0f s more than the next: drivers build kernels, only at "
                    "the first start",
                    more);
    t->clock.first = 0;
}

/* Of the first step ahead. */
static Status read_results(Trainer *t)
{
    bool first = !t->clock.warm;
    Status status = run_results(&t->run, &t->at);
    if (first)
        end_first_step(t);
    TRY(status);
    clock_step(t);
    if (!first)
        tell_first_step(t);
    trainer_note_step(t);
    TRY(check_results(t));
    trainer_tell_progress(t);
    trainer_tell_long(t);
    return STATUS_OK;
}

static Status catch_up(Trainer *t)
{
    while (t->run.ahead)
        TRY(read_results(t));
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ checkpoints
 */

static Status write_state(Trainer *t, StoreKind kind)
{
    TRY(records_sync(&t->records));
    return keeper_save(&t->keeper, &t->at, kind);
}

static Status save(Trainer *t, StoreKind kind)
{
    TRY(catch_up(t));
    WatchPhase before = watch_enter(WATCH_SAVE, NULL);
    Status status = trainer_speaks(t) ? write_state(t, kind) : STATUS_OK;
    watch_enter(before, NULL);
    t->saved = t->at.done;
    return comm_status(t->comm, status);
}

/* Adds what becomes of the run after images failed: the same file would stop it again. */
static Status tell_saved(const Trainer *t, Status status, const char *why)
{
    bool file = status == STATUS_INPUT || status == STATUS_IO || status == STATUS_LIMIT;
    bool skips = t->options->on_corrupt == CORRUPT_SKIP;
    return status_fail(status, "%s. What was trained is saved; --resume auto goes on%s", why,
                       !file   ? ""
                       : skips ? " once the images are mended"
                               : " once that file is mended, or with --on-corrupt skip");
}

/* Images failed, the state did not: what was trained is saved. */
static Status give_up(Trainer *t, Status status)
{
    char why[STATUS_TEXT_MAX];
    snprintf(why, sizeof why, "%s", status_text());
    TRY(catch_up(t));
    bool saved = t->options->out && t->at.done > 0 && save(t, STORE_PLAIN) == STATUS_OK;
    return saved ? tell_saved(t, status, why) : status_fail(status, "%s", why);
}

/* Judges what the processes told each other, each the same way: whether all have a batch for the
 * next step; else why one has not. */
static Status hear(Trainer *t, Status status)
{
    bool failed = false;
    for (int p = 0; p < comm_count(t->comm); p++) {
        const RunNews *news = &t->run.heard[p];
        t->stop |= news->stop != 0;
        t->at.skipped += news->skipped;
        failed |= news->status != STATUS_OK;
        for (int i = 0; i < news->bad_count; i++)
            if (status == STATUS_OK)
                status = loader_count_bad(t->loader, news->bad[i]);
        failed |= status != STATUS_OK;
    }
    return failed ? comm_status(t->comm, status) : STATUS_OK;
}

/* The next batch, and what there is to tell of it. */
static Status next_batch(Trainer *t, const Batch **batch)
{
    RunNews *news = &t->run.news;
    int64_t skipped = loader_stats(t->loader).skipped;
    Status status = loader_next(t->loader, batch);
    news->status = status;
    news->stop = atomic_load(&stop_asked);
    news->skipped = loader_stats(t->loader).skipped - skipped;
    news->bad_count = loader_bad(t->loader, news->bad, RUN_BAD_MAX);
    return status;
}

static Status launch(Trainer *t, const Batch *batch)
{
    TRY(feed(t, batch));
    return run_step(&t->run, &t->at);
}

static Status train_step(Trainer *t)
{
    const Batch *batch;
    char why[STATUS_TEXT_MAX];
    watch_step(t->at.done + t->run.ahead);
    Status status = next_batch(t, &batch);
    snprintf(why, sizeof why, "%s", status == STATUS_OK ? "" : status_text());
    if (t->run.ahead == RUN_AHEAD_MAX)
        TRY(read_results(t));
    else
        run_exchange(&t->run);
    status = hear(t, status == STATUS_OK ? status : status_fail(status, "%s", why));
    if (status != STATUS_OK)
        return give_up(t, status);
    if (t->stop)
        return STATUS_OK;
    if (t->clock.warm)
        return launch(t, batch);
    log_busy("first step", session_plan(t->run.session)
                               ? "drivers may build kernels, only at the first start"
                               : "the reference is slow");
    status = launch(t, batch);
    if (status != STATUS_OK)
        log_busy_end();
    /* Where the clock begins nothing is ahead: it would time a part of those steps alone. */
    return status == STATUS_OK ? catch_up(t) : status;
}

/* After a request to stop: a checkpoint, and the status that says so. Whoever sees it runs the same
 * command again, so a run that could not save must not return it. */
static Status stop(Trainer *t, bool evaluating)
{
    TRY(catch_up(t));
    if (!evaluating && t->saved != t->at.done) /* before an evaluation it is saved already */
        TRY(save(t, STORE_PLAIN));
    return status_fail(
        t->options->out ? STATUS_STOPPED : STATUS_IO,
        "training: stopped on request at epoch %d, step %lld of %lld%s%s", t->at.epoch + 1,
        (long long)t->at.step, (long long)t->steps, evaluating ? ", during evaluation" : "",
        t->options->out ? ". --resume auto goes on from here" : ": nothing was saved. --out saves");
}

static bool saves_now(const Trainer *t)
{
    int every = t->options->save_every;
    return t->at.epoch == t->options->epochs || (every > 0 && t->at.epoch % every == 0);
}

/* ------------------------------------------------------------------------------------ epochs */

static bool evaluates_now(const Trainer *t)
{
    int every = t->options->eval_every, next = t->at.epoch + 1;
    return trainer_evaluates(t) && (next == t->options->epochs || (every > 0 && next % every == 0));
}

static Status evaluate_now(Trainer *t)
{
    char why[STATUS_TEXT_MAX];
    double began = clock_seconds();
    Status status = trainer_evaluate(t);
    t->spent.evaluation += clock_seconds() - began;
    t->clock.evaluation = clock_seconds() - began;
    if (status == STATUS_OK || status == STATUS_STOPPED || status == STATUS_NAN || !t->options->out)
        return status;
    snprintf(why, sizeof why, "%s", status_text());
    return tell_saved(t, status, why);
}

static double waited_so_far(const Trainer *t)
{
    return t->loader ? loader_stats(t->loader).wait_seconds : 0;
}

static EpochRow describe_epoch(const Trainer *t, bool evaluated)
{
    const EpochClock *c = &t->clock;
    int64_t ran = t->at.step - t->first_step, timed = t->at.step - c->step;
    EpochRow row = trainer_row(t->at.epoch);
    row.lr = run_lr(&t->run, &t->at);
    row.loss = progress_loss(&t->at);
    row.train_top1 = (double)t->at.correct / (double)t->at.seen;
    if (t->run.config.prior)
        row.train_top1_prior = (double)t->at.correct_prior / (double)t->at.seen;
    row.data_seconds = waited_so_far(t) - t->waited;
    if (timed) {
        row.images_per_second = (double)(t->at.seen - c->seen) / c->seconds;
        row.seconds = c->seconds * (double)ran / (double)timed;
    }
    if (evaluated) {
        row.eval_seconds = c->evaluation;
        trainer_put_figures(t, &row);
    }
    return row;
}

static Status record_epoch(Trainer *t, const EpochRow *row, bool evaluated)
{
    trainer_tell_epoch(t, row, evaluated);
    const Metrics *metrics = evaluated ? t->test.metrics : NULL;
    return comm_status(t->comm,
                       trainer_speaks(t) ? records_epoch(&t->records, row, metrics) : STATUS_OK);
}

static void begin_epoch(Trainer *t)
{
    watch_enter(WATCH_WORK, NULL);
    if (t->at.step == 0) {
        t->at.loss_sum = 0;
        t->at.lost = 0;
        t->at.correct = t->at.correct_prior = t->at.seen = 0;
        t->at.skipped_before += t->at.skipped;
        t->at.skipped = 0;
    }
    t->first_step = t->at.step;
    clock_begin(t);
    t->waited = waited_so_far(t);
    t->together = comm_times(t->comm);
}

static Status train_epoch(Trainer *t)
{
    int stop_after = t->options->stop_after, every = t->options->save_steps;
    while (t->at.step + t->run.ahead < t->steps) {
        TRY(train_step(t));
        int64_t ahead = t->run.ahead;
        if (t->stop || (stop_after && ++t->own_steps >= stop_after))
            return stop(t, false);
        if (every && (t->at.done + ahead) % every == 0 && t->at.step + ahead < t->steps)
            TRY(save(t, STORE_PLAIN));
    }
    return catch_up(t);
}

/* Evaluation can take long and fail by an image of its own: nothing trained may be lost to it. A
 * run that went on from just here has been saved. */
static Status save_before_evaluation(Trainer *t)
{
    return t->at.step > t->first_step ? save(t, STORE_TRAINED) : STATUS_OK;
}

static Status run_epoch(Trainer *t)
{
    begin_epoch(t);
    double began = clock_seconds();
    Status trained = train_epoch(t);
    t->spent.training += clock_seconds() - began;
    TRY(trained);
    TRY(replicas_meet(&t->run));
    bool evaluated = evaluates_now(t);
    if (evaluated)
        TRY(save_before_evaluation(t));
    Status status = evaluated ? evaluate_now(t) : STATUS_OK;
    if (status == STATUS_STOPPED)
        return stop(t, true);
    TRY(status);
    EpochRow row = describe_epoch(t, evaluated);
    TRY(record_epoch(t, &row, evaluated));
    bool best = evaluated && selection_judge(t, &row);
    t->at.epoch++;
    t->at.step = 0;
    return best || saves_now(t) ? save(t, best ? STORE_BEST_SO_FAR : STORE_PLAIN) : STATUS_OK;
}

/* A run that was all trained before is evaluated once more: its figures are those of its last
 * epoch, and where what chooses is another now, that is all there is to choose. */
static Status evaluate_again(Trainer *t)
{
    TRY(evaluate_now(t));
    EpochRow row = trainer_row(t->at.epoch - 1);
    trainer_put_figures(t, &row);
    if (!t->reselected)
        return STATUS_OK;
    return save(t, selection_judge(t, &row) ? STORE_BEST_SO_FAR : STORE_PLAIN);
}

/* Process 0 reads what the run goes on from, and opens its folder; all get its state. */
static Status open_records(Trainer *t)
{
    if (!trainer_speaks(t))
        return STATUS_OK;
    TRY(init_from(t));
    TRY(keeper_open(&t->keeper, t->options, &t->run, t->train, t->steps, &t->at));
    TRY(records_open(&t->records, t->options, &t->at));
    trainer_note_start(t);
    const char *changes = snapshot_changes(t->keeper.snapshot);
    TRY(records_options(&t->records, t->options, t->at.done, changes));
    return records_events(&t->records, t->options, t->train, t->at.epoch, changes);
}

static Status open_state(Trainer *t)
{
    replicas_join(&t->run);
    comm_set_fast(t->comm, t->options->reduce == REDUCE_FAST);
    TRY(comm_status(t->comm, open_records(t)));
    comm_broadcast(t->comm, &t->at, sizeof t->at);
    TRY(replicas_share(&t->run));
    TRY(run_scaler(&t->run, &t->at));
    selection_begin(t);
    return STATUS_OK;
}

static Status run_all(Trainer *t)
{
    TRY(replicas_agree(t->comm, t->options));
    TRY(comm_status(t->comm, trainer_open_data(t)));
    TRY(replicas_agree_data(t->comm, "training data", t->train));
    if (t->val.data)
        TRY(replicas_agree_data(t->comm, "validation data", t->val.data));
    if (t->test.data)
        TRY(replicas_agree_data(t->comm, "test data", t->test.data));
    TRY(comm_status(t->comm, open_model(t)));
    TRY(open_state(t));
    trainer_tell_start(t);
    TRY(comm_status(t->comm, open_loader(t)));
    while (t->at.epoch < t->options->epochs)
        TRY(run_epoch(t));
    if (trainer_evaluates(t) && !t->val.metrics && !t->test.metrics)
        TRY(evaluate_again(t));
    t->result->chosen = t->at.selection;
    t->result->val_top1 = t->val.data ? metrics_summary(t->val.metrics).top1 : NAN;
    return comm_status(t->comm, trainer_write_reports(t));
}

Status train(Options *options, Comm *comm, const TrainProgram *program, TrainResult *result)
{
    *result = (TrainResult){.last = {.top1 = NAN, .many = NAN, .medium = NAN, .few = NAN},
                            .val_top1 = NAN};
    Trainer t = {.options = options,
                 .program = program,
                 .comm = comm,
                 .spent.started = time(NULL),
                 .result = result,
                 .saved = -1,
                 .started = clock_seconds()};
    stop_listen();
    watch_on_stop(stop_ask);
    Status status = run_all(&t);
    log_progress_end();
    result->seconds = clock_seconds() - t.started;
    trainer_note_end(&t);
    loader_close(t.loader);
    keeper_close(&t.keeper);
    run_close(&t.run);
    judged_close(&t.val);
    judged_close(&t.test);
    dataset_close(t.train);
    records_close(&t.records, status);
    return status;
}
