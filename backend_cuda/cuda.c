#include "cuda.h"

Status cuda_fail(cudaError_t code, const char *where)
{
    cudaGetLastError(); /* what is not sticky is forgotten: the next call must not report it */
    return status_fail(code == cudaErrorMemoryAllocation ? STATUS_LIMIT : STATUS_DEVICE,
                       "cuda: %s: %s (%s)", where, cudaGetErrorString(code),
                       cudaGetErrorName(code));
}

Status cudnn_fail(cudnnStatus_t code, const char *where)
{
    char more[256] = "";
    cudnnGetLastErrorString(more, sizeof more);
    bool memory = code == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
                  code == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
    return status_fail(memory ? STATUS_LIMIT : STATUS_DEVICE, "cuda: %s: %s%s%s", where,
                       cudnnGetErrorString(code), more[0] ? ": " : "", more);
}

Status blas_fail(cublasStatus_t code, const char *where)
{
    return status_fail(code == CUBLAS_STATUS_ALLOC_FAILED ? STATUS_LIMIT : STATUS_DEVICE,
                       "cuda: %s: %s", where, cublasLtGetStatusString(code));
}
