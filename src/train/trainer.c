/* The training loop.
 *
 * One step: the next batch of views goes to the device, the run's step (run.h) is launched, then
 * loss and accuracy of the step before come back, so that the device always has work. What must
 * know the state catches up first; `at` is never ahead of what is known. Everything random is a
 * function of (seed, epoch, step), so a run is the same however it was cut. */
#include "train/trainer.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "data/loader.h"
#include "data/sampler.h"
#include "options/presets.h"
#include "state/weights.h"
#include "train/evaluator.h"
#include "train/keeper.h"
#include "train/records.h"
#include "train/stop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EVAL_BATCH = 100 };

typedef struct Trainer {
    Options *options;
    Dataset *train, *test; /* test: NULL without a test set */
    const Recipe *recipe;
    RecipeOptions views;
    Schedule schedule;
    Run run;
    Keeper keeper;
    Records records;
    Loader *loader;
    Metrics *metrics;            /* of the latest evaluation */
    EvaluationResult evaluation; /* likewise */
    int32_t *order;              /* [R*B] key shuffle */
    int64_t steps;               /* of an epoch */
    Progress at;
    double started, epoch_started, waited;
    int64_t first_step;          /* of the epoch that this process ran */
    int64_t first_seen;
    int own_steps;               /* done by this process, for --stop-after */
    TrainResult *result;
} Trainer;

#define SAY(t, ...) records_say(&(t)->records, __VA_ARGS__)

/* ------------------------------------------------------------------------------------ opening */

static Status open_data(Trainer *t)
{
    TRY(options_open_data(t->options, 0, NULL, &t->train, &t->test));
    /* Evaluation comes late: what it cannot read should be known before. */
    if (t->test && t->options->on_corrupt != CORRUPT_SKIP)
        TRY(dataset_look_all(t->test));
    int ranks = t->options->ranks;
    t->steps = sampler_steps_of(t->train->count, ranks, t->options->batch / ranks);
    if (t->steps == 0)
        return status_fail(STATUS_USAGE,
                           "--batch: larger than the data (%d vs %lld training images)",
                           t->options->batch, (long long)t->train->count);
    t->recipe = options_recipe(t->options, &t->views);
    t->schedule = schedule_of(t->options);
    return STATUS_OK;
}

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
        .threads = o->threads,
        .epoch = (uint32_t)epoch,
        .step = trained ? 0 : t->at.step,
        .epochs = (uint32_t)o->epochs,
    };
    return loader_open(&spec, &t->loader);
}

/* --init-from: weights of a checkpoint under a fresh schedule. */
static Status init_from(Trainer *t)
{
    Weights weights;
    if (!t->options->init_from)
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

static Status open_model(Trainer *t)
{
    Options *o = t->options;
    SessionOptions session = run_session(o);
    ModelConfig config =
        run_config(o, t->train->classes, t->views.size, true, t->test ? EVAL_BATCH : 0);
    TRY(run_open(&config, &session, &t->run));
    t->order = mem_alloc((size_t)(config.batch * config.ranks.all) * sizeof *t->order);
    TRY(run_begin(&t->run, &t->schedule, o->seed, t->train->counts));
    return init_from(t);
}

static int64_t count_parameters(const Graph *graph)
{
    int64_t count = 0;
    for (int i = 0; i < graph->values_count; i++)
        if (graph->values[i]->role == ROLE_PARAM)
            count += dims_count(graph->values[i]->dims);
    return count;
}

/* A preset's accuracy was published with a number format that may not be this run's. */
static void tell_precision(Trainer *t)
{
    const Preset *preset = t->options->preset ? preset_find(t->options->preset) : NULL;
    const char *used = options_word(t->options, OPTION_ID_amp);
    if (preset && strcmp(preset->precision, used) != 0)
        SAY(t, "preset %s was published with %s; this run is in %s", preset->name,
            preset->precision, used);
}

static void tell_scale(Trainer *t)
{
    SAY(t, "loss scale %g; of %lld steps so far %lld skipped, as their gradients overflowed",
        t->run.scale, (long long)t->at.done, (long long)t->at.overflows);
}

static void introduce(Trainer *t)
{
    const Plan *plan = session_plan(t->run.session);
    const ModelConfig *c = &t->run.config;
    char normalisation[160];
    t->result->parameters = count_parameters(t->run.model.graph);
    SAY(t, "%s, %s, %.2f M parameters%s on %s%s", c->arch->name, method_name(c->method),
        1e-6 * (double)t->result->parameters, storage_phrase(c->storage),
        session_device(t->run.session),
        c->ranks.all > 1 ? ", virtual ranks in turn" : "");
    SAY(t,
        "%lld training images in %d classes, %lld test images; %d rank%s of %d images, %lld steps "
        "an epoch",
        (long long)t->train->count, t->train->classes, (long long)(t->test ? t->test->count : 0),
        c->ranks.all, c->ranks.all > 1 ? "s" : "", c->batch, (long long)t->steps);
    SAY(t, "normalisation: %s", options_normalisation(t->options, normalisation));
    tell_precision(t);
    if (t->run.model.scaler)
        tell_scale(t);
    if (plan)
        SAY(t, "device memory: %.0f MiB, of it activations %.0f MiB",
            (double)plan_bytes(plan) / (1 << 20),
            (double)plan_slab_bytes(plan, SLAB_ACTIVATION) / (1 << 20));
    if (t->keeper.resumed && t->at.epoch < t->options->epochs)
        SAY(t, "resumed %s at epoch %d, step %lld of %lld", t->keeper.resumed, t->at.epoch + 1,
            (long long)t->at.step, (long long)t->steps);
    else if (t->keeper.resumed)
        SAY(t, "resumed %s: all %d epochs are trained already", t->keeper.resumed,
            t->options->epochs);
    else if (t->options->resume)
        SAY(t, "no checkpoint in %s yet: starting anew", t->options->out);
    if (!t->keeper.store)
        SAY(t, "%s", "without --out nothing is saved: no checkpoints, no reports");
}

/* ------------------------------------------------------------------------------------ steps */

static Status feed(Trainer *t, const Batch *batch)
{
    run_shuffle(&t->run, t->options->seed, (int)batch->epoch, batch->step, t->order);
    RunFeed views = {batch->query, batch->key, DTYPE_U8, batch->labels, t->order};
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
                           t->run.scale / SCALER_RULE.backoff,
                           run_lr(&t->run, &t->at));
    if (isfinite(t->at.loss_sum))
        return STATUS_OK;
    return status_fail(STATUS_NAN,
                       "training: epoch %d, step %lld: the loss is not a number (lr %g). A lower "
                       "--lr or a longer --warmup may help",
                       t->at.epoch + 1, (long long)t->at.step, run_lr(&t->run, &t->at));
}

static void format_time(double seconds, char *to, size_t room)
{
    int64_t s = (int64_t)(seconds + 0.5);
    if (s >= 3600)
        snprintf(to, room, "%lldh%02lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
    else
        snprintf(to, room, "%lldm%02llds", (long long)(s / 60), (long long)(s % 60));
}

static void show_progress(Trainer *t)
{
    char eta[32];
    double elapsed = clock_seconds() - t->epoch_started;
    int64_t steps = t->at.step - t->first_step;
    int64_t left = (int64_t)(t->options->epochs - t->at.epoch) * t->steps - t->at.step;
    format_time(elapsed / (double)steps * (double)left, eta, sizeof eta);
    log_progress(60, "epoch %d/%d  step %lld/%lld  loss %.4f  top-1 %.2f %%  %.0f images/s  ETA %s",
                 t->at.epoch + 1, t->options->epochs, (long long)t->at.step, (long long)t->steps,
                 progress_loss(&t->at), 100.0 * (double)t->at.correct / (double)t->at.seen,
                 (double)(t->at.seen - t->first_seen) / elapsed, eta);
}

/* Of the first step ahead. */
static Status read_results(Trainer *t)
{
    TRY(run_results(&t->run, &t->at));
    TRY(check_results(t));
    show_progress(t);
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

static Status save(Trainer *t, StoreKind kind)
{
    TRY(catch_up(t));
    return keeper_save(&t->keeper, &t->at, kind);
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
    bool saved = t->keeper.store && t->at.done > 0 && save(t, STORE_PLAIN) == STATUS_OK;
    return saved ? tell_saved(t, status, why) : status_fail(status, "%s", why);
}

static Status train_step(Trainer *t)
{
    const Batch *batch;
    int64_t skipped = loader_stats(t->loader).skipped;
    Status status = loader_next(t->loader, &batch);
    if (status != STATUS_OK)
        return give_up(t, status);
    t->at.skipped += loader_stats(t->loader).skipped - skipped;
    TRY(feed(t, batch));
    TRY(run_step(&t->run, &t->at));
    return t->run.ahead == RUN_AHEAD_MAX ? read_results(t) : STATUS_OK;
}

/* After a request to stop: a checkpoint, and the status that says so. Whoever sees it runs the same
 * command again, so a run that could not save must not return it. */
static Status stop(Trainer *t, bool evaluating)
{
    if (!evaluating) /* before an evaluation it is saved already */
        TRY(save(t, STORE_PLAIN));
    return status_fail(
        t->keeper.store ? STATUS_STOPPED : STATUS_IO,
        "training: stopped on request at epoch %d, step %lld of %lld%s%s", t->at.epoch + 1,
        (long long)t->at.step, (long long)t->steps, evaluating ? ", during evaluation" : "",
        t->keeper.store ? ". --resume auto goes on from here" : ": nothing was saved. --out saves");
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
    return t->test && (next == t->options->epochs || (every > 0 && next % every == 0));
}

static Status evaluate_now(Trainer *t)
{
    metrics_free(t->metrics);
    t->metrics = metrics_new(t->train->classes, t->train->counts);
    Evaluation e = {.run = &t->run,
                    .data = t->test,
                    .views = t->views,
                    .threads = t->options->threads,
                    .on_corrupt = (OnCorrupt)t->options->on_corrupt,
                    .stop = &stop_asked};
    Status status = evaluate(&e, t->metrics, &t->evaluation);
    if (status == STATUS_NAN)
        return status_prefix(
            status,
            "training: after epoch %d the network gives no numbers (lr %g; a lower --lr or a "
            "longer --warmup may help)",
            t->at.epoch + 1, run_lr(&t->run, &t->at));
    if (status != STATUS_OK && status != STATUS_STOPPED && t->keeper.store) {
        char why[STATUS_TEXT_MAX];
        snprintf(why, sizeof why, "%s", status_text());
        return tell_saved(t, status, why);
    }
    TRY(status);
    t->result->last = metrics_summary(t->metrics);
    return STATUS_OK;
}

static double waited_so_far(const Trainer *t)
{
    return t->loader ? loader_stats(t->loader).wait_seconds : 0;
}

static Status record_epoch(Trainer *t, bool evaluated)
{
    double seconds = clock_seconds() - t->epoch_started, waited = waited_so_far(t) - t->waited;
    MetricsSummary m = t->result->last;
    char text[5][16];
    EpochRow row = {
        .epoch = t->at.epoch,
        .lr = run_lr(&t->run, &t->at),
        .loss = progress_loss(&t->at),
        .train_top1 = (double)t->at.correct / (double)t->at.seen,
        .images_per_second = (double)(t->at.seen - t->first_seen) / seconds,
        .data_seconds = waited,
        .seconds = seconds,
        .top1 = evaluated ? m.top1 : NAN,
        .top5 = evaluated ? m.top5 : NAN,
        .class_mean = evaluated ? m.class_mean : NAN,
        .many = evaluated ? m.many : NAN,
        .medium = evaluated ? m.medium : NAN,
        .few = evaluated ? m.few : NAN,
    };
    SAY(t,
        "epoch %d/%d  lr %.4g  loss %.4f  train top-1 %.2f %%  %.0f images/s  waited for data %.1f "
        "s",
        t->at.epoch + 1, t->options->epochs, row.lr, row.loss, 100 * row.train_top1,
        row.images_per_second, waited);
    if (t->run.model.scaler)
        tell_scale(t);
    if (t->at.skipped)
        SAY(t, "  skipped %lld of %lld images: unreadable, others took their places",
            (long long)t->at.skipped, (long long)t->at.seen);
    if (evaluated)
        SAY(t, "  test top-1 %s  top-5 %s  many %s  medium %s  few %s",
            metrics_percent(m.top1, text[0]), metrics_percent(m.top5, text[1]),
            metrics_percent(m.many, text[2]), metrics_percent(m.medium, text[3]),
            metrics_percent(m.few, text[4]));
    if (evaluated && t->evaluation.skipped)
        SAY(t, "  skipped %lld of %lld test images: unreadable", (long long)t->evaluation.skipped,
            (long long)t->test->count);
    return records_epoch(&t->records, &row);
}

static void begin_epoch(Trainer *t)
{
    if (t->at.step == 0) {
        t->at.loss_sum = 0;
        t->at.lost = 0;
        t->at.correct = t->at.seen = 0;
        t->at.skipped_before += t->at.skipped;
        t->at.skipped = 0;
    }
    t->first_step = t->at.step;
    t->first_seen = t->at.seen;
    t->epoch_started = clock_seconds();
    t->waited = waited_so_far(t);
}

static Status train_epoch(Trainer *t)
{
    int stop_after = t->options->stop_after, every = t->options->save_steps;
    while (t->at.step + t->run.ahead < t->steps) {
        TRY(train_step(t));
        int64_t ahead = t->run.ahead;
        if (atomic_load(&stop_asked) || (stop_after && ++t->own_steps >= stop_after))
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
    TRY(train_epoch(t));
    bool evaluated = evaluates_now(t);
    if (evaluated)
        TRY(save_before_evaluation(t));
    Status status = evaluated ? evaluate_now(t) : STATUS_OK;
    if (status == STATUS_STOPPED)
        return stop(t, true);
    TRY(status);
    TRY(record_epoch(t, evaluated));
    bool best = evaluated && t->result->last.top1 > t->at.best;
    if (best)
        t->result->best = t->at.best = t->result->last.top1;
    t->at.epoch++;
    t->at.step = 0;
    return best || saves_now(t)
               ? save(t, best ? STORE_BEST_SO_FAR : STORE_PLAIN)
               : STATUS_OK;
}

static Status write_reports(Trainer *t)
{
    if (!t->metrics)
        return STATUS_OK;
    ReportFacts facts = {.arch = t->run.config.arch->name,
                         .storage = t->run.config.storage,
                         .data = t->test->source,
                         .checksum = t->test->checksum,
                         .loss = t->evaluation.loss,
                         .skipped = t->evaluation.skipped,
                         .train_skipped = t->at.skipped_before + t->at.skipped};
    return records_reports(&t->records, t->metrics, &facts, t->train->class_names);
}

static Status run_all(Trainer *t)
{
    TRY(open_data(t));
    TRY(open_model(t));
    TRY(keeper_open(&t->keeper, t->options, &t->run, t->train, t->steps, &t->at));
    TRY(run_scaler(&t->run, &t->at));
    t->result->best = t->at.best;
    TRY(records_open(&t->records, t->options->out, t->at.epoch));
    TRY(records_options(&t->records, t->options));
    introduce(t);
    TRY(open_loader(t));
    while (t->at.epoch < t->options->epochs)
        TRY(run_epoch(t));
    if (!t->metrics && t->test) /* resumed after the last epoch */
        TRY(evaluate_now(t));
    return write_reports(t);
}

Status train(Options *options, TrainResult *result)
{
    *result = (TrainResult){.last = {.top1 = NAN, .many = NAN, .medium = NAN, .few = NAN}};
    Trainer t = {.options = options, .result = result, .started = clock_seconds()};
    stop_listen();
    Status status = run_all(&t);
    log_progress_end();
    result->seconds = clock_seconds() - t.started;
    loader_close(t.loader);
    keeper_close(&t.keeper);
    run_close(&t.run);
    metrics_free(t.metrics);
    dataset_close(t.test);
    dataset_close(t.train);
    free(t.order);
    records_close(&t.records, status);
    return status;
}
