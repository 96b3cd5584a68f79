/* Argument structs of the matrix product kernels: one text for backend_opencl/gemm*.c and gemm_*.cl.
 */
#ifndef PACO_GEMM_ARGS_H
#define PACO_GEMM_ARGS_H

/* out(r, v) = alpha sum over k of rows(r, k) vecs(k, v) (+ out or bias), seen with the broadcast
 * operand "rows" and the vector operand "vecs"; either may be A or B transposed. Strides in floats.
 */
typedef struct GemmArgs {
    long row_r, row_k; /* of rows: one step of r, of k */
    long vec_k, vec_v; /* of vecs */
    long out_r, out_v; /* of out; one of the two is 1 */
    long split_floats; /* of one part in workspace, when the sum over k is split */
    int R, V, K;
    int item_r, item_v;  /* per work-item: multiples of the register tile */
    int split_k, splits; /* k per split */
    int chunk;           /* k per panel in local memory */
    int bias_on_v;       /* bias index is v, else r */
    int beta;            /* add to what out holds */
    float alpha;
} GemmArgs;

/* out = alpha-scaled parts summed in order, + bias, + out. M x N with row stride ldc; parts are M x
 * N dense. */
typedef struct GemmReduceArgs {
    long split_floats;
    int M, N, ldc, splits, beta;
    int item_rows;
    int item_cols;
} GemmReduceArgs;

#endif
