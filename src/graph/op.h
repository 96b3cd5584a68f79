/* Operators: the attribute structs and the table made from ops.def. */
#ifndef PACO_GRAPH_OP_H
#define PACO_GRAPH_OP_H

#include "device/kernel_args.h"
#include "graph/graph.h"

typedef struct NoAttrs {
    char none;
} NoAttrs;

typedef struct CastAttrs {
    double factor; /* a power of two */
} CastAttrs;

typedef struct ImagesAttrs {
    int batch;       /* B: images of one rank */
    bool bytes;      /* raw is uint8 [n][H][W][3], to be scaled and normalised; else float32
                        [n,3,H,W]; n = B images of each rank of the share */
    double mean[3], std[3]; /* of pixels / 255 */
} ImagesAttrs;

typedef struct ConvAttrs {
    int stride, pad, groups;
    int H, W;        /* of the convolution's input: its gradient cannot know them */
} ConvAttrs;

typedef struct ConvActAttrs {
    ConvAttrs conv;
    bool relu;
} ConvActAttrs;

typedef struct BnAttrs {
    double eps, momentum;
} BnAttrs;

typedef struct PoolAttrs {
    int window, stride, pad;
    int H, W;        /* of the input */
} PoolAttrs;

typedef struct ShortcutAttrs {
    int channels;    /* of the output; the input's lie in the middle */
    int H, W;        /* of the input */
} ShortcutAttrs;

/* PaCo loss (arXiv 2107.12028, equation 9 and its rebalanced form; oracle paco_loss). */
typedef struct PacoAttrs {
    double alpha, beta, gamma, supt, temperature, base_temperature;
} PacoAttrs;

typedef struct SgdAttrs {
    double momentum, weight_decay;
} SgdAttrs;

/* The rule of fp16's loss scale (device/kernel_args.h, SCALER_FLOATS). */
typedef struct ScaleAttrs {
    double growth, backoff; /* factors of the scale: after `interval` steps without overflow, and
                               after one with it */
    int interval;
} ScaleAttrs;

typedef struct EmaAttrs {
    double m;
} EmaAttrs;

typedef struct Lowering Lowering;

/* What changes from step to step; the device sees it as the StepState of kernel_args.h. */
typedef struct StepParams {
    double lr, grad_scale; /* learning rate; loss scale / ranks */
    int rank, turn;        /* the rank that runs, and its place within the share */
    int queue_head, step;
    RankSum sum; /* what becomes of this rank's gradients */
} StepParams;

/* What a reference sees: every element as a double, logical shapes, row-major; integers too. */
typedef struct RefCall {
    const Node *node;
    const StepParams *state;
    double **in;  /* NODE_MAX_IN; NULL for absent inputs */
    double **out;
    DType type; /* of numbers: DTYPE_F64, or DTYPE_F32 where outputs are rounded to it */
} RefCall;

typedef enum OpTrait {
    TRAIT_PLAIN,
    TRAIT_SOURCE,
    TRAIT_LOSS,
    TRAIT_ADDS,
    TRAIT_COLLECTIVE
} OpTrait;

/* A row of ops.def. */
typedef struct Op {
    const char *name;
    uint32_t mutates; /* bit i: input i is written in place */
    uint32_t casts;   /* bit i: input i is rounded to the graph's storage type before its use */
    OpTrait trait;
    void (*infer)(Graph *graph, Node *node);
    void (*grad)(Graph *graph, Node *node, Gradients *gradients); /* NULL: no gradient flows */
    void (*lower)(Lowering *lowering, const Node *node);
    void (*reference)(const RefCall *call);
    /* Appends a node that computes the first output again from what lives on anyway; returns NULL
     * where that is not worth it. NULL: never. */
    Node *(*remake)(Graph *graph, const Node *node);
} Op;

const Op *op_get(OpKind kind);

/* The functions of every row; OpAttrs_NAME is the struct of its attributes, for NODE. */
#define IF_YES(declaration) declaration
#define IF_NO(declaration)
#define OP(name, attrs, grad, remake, mutates, casts, trait)                                       \
    typedef attrs OpAttrs_##name;                                                                  \
    void name##_infer(Graph *graph, Node *node);                                                   \
    IF_##grad(void name##_grad(Graph *graph, Node *node, Gradients *gradients);)                   \
    IF_##remake(Node *name##_remake(Graph *graph, const Node *node);)                              \
    void name##_lower(Lowering *lowering, const Node *node);                                       \
    void name##_reference(const RefCall *call);
#include "graph/ops.def"
#undef OP
#undef IF_YES
#undef IF_NO

#endif
