/* A simulation of a GPU, for machines without one: the CUDA backend's own host code and kernels, run on the processor.
 *
 * Stand-ins, and only these: the runtime (runtime.c, streams.c), cuBLASLt (blas.c), NCCL (nccl.c), and of cuDNN what needs a
 * device: opening it and executing a plan (dnn.c); its descriptors, heuristics and plans are the real library's, for
 * the device of properties.c. Kernels run block by block, every thread a fiber (fibers.c), so that a barrier that is
 * missing or not reached by all is seen, and a fence that is missing before a block tells others of what it wrote.
 *
 * A stream is lazy: nothing happens until somebody waits for it, and then only what it waits for: the stream, or what
 * comes before an event, and of other streams what these wait for. To ask whether it is done is to wait, too, but for other
 * processes. Pinned memory is read when the stream comes to it.
 * Memory begins as 0xff, not-a-number in every type. What is recorded for a graph does not run, and what is illegal
 * then spoils the recording. */
#ifndef PACO_CUDA_SIM_H
#define PACO_CUDA_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As tensor cores read a float32: to nearest, ties to even, with 10 digits of its fraction. */
static inline float sim_tf32(float x)
{
    union { float number; uint32_t bits; } u = {x};
    bool finite = (u.bits & 0x7f800000) != 0x7f800000;
    if (finite)
        u.bits = (u.bits + 0xfff + (u.bits >> 13 & 1)) & ~(uint32_t)0x1fff;
    return u.number;
}

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SimDim {
    unsigned x, y, z;
} SimDim;

/* ---- fibers.c */

/* A kernel: calls it with arguments by address. */
typedef struct SimKernel {
    void (*call)(void *const *arguments);
    int count;
    const size_t *sizes; /* of each argument, in bytes */
    const char *name; /* "... F = NAME]", as the compiler says it */
} SimKernel;

/* Where the running thread is. */
typedef struct SimThread {
    SimDim thread, block, block_size, grid_size;
} SimThread;
extern SimThread *sim_self;

/* Ends the program with what is wrong in the running kernel. */
void sim_fail(const char *what);
/* Every thread of every block. */
void sim_run(const SimKernel *kernel, void *const *arguments, SimDim grid, SimDim block);
void sim_barrier(void);
float sim_shuffle(float value, int lane);
/* The block's memory: the same place for the same call in every thread. */
void *sim_shared(size_t bytes, const void *who);
/* A vector of at most 16 bytes goes to memory. Where blocks count each other, once each, other blocks see it before the
 * end of the kernel only if a fence of its thread lies between it and the count. */
void sim_store(void *to, const void *from, size_t bytes);
void sim_fence(void);
void sim_counts(void);

/* ---- streams.c */

/* Work that a stream does when somebody waits for it, or as often as a graph of it is launched; `own` is freed behind
 * it. */
void sim_enqueue(void *stream, void (*work)(void *own), void *own);
/* Work that takes several attempts, until one returns true: it waits for other processes. */
void sim_enqueue_try(void *stream, bool (*attempt)(void *own), void *own);
/* A stream goes as far as it can without waiting for other processes, although nobody waits for it. */
void sim_hurry(void *stream);
/* What a library of its own is told of these. */
typedef struct SimStreams {
    void (*enqueue_try)(void *stream, bool (*attempt)(void *own), void *own);
    void (*hurry)(void *stream);
} SimStreams;
/* All that was asked for, of every stream. */
void sim_drain(void);
bool sim_recording(const void *stream);
/* While a stream records, calls that wait or take memory are illegal, whatever they are for: whether one does, which
 * spoils its recording. */
bool sim_illegal(void);

#ifdef __cplusplus
}
#endif
#endif
