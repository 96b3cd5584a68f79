/* What a training step would take where its ranks are spread over processes and nodes: from the
 * plan's gradients, the exchange of comm/sum.c, and the time of one rank. */
#ifndef PACO_MEASURE_SPREAD_H
#define PACO_MEASURE_SPREAD_H

#include "base/status.h"
#include "comm/ranks.h"

#include <stdint.h>
#include <stdio.h>

typedef struct Spread {
    int ranks, processes, nodes; /* as many processes on each node, as many ranks in each process */
    double bandwidth;            /* bytes per second out of a node, and into it */
    double latency;              /* seconds of a message */
    double rank_seconds;         /* one rank's step on its device */
    int64_t gradients;           /* elements of the gradients of a rank */
    const double *ready;         /* of predict_ready, for the parts of so many gradients */
    int64_t rank_images, row; /* images of a rank; bytes that travel of one: key, label, number */
} Spread;

/* One step. */
typedef struct SpreadTime {
    double compute, exchange, exposed; /* seconds; exposed: of the exchange, not hidden by computing */
    double sent;                       /* bytes out of a node */
} SpreadTime;

SpreadTime spread_time(const Spread *spread);
/* A table: this spread, then as many ranks in each process and processes on each node on 1, 2, 4
 * ... nodes, to thousands of processes. `svg`, unless NULL: a picture of the same. STATUS_IO. */
Status spread_print(const Spread *spread, FILE *out, const char *svg);

#endif
