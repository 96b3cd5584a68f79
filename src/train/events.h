/* Events: what a run shows in TensorBoard (--tensorboard), in an event file of its folder for every
 * time that it was started. Steps are epochs, counted from 1 as in metrics.csv. */
#ifndef PACO_TRAIN_EVENTS_H
#define PACO_TRAIN_EVENTS_H

#include "data/dataset.h"
#include "options/options.h"
#include "train/metrics.h"

typedef struct Events Events;

/* Begins a file in options->out, in which the run goes on with this epoch (0, 1, ...): what was
 * shown of it and later ones is so no more. Tells the options and the views of the first image
 * where the folder has not got them yet, the options also where `changed`. */
Status events_open(const Options *options, const Dataset *train, int epoch, bool changed,
                   Events **out);
/* Numbers of an epoch, without those that are NaN, and the confusion of its evaluation; metrics
 * NULL: none. They are on the disk after it. */
Status events_epoch(Events *events, const EpochRow *row, const Metrics *metrics);
/* events may be NULL. */
void events_close(Events *events);

#endif
