/* Replicas: every process holds the whole state of a run, and all of them the same. Only the
 * running statistics of batch norm, which are rank 0's, and what was read from files are known to
 * process 0 alone until they are shared. */
#ifndef PACO_TRAIN_REPLICAS_H
#define PACO_TRAIN_REPLICAS_H

#include "train/run.h"

/* Options, and data that is called `what`, which all processes must have alike, or none begins:
 * STATUS_USAGE, as comm_agree fails. */
Status replicas_agree(Comm *comm, const Options *options);
Status replicas_agree_data(Comm *comm, const char *what, const Dataset *data);
/* Once every process has opened its run: in what numbers they talk, how they exchange values, and
 * whether all compute alike. Process 0 warns where they do not, as their bits depend then on how
 * ranks are spread, and where two of them share a GPU. */
void replicas_join(Run *run);
/* Gives all processes the state that process 0 has: parameters, key copy, momentum, queue, running
 * statistics, loss scale. */
Status replicas_share(Run *run);
/* The same of the running statistics alone: before an evaluation. */
Status replicas_share_statistics(Run *run);
/* At the end of an epoch: replicas that compute differently drift apart, and begin anew with
 * process 0's state. Nothing where all compute alike. */
Status replicas_meet(Run *run);

#endif
