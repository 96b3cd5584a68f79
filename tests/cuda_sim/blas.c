/* A stand-in for cuBLASLt: products of column-major float32 matrices, summed in double, of operands in TF32 where asked for. */
#include "sim.h"

#include <cublasLt.h>

#include <stdbool.h>
#include <stdlib.h>

/* What the library's opaque types are here. */
typedef struct Product {
    bool trans_a, trans_b, tf32;
    cublasLtEpilogue_t epilogue;
    const float *bias;
} Product;

typedef struct Matrix {
    uint64_t rows, columns;
    int64_t stride;
} Matrix;

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    *handle = malloc(1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    free(handle);
    return CUBLAS_STATUS_SUCCESS;
}

size_t cublasLtGetVersion(void)
{
    return CUBLAS_VERSION;
}

const char *cublasLtGetStatusString(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_INVALID_VALUE ? "a parameter is wrong" : "an error of the simulation";
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *product, cublasComputeType_t compute, cudaDataType_t scale)
{
    if ((compute != CUBLAS_COMPUTE_32F && compute != CUBLAS_COMPUTE_32F_FAST_TF32) || scale != CUDA_R_32F)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    Product *p = calloc(1, sizeof *p);
    p->tf32 = compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    *product = (cublasLtMatmulDesc_t)p;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t product)
{
    free(product);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t product, cublasLtMatmulDescAttributes_t name,
                                              const void *value, size_t bytes)
{
    Product *p = (Product *)product;
    (void)bytes;
    if (name == CUBLASLT_MATMUL_DESC_TRANSA)
        p->trans_a = *(const cublasOperation_t *)value == CUBLAS_OP_T;
    else if (name == CUBLASLT_MATMUL_DESC_TRANSB)
        p->trans_b = *(const cublasOperation_t *)value == CUBLAS_OP_T;
    else if (name == CUBLASLT_MATMUL_DESC_EPILOGUE)
        p->epilogue = *(const cublasLtEpilogue_t *)value;
    else if (name == CUBLASLT_MATMUL_DESC_BIAS_POINTER)
        p->bias = *(const float *const *)value;
    else
        return CUBLAS_STATUS_NOT_SUPPORTED;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t stride)
{
    if (type != CUDA_R_32F || stride < (int64_t)rows)
        return CUBLAS_STATUS_INVALID_VALUE;
    Matrix *m = malloc(sizeof *m);
    *m = (Matrix){rows, columns, stride};
    *layout = (cublasLtMatrixLayout_t)m;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    free(layout);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference)
{
    *preference = malloc(1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    free(preference);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t name, const void *value,
                                                    size_t bytes)
{
    (void)preference, (void)name, (void)value, (void)bytes;
    return CUBLAS_STATUS_SUCCESS;
}

/* Whether op(A) op(B) can be put into C. */
static bool fit(const Product *p, const Matrix *a, const Matrix *b, const Matrix *c)
{
    uint64_t rows = p->trans_a ? a->columns : a->rows, inner = p->trans_a ? a->rows : a->columns;
    return rows == c->rows && inner == (p->trans_b ? b->columns : b->rows) &&
           (p->trans_b ? b->rows : b->columns) == c->columns;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t product,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int *count)
{
    (void)handle, (void)preference;
    *count = 0;
    if (c != d || wanted < 1 || !fit((Product *)product, (Matrix *)a, (Matrix *)b, (Matrix *)c))
        return CUBLAS_STATUS_INVALID_VALUE;
    results[0] = (cublasLtMatmulHeuristicResult_t){.workspaceSize = 1024};
    *count = 1;
    return CUBLAS_STATUS_SUCCESS;
}

typedef struct Call {
    Product product;
    Matrix a, b, c;
    const float *A, *B;
    float *C, alpha, beta, *workspace;
} Call;

static float operand(const Call *call, float x)
{
    return call->product.tf32 ? sim_tf32(x) : x;
}

static void multiply(void *own)
{
    const Call *p = own;
    uint64_t inner = p->product.trans_a ? p->a.rows : p->a.columns;
    int64_t ai = p->product.trans_a ? p->a.stride : 1, ak = p->product.trans_a ? 1 : p->a.stride;
    int64_t bk = p->product.trans_b ? p->b.stride : 1, bj = p->product.trans_b ? 1 : p->b.stride;
    for (int i = 0; i < 256; i++)
        p->workspace[i] = -1; /* nobody may rely on it */
    for (int64_t j = 0; j < (int64_t)p->c.columns; j++)
        for (int64_t i = 0; i < (int64_t)p->c.rows; i++) {
            float *to = p->C + j * p->c.stride + i;
            double sum = 0;
            for (int64_t k = 0; k < (int64_t)inner; k++)
                sum += (double)operand(p, p->A[i * ai + k * ak]) * operand(p, p->B[k * bk + j * bj]);
            sum *= p->alpha;
            if (p->beta != 0)
                sum += (double)p->beta * *to;
            if (p->product.epilogue == CUBLASLT_EPILOGUE_BIAS)
                sum += p->product.bias[i];
            *to = (float)sum;
        }
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t product, const void *alpha, const void *A,
                              cublasLtMatrixLayout_t a, const void *B, cublasLtMatrixLayout_t b, const void *beta,
                              const void *C, cublasLtMatrixLayout_t c, void *D, cublasLtMatrixLayout_t d,
                              const cublasLtMatmulAlgo_t *algorithm, void *workspace, size_t bytes, cudaStream_t stream)
{
    (void)handle, (void)algorithm;
    uintptr_t places = (uintptr_t)A | (uintptr_t)B | (uintptr_t)C;
    if (C != D || c != d || bytes < 1024 || !workspace || places % 16)
        return CUBLAS_STATUS_INVALID_VALUE;
    Call *call = malloc(sizeof *call);
    *call = (Call){*(Product *)product, *(Matrix *)a, *(Matrix *)b, *(Matrix *)c, A, B, D,
                   *(const float *)alpha, *(const float *)beta, workspace};
    sim_enqueue(stream, multiply, call);
    return CUBLAS_STATUS_SUCCESS;
}
