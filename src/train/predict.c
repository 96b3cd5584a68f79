/* predict: an evaluation whose labels mean nothing. */
#include "train/predict.h"

#include "base/file.h"
#include "base/log.h"
#include "train/metrics_record.h"
#include "train/subject.h"

#include <stdlib.h>

typedef struct Predict {
    Subject subject;
    Dataset *images;
    Arena arena;
    ClassNames classes; /* list NULL: not known */
    Metrics *metrics;
    EvaluationResult result;
} Predict;

static Status name_classes(Predict *p)
{
    const Weights *weights = &p->subject.weights;
    const char *path = p->subject.options->class_names;
    if (!path) {
        p->classes = weights_class_names(weights, &p->arena);
        return STATUS_OK;
    }
    TRY(class_names_read(path, &p->arena, &p->classes));
    if (p->classes.count == weights->found.classes)
        return STATUS_OK;
    return status_fail(STATUS_INPUT,
                       "%s: another number of class names than the checkpoint has classes (%d vs "
                       "%lld)", path, p->classes.count, (long long)weights->found.classes);
}

static void tell(const Predict *p)
{
    char text[256], normalisation[160];
    const Options *o = p->subject.options;
    log_info("%s", subject_text(&p->subject, text));
    log_info("normalisation: %s%s", options_normalisation(o, normalisation),
             o->tta == TTA_FLIP ? "; probabilities: means over each image and its mirror image"
                                : "");
    if (!p->classes.list)
        log_info("classes have numbers only: the checkpoint has no names. --class-names FILE gives "
                 "them");
}

static const char *image_name(uint32_t image, void *context)
{
    static char text[4200];
    return dataset_name(context, image, text, sizeof text);
}

/* A block per image: its path, then a line per class. */
static void print_text(const Predict *p, FILE *out)
{
    char percent[16];
    for (int64_t i = 0; i < p->metrics->count; i++) {
        const MetricsRecord *r = &p->metrics->records[i];
        log_text(out, "%s", image_name(r->sample, p->images));
        fputc('\n', out);
        for (int k = 0; k < METRICS_TOP && r->top[k] >= 0; k++) {
            fprintf(out, "  %9s  ", metrics_percent(r->p[k], percent));
            if (p->classes.list)
                log_text(out, "%s", p->classes.list[r->top[k]]);
            else
                fprintf(out, "class %d", r->top[k]);
            fputc('\n', out);
        }
    }
}

static Status put_results(const Predict *p, FILE *out)
{
    const Options *o = p->subject.options;
    PredictionNames names = {.image = image_name,
                             .context = p->images,
                             .classes = p->classes.list,
                             .unlabelled = true};
    if (o->out)
        return metrics_write_predictions(p->metrics, &names, o->out);
    if (o->csv)
        metrics_put_predictions(p->metrics, &names, out);
    else
        print_text(p, out);
    return STATUS_OK;
}

static Status predict_all(Predict *p, FILE *out)
{
    const Options *o = p->subject.options;
    if (o->word_count == 0)
        return status_fail(STATUS_USAGE, "predict: name images, or folders with images. `paco "
                           "predict --help` explains");
    if (o->out && file_is_folder(o->out))
        return status_fail(STATUS_USAGE, "--out: %s is a folder; predict writes a file", o->out);
    TRY(subject_read(&p->subject, "predict"));
    TRY(name_classes(p));
    TRY(dataset_find(o->words, o->word_count, &p->images));
    TRY(subject_open(&p->subject, false));
    tell(p);
    p->metrics = metrics_new(p->subject.run.config.classes, NULL);
    Evaluation evaluation = subject_evaluation(&p->subject, p->images);
    TRY(subject_evaluate(&evaluation, p->metrics, &p->result));
    log_progress_end();
    if (p->result.skipped)
        log_info("skipped %lld of %lld images: unreadable", (long long)p->result.skipped,
                 (long long)p->images->count);
    return put_results(p, out);
}

Status predict_images(Options *options, FILE *out)
{
    Predict p = {.subject = {.options = options}};
    Status status = predict_all(&p, out);
    metrics_free(p.metrics);
    dataset_close(p.images);
    subject_close(&p.subject);
    arena_free(&p.arena);
    return status;
}
