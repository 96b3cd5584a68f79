/* Argument structs of the kernels: one text for the host, OpenCL C and CUDA. Only int, unsigned, float and
 * long members (32, 32, 32 and 64 bits on all three), the longs first; no pointers: places are refs.
 *
 * Kernels of activations see them as [N][CB][HW][16] float32 with 16 lanes per channel block. "items"
 * and "chunk" split a range over work-items: item i does [i * chunk, min(n, (i + 1) * chunk)). */
#ifndef PACO_KERNEL_ARGS_H
#define PACO_KERNEL_ARGS_H

/* What changes from step to step and rank to rank: one small device value, read by kernels. 64 bytes. */
typedef struct StepState {
    float lr;         /* learning rate */
    float grad_scale; /* loss scale / ranks: factor of the gradient at its root */
    int rank;         /* rank whose segment runs now */
    int queue_head;   /* row of the queue that the next key goes to */
    int step;         /* steps done so far */
    int reserved[11];
} StepState;

/* Elementwise over n floats, n and chunk multiples of 16 except for the tail of plain tensors. */
typedef struct RangeArgs {
    long n, chunk;
    float a, b; /* meaning depends on the kernel */
} RangeArgs;

#endif
