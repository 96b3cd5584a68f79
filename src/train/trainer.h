/* Training: epochs of steps, evaluation, records. */
#ifndef PACO_TRAIN_TRAINER_H
#define PACO_TRAIN_TRAINER_H

#include "comm/comm.h"
#include "options/options.h"
#include "train/metrics.h"
#include "train/provenance.h"

/* What a finished run reports. */
typedef struct TrainResult {
    MetricsSummary last; /* of the test images, by the network as it ends */
    double val_top1;     /* of the validation images; NaN: there are none */
    Selection chosen;    /* the epoch that --select chose */
    double seconds;
    int64_t parameters;
} TrainResult;

/* Trains as the options say, with the processes of `comm`, which divide the ranks; NULL: alone.
 * With an --out folder it leaves there options.txt, train.log, metrics.csv, steps.csv
 * (--log-every), report.json, classes.csv and confusion.csv, which name the program; NULL: none.
 * STATUS_STOPPED after SIGTERM, SIGINT, SIGHUP or SIGUSR1, once a checkpoint is saved; without a
 * folder STATUS_IO. */
Status train(Options *options, Comm *comm, const TrainProgram *program, TrainResult *result);

#endif
