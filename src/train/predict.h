/* predict: what a checkpoint's network sees in images without labels. */
#ifndef PACO_TRAIN_PREDICT_H
#define PACO_TRAIN_PREDICT_H

#include "options/options.h"

#include <stdio.h>

/* The images of the options' words (files and folders) through the checkpoint options->init_from;
 * the five best classes of each and their probabilities go to `out`, as text or with --csv as CSV,
 * and with --out to that file as CSV instead. Images are prepared as in eval_checkpoint; unreadable
 * ones follow --on-corrupt. STATUS_INPUT where --class-names has another number of classes. */
Status predict_images(Options *options, FILE *out);

#endif
