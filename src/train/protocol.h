/* Protocol: the part of a run's report.json that says how its numbers came about: which data, by
 * their checksums, what was looked at to choose a checkpoint, and which that is. */
#ifndef PACO_TRAIN_PROTOCOL_H
#define PACO_TRAIN_PROTOCOL_H

#include "base/json_writer.h"
#include "data/dataset.h"
#include "train/metrics.h"

struct Protocol {
    Select select;                      /* never SELECT_AUTO */
    uint64_t seed;
    int evaluations;                    /* that a whole run does */
    const Dataset *train, *val, *test;  /* val, test: NULL: there are none */
    const Selection *chosen;
    const Metrics *judged;              /* the validation images, by the network as the run left it;
                                           NULL: there are none */
    int64_t skipped;                    /* unreadable validation images, left out */
};

/* Writes the members "protocol", "best" (null: none was chosen, or it is not known which) and "val"
 * (null: without validation images) of the object that is open. */
void protocol_put(const Protocol *protocol, JsonWriter *writer);

#endif
