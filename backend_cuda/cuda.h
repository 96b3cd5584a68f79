/* Inside of the CUDA backend: the handle of an opened device, and how the libraries' calls fail.
 *
 * The files stand in layers; each includes and calls only those above it.
 *
 *   cuda             the device handle and errors
 *   memory           buffers, COPY and FILL steps
 *   kernel           steps of kernels.def: one launch each
 *   properties       what cuDNN is told of the device
 *   cudnn            one convolution as cuDNN's graph: its plans
 *   conv             convolutions: choosing a plan, packed weights, what comes after
 *   gemm             matrix products by cuBLASLt
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

struct Device {
    DeviceInfo info;
    int index;
    cudaStream_t stream;
    cudnnHandle_t cudnn;
    cublasLtHandle_t blas;
    cudnnBackendDescriptor_t properties; /* of the device, as cuDNN wants to know them */
    ConvPlans *plans;
    const char *forced[CONV_PACK]; /* a plan's name for each operation; NULL: none */
    bool tensor_cores;             /* TF32 for float32: --math tf32 */
    bool profile;
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
