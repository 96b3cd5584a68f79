/* The PaCo training step and its baselines as one graph (CONTRIBUTING.md, segments and ranks), and the evaluation
 * beside it. */
#ifndef PACO_MODEL_PACO_H
#define PACO_MODEL_PACO_H

#include "model/resnet.h"

/* METHOD(name, word of --method): what is trained. */
#define METHOD_LIST(X)                                                                             \
    X(PACO, "paco")                                                                                \
    X(CROSS_ENTROPY, "cross_entropy")                                                              \
    X(BALANCED_SOFTMAX, "balanced_softmax")

typedef enum Method {
#define X(name, word) METHOD_##name,
    METHOD_LIST(X)
#undef X
    METHOD_COUNT
} Method;

/* The method of this word; -1 for any other. */
int method_find(const char *name);
const char *method_name(Method method);

typedef struct ModelConfig {
    const Arch *arch;
    Method method;
    int classes, size;     /* size: height and width of the images */
    int batch;             /* images per rank */
    Ranks ranks;           /* of the recipe, and this process's share */
    int eval_batch;        /* images per evaluation; 0: no evaluation */
    int dim, queue;        /* of the projected features; rows of the queue */
    bool mlp;              /* two-layer projection head */
    bool prior;            /* class prior in the loss: long-tailed recipes, balanced softmax */
    bool cosine;           /* evaluation: a classifier of normalised features and weights */
    bool features;         /* evaluation: the host reads what the classifier reads, too */
    bool train;            /* build the training step */
    DType storage;         /* of images between operators and of weights in use: F32, F16 or BF16 */
    bool bytes;            /* images arrive as uint8 [N][H][W][3]; else float32 [N,3,H,W] */
    double mean[3], std[3];
    double moco_m;         /* momentum of the key encoder */
    PacoAttrs loss;
    SgdAttrs sgd;
    /* Whether a parameter is trained; NULL: all are. */
    bool (*trainable)(const char *name, const void *context);
    const void *trainable_context;
} ModelConfig;

/* PyTorch's GradScaler: the scale that training begins with, and how it changes. */
#define SCALER_FIRST 65536.0
#define SCALER_RULE ((ScaleAttrs){.growth = 2, .backoff = 0.5, .interval = 2000})

/* The graph and the values that the host writes and reads; absent ones are NULL. */
typedef struct Model {
    Graph *graph;
    Value *images_q,
        *images_k; /* INPUT, of the share: rank after rank; k: in the shuffle's order */
    Value *labels, *order;       /* INPUT [R*B] int32; order: the key shuffle */
    Value *samples; /* INPUT [R*B * 2] int32, where there are several processes: of every
                       place the numbers of its image and of the one it encodes */
    Value *prior;                /* CONSTANT [classes]: log(n_c / n + 1e-9) */
    Value *encoded, *keys; /* STATE [R*B, dim]: in the shuffle's order, and that of the images */
    Value *queue, *queue_labels; /* STATE [M, dim], [M] int32 */
    Value *loss;                 /* OUTPUT [n], n ranks of the share */
    Value *correct;              /* OUTPUT [n, 2] int32: images whose class comes first, without and with the prior */
    Value *scaler;               /* STATE [SCALER_FLOATS], where the loss is scaled: fp16 */
    Value *eval_images;          /* INPUT */
    Value *eval_logits;          /* OUTPUT [eval_batch, classes] */
    Value *eval_features;        /* OUTPUT [eval_batch, arch_features], pooled */
} Model;

/* Builds the graph; sizes must have been checked (model_check). */
Model model_build(const ModelConfig *config);
/* STATUS_USAGE when the configuration cannot be built, and why. */
Status model_check(const ModelConfig *config);

#endif
