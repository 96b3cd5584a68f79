/* Records: what a training run leaves for people beside its checkpoints: train.log, options.txt,
 * metrics.csv, steps.csv and events for TensorBoard where they are asked for, and at its end
 * report.json, classes.csv and confusion.csv. Without a folder lines go to the terminal only and
 * nothing is written. */
#ifndef PACO_TRAIN_RECORDS_H
#define PACO_TRAIN_RECORDS_H

#include "options/options.h"
#include "state/progress.h"
#include "train/events.h"

#include <stdio.h>

typedef struct Records {
    const char *folder; /* NULL: none */
    FILE *log;          /* train.log, or NULL */
    Events *events;     /* NULL: none are asked for */
    FILE *steps;        /* steps.csv, or NULL */
    int starts;         /* of the run, as its log has them, with this one */
} Records;

/* How the first line of a start begins in train.log. */
#define RECORDS_START "program   "

/* Opens train.log for more lines, and takes rows of what is to come out of metrics.csv and
 * steps.csv, where the folder has them already; a damaged one is set aside with a warning. There
 * may be no --out. */
Status records_open(Records *records, const Options *options, const Progress *at);
/* The text of a failed run is the last line of its log. */
void records_close(Records *records, Status status);
/* A line in train.log. */
void records_note(const Records *records, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A line on the terminal and in train.log. */
void records_say(const Records *records, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Writes options.txt anew. Its history, comments at its end, stays, and gets a line for each of the
 * changes ("lr 0.05 -> 0.02\n", ...) with which the run went on at this step; train.log tells them,
 * too. */
Status records_options(const Records *records, const Options *options, int64_t step,
                       const char *changes);
/* Begins events for TensorBoard where the options ask for them, as events_open does; `changes` as
 * above. */
Status records_events(Records *records, const Options *options, const Dataset *train, int epoch,
                      const char *changes);
/* metrics: of the evaluation in it; NULL: there was none. */
Status records_epoch(const Records *records, const EpochRow *row, const Metrics *metrics);
/* A row of steps.csv, where it is written. Whether rows arrived, records_sync says: before a
 * checkpoint, so that a run that goes on from it has them on the disk. */
void records_step(const Records *records, const StepRow *row);
Status records_sync(const Records *records);
/* The reports of the last evaluation; class_names may be NULL. */
Status records_reports(const Records *records, const Metrics *metrics, const ReportFacts *facts,
                       const char *const *class_names);

#endif
