/* Replicas: every process holds the whole state of a run, and all of them the same. Only the
 * running statistics of batch norm, which are rank 0's, and what was read from files are known to
 * process 0 alone until they are shared. */
#ifndef PACO_TRAIN_REPLICAS_H
#define PACO_TRAIN_REPLICAS_H

#include "train/run.h"

/* Once every process has opened its run: in what numbers they talk. */
void replicas_join(Run *run);
/* Gives all processes the state that process 0 has: parameters, key copy, momentum, queue, running
 * statistics, loss scale. */
Status replicas_share(Run *run);
/* The same of the running statistics alone: before an evaluation. */
Status replicas_share_statistics(Run *run);

#endif
