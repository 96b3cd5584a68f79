/* What a network begins with. */
#ifndef PACO_MODEL_INITIAL_H
#define PACO_MODEL_INITIAL_H

#include "model/paco.h"
#include "plan/session.h"

/* Writes the initial values of the published code: ImageNet convolutions normal with deviation
 * sqrt(2 / fan out), CIFAR convolutions and the backbone's fc sqrt(2 / fan in), other linear layers
 * and all biases uniform within 1 / sqrt(fan in), batch norm 1 and 0; the key copy equal to them;
 * zero momentum; a queue of unit rows with uniform labels; the loss scale. */
Status initial_write(Session *session, const Model *model, const ModelConfig *config,
                     uint64_t seed);
/* The loss scale that training begins with; part of initial_write. Does nothing for a model whose
 * loss is not scaled. */
Status initial_scaler(Session *session, const Model *model);
/* The log prior of the classes, log(n_c / n + 1e-9), from counts[classes], their training images.
 * Does nothing for a model without prior. */
Status initial_prior(Session *session, const Model *model, const int64_t *counts);

#endif
