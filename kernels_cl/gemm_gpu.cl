/* Matrix products for GPUs: BM x BN values per work-group, TM x 4 per work-item in registers, tiles
 * of both operands in local memory, zero-filled at the edges. Operands may be transposed: strides
 * say how, and fetching runs along whichever side is contiguous. Compile-time: BM, BN
 * and TM. */

enum { DEPTH = 16, THREADS = (BN / 4) * (BM / TM) };

#define GROUP __attribute__((reqd_work_group_size(THREADS, 1, 1)))

/* Fetches DEPTH x size values at (k0, i0) into tile[DEPTH][size + 4]; zero beyond count and end. All loads are
 * under way before the first is stored. */
#define FETCHED(size) (DEPTH * (size) / THREADS)
#define FETCH(tile, size, from, i_stride, k_stride, i0, count, k0, end)                             \
    do {                                                                                            \
        float got[FETCHED(size)];                                                                   \
        UNROLL                                                                                      \
        for (int n = 0; n < FETCHED(size); n++) {                                                   \
            int e = id + n * THREADS, i = i0 + ((k_stride) == 1 ? e / DEPTH : e % (size));          \
            int k = k0 + ((k_stride) == 1 ? e % DEPTH : e / (size));                                \
            float v = from[min(i, count - 1) * (i_stride) + min(k, end - 1) * (k_stride)];          \
            got[n] = as_float(as_int(v) & -(int)((i < count) & (k < end)));                         \
        }                                                                                           \
        UNROLL                                                                                      \
        for (int n = 0; n < FETCHED(size); n++) {                                                   \
            int e = id + n * THREADS, i = (k_stride) == 1 ? e / DEPTH : e % (size);                 \
            int k = (k_stride) == 1 ? e % DEPTH : e / (size);                                       \
            tile[k * ((size) + 4) + i] = got[n];                                                    \
        }                                                                                           \
    } while (0)

/* Groups: (V / BN, R / BM, splits). refs rows, vecs, bias or none, out; see GemmArgs. */
KERNEL GROUP void gemm_tile(CREF(float, rows), CREF(float, vecs), CREF(float, bias),
                            REF(float, out), GemmArgs a)
{
    LOCAL float left[DEPTH * (BM + 4)] __attribute__((aligned(16)));
    LOCAL float right[DEPTH * (BN + 4)] __attribute__((aligned(16)));
    PLACE(const float, rows);
    PLACE(const float, vecs);
    PLACE_OR_NULL(const float, bias);
    PLACE(float, out);
    const int id = get_local_id(0), column = id % (BN / 4) * 4, row = id / (BN / 4) * TM;
    const int r0 = get_group_id(1) * BM, v0 = get_group_id(0) * BN;
    const int begin = get_group_id(2) * a.split_k, end = min(begin + a.split_k, a.K);
    float4 acc[TM];
    UNROLL
    for (int i = 0; i < TM; i++)
        acc[i] = (float4)(0.f);
    for (int k0 = begin; k0 < end; k0 += DEPTH) {
        barrier(CLK_LOCAL_MEM_FENCE);
        FETCH(left, BM, rows, a.row_r, a.row_k, r0, a.R, k0, end);
        FETCH(right, BN, vecs, a.vec_v, a.vec_k, v0, a.V, k0, end);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < DEPTH; k++) {
            float4 b = *(LOCAL const float4 *)(right + k * (BN + 4) + column);
            UNROLL
            for (int i = 0; i < TM; i += 4) {
                float4 x = *(LOCAL const float4 *)(left + k * (BM + 4) + row + i);
                acc[i] = fma((float4)(x.x), b, acc[i]);
                acc[i + 1] = fma((float4)(x.y), b, acc[i + 1]);
                acc[i + 2] = fma((float4)(x.z), b, acc[i + 2]);
                acc[i + 3] = fma((float4)(x.w), b, acc[i + 3]);
            }
        }
    }
    out += get_group_id(2) * a.split_floats;
    UNROLL
    for (int i = 0; i < TM; i++) {
        float values[4];
        vstore4(a.alpha * acc[i], 0, values);
        int r = r0 + row + i;
        for (int j = 0; j < 4; j++) {
            int v = v0 + column + j;
            if (r >= a.R || v >= a.V)
                continue;
            GLOBAL float *to = out + r * a.out_r + v * a.out_v;
            *to = values[j] + (bias ? bias[a.bias_on_v ? v : r] : 0.f) + (a.beta ? *to : 0.f);
        }
    }
}

/* One item per value: the splits' parts in order, + bias + what out holds. Items: (N, M). */
KERNEL void gemm_reduce_each(CREF(float, parts), CREF(float, bias), REF(float, out),
                             GemmReduceArgs a)
{
    PLACE(const float, parts);
    PLACE_OR_NULL(const float, bias);
    PLACE(float, out);
    const int j = get_global_id(0), i = get_global_id(1);
    if (j >= a.N)
        return;
    float sum = 0.f;
    for (int s = 0; s < a.splits; s++)
        sum += parts[s * a.split_floats + (long)i * a.N + j];
    GLOBAL float *to = out + (long)i * a.ldc + j;
    *to = sum + (bias ? bias[j] : 0.f) + (a.beta ? *to : 0.f);
}
