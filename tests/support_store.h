/* A store whose checkpoints say which step they are, for tests that damage, cut and kill it. */
#ifndef PACO_TESTS_SUPPORT_STORE_H
#define PACO_TESTS_SUPPORT_STORE_H

#include "state/store.h"

enum { STORE_VALUES = 40000 };

/* The store's folder: the test program sets and removes it. */
extern char *store_folder;
/* Elements of a checkpoint that is saved, at most (and at first) STORE_VALUES. */
extern int64_t store_elements;

/* A setup: there is no folder yet. */
int fresh_folder(void **state);
Store *open_store(int keep, const FileOps *ops);
/* Saves a checkpoint of this step. */
Status save_step(Store *store, int64_t step, bool best);
/* The step of an intact checkpoint; fails where it is not. */
int64_t step_of(const char *path);
/* That of store_last; -1 where there is none. */
int64_t last_step(void);
/* How many names in the folder end so. */
int files_ending(const char *ending);
/* The path of a name in it. */
void in_folder(const char *name, char path[4096]);

#endif
