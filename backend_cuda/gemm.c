/* Row-major C = op(A) op(B) is column-major C^T = op(B)^T op(A)^T: to cuBLASLt B comes first, and a
 * bias of columns is one of rows, which its epilogue adds. */
#include "gemm.h"

#include "base/arena.h"

#include <stdlib.h>

enum { WORKSPACE = 32 << 20 }; /* bytes that an algorithm may use */

typedef struct GemmRun {
    cublasLtMatmulDesc_t product;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulAlgo_t algorithm;
} GemmRun;

static void release(void *own)
{
    GemmRun *r = own;
    if (r->product)
        cublasLtMatmulDescDestroy(r->product);
    if (r->a)
        cublasLtMatrixLayoutDestroy(r->a);
    if (r->b)
        cublasLtMatrixLayoutDestroy(r->b);
    if (r->c)
        cublasLtMatrixLayoutDestroy(r->c);
    free(r);
}

static Status describe(const Step *step, const void *bias, GemmRun *r)
{
    const GemmDesc *g = &step->gemm;
    const cublasOperation_t first = g->trans_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                            second = g->trans_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    BLAS_TRY(cublasLtMatmulDescCreate(&r->product,
                                      g->math == MATH_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                           : CUBLAS_COMPUTE_32F,
                                      CUDA_R_32F),
             "matrix product");
    BLAS_TRY(cublasLtMatmulDescSetAttribute(r->product, CUBLASLT_MATMUL_DESC_TRANSA, &first,
                                            sizeof first),
             "matrix product");
    BLAS_TRY(cublasLtMatmulDescSetAttribute(r->product, CUBLASLT_MATMUL_DESC_TRANSB, &second,
                                            sizeof second),
             "matrix product");
    if (bias) {
        BLAS_TRY(cublasLtMatmulDescSetAttribute(r->product, CUBLASLT_MATMUL_DESC_EPILOGUE,
                                                &epilogue, sizeof epilogue),
                 "matrix product");
        BLAS_TRY(cublasLtMatmulDescSetAttribute(r->product, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                                &bias, sizeof bias),
                 "matrix product");
    }
    BLAS_TRY(cublasLtMatrixLayoutCreate(&r->b, CUDA_R_32F, (uint64_t)(g->trans_b ? g->K : g->N),
                                        (uint64_t)(g->trans_b ? g->N : g->K), g->ldb),
             "matrix product");
    BLAS_TRY(cublasLtMatrixLayoutCreate(&r->a, CUDA_R_32F, (uint64_t)(g->trans_a ? g->M : g->K),
                                        (uint64_t)(g->trans_a ? g->K : g->M), g->lda),
             "matrix product");
    BLAS_TRY(cublasLtMatrixLayoutCreate(&r->c, CUDA_R_32F, (uint64_t)g->N, (uint64_t)g->M, g->ldc),
             "matrix product");
    return STATUS_OK;
}

/* What an algorithm may be: split sums of a fixed order, places at any multiple of 16 bytes. */
static cublasStatus_t set_preferences(cublasLtMatmulPreference_t preference)
{
    const uint64_t most = WORKSPACE;
    const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_NONE |
                             CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const uint32_t alignment = 16;
    const struct {
        cublasLtMatmulPreferenceAttributes_t name;
        const void *value;
        size_t bytes;
    } wanted[] = {
        {CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most, sizeof most},
        {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &alignment, sizeof alignment},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &alignment, sizeof alignment},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &alignment, sizeof alignment},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &alignment, sizeof alignment},
    };
    cublasStatus_t code = CUBLAS_STATUS_SUCCESS;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && code == CUBLAS_STATUS_SUCCESS; i++)
        code = cublasLtMatmulPreferenceSetAttribute(preference, wanted[i].name, wanted[i].value,
                                                    wanted[i].bytes);
    return code;
}

static Status find_algorithm(const Device *device, const Step *step, GemmRun *r)
{
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t result;
    int count = 0;
    BLAS_TRY(cublasLtMatmulPreferenceCreate(&preference), "matrix product");
    cublasStatus_t code = set_preferences(preference);
    if (code == CUBLAS_STATUS_SUCCESS)
        code = cublasLtMatmulAlgoGetHeuristic(device->blas, r->product, r->b, r->a, r->c, r->c,
                                              preference, 1, &result, &count);
    cublasLtMatmulPreferenceDestroy(preference);
    BLAS_TRY(code, "choosing an algorithm of a matrix product");
    if (count == 0 || result.state != CUBLAS_STATUS_SUCCESS)
        return status_fail(STATUS_DEVICE, "cuda: %s: cuBLASLt has no algorithm for a product of "
                           "%d x %d x %d", step->name, step->gemm.M, step->gemm.N, step->gemm.K);
    r->algorithm = result.algo;
    return STATUS_OK;
}

void gemm_choose(Step *step)
{
    step->workspace_bytes = WORKSPACE;
    step->algorithm = "cublaslt";
}

static Status run(Device *device, const Step *step, const void *own)
{
    const GemmRun *r = own;
    const GemmDesc *g = &step->gemm;
    const void *a = place_of(step->refs[0]), *b = place_of(step->refs[1]);
    void *c = place_of(step->refs[2]);
    BLAS_TRY(cublasLtMatmul(device->blas, r->product, &g->alpha, b, r->b, a, r->a, &g->beta, c,
                            r->c, c, r->c, &r->algorithm, place_of(step->workspace),
                            step->workspace_bytes, device->stream),
             step->name);
    return STATUS_OK;
}

Status gemm_prepare(Device *device, const Step *step, Prepared *prepared)
{
    GemmRun *r = mem_zero(1, sizeof *r);
    prepared->own = r;
    prepared->run = run;
    prepared->release = release;
    TRY(describe(step, place_of(step->refs[3]), r));
    return find_algorithm(device, step, r);
}
