/* Weights: a network's tensors from a checkpoint of this program, of the published code, or of a
 * plain ResNet. */
#ifndef PACO_STATE_WEIGHTS_H
#define PACO_STATE_WEIGHTS_H

#include "model/paco.h"
#include "data/dataset.h"
#include "plan/session.h"
#include "state/network.h"

typedef struct Weights {
    Checkpoint *checkpoint;
    StateDict dict;
    Recognised found; /* architecture, classes, names */
    char choice[64]; /* what it is to the folder that was named: "the best, chosen by the test
                      * images"; "" of a file */
    bool cosine; /* the classifier is of normalised features and weights; as found, unless set */
    bool strict_finite; /* set it after weights_open: elements that are not finite are STATUS_NAN */
} Weights;

/* Opens a checkpoint, or the best (else the newest) one of a run's folder, and recognises its
 * network, of several the one that `key` names (network_open); with `require_crc`, a zip without
 * CRCs is STATUS_INPUT. */
Status weights_open(const char *path, const char *key, bool require_crc, Weights *weights);
void weights_close(Weights *weights);
/* What the run that wrote the checkpoint called its classes, from the arena; list NULL: unknown. */
ClassNames weights_class_names(const Weights *weights, Arena *arena);

typedef enum WeightsUse {
    WEIGHTS_ALL,   /* every tensor of the model must be there, every one of the file known */
    WEIGHTS_BEGIN, /* what fits is where training begins */
    WEIGHTS_TEST,  /* what is not in the path of evaluation may differ */
} WeightsUse;

/* Puts the checkpoint's tensors into every parameter, key copy and running statistic of the session
 * that it has. With WEIGHTS_ALL all or nothing: every tensor of the model must be there in its
 * shape and every tensor of the file must be known; all differences are printed, and then
 * STATUS_INPUT. Else what fits is loaded, what was loaded and what was not is printed, and the rest
 * of the session stays as it is: give it its initial values first; with WEIGHTS_TEST it is
 * STATUS_INPUT where the model lacks a tensor, or the file has one that another network would use
 * on its way from image to classes: the figures would be nobody's. A model whose loss is scaled
 * takes the file's scaler, too. Elements that are not finite are loaded, with a warning, unless
 * weights->strict_finite. */
Status weights_load(Weights *weights, Session *session, const Model *model, WeightsUse use);

#endif
