/* Graph: values (tensors) and nodes (operators) of one whole training step or evaluation.
 *
 * Nodes stand in the order in which they run, grouped by segment. Most values are written once, by
 * their producer; parameters, momentum and other state are written in place by the nodes that
 * update them (Op's `mutates`). The graph owns all its objects in one arena; values own no memory
 * for their elements. */
#ifndef PACO_GRAPH_GRAPH_H
#define PACO_GRAPH_GRAPH_H

#include "base/arena.h"
#include "base/status.h"
#include "comm/ranks.h"
#include "graph/tensor.h"

enum { NODE_MAX_IN = 13, NODE_MAX_OUT = 6 };

/* ROLE(name, slab): what a value is for decides the slab that it lies in (plan/plan.h) and how long
 * it lives. */
#define ROLE_LIST(X)                                                                               \
    X(PARAM, PARAM)           /* trained parameters, PyTorch's order and shape */                  \
    X(GRAD, GRAD)             /* gradients of parameters, laid out like them */                    \
    X(GRAD_SUM, GRAD_SUM)     /* gradients summed over ranks, likewise */                          \
    X(GRAD_PARTIAL, GRAD_SUM) /* partial sums of them, over neighbouring ranks, likewise */        \
    X(MOMENTUM, MOMENTUM)     /* SGD's velocity, likewise */                                       \
    X(EMA, EMA)               /* the key encoder's copy of the parameters, likewise */             \
    X(COPY, COPY)             /* of convolutions' weights in the storage type, likewise */         \
    X(EMA_COPY, COPY)         /* of the key encoder's, likewise */                                 \
    X(GRAD_COPY, COPY)        /* their gradients as a device leaves them, likewise */              \
    X(STATE, STATE)           /* queue, running statistics: kept from step to step */              \
    X(CONSTANT, IO)           /* written once by the host */                                       \
    X(INPUT, IO)              /* written by the host before each step */                           \
    X(OUTPUT, IO)             /* read by the host after each step */                               \
    X(ACTIVATION, ACTIVATION) /* lives within a step */                                            \
    X(DERIVED, ACTIVATION)    /* weights folded or packed from parameters: plain, likewise */

typedef enum Role {
#define X(name, slab) ROLE_##name,
    ROLE_LIST(X)
#undef X
    ROLE_COUNT
} Role;

/* SEGMENT(name, whether it belongs to a training step, whether it runs once for every rank, what):
 * the segments of a plan, in the order in which they stand. Evaluation is apart, and what prepares
 * weights that neither a step nor a batch has changed: COPIES runs by itself (plan_run). */
#define SEGMENT_LIST(X)                                                                            \
    X(PROLOGUE, true, false, "the key encoder follows, weights are packed")                        \
    X(KEY, true, true, "keys of one rank")                                                         \
    X(GATHER, true, false, "keys of all ranks, back from the shuffle")                             \
    X(QUERY, true, true, "queries, loss and gradients of one rank")                                \
    X(REDUCE, true, false, "gradients go to and come from other processes; likewise")              \
    X(EPILOGUE, true, false, "SGD, the queue")                                                     \
    X(COPIES, false, false, "once, when the host has written weights: their copies in 16 bits")    \
    X(FOLD, false, false, "once, when weights have changed: batch norm into convolutions")         \
    X(EVAL, false, false, "logits of one batch")

typedef enum Segment {
#define X(name, trains, ranked, what) SEGMENT_##name,
    SEGMENT_LIST(X)
#undef X
    SEGMENT_COUNT
} Segment;

const char *segment_name(Segment segment);
/* The column `what`. */
const char *segment_what(Segment segment);
/* Whether it is part of a training step, else of evaluation. */
bool segment_trains(Segment segment);
/* Whether it runs when weights have changed, and not in every step or batch. */
bool segment_prepares(Segment segment);
/* How often it runs in a step (or a batch of evaluation): once, or for each rank of the share. */
int segment_turns(Segment segment, Ranks ranks);

typedef enum OpKind {
#define OP(name, attrs, grad, remake, mutates, casts, trait) OP_##name,
#include "graph/ops.def"
#undef OP
    OP_COUNT
} OpKind;

/* What a parameter is, for initial values (model/initial.h). */
typedef enum ParamKind {
    PARAM_NONE,
    PARAM_CONV_WEIGHT,     /* [K][C/groups][R][S] */
    PARAM_LINEAR_WEIGHT,   /* [K][C] */
    PARAM_LINEAR_BIAS,     /* [K] */
    PARAM_BN_WEIGHT,       /* [C] */
    PARAM_BN_WEIGHT_LAST,  /* [C], of the last batch norm of a residual block */
    PARAM_BN_BIAS,         /* [C] */
    PARAM_RUNNING_MEAN,    /* [C] */
    PARAM_RUNNING_VAR,     /* [C] */
} ParamKind;

typedef struct Value Value;
typedef struct Node Node;

struct Value {
    int id;
    const char *name;  /* PyTorch's name for parameters and state, else node.output */
    DType dtype;
    Dims dims;         /* the logical shape, whatever the layout on a device */
    Role role;
    ParamKind kind;
    int64_t fan_in; /* parameters of convolutions and linear layers; biases have their weight's */
    bool trainable;    /* PARAM: gets a gradient and SGD */
    Node *producer;    /* NULL for values that no node makes */
    Value *of;         /* GRAD to GRAD_COPY: the parameter it belongs to */
};

struct Node {
    int id;
    OpKind op;
    const void *attrs; /* the struct that ops.def names */
    int in_count, out_count;
    Value *in[NODE_MAX_IN]; /* optional inputs may be NULL; those from in_count on are */
    Value *out[NODE_MAX_OUT];
    const char *name;       /* scope, e.g. "encoder_q.layer1.0.bn1" */
    Segment segment;
    bool again;             /* computes again what another node did (recompute.c) */
};

typedef struct Graph {
    Arena arena;
    Value **values;
    int values_count, values_room;
    Node **nodes;
    int nodes_count, nodes_room;
    Segment segment;  /* of the nodes added next */
    Ranks ranks;      /* of the recipe, and which of them this process runs */
    DType storage; /* of images and their gradients between operators, and of convolutions' weights
                      in use: F32 (as a new graph has it), F16 or BF16 */
    const char *scope; /* name of the nodes added next */
} Graph;

Graph *graph_new(void);
void graph_free(Graph *graph);

/* A value that no node produces. */
Value *graph_value(Graph *graph, const char *name, Role role, DType dtype, Dims dims);
/* The companion of a parameter in another slab, of the same shape; found again on a second call. */
Value *graph_companion(Graph *graph, Value *param, Role role, const char *name);
/* The value of this name, or NULL. */
Value *graph_find(const Graph *graph, const char *name);
/* The companion of a parameter, or NULL. */
Value *graph_companion_of(const Graph *graph, const Value *param, Role role);

/* Appends a node to the current segment; copies attrs (`attrs_bytes` of them); infers shapes and
 * makes the output values. Shapes that do not fit are a broken invariant: whoever takes shapes from
 * a user checks them. */
Node *graph_node(Graph *graph, OpKind op, const void *attrs, size_t attrs_bytes, int in_count,
                 Value *const *in);
/* The same by name; attributes of another type than the row's do not compile. */
#define NODE(graph, op, attrs, ...)                                                                \
    graph_node(graph, OP_##op, attrs, _Generic(*(attrs), OpAttrs_##op: sizeof *(attrs)),           \
               (int)(sizeof((Value *[]){__VA_ARGS__}) / sizeof(Value *)),                          \
               (Value *[]){__VA_ARGS__})
/* Called by shape inference: appends an output value, an ACTIVATION unless its role is set
 * afterwards. */
Value *node_output(Graph *graph, Node *node, const char *name, DType dtype, Dims dims);
/* Whether a value is what operators hand to each other and devices lay out by channels: images
 * (rank 4; the places of max pooling too), features (rank 2). */
bool value_is_image(const Value *value);
bool value_is_features(const Value *value);
/* Whether it is a copy of a weight or of its gradient in the storage type. */
bool value_is_copy(const Value *value);
/* The type in which a value lies between operators: the graph's storage type for images and copies,
 * else its own. Arithmetic is float32 or wider in any case. */
DType graph_stored(const Graph *graph, const Value *value);
/* How many of the node's inputs are the value. */
int node_uses(const Node *node, const Value *value);

/* Puts the nodes in the order of their segments, otherwise as they stand, and numbers them anew. */
void graph_sort_segments(Graph *graph);
/* Prints every node with its values. */
void graph_dump(const Graph *graph, void *file);

/* ---- gradient.c */

/* Appends the backward nodes of everything that the graph's `roots` depend on and that needs
 * gradients. A root is a value whose gradient `seed` some node already computes. Gradients of
 * trainable parameters get role GRAD (companions); afterwards graph_companion_of(param, ROLE_GRAD)
 * finds them. */
typedef struct GradRoot {
    Value *value, *seed;
} GradRoot;
void graph_gradients(Graph *graph, const GradRoot *roots, int count);

/* For Op.grad: the gradient of a node's output (NULL when nothing depends on it) and a contribution
 * to the gradient of one of its inputs. needs_grad tells whether a contribution is wanted. */
typedef struct Gradients Gradients;
Value *gradient_of(Gradients *gradients, Value *value);
void gradient_add(Gradients *gradients, Value *value, Value *contribution);
bool gradient_wanted(const Gradients *gradients, const Value *value);
#endif
