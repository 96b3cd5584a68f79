/* From options to a model on a device with its initial values. */
#ifndef PACO_TRAIN_SETUP_H
#define PACO_TRAIN_SETUP_H

#include "plan/session.h"
#include "model/paco.h"
#include "options/options.h"

/* The model that the options describe; `train` builds the training step, eval_batch > 0 the
 * evaluation. Completes the options' normalisation. */
ModelConfig setup_model(Options *options, int classes, int size, bool train, int eval_batch);
SessionOptions setup_session(const Options *options);

/* Writes the initial values of design section 5: parameters, key copy (equal to them), running
 * statistics, zero momentum, queue. A function of the seed and of each parameter's name. */
Status setup_initial(Session *session, const Model *model, const ModelConfig *config,
                     uint64_t seed);
/* The log prior of the classes, from their training images. Does nothing for a model without prior.
 */
Status setup_prior(Session *session, const Model *model, const int64_t *counts);

#endif
