/* Benchmark of the exchange of gradients between the processes that a launcher started. */
#ifndef PACO_MEASURE_EXCHANGE_BENCH_H
#define PACO_MEASURE_EXCHANGE_BENCH_H

#include "base/status.h"

#include <stdio.h>

/* Under mpirun: sums `mib` MiB of floats over `ranks` ranks (0: one in each process), exactly and
 * as the engine does, in turn; then process 0 lets the others wait. Process 0 prints one line of
 * JSON: medians over repeats of the slowest process, and what a process uses of a core while it
 * waits. `program`: as
 * comm_open takes it. STATUS_USAGE without processes, or where they do not divide the ranks. */
Status exchange_bench_run(double mib, int ranks, const char *program, FILE *out);

#endif
