/* eval: accuracy of a checkpoint on a data set. */
#ifndef PACO_TRAIN_EVAL_H
#define PACO_TRAIN_EVAL_H

#include "comm/comm.h"
#include "options/options.h"

#include <stdio.h>

/* Evaluates the checkpoint options->init_from on the test data of the options, prints the figures
 * to `out`, and with --out leaves report.json, classes.csv, confusion.csv and predictions.csv, with
 * --save-logits and --save-features a row of every image (checkpoint/rows_file.h).
 * STATUS_INPUT where the file is no network that can be evaluated, or is another than asked for.
 * Processes (comm; NULL: one) take batches in turn; each reads the checkpoint, process 0 writes. */
Status eval_checkpoint(Options *options, Comm *comm, FILE *out);

#endif
