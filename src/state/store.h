/* Store: a folder of checkpoints of one run, none of which a kill or a full disk can take away.
 *
 * A save writes a temporary file, syncs it, reads it back and compares its SHA-256, renames it,
 * syncs the folder, then replaces the manifest (manifest.json: file, step, bytes, SHA-256, oldest
 * first; last a hash of its own, which tells its damage from that of a checkpoint) in the same way,
 * sets the links last.pth.tar and best.pth.tar, and only then removes what is no longer kept. One
 * writer per folder, by a lock. Reading needs no lock. */
#ifndef PACO_STATE_STORE_H
#define PACO_STATE_STORE_H

#include "checkpoint/bytes/sink.h"
#include "state/training.h"

typedef struct Store Store;

typedef struct StoreOptions {
    int keep;           /* newest checkpoints kept, at least 1; the best is kept besides */
    const FileOps *ops; /* NULL: the system's */
} StoreOptions;

/* Opens a folder for writing, makes it where needed, takes the lock, removes what a killed save
 * left. STATUS_IO when another process has the lock; STATUS_INPUT, as of all that read the
 * manifest, when a newer program wrote it. */
Status store_open(const char *folder, const StoreOptions *options, Store **out);
void store_close(Store *store);

/* What a save writes; torch_write of some tree, as a rule. */
typedef Status (*StoreWrite)(Sink *sink, void *context);

typedef enum StoreKind {
    STORE_PLAIN,
    STORE_BEST_SO_FAR,
    STORE_TRAINED, /* between the last step of an epoch and its evaluation: kept until the next */
} StoreKind;

typedef struct StoreSave {
    int64_t step;
    StoreKind kind;
    const char *run;  /* identity of the run; NULL: as before */
    StoreWrite write;
    void *context;
} StoreSave;

/* What a checkpoint says of itself, so that a folder is understood without its manifest: keys of a
 * text, of the step and of a bool. */
#define STORE_SAYS_RUN "openpaco/run"
#define STORE_SAYS_STEP "openpaco/step"
#define STORE_SAYS_BEST "openpaco/is_best"

/* Saves a checkpoint. On failure everything that was there before is there still. */
Status store_save(Store *store, const StoreSave *save);
/* The same for a training state, whose extra dict says what STORE_SAYS lists. */
Status store_save_training(Store *store, int64_t step, StoreKind kind, const TrainingState *state);

/* None of the checkpoints so far is the best any more: the next save says so. */
void store_forget_best(Store *store);

/* The newest checkpoint that is intact, malloc'd: its bytes have the manifest's SHA-256 (or, where
 * the manifest does not know it, all its CRCs are right). Damaged newer ones are passed over with a
 * warning each. *path is NULL when nothing was ever saved here; when there were checkpoints and
 * none is intact, STATUS_INPUT. One that cannot be read is not passed over: STATUS_IO or
 * STATUS_LIMIT. */
Status store_last(const char *folder, char **path);
/* The best one, if it is intact; NULL when there is none. A damaged one is STATUS_INPUT. */
Status store_best(const char *folder, char **path);
/* The checkpoint that `path` names, malloc'd: a file is itself; of a run's folder the best, else
 * the newest (STATUS_IO where there is none). *best says that it is a folder's best, and *folder
 * (either may be NULL) that `path` is one. */
Status store_choose(const char *path, char **chosen, bool *folder, bool *best);
/* store_last for the writer: once an intact checkpoint is found, damaged newer ones are renamed
 * NAME.damaged, so that they do not count as kept, and whatever a killed save left undone is done:
 * manifest, links, removals. */
Status store_resume(Store *store, char **path);

#endif
