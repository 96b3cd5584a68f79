/* Whole models under test: random contents of everything a training step reads, the same for every session. */
#ifndef PACO_TESTS_SUPPORT_MODEL_H
#define PACO_TESTS_SUPPORT_MODEL_H

#include "plan/session.h"
#include "model/paco.h"

/* A PaCo step of small images: method, head and loss as in the long-tailed recipes. */
ModelConfig model_small(const Arch *arch, int size, int batch, int ranks);
/* Writes parameters, key copies, running statistics, queue, prior, images, labels and shuffle. `step` varies what
 * is new at every step. */
void model_fill(Session *session, const Model *model, const ModelConfig *config);
void model_feed(Session *session, const Model *model, const ModelConfig *config, int step);

#endif
