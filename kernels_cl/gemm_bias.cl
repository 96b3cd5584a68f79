/* The bias of a matrix product that a library made. In a file of its own: a driver builds every kernel of a file, and
 * those of gemm_gpu.cl are large. */

/* out += bias, one item per value. Items: (N, M). */
KERNEL void gemm_bias_each(CREF(float, bias), REF(float, out), GemmReduceArgs a)
{
    PLACE(const float, bias);
    PLACE(float, out);
    const int j = get_global_id(0), i = get_global_id(1);
    if (j < a.N)
        out[(long)i * a.ldc + j] += bias[j];
}
