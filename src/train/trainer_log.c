#include "train/trainer_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "data/shots.h"
#include "options/presets.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SAY(t, ...) records_say(&(t)->records, __VA_ARGS__)

/* A preset's accuracy was published with a number format that may not be this run's. */
static void tell_precision(const Trainer *t)
{
    const Preset *preset = t->options->preset ? preset_find(t->options->preset) : NULL;
    const char *used = options_word(t->options, OPTION_ID_amp);
    if (preset && strcmp(preset->precision, used) != 0)
        SAY(t, "preset %s was published with %s; this run is in %s", preset->name,
            preset->precision, used);
}

static void tell_scale(const Trainer *t)
{
    if (t->at.done == 0)
        SAY(t, "loss scale %g", t->run.scale);
    else
        SAY(t, "loss scale %g; of %lld steps so far %lld skipped, as their gradients overflowed",
            t->run.scale, (long long)t->at.done, (long long)t->at.overflows);
}

/* A line of the block at the start: what it is about, then what there is to say. */
#define TELL(t, about, format, ...) SAY(t, "%-9s " format, about, __VA_ARGS__)

static void tell_network(const Trainer *t)
{
    const ModelConfig *c = &t->run.config;
    const Graph *g = t->run.model.graph;
    const char *storage = storage_phrase(c->storage);
    const char *math = math_phrase(session_math(t->run.session));
    int64_t frozen = 0;
    char text[48] = ", all trained";
    for (int i = 0; i < g->values_count; i++)
        if (g->values[i]->role == ROLE_PARAM && !g->values[i]->trainable)
            frozen += dims_count(g->values[i]->dims);
    if (frozen)
        snprintf(text, sizeof text, ", %.2f M of them frozen, the rest trained",
                 1e-6 * (double)frozen);
    TELL(t, "network", "%s, %s, %.2f M parameters%s%s%s", c->arch->name, method_name(c->method),
         1e-6 * (double)t->result->parameters, text, *storage || *math ? storage : " in fp32",
         math);
}

static bool same_images(const Dataset *a, const Dataset *b)
{
    return a && b && a->count == b->count && a->checksum == b->checksum;
}

static void warn_of_trained(const Trainer *t, const Dataset *data, const char *what)
{
    if (same_images(data, t->train))
        SAY(t,
            "warning: the %s images are the training images: accuracies say nothing of images that "
            "the network has not seen",
            what);
}

static void tell_data(const Trainer *t)
{
    int64_t least = INT64_MAX, most = 0;
    int shots[SHOT_COUNT] = {0};
    const Dataset *d = t->train;
    char val[48] = "";
    if (t->val.data)
        snprintf(val, sizeof val, "%lld validation images, ", (long long)t->val.data->count);
    for (int i = 0; i < d->classes; i++) {
        least = d->counts[i] < least ? d->counts[i] : least;
        most = d->counts[i] > most ? d->counts[i] : most;
        shots[shot_of(d->counts[i])]++;
    }
    TELL(t, "data",
         "%lld training images in %d classes of %lld to %lld: %d many, %d medium, %d few; %s%lld "
         "test images",
         (long long)d->count, d->classes, (long long)least, (long long)most, shots[SHOT_MANY],
         shots[SHOT_MEDIUM], shots[SHOT_FEW], val,
         (long long)(t->test.data ? t->test.data->count : 0));
    warn_of_trained(t, t->val.data, "validation");
    warn_of_trained(t, t->test.data, "test");
    if (same_images(t->val.data, t->test.data))
        SAY(t, "%s",
            "warning: the validation images are the test images: what they choose is "
            "chosen by the test");
}

static void tell_views(const Trainer *t)
{
    char normalisation[160];
    bool given = t->options->given[OPTION_ID_recipe] || t->options->preset;
    TELL(t, "views", "recipe %s%s, %d x %d pixels", t->recipe->name,
         given ? "" : " (the default for this network and data)", t->views.size, t->views.size);
    TELL(t, "", "normalisation: %s", options_normalisation(t->options, normalisation));
}

static void tell_schedule(const Trainer *t)
{
    const Options *o = t->options;
    TELL(t, "steps", "%d rank%s of %d images, %lld step%s an epoch, %d epoch%s, seed %llu",
         o->ranks, o->ranks > 1 ? "s" : "", t->run.config.batch, (long long)t->steps,
         t->steps == 1 ? "" : "s", o->epochs, o->epochs == 1 ? "" : "s",
         (unsigned long long)o->seed);
    char rising[40] = "";
    if (o->warmup)
        snprintf(rising, sizeof rising, "rising for %d epoch%s, then ", o->warmup,
                 o->warmup == 1 ? "" : "s");
    TELL(t, "lr", "%g, %s%s; momentum %g, weight decay %g", o->lr, rising,
         options_word(t->options, OPTION_ID_schedule), o->momentum, o->wd);
}

static void tell_device(const Trainer *t)
{
    const Plan *plan = session_plan(t->run.session);
    const ModelConfig *c = &t->run.config;
    TELL(t, "device", "%s%s", session_device(t->run.session),
         c->ranks.own > 1 ? ", virtual ranks in turn" : "");
    if (t->comm)
        TELL(t, "", "%d processes, %d rank%s each", comm_count(t->comm), c->ranks.own,
             c->ranks.own > 1 ? "s" : "");
    if (plan)
        TELL(t, "", "device memory: %.0f MiB, of it activations %.0f MiB",
             (double)plan_bytes(plan) / (1 << 20),
             (double)plan_slab_bytes(plan, SLAB_ACTIVATION) / (1 << 20));
}

static void tell_selection(const Trainer *t)
{
    static const char *const what[] = {
        [SELECT_LAST] = "none is chosen by its accuracy: the last checkpoint counts",
        [SELECT_VAL] = "the checkpoint with the highest top-1 of the validation images",
        [SELECT_TEST] = "the checkpoint with the highest top-1 of the test images, which were "
                        "looked at to choose it",
    };
    Select now = t->at.selection.select;
    TELL(t, "best", "%s", what[now]);
    if (t->reselected && t->keeper.left_best)
        TELL(t, "", "%s", "begins anew: the best so far stays in the run that this one begins from");
    else if (t->reselected)
        TELL(t, "", "begins anew: until now it was chosen by %s %s",
             t->reselected == now ? "other" : "the", select_title(t->reselected));
}

void trainer_tell_start(const Trainer *t)
{
    if (!trainer_speaks(t))
        return;
    if (t->options->taken)
        TELL(t, "options", "as %s has them, where the command does not say otherwise",
             t->options->taken);
    tell_network(t);
    tell_data(t);
    tell_views(t);
    tell_schedule(t);
    tell_device(t);
    if (trainer_evaluates(t))
        tell_selection(t);
    tell_precision(t);
    if (t->run.model.scaler)
        tell_scale(t);
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

/* "4d 15h", "5h 03m", "12m 07s". */
static void format_time(double seconds, char *to, size_t room)
{
    long long s = (long long)(seconds + 0.5);
    if (s >= 48 * 3600)
        snprintf(to, room, "%lldd %02lldh", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(to, room, "%lldh %02lldm", s / 3600, s / 60 % 60);
    else
        snprintf(to, room, "%lldm %02llds", s / 60, s % 60);
}

/* Of the steps and evaluations that are left; negative: nothing is known yet. */
static double seconds_left(const Trainer *t)
{
    const Options *o = t->options;
    const EpochClock *c = &t->clock;
    int64_t timed = t->at.step - c->step;
    int64_t left = (int64_t)(o->epochs - t->at.epoch) * t->steps - t->at.step;
    int evaluations =
        o->eval_every ? (o->epochs - 1) / o->eval_every - t->at.epoch / o->eval_every + 1 : 1;
    return timed ? c->seconds / (double)timed * (double)left + evaluations * c->evaluation : -1;
}

/* The first steps may have waited for data: those of half a minute, or of an epoch, say what is to
 * come. */
static bool steps_tell(const Trainer *t)
{
    enum { STEPS = 3, SECONDS = 30 };
    return t->at.step - t->clock.step >= STEPS &&
           (t->clock.seconds >= SECONDS || t->at.step == t->steps);
}

static void put_help(const Trainer *t, char *to, size_t room)
{
    const Plan *plan = session_plan(t->run.session);
    bool gpu = plan && !(plan->info->caps & CAP_CPU);
    bool wide = t->run.config.storage == DTYPE_F32;
    snprintf(to, room, "%s%sfewer --epochs", gpu ? "" : "a GPU (`paco devices`), ",
             wide ? "--amp, " : "");
}

void trainer_tell_long(Trainer *t)
{
    const double weeks = 14 * 86400;
    double left = seconds_left(t);
    char about[CLOCK_ABOUT], help[64];
    if (t->told_long || !trainer_speaks(t) || left < weeks || !steps_tell(t))
        return;
    t->told_long = true;
    put_help(t, help, sizeof help);
    SAY(t, "warning: this run has about %s to go at this speed. What may help: %s",
        clock_about(left, about), help);
}

void trainer_tell_progress(const Trainer *t)
{
    enum { EPOCH, STEP, LOSS, TOP1, RATE, ETA, FIELDS };
    LogField f[FIELDS] = {
        [STEP] = {.drop = 1}, [LOSS] = {.drop = 2}, [TOP1] = {.drop = 3}, [RATE] = {.drop = 4}};
    const EpochClock *c = &t->clock;
    double left = seconds_left(t);
    double seconds = t->options->log_every ? INFINITY : 60; /* in a file those lines are enough */
    char eta[32];
    if (!trainer_speaks(t))
        return;
    snprintf(f[EPOCH].text, sizeof f->text, "epoch %d/%d", t->at.epoch + 1, t->options->epochs);
    snprintf(f[STEP].text, sizeof f->text, "step %lld/%lld", (long long)t->at.step,
             (long long)t->steps);
    snprintf(f[LOSS].text, sizeof f->text, "loss %.4f", progress_loss(&t->at));
    snprintf(f[TOP1].text, sizeof f->text, "top-1 %.2f %%",
             100.0 * (double)t->at.correct / (double)t->at.seen);
    if (left < 0) {
        log_fields(seconds, RATE, f);
        return;
    }
    format_time(left, eta, sizeof eta);
    snprintf(f[RATE].text, sizeof f->text, "%.0f images/s",
             (double)(t->at.seen - c->seen) / c->seconds);
    snprintf(f[ETA].text, sizeof f->text, "ETA %s", eta);
    log_fields(seconds, FIELDS, f);
}

/* What an epoch took for the other processes; empty: there are none. */
static void tell_together(const Trainer *t, char *to, size_t room)
{
    CommTimes now = comm_times(t->comm);
    double sums = now.sums - t->together.sums, hidden = now.hidden - t->together.hidden;
    if (t->comm)
        snprintf(to, room,
                 "  waited for the others %.1f s, sums of gradients %.2f s, %.0f %% of it while "
                 "computing",
                 now.waited - t->together.waited, sums, sums > 0 ? 100 * hidden / sums : 0);
}

static void tell_skipped(const Trainer *t, const Judged *judged, const char *which)
{
    if (judged->result.skipped)
        SAY(t, "  skipped %lld of %lld %s images: unreadable", (long long)judged->result.skipped,
            (long long)judged->data->count, which);
}

void trainer_tell_epoch(const Trainer *t, const EpochRow *row, bool evaluated)
{
    char text[5][16];
    if (!trainer_speaks(t))
        return;
    char others[128] = "";
    tell_together(t, others, sizeof others);
    char rate[32] = "", prior[48] = "", waited[48] = "";
    if (!isnan(row->images_per_second))
        snprintf(rate, sizeof rate, "  %.0f images/s", row->images_per_second);
    if (!isnan(row->train_top1_prior))
        snprintf(prior, sizeof prior, " (%.2f %% with the prior)", 100 * row->train_top1_prior);
    if (row->data_seconds >= 0.05)
        snprintf(waited, sizeof waited, "  waited for data %.1f s", row->data_seconds);
    SAY(t, "epoch %d/%d  lr %.4g  loss %.4f  train top-1 %.2f %%%s%s%s%s", t->at.epoch + 1,
        t->options->epochs, row->lr, row->loss, 100 * row->train_top1, prior, rate, waited, others);
    if (t->run.model.scaler)
        tell_scale(t);
    if (t->at.skipped)
        SAY(t, "  skipped %lld of %lld images: unreadable, others took their places",
            (long long)t->at.skipped, (long long)t->at.seen);
    if (evaluated && t->val.data)
        SAY(t, "  validation top-1 %s  top-5 %s  many %s  medium %s  few %s",
            metrics_percent(row->val_top1, text[0]), metrics_percent(row->val_top5, text[1]),
            metrics_percent(row->val_many, text[2]), metrics_percent(row->val_medium, text[3]),
            metrics_percent(row->val_few, text[4]));
    if (evaluated && t->test.data)
        SAY(t, "  test top-1 %s  top-5 %s  many %s  medium %s  few %s",
            metrics_percent(row->top1, text[0]), metrics_percent(row->top5, text[1]),
            metrics_percent(row->many, text[2]), metrics_percent(row->medium, text[3]),
            metrics_percent(row->few, text[4]));
    if (evaluated)
        tell_skipped(t, &t->val, "validation");
    if (evaluated)
        tell_skipped(t, &t->test, "test");
}
