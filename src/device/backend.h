/* The contract between the portable program and a backend (OpenCL, CUDA): steps and buffers,
 * nothing else.
 *
 * A backend is a module with one exported symbol, `paco_backend`, a function that returns a const
 * Backend. The module includes only src/base and src/device. Above this line nothing includes an
 * OpenCL or CUDA header.
 *
 * Order: steps, writes, reads and fetches of one device take effect in the order of the calls.
 * `run`, `write` and `fetch` may return before the work is done; `read`, `wait` and `sync` wait. A
 * device is used by one thread. */
#ifndef PACO_DEVICE_BACKEND_H
#define PACO_DEVICE_BACKEND_H

#include "base/status.h"
#include "device/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BACKEND_ABI = 10, STEP_MAX_REFS = 15, KERNEL_ARGS_MAX = 256 };

typedef struct Buffer Buffer; /* the backend's own: memory on a device */
typedef struct Device Device; /* the backend's own: an opened device with its queue and programs */

/* A place on a device. Offsets reach kernels as arguments: OpenCL has no pointers into buffers. */
typedef struct Ref {
    Buffer *buf;  /* NULL: this optional operand is absent */
    uint64_t off; /* bytes, a multiple of the element's size */
} Ref;

/* ------------------------------------------------------------------------------------ steps */

/* X(name, word for plans and profiles) */
#define STEP_KIND_LIST(X)                                                                          \
    X(KERNEL, "kernel")                                                                            \
    X(GEMM, "gemm") X(CONV, "conv") X(COPY, "copy") X(FILL, "fill") X(COMM, "comm")

typedef enum StepKind {
#define X(name, word) STEP_##name,
    STEP_KIND_LIST(X)
#undef X
} StepKind;

/* KERNEL: one launch of a kernel of kernels.def. The argument struct is the one kernels.def names.
 */
typedef struct KernelStep {
    int id;                        /* KernelId */
    DType type;                    /* of operands that are images: `act` of the dialect */
    uint32_t global[3],
        local[3]; /* work-items in all, and per group; zeros in local: the backend chooses */
    uint32_t args_bytes;
    _Alignas(8) uint8_t args[KERNEL_ARGS_MAX];
} KernelStep;

/* GEMM: C[M,N] = alpha op(A)[M,K] op(B)[K,N] + beta C + bias[N], row-major, elements of `type`.
 * refs: A, B, C, bias (absent: none). A is [M,K] with row stride lda, or [K,M] when trans_a; B is
 * [K,N] with row stride ldb, or [N,K] when trans_b. beta is 0 (C is not read) or 1. */
typedef struct GemmDesc {
    int32_t M, N, K, lda, ldb, ldc;
    bool trans_a, trans_b;
    float alpha, beta;
    DType type; /* DTYPE_F32: features and logits are never in 16 bits */
    Math math;
} GemmDesc;

/* CONV: a two-dimensional convolution (cross-correlation). Activations have the device's layout,
 * zero lanes beyond C, and elements of `type`; weights are the master copy [K][C/groups][R][S],
 * float32, rounded to `type` before they are used, or with `plain` the same that were rounded
 * already. Sums and bias are float32, and so is dw, or with `plain` of `type`. refs by op:
 *   FORWARD      x, w, y, bias[K] or absent, residual (like y) or absent:
 *                y = act((accumulate ? y : 0) + conv(x, w) + bias + residual)
 *   GRAD_DATA    dy, w, dx: dx = (accumulate ? dx : 0) + conv^T(dy, w)
 *   GRAD_WEIGHT  x, dy, dw: dw[K][C/groups][R][S], overwritten
 *   PACK         w, packed: brings w into the form that `packed_for` wants; step->algorithm is that
 *                of the convolution it packs for, and choose need not be asked
 * FORWARD and GRAD_DATA read w where packed_bytes is 0, else only Step.packed; w may be absent. */
/* X(name, word for plans and profiles, name in tuning files) */
#define CONV_OP_LIST(X)                                                                            \
    X(FORWARD, "conv_forward", "conv.forward")                                                     \
    X(GRAD_DATA, "conv_grad_data", "conv.grad-data")                                               \
    X(GRAD_WEIGHT, "conv_grad_weight", "conv.grad-weight")                                         \
    X(PACK, "conv_pack", "conv.pack")

typedef enum ConvOp {
#define X(name, word, algorithm) CONV_##name,
    CONV_OP_LIST(X)
#undef X
} ConvOp;

/* The operation's name in tuning files and in DeviceOptions.kernels. */
static inline const char *conv_op_key(ConvOp op)
{
    static const char *const keys[] = {
#define X(name, word, algorithm) algorithm,
        CONV_OP_LIST(X)
#undef X
    };
    return keys[op];
}

typedef struct ConvDesc {
    ConvOp op, packed_for;                  /* packed_for: FORWARD or GRAD_DATA, when op is PACK */
    int32_t N, C, H, W, K, R, S, P, Q;      /* C, H, W: the input x; K, P, Q: the output y */
    int32_t stride, pad, groups;
    DType type;                             /* of x, y, their gradients, residual, and w in use */
    Math math;                              /* of float32; STRICT where type has 16 bits */
    bool relu, accumulate;
    bool plain; /* w and dw have elements of `type`: on a device that says so (device_plain) */
} ConvDesc;

/* COPY: refs from, to.  FILL: ref to; `bytes` of Step say how much. */
typedef struct FillDesc {
    uint32_t pattern; /* 32 bits, repeated */
} FillDesc;

/* COMM: what processes do together; backends see it as ranges alone (GroupRange). GATHER: refs are
 * values of rows, rank after rank; each process brings its own. SUM: refs are partial sums of a
 * vector of floats, as ranks_nodes lists them; the first becomes the sum over all ranks. */
typedef enum CommOp { COMM_GATHER, COMM_SUM } CommOp;

typedef struct Step {
    StepKind kind;
    int refs_count;
    Ref refs[STEP_MAX_REFS];
    uint32_t writes;          /* bit i: refs[i] is written */
    uint32_t given;           /* bit i: there is a refs[i], also before it has a place */
    int launches; /* of kernels, as far as is known: a library's call counts as one. choose may set
                     it */
    Ref packed; /* CONV: the packed weights, made by a PACK step; absent when packed_bytes is 0 */
    Ref workspace; /* scratch of workspace_bytes, its contents undefined before and after */
    uint64_t packed_bytes;    /* set by choose */
    uint64_t packed_layout;   /* set by choose: steps on one weight with the same layout share one
                                 packed copy */
    uint64_t workspace_bytes; /* set by choose */
    const char
        *algorithm; /* wanted of choose (a candidate's name, or NULL); set by it: what will run */
    int64_t bytes, flops; /* what the step moves and computes at least; COPY and FILL: how much */
    const char *name;         /* for messages and profiles: the node it came from */
    void *prepared;           /* the backend's own, made by prepare */
    union {
        KernelStep kernel;
        GemmDesc gemm;
        ConvDesc conv;
        FillDesc fill;
        CommOp comm;
    };
} Step;

/* ------------------------------------------------------------------------------------ devices */

/* X(name, bit, word of `paco devices`)
 * CPU: few work-items with long loops, else work-groups and local memory. SUBGROUPS: values can be
 * shuffled within sub-groups. ACCELERATOR: neither a processor nor a GPU, never chosen before one.
 * ROUNDED_SUMS: in 16 bits the sum of a convolution is rounded before bias and residual are added
 * to it, and so is a gradient of weights, which in fp16 is scaled so that it overflows when dy does:
 * cuDNN has nothing else. PLAIN_WEIGHTS: in 16 bits convolutions read and write weights in the
 * parameters' order, where device_plain says so. LAST_TEAM: of the teams of a launch the last one
 * sees what the others wrote, and merges it. OWN_MEMORY: nobody but this program lives in it, so
 * that a plan may fill it to save time. */
#define DEVICE_CAP_LIST(X)                                                                         \
    X(CPU, 1, "processor") X(UNIFIED_MEMORY, 2, "unified-memory") X(SUBGROUPS, 4, "subgroups")     \
    X(FP16, 8, "fp16") X(FP64, 16, "fp64") X(ACCELERATOR, 32, "accelerator")                       \
    X(ROUNDED_SUMS, 64, "rounded-sums") X(PLAIN_WEIGHTS, 128, "plain-weights")                      \
    X(LAST_TEAM, 256, "last-team") X(OWN_MEMORY, 512, "own-memory")

typedef enum DeviceCaps {
#define X(name, bit, word) CAP_##name = (bit),
    DEVICE_CAP_LIST(X)
#undef X
} DeviceCaps;

/* What a device can do at most, per second; zeros: not known. */
typedef struct Ceilings {
    double bytes;         /* read and written together */
    double float32, tf32; /* floating-point operations of products, by their math, */
    double half;          /* and of 16 bits */
} Ceilings;

typedef struct DeviceInfo {
    char name[128], platform[128], vendor[128], driver[128], version[128];
    uint64_t memory;         /* bytes of device memory */
    uint64_t free_memory;    /* bytes of it that others did not have when it was opened, or when it
                                last refused a buffer; 0: not known */
    uint64_t max_alloc;      /* largest single buffer */
    uint32_t units;          /* compute units: cores of a CPU */
    uint32_t max_group;      /* largest work-group */
    uint32_t local_memory;   /* bytes of local memory of a group */
    uint32_t alignment;      /* bytes; a place of a value is a multiple of it */
    uint32_t caps;           /* DeviceCaps */
    int channel_block;       /* c of the activation layout [N][C/c][H][W][c]; 0: [N][H][W][C] */
    int channel_multiple;    /* without blocks: C is padded to a multiple of it */
    Math math;               /* of an opened device: what its float32 products are made of */
    Ceilings ceilings;       /* of a device on paper */
    char slot[32];           /* where it is plugged in: a PCI place; empty: not known */
    char why[256];           /* not empty: the device cannot be used, and why */
} DeviceInfo;

/* Bytes that a plan can have there, as far as is known. Where it may fill the device, a part stays
 * for what comes later: kernels that libraries load when they are first used, graphs, writes that
 * wait. */
static inline uint64_t device_room(const DeviceInfo *info)
{
    uint64_t room = info->free_memory ? info->free_memory : info->memory;
    const uint64_t most = (uint64_t)512 << 20;
    uint64_t reserve = room / 16 < most ? room / 16 : most;
    return info->caps & CAP_OWN_MEMORY ? room - reserve : room;
}

/* Work-items of a team (kernels_cl/team.h), which does together what one work-item does on a
 * processor. The kernels are built for it and the plan counts with it. */
static inline uint32_t device_team(const DeviceInfo *info)
{
    return info->caps & CAP_CPU ? 1 : info->max_group < 128 ? 64 : 128;
}

/* Elements of a vector of the kernels there: LANES of kernels_cl/dialect.h. */
static inline int device_lanes(const DeviceInfo *info)
{
    return info->caps & CAP_CPU ? 16 : 4;
}

/* Channels of an activation there, with padding. */
static inline int device_width(const DeviceInfo *info, int64_t channels)
{
    int unit = info->channel_block ? info->channel_block : info->channel_multiple;
    return (int)((channels + unit - 1) / unit * unit);
}

/* Whether its convolutions from C to K channels want the parameters' own elements in 16 bits, as
 * ConvDesc.plain has them: weights of padded channels they do not. */
static inline bool device_plain(const DeviceInfo *info, int64_t C, int64_t K, int groups)
{
    return info->caps & CAP_PLAIN_WEIGHTS &&
           (groups > 1 || (device_width(info, C) == C && device_width(info, K) == K));
}

/* ROUNDED_SUMS: what a gradient of weights, a sum over so many output pixels, is multiplied by
 * before it is rounded to 16 bits: a power of two, 1 but in fp16. Its format ends where dy's does:
 * it is divided by about the root of the number of terms, and so overflows when dy does. */
static inline float device_grad_scale(DType type, int64_t pixels)
{
    return type == DTYPE_F16 ? (float)ldexp(1, -ilogb((double)pixels) / 2) : 1;
}

/* ------------------------------------------------------------------------------------ groups */

enum { GROUP_ID = 128, GROUP_TEXT = 200 };

/* Processes that move values between their devices without the host's memory; each has one device.
 */
typedef struct DeviceGroup {
    int count, index;     /* how many there are, and which of them this one is */
    uint8_t id[GROUP_ID]; /* of group_id, the same in all */
    /* The tree of a sum. Process p brings pieces[p] partial sums; behind piece i of all processes,
     * in their order, the last two sums become one merges[i] times, and one is left in the end. */
    const int *pieces, *merges;
    int64_t longest; /* floats: no range of a sum is longer */
    double patience, joining; /* seconds that a collective, and joining, may take */
    /* Called while calls of the backend wait for other processes: what they wait for (a literal),
     * NULL once they go on; and where a collective fails or takes too long: does not return. */
    void (*waits)(void *owner, const char *what);
    void (*lost)(void *owner, const char *why);
    void *owner;
} DeviceGroup;

/* What an exchange moves. GATHER: refs[0] holds the rows of all processes, `count` bytes of each;
 * this one's are there. SUM: the refs are this process's partial sums of `count` floats. */
typedef struct GroupRange {
    Ref refs[STEP_MAX_REFS];
    int64_t count;
} GroupRange;

/* How to open a device. Strings may be NULL. */
typedef struct DeviceOptions {
    int threads;            /* CPU devices: cores to use; 0: all */
    const char *kernels; /* force kernels: "cpu" or "gpu" in place of the device's own kind, or an
                            algorithm name for one op: "conv.forward=NAME", comma-separated; CUDA:
                            "graphs=off", "nccl=off" */
    const char
        *cache; /* folder of built programs and tuning results; NULL: the user's cache folder */
    Math math;              /* wanted; a device that has no other than STRICT opens with that */
    bool plan_only; /* nothing but opened, choose, candidate and close: a device on paper will do */
    bool profile;           /* per-step times are wanted */
} DeviceOptions;

typedef struct Backend {
    uint32_t abi;      /* BACKEND_ABI */
    const char *name;  /* "opencl" */

    /* How many devices there are; STATUS_DEVICE with the reason when the backend cannot work at
     * all. */
    Status (*count)(int *count);
    Status (*info)(int index, DeviceInfo *info);
    Status (*open)(int index, const DeviceOptions *options, Device **device);
    void (*close)(Device *device);
    /* Devices that are there on paper, as descriptions, to plan for: their names, NULL behind the
     * last, and opening the i-th. Both NULL: the backend knows none. */
    const char *const *papers;
    Status (*open_paper)(int i, const DeviceOptions *options, Device **device);
    const DeviceInfo *(*opened)(const Device *device); /* with forced kernels taken into account */

    Status (*alloc)(Device *device, uint64_t bytes, Buffer **buffer);
    void (*release)(Device *device, Buffer *buffer);
    /* The host memory may be reused when write returns. */
    Status (*write)(Device *device, Ref to, const void *from, uint64_t bytes);
    Status (*read)(Device *device, void *to, Ref from, uint64_t bytes);
    /* A late read: fetch begins a copy into memory of the backend and returns at once; wait, once
     * for each ticket and in any order, waits for that copy alone and gives its bytes; arrived
     * tells whether wait would not wait. Memory is kept for the next fetch of as many bytes. */
    Status (*fetch)(Device *device, Ref from, uint64_t bytes, int *ticket);
    bool (*arrived)(Device *device, int ticket);
    Status (*wait)(Device *device, int ticket, void *to);
    /* UNIFIED_MEMORY, else NULL: a late read that copies nothing. mapped, once for each ticket,
     * waits and gives the place itself, for the host to read and write until unmap; meanwhile
     * nothing on the device may touch it. */
    Status (*map)(Device *device, Ref place, uint64_t bytes, int *ticket);
    Status (*mapped)(Device *device, int ticket, void **at);
    Status (*unmap)(Device *device, int ticket);

    /* Before memory is planned: picks an algorithm (the one asked for in step->algorithm, if it can
     * run the step); fills packed_bytes, packed_layout, workspace_bytes and algorithm. refs are not
     * looked at. */
    Status (*choose)(Device *device, Step *step);
    /* Name of the i-th algorithm that could run this convolution or GEMM, NULL behind the last; for
     * tuning. */
    const char *(*candidate)(Device *device, const Step *step, int i);
    /* Once its refs are final: builds what is needed to run the step; discard undoes it. */
    Status (*prepare)(Device *device, Step *step);
    void (*discard)(Device *device, Step *step);
    Status (*run)(Device *device, const Step *steps, int count);
    Status (*sync)(Device *device);

    /* Groups. All of these NULL: the backend has none.
     * Whether a device can be in one (NULL: any that forced kernels do not keep out): by what
     * ("NCCL 2.28.9"), or why not, in `text`. */
    bool (*groups)(const Device *device, char text[GROUP_TEXT]);
    /* What all processes of a new group join it by: one of them makes it. */
    Status (*group_id)(uint8_t id[GROUP_ID]);
    /* Joins, at the same time as the others; leaves, once nothing is on its way. STATUS_DEVICE,
     * with the reason, where it cannot be joined. Closing a device leaves, too. */
    Status (*join)(Device *device, const DeviceGroup *group);
    void (*leave)(Device *device);
    /* Begins to exchange what the steps before it compute, and returns at once. All processes make
     * the same calls in the same order. Steps that follow may run beside it: they may not touch its
     * ranges before `settle`, behind which the results of all exchanges are there. `fast`: a sum in
     * any order. */
    Status (*exchange)(Device *device, CommOp op, bool fast, const GroupRange *ranges, int count);
    Status (*settle)(Device *device);

    /* Profiling: seconds each of the last run's steps took, with options.profile. STATUS_DEVICE
     * otherwise. */
    Status (*elapsed)(Device *device, const Step *step, double *seconds);
} Backend;

/* The symbol of a module. */
typedef const Backend *BackendEntry(void);

#endif
