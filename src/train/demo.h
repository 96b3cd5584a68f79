/* demo: PaCo beside its cross-entropy baseline on procedural long-tailed images. */
#ifndef PACO_TRAIN_DEMO_H
#define PACO_TRAIN_DEMO_H

#include "base/status.h"

#include <stdio.h>

/* Trains both the same way, with further options of `paco train` in argv[0..argc-1], and prints a
 * table of their accuracies to `out`. STATUS_USAGE for --out: two runs cannot share a folder. */
Status demo_run(int argc, char **argv, FILE *out);

#endif
