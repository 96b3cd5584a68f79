/* One convolution as an operation graph of cuDNN, and the plans it has for it on a device.
 *
 * Activations are NHWC with padded channels, weights KCRS. Left out are engines whose results
 * differ from run to run or that are compiled at run time, and for float32 in strict math those
 * that round what they multiply. Plans come in the order of cuDNN's heuristics. A configuration
 * becomes a plan only when it is asked for: most are never run, and making one takes time. */
#ifndef PACO_CUDA_CUDNN_H
#define PACO_CUDA_CUDNN_H

#include "cuda.h"

enum { WORKSPACE_MAX = 256 << 20 }; /* bytes; more only where nothing else works */

typedef struct ConvPlan {
    char name[128]; /* "cudnn-ENGINE" and its knobs */
    cudnnBackendDescriptor_t config;
    bool tried;
    cudnnBackendDescriptor_t plan; /* finalised, or NULL: not tried, or refused */
    uint64_t workspace;            /* bytes; of a plan */
} ConvPlan;

/* Of a graph, in the order they are made. */
enum {
    CONV_PART_X,
    CONV_PART_W,
    CONV_PART_Y,
    CONV_PART_CONVOLUTION,
    CONV_PART_OPERATION,
    CONV_PART_GRAPH,
    CONV_PARTS
};

struct ConvPlans {
    ConvPlans *next;
    ConvDesc desc; /* channels as they lie in memory */
    cudnnBackendDescriptor_t parts[CONV_PARTS];
    ConvPlan *plans;
    int count;
};

/* Unique ids of the tensors of a graph. */
enum { TENSOR_X = 1, TENSOR_W, TENSOR_Y };

/* What can become a plan of a convolution (op FORWARD, GRAD_DATA or GRAD_WEIGHT) whose C and K are
 * those in memory. relu is not looked at: nothing but the convolution is in the graph.
 * STATUS_DEVICE where there is nothing. */
Status cudnn_plans(Device *device, const ConvDesc *desc, ConvPlans **plans);
/* The plan of this name; where there is none (NULL: none is wanted) the first within WORKSPACE_MAX,
 * else the one that needs least. STATUS_DEVICE where cuDNN refuses all. */
Status cudnn_plan(const Device *device, ConvPlans *plans, const char *name, const ConvPlan **plan);
/* The i-th plan within WORKSPACE_MAX, or the only one that there is; NULL: behind the last. */
const ConvPlan *cudnn_candidate(const Device *device, ConvPlans *plans, int i);
/* Where a plan's tensors and workspace lie, for cudnnBackendExecute. */
Status cudnn_pack(const void *x, const void *w, const void *y, const void *workspace,
                  cudnnBackendDescriptor_t *pack);
void cudnn_release(Device *device);

#endif
