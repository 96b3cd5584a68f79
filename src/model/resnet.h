/* ResNets of the CIFAR and ImageNet families, with the projection head of contrastive learning. */
#ifndef PACO_MODEL_RESNET_H
#define PACO_MODEL_RESNET_H

#include "graph/op.h"

/* X(name, words, channels of the stem, small, projects)
 *   small     a stem of 3x3 for images of 32x32, initial values as in the CIFAR codes; else 7x7 and
 *             a pooling
 *   projects  shortcuts between stages are convolutions (option B); else without parameters (A) */
#define FAMILY_LIST(X)                                                                             \
    X(CIFAR, "CIFAR", 16, true, false)                                                             \
    X(CIFAR_B, "CIFAR, projected shortcuts", 16, true, true)                                       \
    X(CIFAR_64, "CIFAR, 64 channels", 64, true, true)                                              \
    X(IMAGENET, "ImageNet", 64, false, true)

typedef enum ArchFamily {
#define X(name, words, stem, small, projects) FAMILY_##name,
    FAMILY_LIST(X)
#undef X
} ArchFamily;

typedef struct Family {
    const char *words;
    int stem;
    bool small, projects;
} Family;
typedef enum ArchBlock { BLOCK_BASIC, BLOCK_BOTTLENECK } ArchBlock;

typedef struct Arch {
    const char *name;
    ArchFamily family;
    ArchBlock block;
    int layers[4]; /* blocks per stage; 0: no such stage */
    int groups, group_width;
} Arch;

/* The architecture of this name, or NULL; and number i of the list, NULL behind its end. */
const Arch *arch_find(const char *name);
const Arch *arch_at(int i);
const Family *arch_family(const Arch *arch);
/* Channels of the pooled feature. */
int arch_features(const Arch *arch);
/* Smallest image side that leaves at least one pixel before pooling. */
int arch_least_size(const Arch *arch);

/* What a network is built for: which weights it uses and how batch norm behaves. */
typedef enum NetMode {
    NET_QUERY, /* trained parameters, batch statistics */
    NET_KEY,   /* the moving average of the parameters, batch statistics, running statistics of its
                  own */
    NET_EVAL,  /* trained parameters, running statistics */
} NetMode;

typedef struct Net {
    Graph *graph;
    const Arch *arch;
    NetMode mode;
} Net;

/* Backbone: x[N,3,H,W] -> h[N,F] with F = arch_features. Parameters are made on first use, in
 * PyTorch's order. */
Value *net_pooled(Net *net, Value *x);
/* Projection head `fc`: h[N,F] -> [N,dim]: Linear(dim), or Linear-BatchNorm-ReLU-Linear(dim) with
 * mlp. */
Value *net_head(Net *net, Value *h, int dim, bool mlp);
/* The head's parameters without its nodes: baselines carry them untrained. */
void net_declare_head(Net *net, int dim, bool mlp);
/* The classifier `linear`: h[N,F] -> logits[N,classes]; with `cosine` of the normalised h, for rows
 * of weights that are normalised already. */
Value *net_classifier(Net *net, Value *h, int classes, bool cosine);
/* A graph of one small image through the backbone and, unless classes is 0, the classifier: for the
 * names and shapes of its parameters and running statistics. Free it with graph_free. */
Graph *net_graph(const Arch *arch, int classes);

#endif
