#include "train/trainer_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "options/presets.h"

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

void trainer_tell_start(const Trainer *t)
{
    const Plan *plan = session_plan(t->run.session);
    const ModelConfig *c = &t->run.config;
    char normalisation[160];
    if (!trainer_speaks(t))
        return;
    SAY(t, "%s, %s, %.2f M parameters%s%s on %s%s", c->arch->name, method_name(c->method),
        1e-6 * (double)t->result->parameters, storage_phrase(c->storage),
        math_phrase(session_math(t->run.session)), session_device(t->run.session),
        c->ranks.own > 1 ? ", virtual ranks in turn" : "");
    SAY(t,
        "%lld training images in %d classes, %lld test images; %d rank%s of %d images, %lld steps "
        "an epoch",
        (long long)t->train->count, t->train->classes, (long long)(t->test ? t->test->count : 0),
        c->ranks.all, c->ranks.all > 1 ? "s" : "", c->batch, (long long)t->steps);
    if (t->comm)
        SAY(t, "%d processes, %d rank%s each", comm_count(t->comm), c->ranks.own,
            c->ranks.own > 1 ? "s" : "");
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

static void format_time(double seconds, char *to, size_t room)
{
    int64_t s = (int64_t)(seconds + 0.5);
    if (s >= 3600)
        snprintf(to, room, "%lldh%02lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
    else
        snprintf(to, room, "%lldm%02llds", (long long)(s / 60), (long long)(s % 60));
}

void trainer_tell_progress(const Trainer *t)
{
    char eta[32];
    if (!trainer_speaks(t))
        return;
    double elapsed = clock_seconds() - t->epoch_started;
    int64_t steps = t->at.step - t->first_step;
    int64_t left = (int64_t)(t->options->epochs - t->at.epoch) * t->steps - t->at.step;
    format_time(elapsed / (double)steps * (double)left, eta, sizeof eta);
    log_progress(60, "epoch %d/%d  step %lld/%lld  loss %.4f  top-1 %.2f %%  %.0f images/s  ETA %s",
                 t->at.epoch + 1, t->options->epochs, (long long)t->at.step, (long long)t->steps,
                 progress_loss(&t->at), 100.0 * (double)t->at.correct / (double)t->at.seen,
                 (double)(t->at.seen - t->first_seen) / elapsed, eta);
}

/* What an epoch took for the other processes; empty: there are none. */
static void tell_together(const Trainer *t, char *to, size_t room)
{
    CommTimes now = comm_times(t->comm);
    double sums = now.sums - t->together.sums, hidden = now.hidden - t->together.hidden;
    if (t->comm)
        snprintf(to, room,
                 ", for the others %.1f s; sums of gradients %.2f s, %.0f %% of it while computing",
                 now.waited - t->together.waited, sums, sums > 0 ? 100 * hidden / sums : 0);
}

void trainer_tell_epoch(const Trainer *t, const EpochRow *row, bool evaluated)
{
    char text[5][16];
    if (!trainer_speaks(t))
        return;
    char others[128] = "";
    tell_together(t, others, sizeof others);
    SAY(t,
        "epoch %d/%d  lr %.4g  loss %.4f  train top-1 %.2f %%  %.0f images/s  waited for data %.1f "
        "s%s",
        t->at.epoch + 1, t->options->epochs, row->lr, row->loss, 100 * row->train_top1,
        row->images_per_second, row->data_seconds, others);
    if (t->run.model.scaler)
        tell_scale(t);
    if (t->at.skipped)
        SAY(t, "  skipped %lld of %lld images: unreadable, others took their places",
            (long long)t->at.skipped, (long long)t->at.seen);
    if (evaluated)
        SAY(t, "  test top-1 %s  top-5 %s  many %s  medium %s  few %s",
            metrics_percent(row->top1, text[0]), metrics_percent(row->top5, text[1]),
            metrics_percent(row->many, text[2]), metrics_percent(row->medium, text[3]),
            metrics_percent(row->few, text[4]));
    if (evaluated && t->evaluation.skipped)
        SAY(t, "  skipped %lld of %lld test images: unreadable", (long long)t->evaluation.skipped,
            (long long)t->test->count);
}
