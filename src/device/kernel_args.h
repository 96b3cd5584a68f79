/* Argument structs of the kernels: one text for the host, OpenCL C and CUDA. Only int, unsigned,
 * float and long members (32, 32, 32 and 64 bits on all three), the longs first; no pointers:
 * places are refs.
 *
 * `width` are the channels of an activation with padding; where its elements lie, the dialect's
 * PLACE_OF and PIXEL know.
 * "chunk" splits a range over the work-items of CPUs: item i does [i * chunk, min(n, (i + 1) *
 * chunk)). */
#ifndef PACO_KERNEL_ARGS_H
#define PACO_KERNEL_ARGS_H

/* Partial sums over ranks that a share may hold: enough for 4096 ranks in one process. */
enum { GRAD_SUMS_MAX = 12 };

/* What changes from step to step and rank to rank: one small device value, read by kernels. 64
 * bytes. */
typedef struct StepState {
    float lr;         /* learning rate */
    float grad_scale; /* loss scale / ranks: factor of the gradient at its root */
    int rank, turn;   /* rank whose segment runs now; its place within the process's share */
    int queue_head;   /* row of the queue that the next key goes to */
    int step;         /* steps done so far */
    int sums_held, sums_merged; /* of the rank's gradients: comm/ranks.h, RankSum */
    int reserved[8];
} StepState;

/* The floats of fp16's scaler, one device value: the factor of the loss, steps since it last
 * changed, steps skipped so far, and whether a gradient of the running step is not finite (1, else
 * 0). */
enum { SCALER_SCALE, SCALER_GROWTH, SCALER_SKIPS, SCALER_FOUND, SCALER_FLOATS };

/* Elementwise over n floats; a and b mean what the kernel says. */
typedef struct RangeArgs {
    long n, chunk;
    float a, b;
} RangeArgs;

/* RangeArgs, and further factors: a is that of what lies before begins[0], factors[k] that of what
 * lies from begins[k] on, a multiple of LANES; what is not in use begins at WIDEN_NEVER. */
enum { WIDEN_MORE = 7 };
#define WIDEN_NEVER 0x7fffffffffffffffL
typedef struct WidenArgs {
    long n, chunk;
    float a, b;
    long begins[WIDEN_MORE];
    float factors[WIDEN_MORE];
} WidenArgs;

typedef struct BnArgs {
    int N, C, width, HW;
    int splits; /* of the planes' pieces, for sums */
    int pieces; /* of a plane, one after another */
    int relu;
    float eps, momentum;
} BnArgs;

typedef struct FoldArgs {
    int K, row; /* weights per output channel */
    float eps;
} FoldArgs;

typedef struct PoolArgs {
    int N, C, width, H, W, P, Q;
    int window, stride, pad;
} PoolArgs;

typedef struct ShortcutArgs {
    int N, C, width, K, small_width, H, W, P, Q; /* the side of full resolution, and the other */
    int shift; /* channel of the output that channel 0 of the input goes to */
} ShortcutArgs;

/* Rows of features: D of them count, `stride` apart. */
typedef struct RowArgs {
    int rows, D, stride;
} RowArgs;

typedef struct ColumnArgs {
    int N, C, stride;
} ColumnArgs;

typedef struct PacoArgs {
    int B, L, M;   /* images, classes, queue */
    int block;     /* B rounded up: floats from similarities to q to those to k, to the queue's */
    int ldz, ldl;  /* floats between rows of similarities and of logits */
    float alpha, beta, gamma, inv_supt;
    float scale;   /* temperature / base temperature */
} PacoArgs;

typedef struct ScaleArgs {
    int interval; /* steps without overflow until the scale grows */
    float growth, backoff;
} ScaleArgs;

typedef struct MeanArgs {
    int n;
} MeanArgs;

typedef struct ImageArgs {
    int B, HW, width;
    float scale[3], shift[3]; /* bytes: x * scale + shift */
} ImageArgs;

typedef struct CopyRowsArgs {
    int rows, width; /* of one rank; 4-byte elements */
} CopyRowsArgs;

typedef struct PushArgs {
    int rows, width, M;
} PushArgs;

#endif
