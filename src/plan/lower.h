/* Lowering: what an operator's lower function emits steps with. */
#ifndef PACO_PLAN_LOWER_H
#define PACO_PLAN_LOWER_H

#include "plan/plan.h"
#include "plan/types.h"

struct Lowering {
    Plan *plan;
    const Node *node;    /* being lowered */
    Segment segment;     /* steps go here */
    int room;
    bool looks_on;       /* what the backend refuses does not end it: all of it is told */
    char refused[STATUS_TEXT_MAX]; /* the latest refusal, which is not told yet */
};

/* An operand of a step. */
typedef struct Operand {
    const Value *value; /* NULL: absent */
    uint64_t off;       /* bytes */
    bool write;
} Operand;

#define IN(v) ((Operand){.value = (v)})
#define OUT(v) ((Operand){.value = (v), .write = true})
#define AT(v, bytes) ((Operand){.value = (v), .off = (uint64_t)(bytes)})

/* Work-items along three dimensions, and along the first of a work-group; 0: the backend chooses.
 */
typedef struct Grid {
    uint32_t items[3], group;
} Grid;

/* A kernel launch; the operands are the kernel's refs in order. `flops` may be 0. */
void lower_kernel(Lowering *l, KernelId id, const void *args, size_t args_bytes, Grid grid,
                  int64_t flops, int count, const Operand *operands);
#define LOWER_KERNEL(l, name, args, grid, flops, ...)                                              \
    lower_kernel(l, KERNEL_##name, args, sizeof *(args), grid, flops,                              \
                 (int)(sizeof((Operand[]){__VA_ARGS__}) / sizeof(Operand)),                        \
                 (Operand[]){__VA_ARGS__})

void lower_gemm(Lowering *l, GemmDesc gemm, Operand a, Operand b, Operand c, Operand bias);
/* A convolution; `weight` is packed first where the device wants it (once per step with several
 * ranks). */
void lower_conv(Lowering *l, ConvDesc conv, int weight, int count, const Operand *operands);
void lower_fill(Lowering *l, Operand to, uint64_t bytes, uint32_t pattern);
void lower_copy(Lowering *l, Operand from, Operand to, uint64_t bytes);

/* What processes do together with these values. */
void lower_comm(Lowering *l, CommOp op, int count, const Operand *operands);

/* The newest step moves so many bytes, instead of all of its operands. */
void lower_moves(Lowering *l, int64_t bytes);

/* `out` takes the place of `in` where this node is the last that reads it and both are activations;
 * else it gets its own. Tells which. */
bool lower_over(Lowering *l, const Value *out, const Value *in);
/* `out` begins with the contents of `in`: in its place where this is the last use, else as a copy.
 */
void lower_accumulate(Lowering *l, const Value *out, const Value *in);

/* The layout of an activation on the plan's device. */
Layout lower_layout(const Lowering *l, const Value *v);
/* The same, with all images as one where their pixels follow each other: for what treats every
 * pixel alike. */
Layout lower_pixels(const Lowering *l, const Value *v);

/* Scratch of the node being lowered: `count` floats, alive between the steps that name it. */
Value *lower_temp(Lowering *l, int64_t count);
/* The StepState, as an operand. */
Operand lower_state(const Lowering *l);
/* Counts of teams that came, `count` of them, for a kernel whose last team goes on: zeros between
 * launches, and one for all kernels. NULL on a device that has no last team. */
const Value *lower_arrivals(Lowering *l, int count);
/* Work-items that keep a device busy. */
int64_t lower_busy_items(const DeviceInfo *info);
/* Work-items that a loop over `n` floats is split into, and, on CPUs, the floats of each (a
 * multiple of 16). */
Grid lower_range(const Lowering *l, int64_t n, long *chunk);
/* Teams (kernels_cl/team.h) along three dimensions; 0 counts as 1. On CPUs a team is a
 * work-item. */
Grid lower_teams(const Lowering *l, int64_t x, int64_t y, int64_t z);
/* Items over activations of a layout: parts of a plane's pixels, vectors fastest on GPUs, at least
 * `least` pixels each on CPUs; tiles of channels; images. */
Grid lower_planes(const Lowering *l, Layout a, int64_t least);
/* How many parts to split a reduction into, where `teams` independent teams exist and `parts` parts
 * at most. */
int lower_splits(const Lowering *l, int64_t teams, int64_t parts);

/* Pieces of a plane of pixels for such a reduction over all planes: on GPUs more than one where
 * images are few. */
int lower_pieces(const Lowering *l, Layout a);

#endif
