/* Architectures by their tensors: what a state dict is, from names and shapes alone, and what names
 * and shapes an architecture has (PyTorch's and torchvision's, in module order). */
#ifndef PACO_CHECKPOINT_DETECT_H
#define PACO_CHECKPOINT_DETECT_H

#include "checkpoint/state.h"

typedef struct Detected {
    const char *arch;       /* "resnet50"; static */
    bool cifar;             /* a network for 32x32 images */
    const char *prefix;     /* of the backbone: "encoder_q." (a PaCo checkpoint) or ""; static */
    bool module;            /* the file's names have "module." before all of this */
    const char *classifier; /* whole name without ".weight": "linear", "fc"; "" when there is none;
                               static */
    int64_t classes; /* rows of the classifier, at most DATASET_CLASSES_MAX; 0: there is none, or
                        none that fits (detect_classifier) */
    int64_t width;          /* pooled features */
    int head_layers; /* of the projection head: 0 none, 1 Linear, 2 Linear-BatchNorm-ReLU-Linear */
    int64_t head_width, head_dim; /* hidden and final dimensions of the head; 0 */
} Detected;

/* Recognises resnet20 to resnet110 (CIFAR), resnet18 to resnet200, the ResNeXts and
 * wide_resnet50_2. STATUS_INPUT with what does not fit when it is none of them. A classifier that
 * is none for it does not matter to who wants the backbone. */
Status detect_architecture(const StateDict *dict, Detected *out);
/* For who wants the classifier, too: STATUS_INPUT when there is one that is none for this network.
 */
Status detect_classifier(const StateDict *dict, const Detected *found);

/* The tensors of a backbone with a classifier of this name ("" for none), named without prefix,
 * from the arena. STATUS_INPUT for an unknown name. num_batches_tracked is optional. */
Status detect_tensors(Arena *arena, const char *arch, const char *classifier, int64_t classes,
                      WantedTensor **wanted, int *count);
/* Name of the i-th known architecture, NULL behind the last. */
const char *detect_name(int index);

#endif
