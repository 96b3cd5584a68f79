/* The network of a state dict: which one it is, and which tensors such a network has under the
 * file's names. */
#ifndef PACO_STATE_NETWORK_H
#define PACO_STATE_NETWORK_H

#include "checkpoint/state.h"
#include "model/recognise.h"
#include "state/tensors.h"

/* Opens the state dict that holds a network, wherever the file keeps it and whatever stands before
 * its names, and recognises it. Of several, `key` says which, as messages list them ("student",
 * "state_dict/encoder_q", "." for the top); NULL: the only one, averaged weights ("ema") aside.
 * STATUS_INPUT when there is none, with what does not fit, or when several could be meant. Free the
 * dict in any case that succeeded. */
Status network_open(Checkpoint *checkpoint, const char *key, StateDict *dict, Recognised *found);
/* Recognises an architecture of arch.def under the usual names. STATUS_INPUT with what does not fit
 * when it is none of them; found->prefix is set all the same. A classifier that is none for it does
 * not matter to who wants the backbone; found->classes is at most DATASET_CLASSES_MAX, since it is
 * about to size everything. */
Status network_find(const StateDict *dict, Recognised *found);
/* For who wants the classifier, too: STATUS_INPUT when there is one that is none for this network,
 * or none at all, with the layers that it could be. */
Status network_check_classifier(const StateDict *dict, const Recognised *found);

/* Adds the query side's tensors of a graph, and with `classifier` those, under the file's names;
 * its weight in the file's orientation, the bias ignored where the file has none. */
void network_add_tensors(TensorList *list, const Recognised *found, const Graph *graph,
                         bool classifier);
/* Adds, ignored, the projection head's tensors in every form. */
void network_ignore_head(TensorList *list, const Recognised *found);
/* Adds, ignored, what stands in PaCo's checkpoints beside the tensors of the list: the head, the
 * key side, the queue. A name like them is none of them. */
void network_ignore_training(TensorList *list, const Recognised *found);

#endif
