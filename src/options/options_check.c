/* What single values cannot say: contradictions between options, and what they mean to other
 * modules. */
#include "base/check.h"
#include "data/loader.h"
#include "options/options.h"
#include "options/suggest.h"

#include <stddef.h>
#include <string.h>

static Status check_recipe_name(const Options *o)
{
    const char *name = o->recipe ? o->recipe : "";
    if (recipe_find(name))
        return STATUS_OK;
    Suggest near = suggest_begin(name);
    for (int i = 0; recipe_at(i); i++)
        suggest_try(&near, recipe_at(i)->name);
    if (near.best)
        return status_fail(STATUS_USAGE, "--recipe: unknown recipe '%.60s'. Did you mean %s?", name,
                           near.best);
    return status_fail(STATUS_USAGE,
                       "--recipe: unknown recipe '%.60s'. `paco augment --help` lists them", name);
}

static Status check_ranks(const Options *o)
{
    if (o->batch % o->ranks != 0)
        return status_fail(STATUS_USAGE, "--batch: not a multiple of --ranks (%d vs %d)", o->batch,
                           o->ranks);
    if (o->batch / o->ranks < 2)
        return status_fail(STATUS_USAGE,
                           "--batch: batch norm needs two images per rank (%d images vs %d "
                           "ranks)",
                           o->batch, o->ranks);
    return STATUS_OK;
}

static Status need(const char *value, const char *option, const char *placeholder, const char *why)
{
    if (value)
        return STATUS_OK;
    return status_fail(STATUS_USAGE, "--%s %s: missing; %s", option, placeholder, why);
}

/* Options that belong to another kind of data set than the chosen one. */
static Status check_kind(const Options *o)
{
    bool cifar = o->dataset == DATASET_CIFAR10 || o->dataset == DATASET_CIFAR100;
    if (o->dataset != DATASET_LIST && (o->train_list || o->test_list))
        return status_fail(STATUS_USAGE, "--%s-list: contradicts --dataset, which is no list",
                           o->train_list ? "train" : "test");
    if (o->dataset == DATASET_SYNTHETIC && (o->data || o->test_data))
        return status_fail(STATUS_USAGE,
                           "--data: contradicts --dataset synthetic, which is made in memory");
    if (!cifar && o->lt_factor < 1)
        return status_fail(
            STATUS_USAGE,
            "--lt-factor: only for --dataset cifar10 or cifar100. Where a preset brings it: "
            "--lt-factor 1");
    bool ten = o->dataset == DATASET_CIFAR10 || o->dataset == DATASET_SYNTHETIC;
    int fixed = o->dataset == DATASET_CIFAR100 ? 100 : ten ? 10 : 0;
    if (fixed && o->classes && o->classes != fixed)
        return status_fail(STATUS_USAGE, "--classes: does not fit the data set (%d vs %d)",
                           o->classes, fixed);
    return STATUS_OK;
}

static Status check_data(const Options *o, OptionVerb verb)
{
    TRY(check_kind(o));
    if (o->dataset == DATASET_LIST) {
        if (verb == OPTION_TRAIN)
            TRY(need(o->train_list, "train-list", "FILE", "the images to train with"));
        if (verb != OPTION_DATA)
            return need(o->test_list, verb == OPTION_EVAL ? "list" : "test-list", "FILE",
                        "the images to evaluate with");
        return need(o->train_list ? o->train_list : o->test_list, "train-list", "FILE",
                    "nothing to check");
    }
    if (o->dataset == DATASET_FOLDER) {
        if (verb == OPTION_TRAIN || (verb == OPTION_DATA && !o->test_data))
            TRY(need(o->data, "data", "FOLDER", "the training folders, one per class"));
        return verb == OPTION_DATA
                   ? STATUS_OK
                   : need(o->test_data, "test-data", "FOLDER", "the test folders, one per class");
    }
    return o->dataset == DATASET_SYNTHETIC ? STATUS_OK
                                           : need(o->data, "data", "FOLDER", "the CIFAR files");
}

Status options_check_frozen(const Options *o, bool resumes)
{
    if (o->freeze == FREEZE_NONE || o->init_from || resumes)
        return STATUS_OK;
    return status_fail(
        STATUS_USAGE,
        "--freeze: without --init-from the frozen convolutions would stay random. Give --init-from "
        "FILE, such as torchvision's weights of the same network%s",
        o->partial ? "" : ", and --partial");
}

Status options_check(const Options *o, OptionVerb verb)
{
    bool evaluates = verb == OPTION_BENCH && o->word_count > 0 && strcmp(o->words[0], "eval") == 0;
    if ((verb == OPTION_TRAIN || verb == OPTION_BENCH) && !evaluates)
        TRY(check_ranks(o));
    if (verb == OPTION_TRAIN || verb == OPTION_AUGMENT)
        TRY(check_recipe_name(o));
    if (verb == OPTION_TRAIN) {
        if (o->warmup > o->epochs)
            return status_fail(STATUS_USAGE,
                               "--warmup: longer than the run (%d vs %d epochs). A shorter run "
                               "needs a shorter --warmup",
                               o->warmup, o->epochs);
        if (o->resume && !o->out && strcmp(o->resume, "auto") == 0)
            return status_fail(STATUS_USAGE, "--resume auto: needs --out, the folder of the run");
        if (o->resume && o->init_from)
            return status_fail(STATUS_USAGE,
                               "--init-from: contradicts --resume, which brings its weights");
        TRY(options_check_frozen(o, o->resume != NULL));
    }
    return verb == OPTION_BENCH || verb == OPTION_AUGMENT ? STATUS_OK : check_data(o, verb);
}

Schedule options_schedule(const Options *o)
{
    return (Schedule){.kind = (ScheduleKind)o->schedule, .lr = o->lr, .epochs = o->epochs,
                      .warmup = o->warmup};
}

int options_eval_resize(const Options *o, int size)
{
    return o->eval_resize ? o->eval_resize : size <= 64 ? size : size * 8 / 7;
}

const Recipe *options_recipe(const Options *o, RecipeOptions *views)
{
    const Recipe *recipe = recipe_find(o->recipe);
    CHECKF(recipe, "recipe %s", o->recipe);
    *views = recipe_options(recipe);
    if (o->size)
        views->size = o->size;
    views->eval_resize = options_eval_resize(o, views->size);
    views->randaugment_n = o->randaug_n;
    views->randaugment_m = o->randaug_m;
    return recipe;
}
