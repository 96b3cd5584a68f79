/* eval: a checkpoint names its network and, where a run of this program wrote it, how its images
 * were prepared; the command line may say otherwise. */
#include "train/eval.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "comm/watch.h"
#include "model/initial.h"
#include "state/weights.h"
#include "train/evaluator.h"
#include "train/replicas.h"
#include "train/stop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Eval {
    Options *options;
    Comm *comm;
    Weights weights;
    Dataset *test, *train; /* train: for its class sizes, or NULL */
    RecipeOptions views;
    Run run;
    Metrics *metrics;
    EvaluationResult result;
    double seconds;
} Eval;

static Status open_data(Eval *e)
{
    Arena arena = {0};
    ClassNames known = weights_class_names(&e->weights, &arena);
    Status status = options_open_data(e->options, (int)e->weights.found.classes, &known, &e->train,
                                      &e->test);
    arena_free(&arena);
    return status;
}

static Status open_network(Eval *e)
{
    Options *o = e->options;
    const Recognised *found = &e->weights.found;
    if (o->given[OPTION_ID_arch] && strcmp(options_word(o, OPTION_ID_arch), found->arch->name) != 0)
        return status_fail(STATUS_USAGE, "--arch: the checkpoint is another network (%s vs %s)",
                           options_word(o, OPTION_ID_arch), found->arch->name);
    if (o->classes && o->classes != found->classes)
        return status_fail(STATUS_USAGE,
                           "--classes: the checkpoint's classifier has others (%d vs %lld)",
                           o->classes, (long long)found->classes);
    TRY(options_set(o, "arch", found->arch->name));
    int size = o->size ? o->size : arch_family(found->arch)->small ? 32 : 224;
    e->views = (RecipeOptions){.size = size, .eval_resize = options_eval_resize(o, size)};
    ModelConfig config = run_config(o, (int)found->classes, size, false, o->batch);
    if (o->classifier != CLASSIFIER_AUTO)
        e->weights.cosine = o->classifier == CLASSIFIER_COSINE;
    config.cosine = e->weights.cosine;
    SessionOptions session = run_session(o);
    session.plan.comm = e->comm;
    TRY(run_open(&config, &session, &e->run));
    if (o->partial) /* what the file lacks is as in a new network */
        TRY(initial_write(e->run.session, &e->run.model, &config, 0));
    return weights_load(&e->weights, e->run.session, &e->run.model,
                        o->partial ? WEIGHTS_TEST : WEIGHTS_ALL);
}

static const char *image_name(uint32_t image, void *context)
{
    static char text[4200];
    return dataset_name(context, image, text, sizeof text);
}

static Status write_file(const Eval *e, const char *name)
{
    char *path = file_join(e->options->out, name);
    const char *const *names = e->test->class_names;
    ReportFacts facts = {.arch = e->run.config.arch->name,
                         .storage = e->run.config.storage,
                         .math = session_math(e->run.session),
                         .checkpoint = checkpoint_path(e->weights.checkpoint),
                         .data = e->test->source,
                         .checksum = e->test->checksum,
                         .loss = e->result.loss,
                         .skipped = e->result.skipped,
                         .train_skipped = -1};
    Status status = !strcmp(name, "classes.csv") ? metrics_write_classes(e->metrics, names, path)
                  : !strcmp(name, "confusion.csv") ? metrics_write_confusion(e->metrics, path)
                  : !strcmp(name, "report.json") ? metrics_write_report(e->metrics, &facts, path)
                  : metrics_write_predictions(e->metrics, path, image_name, e->test);
    free(path);
    return status;
}

static Status write_reports(const Eval *e)
{
    static const char *const files[] = {"classes.csv", "confusion.csv", "report.json",
                                        "predictions.csv"};
    if (!e->options->out)
        return STATUS_OK;
    for (int i = 0; i < 4; i++)
        TRY(write_file(e, files[i]));
    return STATUS_OK;
}

static void print_result(const Eval *e, FILE *out)
{
    MetricsSummary m = metrics_summary(e->metrics);
    const ModelConfig *c = &e->run.config;
    fprintf(out, "%s, %d classes%s%s, on %s\n", c->arch->name, c->classes,
            storage_phrase(c->storage), math_phrase(session_math(e->run.session)),
            session_device(e->run.session));
    log_text(out, "%lld images of %s, checksum %016llx", (long long)m.images, e->test->source,
             (unsigned long long)e->test->checksum);
    fputc('\n', out);
    if (e->result.skipped)
        fprintf(out, "skipped %lld of %lld images: unreadable, left out of all figures\n",
               (long long)e->result.skipped, (long long)e->test->count);
    char text[6][16], normalisation[160];
    if (e->weights.cosine)
        fprintf(out, "classifier: cosine of features and weights, without a scale\n");
    fprintf(out, "normalisation: %s\n", options_normalisation(e->options, normalisation));
    fprintf(out, "top-1 %s  top-5 %s  loss %.4f  mean of classes %s\n",
            metrics_percent(m.top1, text[0]), metrics_percent(m.top5, text[1]), e->result.loss,
            metrics_percent(m.class_mean, text[2]));
    if (e->train)
        fprintf(out, "many %s (%d classes)  medium %s (%d)  few %s (%d)\n",
               metrics_percent(m.many, text[3]), m.many_classes, metrics_percent(m.medium, text[4]),
               m.medium_classes, metrics_percent(m.few, text[5]), m.few_classes);
    fprintf(out, "%.1f s, %.0f images/s\n", e->seconds, (double)m.images / e->seconds);
}

static void like_run(Options *o, const Options *run)
{
    RecipeOptions views;
    if (!o->size && recipe_find(run->recipe ? run->recipe : "")) {
        options_recipe(run, &views);
        o->size = views.size;
        if (!o->eval_resize)
            o->eval_resize = views.eval_resize;
    }
    if (!o->given[OPTION_ID_mean] && !isnan(run->mean[0]))
        memcpy(o->mean, run->mean, sizeof o->mean);
    if (!o->given[OPTION_ID_std] && !isnan(run->std[0]))
        memcpy(o->std, run->std, sizeof o->std);
    if (!o->preset && !o->given[OPTION_ID_lt_factor] && o->dataset == run->dataset) {
        o->lt_factor = run->lt_factor; /* the class sizes behind many, medium and few */
        o->lt_form = run->lt_form;
    }
}

/* Images and class sizes as in the run that wrote the checkpoint, unless this command says
 * otherwise. */
static Status take_preprocessing(Eval *e)
{
    const char *text = checkpoint_text(e->weights.checkpoint, "openpaco/options");
    Options run;
    if (!text)
        return STATUS_OK;
    options_init(&run);
    Status status = options_read(&run, e->options->init_from, text);
    if (status == STATUS_OK)
        like_run(e->options, &run);
    options_free(&run);
    return status;
}

static Status open_inputs(Eval *e)
{
    const Options *o = e->options;
    if (!o->init_from)
        return status_fail(STATUS_USAGE,
                           "eval: --checkpoint FILE is missing. `paco eval --help` explains");
    TRY(weights_open(o->init_from, o->key, o->require_crc, &e->weights));
    e->weights.strict_finite = o->strict_finite;
    TRY(network_check_classifier(&e->weights.dict, &e->weights.found));
    TRY(take_preprocessing(e));
    return open_data(e);
}

static Status report(const Eval *e, FILE *out)
{
    if (comm_index(e->comm) > 0)
        return STATUS_OK;
    print_result(e, out);
    return write_reports(e);
}

static Status evaluate_all(Eval *e, FILE *out)
{
    const Options *o = e->options;
    TRY(comm_status(e->comm, open_inputs(e)));
    TRY(replicas_agree(e->comm, o, "images", e->test));
    TRY(comm_status(e->comm, open_network(e)));
    replicas_join(&e->run);
    TRY(comm_status(e->comm, o->out && comm_index(e->comm) == 0 ? file_make_folder(o->out) : STATUS_OK));
    e->metrics = metrics_new(e->run.config.classes, e->train ? e->train->counts : NULL);
    Evaluation evaluation = {.run = &e->run,
                             .data = e->test,
                             .views = e->views,
                             .threads = o->threads,
                             .on_corrupt = (OnCorrupt)o->on_corrupt,
                             .stop = &stop_asked};
    watch_on_stop(stop_ask);
    double started = clock_seconds();
    TRY(evaluate(&evaluation, e->metrics, &e->result));
    log_progress_end();
    e->seconds = clock_seconds() - started;
    return comm_status(e->comm, report(e, out));
}

Status eval_checkpoint(Options *options, Comm *comm, FILE *out)
{
    Eval e = {.options = options, .comm = comm};
    Status status = evaluate_all(&e, out);
    metrics_free(e.metrics);
    run_close(&e.run);
    dataset_close(e.train);
    dataset_close(e.test);
    weights_close(&e.weights);
    return status;
}
