/* One convolution as an operation graph of cuDNN, and the plans it has for it on a device.
 *
 * Activations are NHWC with padded channels, weights KCRS. Left out are engines whose results
 * differ from run to run or that are compiled at run time, and for float32 in strict math
 * those that round what they multiply. Plans come in the order of cuDNN's heuristics, those that
 * need more workspace than WORKSPACE_MAX behind the others. */
#ifndef PACO_CUDA_CUDNN_H
#define PACO_CUDA_CUDNN_H

#include "cuda.h"

enum { WORKSPACE_MAX = 256 << 20 }; /* bytes; more only where nothing else works */

typedef struct ConvPlan {
    char name[128];                 /* "cudnn-ENGINE" and its knobs */
    cudnnBackendDescriptor_t plan;  /* finalised */
    uint64_t workspace;             /* bytes */
} ConvPlan;

struct ConvPlans {
    ConvPlans *next;
    ConvDesc desc; /* channels as they lie in memory */
    ConvPlan *plans;
    int count;
};

/* Unique ids of the tensors of a graph. */
enum { TENSOR_X = 1, TENSOR_W, TENSOR_Y };

/* The plans of a convolution (op FORWARD, GRAD_DATA or GRAD_WEIGHT) whose C and K are those in
 * memory. relu is not looked at: nothing but the convolution is in the graph. */
Status cudnn_plans(Device *device, const ConvDesc *desc, const ConvPlans **plans);
/* Where a plan's tensors and workspace lie, for cudnnBackendExecute. */
Status cudnn_pack(const void *x, const void *w, const void *y, const void *workspace,
                  cudnnBackendDescriptor_t *pack);
void cudnn_release(Device *device);

#endif
