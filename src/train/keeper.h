/* Keeper: the checkpoints of a training run: where it goes on from, and what it saves. */
#ifndef PACO_TRAIN_KEEPER_H
#define PACO_TRAIN_KEEPER_H

#include "state/snapshot.h"
#include "state/store.h"
#include "train/run.h"

typedef struct Keeper {
    const Options *options;
    Run *run;
    Snapshot *snapshot;
    Store *store;  /* NULL without --out: nothing is kept */
    char *resumed; /* the checkpoint that the run goes on from, or NULL */
    bool left_best; /* the best checkpoint so far is another run's */
} Keeper;

/* Restores what --resume names, of a run with `steps` steps an epoch over `data`: a file, or the
 * newest intact checkpoint of --out; then opens that folder, which is touched only when everything
 * that can be wrong before has been looked at. STATUS_USAGE where the folder holds another run, or
 * the checkpoint more epochs than --epochs. The arguments outlive the keeper; close it in any case.
 */
Status keeper_open(Keeper *keeper, Options *options, Run *run, const Dataset *data, int64_t steps,
                   Progress *at);
void keeper_close(Keeper *keeper);
/* Whether a run of these options goes on from a checkpoint, which brings its weights; looks into
 * --out and changes nothing there. */
Status keeper_resumes(const Options *options, bool *resumes);
/* What the best checkpoint is begins anew: none of those in the folder is it, from the next save
 * on. */
void keeper_forget_best(Keeper *keeper);
/* Saves the run as it stands, where there is a folder. */
Status keeper_save(Keeper *keeper, const Progress *at, StoreKind kind);

#endif
