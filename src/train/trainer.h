/* Training: epochs of steps, evaluation, records. */
#ifndef PACO_TRAIN_TRAINER_H
#define PACO_TRAIN_TRAINER_H

#include "comm/comm.h"
#include "train/metrics.h"
#include "options/options.h"

/* What a finished run reports. */
typedef struct TrainResult {
    MetricsSummary last; /* of the last evaluation */
    double best;         /* best top-1 of all evaluations */
    double seconds;
    int64_t parameters;
} TrainResult;

/* Trains as the options say, with the processes of `comm`, which divide the ranks; NULL: alone.
 * With an --out folder it leaves there options.txt, train.log, metrics.csv, report.json,
 * classes.csv and confusion.csv. STATUS_STOPPED after SIGTERM, SIGINT, SIGHUP or SIGUSR1, once a
 * checkpoint is saved; without a folder STATUS_IO. */
Status train(Options *options, Comm *comm, TrainResult *result);

#endif
