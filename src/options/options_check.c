/* What single values cannot say: contradictions between options, and what they mean to other
 * modules. */
#include "base/check.h"
#include "base/log.h"
#include "checkpoint/rows_file.h"
#include "model/resnet.h"
#include "options/conflicts.h"
#include "options/options.h"
#include "options/suggest.h"

#include <stddef.h>
#include <string.h>

void options_default_recipe(Options *o)
{
    bool small = arch_family(arch_at(o->arch))->small ||
                 dataset_row((DatasetKind)o->dataset)->source == DATASET_FROM_FILES ||
                 dataset_row((DatasetKind)o->dataset)->source == DATASET_FROM_MEMORY;
    if (!o->recipe)
        CHECK(options_set(o, "recipe", small ? "cifar100" : "randcls_sim") == STATUS_OK);
}

static Status check_recipe_name(const Options *o)
{
    const char *name = o->recipe;
    if (!name || recipe_find(name))
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

Status options_check_share(const Options *o, int processes)
{
    char can[256] = "";
    if (o->ranks % processes == 0)
        return STATUS_OK;
    for (int p = 1; p <= o->ranks && strlen(can) + 8 < sizeof can; p++)
        if (o->ranks % p == 0)
            snprintf(can + strlen(can), sizeof can - strlen(can), "%s%d", *can ? ", " : "", p);
    return status_fail(STATUS_USAGE, "--ranks %d: %d processes cannot share them evenly (%s can)",
                       o->ranks, processes, can);
}

static Status need(const char *value, const char *option, const char *placeholder, const char *why)
{
    if (value)
        return STATUS_OK;
    return status_fail(STATUS_USAGE, "--%s %s: missing; %s", option, placeholder, why);
}

/* "cifar10 or cifar100": the kinds that can be cut to a long-tailed subset. */
static const char *kinds_with_tail(Arena *arena)
{
    const char *text = NULL;
    for (int k = 0; k < DATASET_KINDS; k++) {
        const DatasetRow *row = dataset_row((DatasetKind)k);
        if (row->tail)
            text = arena_printf(arena, "%s%s%s", text ? text : "", text ? " or " : "", row->word);
    }
    return text;
}

static Status refuse_tail(void)
{
    Arena arena = {0};
    Status status = status_fail(STATUS_USAGE,
                                "--lt-factor: only for --dataset %s. Where a preset brings it: "
                                "--lt-factor 1",
                                kinds_with_tail(&arena));
    arena_free(&arena);
    return status;
}

static Status check_lists_belong(const Options *o, const DatasetRow *row)
{
    if (row->source == DATASET_FROM_LISTS || !(o->train_list || o->test_list || o->val_list))
        return STATUS_OK;
    return status_fail(STATUS_USAGE, "--%s-list: contradicts --dataset, which is no list",
                       o->train_list  ? "train"
                       : o->test_list ? "test"
                                      : "val");
}

static Status check_val_data_belongs(const Options *o, const DatasetRow *row)
{
    if (!o->val_data || row->source == DATASET_FROM_FOLDERS)
        return STATUS_OK;
    if (row->source != DATASET_FROM_LISTS)
        return status_fail(STATUS_USAGE,
                           "--val-data: --dataset %s has no validation images of its own. Lists "
                           "and folders can be split (--val-list, --dataset folder)",
                           row->word);
    return need(o->val_list, "val-list", "FILE", "its paths would start at --val-data");
}

static Status check_folders_belong(const Options *o, const DatasetRow *row)
{
    if (row->source != DATASET_FROM_MEMORY || !(o->data || o->test_data))
        return STATUS_OK;
    return status_fail(STATUS_USAGE, "--data: contradicts --dataset %s, which is made in memory",
                       row->word);
}

static Status check_classes(const Options *o, const DatasetRow *row)
{
    if (!row->classes || !o->classes || o->classes == row->classes)
        return STATUS_OK;
    return status_fail(STATUS_USAGE, "--classes: does not fit the data set (%d vs %d)", o->classes,
                       row->classes);
}

/* Options that belong to another kind of data set than the chosen one. */
static void check_kind(const Options *o, const DatasetRow *row, Conflicts *c)
{
    conflicts_note(c, check_lists_belong(o, row));
    conflicts_note(c, check_folders_belong(o, row));
    conflicts_note(c, check_val_data_belongs(o, row));
    if (!row->tail && o->lt_factor < 1)
        conflicts_note(c, refuse_tail());
    conflicts_note(c, check_classes(o, row));
}

/* The halves of the data set that a verb needs; NONE: it has no data set. */
typedef enum Halves { HALVES_NONE, HALVES_BOTH, HALVES_TEST, HALVES_ANY } Halves;

static Halves halves_of(OptionVerb verb)
{
    switch (verb) {
#define SET(letter, name, halves)                                                                  \
    case OPTION_##name: return HALVES_##halves;
#include "options/options.def"
    }
    return HALVES_NONE;
}

static void need_lists(const Options *o, Halves halves, Conflicts *c)
{
    if (halves == HALVES_ANY) {
        conflicts_note(c, need(o->train_list ? o->train_list : o->test_list, "train-list", "FILE",
                               "nothing to check"));
        return;
    }
    if (halves == HALVES_BOTH)
        conflicts_note(c, need(o->train_list, "train-list", "FILE", "the images to train with"));
    if (halves == HALVES_BOTH && o->val_list)
        return; /* which may do without test images */
    conflicts_note(c, need(o->test_list, halves == HALVES_TEST ? "list" : "test-list", "FILE",
                           "the images to evaluate with"));
}

static void need_folders(const Options *o, Halves halves, Conflicts *c)
{
    if (halves == HALVES_BOTH || (halves == HALVES_ANY && !o->test_data))
        conflicts_note(c, need(o->data, "data", "FOLDER", "the training folders, one per class"));
    if (halves != HALVES_ANY && !(halves == HALVES_BOTH && o->val_data))
        conflicts_note(
            c, need(o->test_data, "test-data", "FOLDER", "the test folders, one per class"));
}

static void check_data(const Options *o, Halves halves, Conflicts *c)
{
    const DatasetRow *row = dataset_row((DatasetKind)o->dataset);
    if (halves == HALVES_NONE)
        return;
    check_kind(o, row, c);
    switch (row->source) {
    case DATASET_FROM_LISTS: need_lists(o, halves, c); break;
    case DATASET_FROM_FOLDERS: need_folders(o, halves, c); break;
    case DATASET_FROM_FILES:
        conflicts_note(
            c, need(o->data, "data", "FOLDER", "the folder with the files of the data set"));
        break;
    case DATASET_FROM_MEMORY: break;
    }
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

static Status check_length(const Options *o)
{
    if (o->warmup <= o->epochs)
        return STATUS_OK;
    return status_fail(STATUS_USAGE,
                       "--warmup: longer than the run (%d vs %d epochs). A shorter run "
                       "needs a shorter --warmup",
                       o->warmup, o->epochs);
}

/* What a run needs --out for. */
static Status need_out(const Options *o, bool asked, const char *option, const char *why)
{
    return o->out || !asked ? STATUS_OK
                            : status_fail(STATUS_USAGE, "--%s: needs --out, %s", option, why);
}

static Status check_restarts(const Options *o)
{
    if (!o->restarts || (o->nproc > 1 && o->out))
        return STATUS_OK;
    return status_fail(STATUS_USAGE,
                       "--restarts: needs --nproc, which starts again, and --out, whose newest "
                       "checkpoint that goes on from");
}

/* Events for TensorBoard. */
static Status check_tensorboard(const Options *o)
{
#ifdef PACO_TENSORBOARD
    return need_out(o, o->tensorboard, "tensorboard", "the folder that its events go to");
#else
    return o->tensorboard ? status_fail(STATUS_USAGE,
                                        "--tensorboard: this program was built without protobuf-c. "
                                        "Install libprotobuf-c-dev and protobuf-c-compiler, and "
                                        "build again")
                          : STATUS_OK;
#endif
}

/* Whether there is, or may be, what chooses. */
static Status check_select(const Options *o)
{
    DatasetSource source = dataset_row((DatasetKind)o->dataset)->source;
    bool lists = source == DATASET_FROM_LISTS, folders = source == DATASET_FROM_FOLDERS;
    if (o->select == SELECT_VAL && !options_have_val(o))
        return status_fail(STATUS_USAGE, "--select val: there are no validation images%s",
                           lists     ? " (--val-list FILE)"
                           : folders ? " (--val-data FOLDER)"
                                     : "; --dataset list and folder can have some");
    if (o->select == SELECT_TEST && ((lists && !o->test_list) || (folders && !o->test_data)))
        return status_fail(STATUS_USAGE, "--select test: there are no test images (%s)",
                           lists ? "--test-list FILE" : "--test-data FOLDER");
    return STATUS_OK;
}

/* A run that goes on has its --init-from among its options: it asks for it where nothing was saved
 * yet. */
static Status check_beginning(const Options *o)
{
    if (o->resume && o->given[OPTION_ID_init_from])
        return status_fail(STATUS_USAGE,
                           "--init-from: contradicts --resume, which brings its weights");
    return options_check_frozen(o, o->resume != NULL);
}

/* Where evaluation leaves what it saw. */
static void check_rows_files(const Options *o, Conflicts *c)
{
    if (o->save_logits)
        conflicts_note(c, rows_file_check("save-logits", o->save_logits));
    if (o->save_features)
        conflicts_note(c, rows_file_check("save-features", o->save_features));
    if (o->save_logits && o->save_features && strcmp(o->save_logits, o->save_features) == 0)
        conflicts_note(
            c, status_fail(STATUS_USAGE, "--save-features: the same file as --save-logits"));
}

/* --resume auto alone, where there is nothing to go on with: that is what is wrong, before what a
 * new run would need. */
static Status check_taken(const Options *o)
{
    if (!o->resume || strcmp(o->resume, "auto") != 0 || !o->out || o->taken || o->data ||
        o->train_list || dataset_row((DatasetKind)o->dataset)->source == DATASET_FROM_MEMORY)
        return STATUS_OK;
    return status_fail(STATUS_USAGE,
                       "--resume auto: %s has no options.txt of a run to go on with. Another "
                       "--out, or the whole command, which begins one",
                       o->out);
}

/* Of a run: its length, where it begins and what is left of it. */
static void check_run(const Options *o, Conflicts *c)
{
    conflicts_note(c, check_length(o));
    conflicts_note(c, need_out(o, o->resume && strcmp(o->resume, "auto") == 0, "resume auto",
                               "the folder of the run"));
    conflicts_note(c, check_taken(o));
    conflicts_note(
        c, need_out(o, o->stop_after > 0, "stop-after", "or what was trained would be lost"));
    conflicts_note(c, check_restarts(o));
    conflicts_note(c, check_tensorboard(o));
    conflicts_note(c, check_select(o));
    conflicts_note(c, check_beginning(o));
}

Status options_check(const Options *o, OptionVerb verb)
{
    Conflicts c = {.status = STATUS_OK};
    bool evaluates = o->word_count > 0 && strcmp(o->words[0], "eval") == 0; /* bench, plan, tune */
    if (options_apply(verb, OPTION_ID_ranks) && !evaluates)
        conflicts_note(&c, check_ranks(o));
    if (options_apply(verb, OPTION_ID_recipe))
        conflicts_note(&c, check_recipe_name(o));
    if (options_apply(verb, OPTION_ID_resume))
        check_run(o, &c);
    check_rows_files(o, &c);
    check_data(o, halves_of(verb), &c);
    return conflicts_end(&c);
}

int options_eval_resize(const Options *o, int size)
{
    return o->eval_resize ? o->eval_resize : size <= 64 ? size : size * 8 / 7;
}

const Recipe *options_recipe(const Options *o, RecipeOptions *views)
{
    const Recipe *recipe = recipe_find(o->recipe ? o->recipe : "");
    CHECKF(recipe, "recipe %s", o->recipe ? o->recipe : "(none)");
    *views = recipe_options(recipe);
    if (o->size)
        views->size = o->size;
    views->eval_resize = options_eval_resize(o, views->size);
    views->randaugment_n = o->randaug_n;
    views->randaugment_m = o->randaug_m;
    return recipe;
}
