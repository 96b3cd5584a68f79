/* A checkpoint names its network and, where a run of this program wrote it, how its images were
 * prepared; the command line may say otherwise. */
#include "train/subject.h"

#include "model/initial.h"
#include "train/stop.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

static Status take_preprocessing(Subject *s)
{
    const char *text = checkpoint_text(s->weights.checkpoint, "openpaco/options");
    Options run;
    if (!text)
        return STATUS_OK;
    options_init(&run);
    Status status = options_read(&run, s->options->init_from, text);
    if (status == STATUS_OK)
        like_run(s->options, &run);
    options_free(&run);
    return status;
}

Status subject_read(Subject *s, const char *verb)
{
    const Options *o = s->options;
    if (!o->init_from)
        return status_fail(STATUS_USAGE,
                           "%s: --checkpoint FILE is missing. `paco %s --help` explains", verb,
                           verb);
    TRY(weights_open(o->init_from, o->key, o->require_crc, &s->weights));
    s->weights.strict_finite = o->strict_finite;
    TRY(network_check_classifier(&s->weights.dict, &s->weights.found));
    return take_preprocessing(s);
}

Status subject_open(Subject *s, bool features)
{
    Options *o = s->options;
    const Recognised *found = &s->weights.found;
    if (o->given[OPTION_ID_arch] && strcmp(options_word(o, OPTION_ID_arch), found->arch->name) != 0)
        return status_fail(STATUS_USAGE, "--arch: the checkpoint is another network (%s vs %s)",
                           options_word(o, OPTION_ID_arch), found->arch->name);
    if (o->classes && o->classes != found->classes)
        return status_fail(STATUS_USAGE,
                           "--classes: the checkpoint's classifier has others (%d vs %lld)",
                           o->classes, (long long)found->classes);
    TRY(options_set(o, "arch", found->arch->name));
    int size = o->size ? o->size : arch_family(found->arch)->small ? 32 : 224;
    s->views = (RecipeOptions){.size = size, .eval_resize = options_eval_resize(o, size)};
    ModelConfig config = run_config(o, (int)found->classes, size, false, o->batch);
    if (o->classifier != CLASSIFIER_AUTO)
        s->weights.cosine = o->classifier == CLASSIFIER_COSINE;
    config.cosine = s->weights.cosine;
    config.features = features;
    SessionOptions session = run_session(o);
    session.plan.comm = s->comm;
    TRY(run_open(&config, &session, &s->run));
    if (o->partial) /* what the file lacks is as in a new network */
        TRY(initial_write(s->run.session, &s->run.model, &config, 0));
    return weights_load(&s->weights, s->run.session, &s->run.model,
                        o->partial ? WEIGHTS_TEST : WEIGHTS_ALL);
}

Evaluation subject_evaluation(Subject *s, const Dataset *data)
{
    return (Evaluation){.run = &s->run,
                        .data = data,
                        .views = s->views,
                        .threads = s->options->threads,
                        .on_corrupt = (OnCorrupt)s->options->on_corrupt,
                        .tta = (Tta)s->options->tta,
                        .stop = &stop_asked};
}

Status subject_evaluate(const Evaluation *e, Metrics *metrics, EvaluationResult *result)
{
    Status status = evaluate(e, metrics, result);
    if (status != STATUS_INPUT || e->on_corrupt == CORRUPT_SKIP)
        return status;
    return status_fail(status, "%s. --on-corrupt skip leaves such images out", status_text());
}

const char *subject_text(const Subject *s, char text[256])
{
    const ModelConfig *c = &s->run.config;
    snprintf(text, 256, "%s, %d classes%s%s, on %s", c->arch->name, c->classes,
             storage_phrase(c->storage), math_phrase(session_math(s->run.session)),
             session_device(s->run.session));
    return text;
}

void subject_close(Subject *s)
{
    run_close(&s->run);
    weights_close(&s->weights);
}
