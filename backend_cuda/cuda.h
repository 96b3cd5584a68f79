/* Inside of the CUDA backend: the handle of an opened device, and how the libraries' calls fail.
 *
 * The files stand in layers; each includes and calls only those above it.
 *
 *   cuda             the device handle and errors
 *   nccl_load        NCCL, loaded at run time
 *   wait             waiting for the device, and for other processes
 *   memory, transfer buffers, COPY and FILL steps; writes, reads, fetches
 *   kernel           steps of kernels.def: one launch each
 *   properties       what cuDNN is told of the device
 *   paper            devices that are described only
 *   cudnn            one convolution as cuDNN's graph: its plans
 *   conv             convolutions: choosing a plan, packed weights, what comes after
 *   gemm             matrix products by cuBLASLt
 *   group            what processes do together
 *   replay           running ranges of steps, recorded as graphs
 *   discover, open   which devices there are; opening one
 *   backend          the functions of the contract */
#ifndef PACO_CUDA_H
#define PACO_CUDA_H

#include "device/backend.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn_graph.h>

struct Buffer {
    char *memory;
    uint64_t bytes;
};

/* A convolution's plans, kept for all steps that are alike (cudnn.h). */
typedef struct ConvPlans ConvPlans;

/* Pinned memory on the way to the device or back (transfer.h). */
typedef struct Slot {
    char *memory;
    uint64_t room, held; /* bytes; held: of a fetch that nobody waited for yet, else 0 */
    cudaEvent_t done;    /* behind the last use; NULL: never used */
} Slot;

/* What DeviceInfo says of every device. */
enum {
    CUDA_ALIGNMENT = 256,
    CUDA_CHANNELS = 8,
    CUDA_CAPS = CAP_SUBGROUPS | CAP_FP16 | CAP_FP64 | CAP_ROUNDED_SUMS | CAP_PLAIN_WEIGHTS |
                CAP_LAST_TEAM
};

/* Where a large write comes to on the device before its turn. */
typedef struct Landing {
    void *memory; /* NULL: no memory was left */
    uint64_t room;
    cudaEvent_t arrived;
} Landing;

/* Writes that may be on their way: those of two steps, of which each writes its state before every
 * segment of every rank, and two sets of images. */
enum { SMALL_WRITES = 64, LARGE_WRITES = 2 };

/* A range of steps that ran (replay.h). */
typedef struct Replay Replay;

/* The processes that it exchanges values with (wait.h). */
typedef struct Group Group;

struct Device {
    DeviceInfo info;
    cudaStream_t stream, uploads; /* uploads: of large writes, which wait for nothing */
    Slot small[SMALL_WRITES], large[LARGE_WRITES];
    Slot *fetches; /* by ticket */
    int fetches_count;
    Landing landings[LARGE_WRITES]; /* of the large slots */
    uint64_t small_turn, large_turn;
    Replay *replays;
    Group *group; /* NULL: none */
    cudnnHandle_t cudnn;
    cublasLtHandle_t blas;
    cudnnBackendDescriptor_t properties; /* of the device, as cuDNN wants to know them */
    ConvPlans *plans;
    char *forced[CONV_PACK]; /* a plan's name for each operation; NULL: none */
    bool profile, graphs, nccl;
    uint64_t held; /* bytes of buffers */
};

/* What a prepared step is. */
struct Prepared;
typedef Status StepRun(Device *device, const Step *step, const void *own);

typedef struct Prepared {
    StepRun *run;
    void (*release)(void *own); /* NULL: own is one allocation */
    void *own;
    cudaEvent_t begin, end; /* with profiling; else NULL */
} Prepared;

/* The place of a ref on the device; NULL: absent. */
static inline void *place_of(Ref ref)
{
    return ref.buf ? ref.buf->memory + ref.off : NULL;
}

/* "cuda: WHERE: the library's own words", STATUS_LIMIT where memory ran out, else STATUS_DEVICE. */
Status cuda_fail(cudaError_t code, const char *where);
Status cudnn_fail(cudnnStatus_t code, const char *where);
Status blas_fail(cublasStatus_t code, const char *where);

#define CUDA_TRY(call, where)                                                                      \
    do {                                                                                           \
        cudaError_t code_ = (call);                                                                \
        if (code_ != cudaSuccess)                                                                  \
            return cuda_fail(code_, where);                                                        \
    } while (0)
#define CUDNN_TRY(call, where)                                                                     \
    do {                                                                                           \
        cudnnStatus_t code_ = (call);                                                              \
        if (code_ != CUDNN_STATUS_SUCCESS)                                                         \
            return cudnn_fail(code_, where);                                                       \
    } while (0)
#define BLAS_TRY(call, where)                                                                      \
    do {                                                                                           \
        cublasStatus_t code_ = (call);                                                             \
        if (code_ != CUBLAS_STATUS_SUCCESS)                                                        \
            return blas_fail(code_, where);                                                        \
    } while (0)

#endif
