/* Plan: a graph compiled for one device: a flat array of steps, and where each value lives.
 *
 * Slabs are named by lifetime. Parameters, gradients, momentum, the key copy and copies in 16 bits
 * lie in the order of the parameters, those that have a copy first, each without padding inside and
 * at a multiple of 16 bytes; a slab may need several buffers (max_alloc), but no value spans two.
 * Activations share places by liveness. A prepared plan is immutable, but for what it notes of
 * copies (stale); what changes from step to step is in StepState. */
#ifndef PACO_PLAN_PLAN_H
#define PACO_PLAN_PLAN_H

#include "comm/comm.h"
#include "device/backend.h"
#include "device/kernels.h"
#include "graph/op.h"
#include "plan/tuning.h"

/* X(name, word, title). Those before STATE lie in the order of the parameters; all but ACTIVATION
 * keep what they hold from step to step, and begin as zeros. */
#define SLAB_LIST(X)                                                                               \
    X(PARAM, "param", "parameters")                                                                \
    X(GRAD, "grad", "gradients")                                                                   \
    X(GRAD_SUM, "gsum", "gradient sums")                                                           \
    X(MOMENTUM, "mom", "momentum")                                                                 \
    X(EMA, "ema", "key copy")                                                                      \
    X(COPY, "copy", "weights in 16 bits")                                                          \
    X(STATE, "state", "state")                                                                     \
    X(IO, "io", "inputs and outputs")                                                              \
    X(ACTIVATION, "act", "activations")

typedef enum Slab {
#define X(name, word, title) SLAB_##name,
    SLAB_LIST(X)
#undef X
    SLAB_COUNT
} Slab;

/* The slab of a value: the column of ROLE_LIST. */
static inline Slab slab_of(Role role)
{
    static const Slab slabs[ROLE_COUNT] = {
#define X(name, slab) SLAB_##slab,
        ROLE_LIST(X)
#undef X
    };
    return slabs[role];
}

/* Where one value lives. */
typedef struct PlanValue {
    Value *value;
    uint64_t bytes;   /* on the device, with padded lanes */
    bool blocked; /* as layout_of says, with zero lanes beyond C; else row-major without padding */
    DType stored; /* of its elements on the device */
    Slab slab;
    int buffer;       /* of the slab */
    uint64_t off;
    int first, last;  /* steps between which it must keep its contents */
    int over;         /* takes the place of this value, -1: its own place */
} PlanValue;

typedef struct PlanSlab {
    uint64_t *sizes; /* bytes of each buffer */
    Buffer **buffers;
    int count;
} PlanSlab;

/* A step before its refs are known. */
typedef struct PlanOperand {
    int value;    /* id; -1: absent */
    uint64_t off; /* bytes beyond the value's place */
} PlanOperand;

typedef struct PlanStep {
    PlanOperand operands[STEP_MAX_REFS], packed, workspace;
    Segment segment;
    const Node *node;
    int joined; /* steps over the ranges right behind the operands that coalescing made part of this
                   one */
} PlanStep;

/* Value `out` takes the place of value `in`, whose last use is the step that writes `out`. */
typedef struct PlanOver {
    int out, in;
} PlanOver;

/* X(name, word, level): the stages that compiling can print; PACO_DEBUG from `level` on prints them
 * too. */
#define PLAN_STAGE_LIST(X)                                                                         \
    X(GRAPH, "graph", 2)                                                                           \
    X(FUSE, "fuse", 2)                                                                             \
    X(RECOMPUTE, "recompute", 2)                                                                   \
    X(STEPS, "steps", 3)                                                                           \
    X(MEMORY, "memory", 4)

typedef enum PlanStage {
    PLAN_STAGE_NONE,
#define X(name, word, level) PLAN_STAGE_##name,
    PLAN_STAGE_LIST(X)
#undef X
} PlanStage;

typedef struct PlanOptions {
    bool no_fuse;      /* leave the graph as built */
    bool no_recompute; /* keep every activation for the backward pass */
    const Tuning *tuning; /* which algorithms were fastest here; NULL: the backend decides */
    bool apart;        /* a buffer of its own for every value: tests put guards around it */
    bool plan_only; /* to be looked at: takes no memory of the device, builds no kernels, cannot run
                     */
    bool unbuilt;      /* takes memory but builds no kernels: for tuning, which builds its own */
    PlanStage dump;    /* print this stage to stderr */
    Comm *comm;        /* the processes whose ranks the graph does not run; NULL: none */
} PlanOptions;

typedef struct Exchange Exchange;

typedef struct Plan {
    Graph *graph;
    const Backend *backend;
    Device *device;
    const DeviceInfo *info;
    Step *steps;
    PlanStep *plan_steps;  /* parallel to steps */
    int steps_count;
    int begin[SEGMENT_COUNT + 1]; /* steps of segment s: begin[s] .. begin[s + 1] - 1 */
    PlanValue *values;     /* by value id */
    int values_count;
    PlanSlab slabs[SLAB_COUNT];
    const Tuning *tuning;
    Comm *comm;
    Exchange *exchange;    /* plan/exchange.c; NULL: nothing is summed over processes */
    bool grouped; /* its processes exchange values between their devices (plan_group) */
    bool apart;
    int state;             /* id of the StepState value */
    Value *arrivals;       /* of lower_arrivals; NULL: no kernel needs them */
    bool stale;            /* the host has written weights: COPIES must run first */
    PlanOver *overs;
    int overs_count, overs_room;
    Status status;         /* of lowering: the backend's latest refusal */
    uint64_t requested;    /* bytes of all activations, had each its own place */
    const char *peak;      /* node at which most activation bytes are alive */
    uint64_t peak_bytes;   /* how many those are: no plan needs less */
    uint64_t peak_derived; /* bytes of packed weights and scratch among them */
} Plan;

/* Compiles the graph (which the plan then owns, also on failure) and takes the device's memory.
 * STATUS_LIMIT, with what is too large and the batch that would fit, when it does not fit. */
Status plan_compile(Graph *graph, const Backend *backend, Device *device,
                    const PlanOptions *options, Plan **plan);
void plan_free(Plan *plan);
/* All processes of `comm`, each with its plan or NULL on the reference: makes a group of their
 * devices where all of them can, and process 0 says so; else COMM steps go through the host's
 * memory, and process 0 says why where that is not known beforehand. */
void plan_group(Plan *plan, Comm *comm);
/* STATUS_LIMIT, as plan_compile fails, when the device cannot hold it. */
Status plan_fits(const Plan *plan);
/* Sets the step state and runs one segment, and before it COPIES where the host has written weights.
 */
Status plan_run(Plan *plan, Segment segment, const StepParams *state);
/* Moves a value between host (logical row-major, `type` F32, F64, I32 or U8) and device. */
Status plan_write(Plan *plan, const Value *value, const void *host, DType type);
Status plan_read(Plan *plan, const Value *value, void *host, DType type);
/* A late read, as the backend's contract says. */
Status plan_fetch(Plan *plan, const Value *value, int *ticket);
Status plan_wait(Plan *plan, const Value *value, int ticket, void *host, DType type);
/* The place of a value. */
Ref plan_ref(const Plan *plan, const Value *value);
/* Bytes of a slab, or of all of them. */
uint64_t plan_slab_bytes(const Plan *plan, Slab slab);
uint64_t plan_bytes(const Plan *plan);
/* What a step does, in one word ("conv_forward", "bn_apply"). */
const char *plan_step_label(const Step *step);
/* Prints the memory of each kind, and of each segment its steps and how often they run in a
 * training step or a batch of evaluation. */
void plan_print_summary(const Plan *plan, void *file);
/* Prints steps, shapes, places, bytes and flops. */
void plan_dump_steps(const Plan *plan, void *file);
void plan_dump_memory(const Plan *plan, void *file);

#endif
