/* Snapshot: the state of a training run on its way between a session and a checkpoint. Names, types
 * and order are those of the published code; what only this program needs rides along (Progress).
 */
#ifndef PACO_STATE_SNAPSHOT_H
#define PACO_STATE_SNAPSHOT_H

#include "checkpoint/checkpoint.h"
#include "state/training.h"
#include "data/dataset.h"
#include "plan/session.h"
#include "model/paco.h"
#include "options/options.h"
#include "state/progress.h"

typedef struct Snapshot Snapshot;

/* Key of the names of the classes in a checkpoint: a list of texts, where they are known. */
#define SNAPSHOT_CLASSES "openpaco/classes"

/* What chooses the best checkpoint of the run that wrote this one. The published code and older
 * versions of this one choose by the test images, and do not say so. */
Select snapshot_select(const Checkpoint *checkpoint);

/* Describes the tensors of a model that trains on `data`; host memory is taken for all of them. All
 * arguments outlive the snapshot. */
Snapshot *snapshot_new(const Model *model, const ModelConfig *config, Options *options,
                       const Dataset *data);
void snapshot_free(Snapshot *snapshot);
/* Copies the session's state and the progress into the snapshot, `best`: as the best so far; the
 * result is valid until the next call. It says of itself what STORE_SAYS lists (state/store.h). The
 * identity of a run is a hash of its data and of all options that shape its weights when it began;
 * a run that goes on keeps it. */
Status snapshot_take(Snapshot *snapshot, Session *session, const Progress *progress, double lr,
                     bool best, const TrainingState **state);
/* Reads a checkpoint file into the session, all or nothing, and tells where its run stood. `steps`
 * is the number of steps of an epoch. A checkpoint of the published code stands at the beginning of
 * its epoch. STATUS_USAGE where options that decide what comes next (arch, seed, batch, ranks)
 * differ, STATUS_INPUT where the run trained on other data. */
Status snapshot_restore(Snapshot *snapshot, Session *session, const char *path, int64_t steps,
                        Progress *progress);
/* The options (TELL in options.def) that a restored run has otherwise than it was saved with, a
 * line each, "lr 0.05 -> 0.02"; "" where there are none. The snapshot's. */
const char *snapshot_changes(const Snapshot *snapshot);

#endif
