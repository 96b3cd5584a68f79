/* What a run leaves of itself beside its numbers: who started it, how and when, in train.log and
 * report.json; and single steps, for --log-every. */
#include "train/trainer_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "train/protocol.h"

#include <math.h>
#include <stdio.h>

void trainer_note_start(const Trainer *t)
{
    Arena arena = {0};
    char text[32];
    if (t->program) {
        records_note(&t->records, RECORDS_START "paco %s (commit %s), started %s in %s",
                     t->program->version, t->program->commit,
                     provenance_time(t->spent.started, text), provenance_folder(&arena));
        records_note(&t->records, "command   %s", provenance_command(t->program->words, &arena));
    }
    arena_free(&arena);
}

void trainer_note_end(const Trainer *t)
{
    char text[32], top1[16];
    const Selection *chosen = &t->result->chosen;
    if (!t->program || !trainer_speaks(t))
        return;
    if (!isnan(t->result->last.top1))
        records_note(&t->records, "result    last top-1 %s",
                     metrics_percent(t->result->last.top1, top1));
    if (chosen->epoch && chosen->select != SELECT_LAST)
        records_note(&t->records, "best      epoch %d, by the %s: top-1 %s", chosen->epoch,
                     select_title(chosen->select), metrics_percent(chosen->top1, top1));
    records_note(&t->records,
                 "ended     %s, after %.1f s of this start: training %.1f s, evaluation %.1f s",
                 provenance_time(time(NULL), text), clock_seconds() - t->started,
                 t->spent.training, t->spent.evaluation);
}

/* What report.json says of the run, which keeps `arithmetic`. */
static RunFacts describe_run(const Trainer *t, char arithmetic[SESSION_ARITHMETIC])
{
    session_arithmetic(t->run.session, arithmetic);
    return (RunFacts){.program = t->program,
                      .seed = t->options->seed,
                      .device = session_device(t->run.session),
                      .arithmetic = arithmetic,
                      .processes = comm_count(t->comm),
                      .epochs = t->options->epochs,
                      .steps = t->at.done,
                      .starts = t->records.starts,
                      .started = t->spent.started,
                      .ended = time(NULL),
                      .seconds = clock_seconds() - t->started,
                      .training = t->spent.training,
                      .evaluation = t->spent.evaluation};
}

static Protocol describe_protocol(const Trainer *t)
{
    const Options *o = t->options;
    return (Protocol){.select = options_select(o),
                      .seed = o->seed,
                      .evaluations = o->eval_every ? (o->epochs - 1) / o->eval_every + 1 : 1,
                      .train = t->train,
                      .val = t->val.data,
                      .test = t->test.data,
                      .chosen = &t->at.selection,
                      .judged = t->val.metrics,
                      .skipped = t->val.result.skipped};
}

Status trainer_write_reports(Trainer *t)
{
    if (!trainer_evaluates(t) || !trainer_speaks(t))
        return STATUS_OK;
    if (!t->test.metrics) /* without test images their figures are not known */
        t->test.metrics = metrics_new(t->train->classes, t->train->counts);
    char arithmetic[SESSION_ARITHMETIC];
    Protocol protocol = describe_protocol(t);
    RunFacts run = describe_run(t, arithmetic);
    ReportFacts facts = {.protocol = &protocol,
                         .arch = t->run.config.arch->name,
                         .tta = options_word(t->options, OPTION_ID_tta),
                         .storage = t->run.config.storage,
                         .math = session_math(t->run.session),
                         .data = t->test.data ? t->test.data->source : NULL,
                         .checksum = t->test.data ? t->test.data->checksum : 0,
                         .loss = t->test.data ? t->test.result.loss : NAN,
                         .skipped = t->test.result.skipped,
                         .train_skipped = t->at.skipped_before + t->at.skipped,
                         .run = t->program ? &run : NULL};
    return records_reports(&t->records, t->test.metrics, &facts, t->train->class_names);
}

/* ------------------------------------------------------------------------------------ steps */

static void tell_step(const Trainer *t, const StepRow *row)
{
    const EpochClock *c = &t->clock;
    char scale[32] = "", rate[32] = "";
    if (!isnan(row->loss_scale))
        snprintf(scale, sizeof scale, "  loss scale %g", row->loss_scale);
    if (t->at.seen > c->seen)
        snprintf(rate, sizeof rate, "  %.0f images/s", (double)(t->at.seen - c->seen) / c->seconds);
    log_info("epoch %d/%d  step %lld/%lld  lr %.4g  loss %.4f (mean %.4f)  top-1 %.2f %% (mean "
             "%.2f %%)%s%s",
             t->at.epoch + 1, t->options->epochs, (long long)t->at.step, (long long)t->steps,
             row->lr, row->loss, row->mean_loss, 100 * row->top1, 100 * row->mean_top1, scale,
             rate);
}

void trainer_note_step(Trainer *t)
{
    const Run *run = &t->run;
    const int every = t->options->log_every, ranks = run->config.ranks.all;
    double loss = 0;
    int64_t correct = 0;
    if (!every || t->at.done % every != 0 || !trainer_speaks(t))
        return;
    for (int r = 0; r < ranks; r++) {
        loss += run->loss[r];
        correct += run->correct[2 * r];
    }
    StepRow row = {.step = t->at.done,
                   .epoch = t->at.epoch,
                   .lr = run_lr(run, &t->at),
                   .loss = loss / ranks,
                   .top1 = (double)correct / ((double)run->config.batch * ranks),
                   .mean_loss = progress_loss(&t->at),
                   .mean_top1 = (double)t->at.correct / (double)t->at.seen,
                   .loss_scale = run->model.scaler ? run->scale : NAN};
    tell_step(t, &row);
    records_step(&t->records, &row);
}
