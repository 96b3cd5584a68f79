/* `--nproc`: starts the processes of a run on this host, watches them and takes requests to stop
 * for them. */
#ifndef PACO_COMM_LAUNCH_H
#define PACO_COMM_LAUNCH_H

#include "base/status.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef struct Launch {
    int processes;
    double timeout;   /* seconds of comm/watch.h */
    int restarts;     /* how often a job that lost a process begins again */
    char **words;     /* the program's, NULL at the end: without those of the launch */
    char **again;     /* those of a restart */
    atomic_int *stop; /* not zero: all processes are asked to stop */
} Launch;

/* Runs them to their end: the job's status, STATUS_PEER where a process is lost, with a text of its
 * own only where nothing could be started (STATUS_PEER: no engine here, and what to install). */
Status launch_run(const Launch *launch, bool *started);

/* What the launcher tells its processes through the environment. */
#define LAUNCH_WATCH "PACO_WATCH" /* port:secret of the hub */

#endif
