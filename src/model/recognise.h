/* Recognition: which network a list of named tensors is, and what that list calls its parts. Who
 * has such a list (a checkpoint's state dict) is not known here: names and shapes are all there is.
 */
#ifndef PACO_MODEL_RECOGNISE_H
#define PACO_MODEL_RECOGNISE_H

#include "model/resnet.h"

#include <stddef.h>

typedef struct NamedShape {
    const char *name;
    int rank;             /* RANK_UNREADABLE: a tensor of a kind that cannot be read */
    const int64_t *shape; /* [rank] */
} NamedShape;

enum { RANK_UNREADABLE = -1 };

typedef struct NamedShapes {
    const NamedShape *sorted; /* [count], by name as strcmp has it */
    int count;
    const char *first; /* name of the first tensor in the file's order, for messages; "" for none */
} NamedShapes;

/* A projection head by the modules under which its tensors stand, within the backbone's prefix. */
typedef struct HeadForm {
    int layers;         /* linear ones */
    const char *first;  /* the first linear layer */
    const char *norm;   /* batch norm behind it; NULL: none */
    const char *middle; /* the linear layer between first and last; NULL: none */
    const char *last;   /* the last linear layer; the first one where there is but one */
} HeadForm;

enum { RECOGNISED_NAME = 320 }; /* room for a name; longer ones are no network's */

typedef struct Recognised {
    const Arch *arch;
    char prefix[RECOGNISED_NAME]; /* of the backbone's names: "encoder_q.", "backbone.", "" */
    bool paco;              /* PaCo's names: a head beside the classifier, a key side, a queue */
    int outer;              /* length of the prefix without "encoder_q.": before PaCo's names */
    char classifier[RECOGNISED_NAME]; /* whole name without ".weight": "linear", "head.fc"; ""
                                         when there is none */
    bool turned; /* the classifier is [features, classes] and has no bias: of normalised features
                    and weights (LDAM, RIDE, BCL) */
    bool biased; /* it has a bias */
    bool shortcut;          /* projections are called "shortcut", not "downsample" */
    int64_t classes;        /* classes of the classifier; 0: there is none, or none of this width */
    const HeadForm *head;   /* NULL: none */
    int64_t head_width, head_dim; /* rows of the head's first layer where there are two, of its last
                                     one; 0 */
} Recognised;

typedef struct Unrecognised {
    const char *name; /* a tensor of the list that would have to be read, but cannot be; or NULL: */
    char text[240];   /* what does not fit */
} Unrecognised;

/* Finds the architecture of arch.def with just these blocks whose convolutions fit best; fewer than
 * three quarters of them fitting is none. `prefix` is that of its names in the list; NULL:
 * "encoder_q." or none, whichever has a stem. False with the reason when there is none; out->prefix
 * is set all the same. A classifier or a head that is none for the network does not matter to who
 * wants the backbone. */
bool recognise(const NamedShapes *list, const char *prefix, Recognised *out, Unrecognised *why);
/* Whether a tensor of this name is what every ResNet has just once, its first block's first
 * convolution; the length of what stands before its name in `prefix`. */
bool recognise_prefix(const char *name, size_t *prefix);
/* Whether the prefix is that of PaCo's key side, beside the query side of the same length. */
bool recognise_is_key_side(const char *prefix);
/* Whether a name of the list lies in the path of the forward pass: within the backbone, as far as
 * names tell, and not in a head behind it. */
bool recognise_in_path(const Recognised *found, const char *name);
/* Module number i of those that hold linear layers of the network's width, which the classifier
 * could be, into `name` with its shape in *shape; false behind the last. */
bool recognise_candidate(const NamedShapes *list, const Recognised *found, int i, char *name,
                         const NamedShape **shape);

/* What the list calls a tensor of the model's query side, in `to`; false where it has no place for
 * it (the head of a plain network), and then the model's own name. */
bool recognise_name(const Recognised *found, const char *name, char *to, size_t room);

/* Form number i of projection heads, NULL behind the last. */
const HeadForm *recognise_head_at(int i);

#endif
