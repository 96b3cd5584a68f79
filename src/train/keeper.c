/* Keeper: between the run's session (snapshot) and its folder (store). */
#include "train/keeper.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Fewer epochs than are trained cannot be meant: nothing would be left of the schedule. */
static Status check_epochs(const Options *o, const char *path, const Progress *at)
{
    int least = at->epoch + (at->step > 0);
    if (o->epochs >= least)
        return STATUS_OK;
    return status_fail(STATUS_USAGE,
                       "--epochs %d: %s has trained %d%s already. The run goes on with --epochs %d "
                       "or more; `paco eval` evaluates checkpoints as they are",
                       o->epochs, path, at->epoch, at->step > 0 ? " and more" : "", least);
}

static Status restore(Keeper *k, const char *path, int64_t steps, Progress *at)
{
    TRY(snapshot_restore(k->snapshot, k->run->session, path, steps, at));
    TRY(check_epochs(k->options, path, at));
    k->resumed = mem_string(path);
    return STATUS_OK;
}

static bool lies_in(const char *file, const char *folder)
{
    char *name = mem_string(file), *slash = strrchr(name, '/');
    if (slash)
        slash[slash == name] = 0;
    struct stat a, b;
    bool same = stat(slash ? name : ".", &a) == 0 && stat(folder, &b) == 0 &&
                a.st_dev == b.st_dev && a.st_ino == b.st_ino;
    free(name);
    return same;
}

/* A run does not write among the checkpoints of another one. */
static Status check_folder(const Options *o)
{
    const char *out = o->out, *from = o->resume;
    char *older = NULL;
    if (from && lies_in(from, out))
        return STATUS_OK;
    TRY(store_last(out, &older));
    Status status =
        older ? status_fail(STATUS_USAGE,
                            "--out %s: holds checkpoints of an earlier run. --resume auto goes "
                            "on with it; another run needs another folder",
                            out)
              : STATUS_OK;
    free(older);
    return status;
}

Status keeper_resumes(const Options *o, bool *resumes)
{
    char *newest = NULL;
    *resumes = o->resume && strcmp(o->resume, "auto") != 0;
    if (!o->resume || *resumes)
        return STATUS_OK;
    TRY(store_last(o->out, &newest));
    *resumes = newest != NULL;
    free(newest);
    return STATUS_OK;
}

/* With --resume auto frozen parameters come from a checkpoint of the folder, or from nowhere. */
static Status check_frozen(const Options *o)
{
    bool resumes;
    if (o->freeze == FREEZE_NONE)
        return STATUS_OK;
    TRY(keeper_resumes(o, &resumes));
    return options_check_frozen(o, resumes);
}

/* auto: the newest intact checkpoint of --out, if there is one. */
static Status resume_newest(Keeper *k, int64_t steps, Progress *at)
{
    char *newest = NULL;
    TRY(store_resume(k->store, &newest));
    Status status = newest ? restore(k, newest, steps, at) : STATUS_OK;
    free(newest);
    return status;
}

/* The best of the run that this one begins from stays there: what chose it is none of this one's
 * data. */
#define NO_DATA UINT64_MAX

Status keeper_open(Keeper *k, Options *options, Run *run, const Dataset *data, int64_t steps,
                   Progress *at)
{
    StoreOptions store = {.keep = options->keep};
    const char *from = options->resume, *out = options->out;
    bool newest = from && strcmp(from, "auto") == 0;
    *k = (Keeper){.options = options, .run = run};
    k->snapshot = snapshot_new(&run->model, &run->config, options, data);
    if (from && !newest)
        TRY(restore(k, from, steps, at));
    if (!out)
        return STATUS_OK;
    TRY(newest ? check_frozen(options) : check_folder(options));
    TRY(store_open(out, &store, &k->store));
    k->left_best = from && !newest && !lies_in(from, out) && at->best > 0;
    if (k->left_best)
        at->selection.data = NO_DATA;
    return newest ? resume_newest(k, steps, at) : STATUS_OK;
}

void keeper_close(Keeper *k)
{
    snapshot_free(k->snapshot);
    store_close(k->store);
    free(k->resumed);
    *k = (Keeper){0};
}

void keeper_forget_best(Keeper *k)
{
    if (k->store)
        store_forget_best(k->store);
}

Status keeper_save(Keeper *k, const Progress *at, StoreKind kind)
{
    const TrainingState *state;
    const Options *o = k->options;
    if (!k->store)
        return STATUS_OK;
    double lr = schedule_lr(&k->run->schedule, at->epoch < o->epochs ? at->epoch : o->epochs - 1);
    TRY(snapshot_take(k->snapshot, k->run->session, at, lr, kind == STORE_BEST_SO_FAR, &state));
    return store_save_training(k->store, at->done, kind, state);
}
