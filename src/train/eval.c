/* eval: a checkpoint's network on labelled images. */
#include "train/eval.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "comm/watch.h"
#include "train/replicas.h"
#include "train/stop.h"
#include "train/subject.h"

#include <stdlib.h>
#include <string.h>

typedef struct Eval {
    Subject subject;
    Dataset *test, *train; /* train: for its class sizes, or NULL */
    Metrics *metrics;
    RowsFile *logits, *features; /* of process 0, where they are wanted */
    EvaluationResult result;
    double seconds;
} Eval;

static Status open_data(Eval *e)
{
    Arena arena = {0};
    const Weights *weights = &e->subject.weights;
    ClassNames known = weights_class_names(weights, &arena);
    Status status = options_open_data(e->subject.options, (int)weights->found.classes, &known,
                                      &e->train, &e->test);
    arena_free(&arena);
    return status;
}

static const char *image_name(uint32_t image, void *context)
{
    static char text[4200];
    return dataset_name(context, image, text, sizeof text);
}

static Status write_report(const Eval *e, const char *path)
{
    const Run *run = &e->subject.run;
    ReportFacts facts = {.arch = run->config.arch->name,
                         .storage = run->config.storage,
                         .math = session_math(run->session),
                         .checkpoint = checkpoint_path(e->subject.weights.checkpoint),
                         .choice = *e->subject.weights.choice ? e->subject.weights.choice : NULL,
                         .tta = options_word(e->subject.options, OPTION_ID_tta),
                         .data = e->test->source,
                         .checksum = e->test->checksum,
                         .loss = e->result.loss,
                         .skipped = e->result.skipped,
                         .train_skipped = -1};
    return metrics_write_report(e->metrics, &facts, path);
}

static Status write_file(const Eval *e, const char *name)
{
    char *path = file_join(e->subject.options->out, name);
    const char *const *classes = e->test->class_names;
    PredictionNames names = {.image = image_name, .context = e->test, .classes = classes};
    Status status =
        !strcmp(name, "classes.csv")     ? metrics_write_classes(e->metrics, classes, path)
        : !strcmp(name, "confusion.csv") ? metrics_write_confusion(e->metrics, classes, path)
        : !strcmp(name, "report.json")   ? write_report(e, path)
                                         : metrics_write_predictions(e->metrics, &names, path);
    free(path);
    return status;
}

static Status write_reports(const Eval *e)
{
    static const char *const files[] = {"classes.csv", "confusion.csv", "report.json",
                                        "predictions.csv"};
    if (!e->subject.options->out)
        return STATUS_OK;
    for (int i = 0; i < 4; i++)
        TRY(write_file(e, files[i]));
    return STATUS_OK;
}

/* A line of the block of figures: name, percentage, what there is to say of it. */
static void print_figure(FILE *out, const char *name, double fraction, const char *remark)
{
    char text[16];
    fprintf(out, "%-17s  %9s%s\n", name, metrics_percent(fraction, text), remark);
}

static void print_group(FILE *out, const char *name, double fraction, int classes)
{
    char remark[32];
    snprintf(remark, sizeof remark, "  (%d class%s)", classes, classes == 1 ? "" : "es");
    print_figure(out, name, fraction, remark);
}

static void print_figures(const Eval *e, FILE *out)
{
    MetricsSummary m = metrics_summary(e->metrics);
    print_figure(out, "top-1", m.top1, "");
    print_figure(out, "top-5", m.top5, "");
    print_figure(out, "balanced accuracy", m.class_mean, "  (mean of the classes)");
    if (e->train) {
        print_group(out, "many", m.many, m.many_classes);
        print_group(out, "medium", m.medium, m.medium_classes);
        print_group(out, "few", m.few, m.few_classes);
    }
    print_figure(out, "ECE", metrics_calibration(e->metrics).ece, "  (calibration error, 15 bins)");
    fprintf(out, "%-17s  %7.4f    (mean cross-entropy)\n", "NLL", e->result.loss);
}

static void print_result(const Eval *e, FILE *out)
{
    const Subject *s = &e->subject;
    char text[256], normalisation[160];
    int64_t images = metrics_summary(e->metrics).images;
    fprintf(out, "%s\n", subject_text(s, text));
    if (*s->weights.choice) {
        log_text(out, "%s: %s", checkpoint_path(s->weights.checkpoint), s->weights.choice);
        fputc('\n', out);
    }
    log_text(out, "%lld images of %s, checksum %016llx", (long long)images, e->test->source,
             (unsigned long long)e->test->checksum);
    fputc('\n', out);
    if (e->result.skipped)
        fprintf(out, "skipped %lld of %lld images: unreadable, left out of all figures\n",
                (long long)e->result.skipped, (long long)e->test->count);
    if (s->weights.cosine)
        fprintf(out, "classifier: cosine of features and weights, without a scale\n");
    fprintf(out, "normalisation: %s\n", options_normalisation(s->options, normalisation));
    if (s->options->tta == TTA_FLIP)
        fprintf(out, "probabilities: means over each image and its mirror image\n");
    print_figures(e, out);
    fprintf(out, "%.1f s, %.0f images/s\n", e->seconds, (double)images / e->seconds);
}

/* A run's own figures stay. */
static Status refuse_run(const char *folder)
{
    char *path = file_join(folder, OPTIONS_OF_RUN);
    bool run = !file_missing(path);
    free(path);
    return run ? status_fail(STATUS_USAGE,
                             "--out: %s is the folder of a run, whose report, classes.csv and "
                             "confusion.csv would be replaced. Another folder",
                             folder)
               : STATUS_OK;
}

static Status open_inputs(Eval *e)
{
    if (e->subject.options->out)
        TRY(refuse_run(e->subject.options->out));
    TRY(subject_read(&e->subject, "eval"));
    return open_data(e);
}

/* A file for a row of each image, or none. */
static Status open_rows(const Eval *e, const char *path, const char *name, const Value *value,
                        RowsFile **file)
{
    if (!path)
        return STATUS_OK;
    RowsSpec spec = {name, e->test->count, (int)value->dims.d[1], e->test->labels};
    return rows_file_open(path, &spec, file);
}

/* Places for results, before images are looked at. */
static Status open_outputs(Eval *e)
{
    const Options *o = e->subject.options;
    const Model *model = &e->subject.run.model;
    if (comm_index(e->subject.comm) > 0)
        return STATUS_OK;
    if (o->out)
        TRY(file_make_folder(o->out));
    TRY(open_rows(e, o->save_logits, "logits", model->eval_logits, &e->logits));
    return open_rows(e, o->save_features, "features", model->eval_features, &e->features);
}

static Status close_rows(RowsFile **file)
{
    RowsFile *closed = *file;
    *file = NULL;
    return closed ? rows_file_close(closed) : STATUS_OK;
}

static Status report(Eval *e, FILE *out)
{
    if (comm_index(e->subject.comm) > 0)
        return STATUS_OK;
    print_result(e, out);
    TRY(close_rows(&e->logits));
    TRY(close_rows(&e->features));
    return write_reports(e);
}

static Status evaluate_all(Eval *e, FILE *out)
{
    Subject *s = &e->subject;
    TRY(replicas_agree(s->comm, s->options));
    TRY(comm_status(s->comm, open_inputs(e)));
    TRY(replicas_agree_data(s->comm, "images", e->test));
    TRY(comm_status(s->comm, subject_open(s, s->options->save_features != NULL)));
    replicas_join(&s->run);
    TRY(comm_status(s->comm, open_outputs(e)));
    e->metrics = metrics_new(s->run.config.classes, e->train ? e->train->counts : NULL);
    Evaluation evaluation = subject_evaluation(s, e->test);
    evaluation.keeps_logits = s->options->save_logits != NULL;
    evaluation.keeps_features = s->options->save_features != NULL;
    evaluation.logits = e->logits;
    evaluation.features = e->features;
    watch_on_stop(stop_ask);
    double started = clock_seconds();
    TRY(subject_evaluate(&evaluation, e->metrics, &e->result));
    log_progress_end();
    e->seconds = clock_seconds() - started;
    return comm_status(s->comm, report(e, out));
}

Status eval_checkpoint(Options *options, Comm *comm, FILE *out)
{
    Eval e = {.subject = {.options = options, .comm = comm}};
    Status status = evaluate_all(&e, out);
    rows_file_abandon(e.logits);
    rows_file_abandon(e.features);
    metrics_free(e.metrics);
    dataset_close(e.train);
    dataset_close(e.test);
    subject_close(&e.subject);
    return status;
}
