/* Matrix products for processors.
 *
 * A work-item makes a block of the result. Per chunk of k it copies its part of the vector operand
 * into local memory as panels of 32 neighbours, zero-filled at the edge, and multiplies them with
 * single values of the other operand, read in place: tiles of 8 x 32 in registers. Which of A and B
 * is the vector operand, and thus which is copied, the host chooses. */

enum { ROWS = 8, VECS = 2, PANEL = VECS * 16 };

#define ONE __attribute__((reqd_work_group_size(1, 1, 1)))

/* Copies k in [k0, k0 + count) of the panel at v: [k][PANEL]. */
static inline void copy_panel(LOCAL float *panel, GLOBAL const float *vecs, int v, int k0, int count,
                              const GemmArgs *a)
{
    const int lanes = min(PANEL, a->V - v);
    GLOBAL const float *from = vecs + v * a->vec_v + k0 * a->vec_k;
    if (a->vec_v == 1 && lanes == PANEL) {
        for (int k = 0; k < count; k++, from += a->vec_k, panel += PANEL) {
            STORE(panel, LOAD(from));
            STORE(panel + 16, LOAD(from + 16));
        }
        return;
    }
    for (int i = 0; i < lanes; i++)
        for (int k = 0; k < count; k++)
            panel[k * PANEL + i] = from[i * a->vec_v + k * a->vec_k];
    for (int i = lanes; i < PANEL; i++)
        for (int k = 0; k < count; k++)
            panel[k * PANEL + i] = 0.f;
}

/* Ends one value: its bias (once) and what out holds already. */
static inline float finish(float sum, GLOBAL const float *bias, long index, GLOBAL const float *out,
                           int add)
{
    return sum + (bias ? bias[index] : 0.f) + (add ? *out : 0.f);
}

static inline void store_tile(vec acc[ROWS][VECS], GLOBAL float *out, GLOBAL const float *bias, int r,
                              int v, int add, const GemmArgs *a)
{
    const int rows = min(ROWS, a->R - r), lanes = min(PANEL, a->V - v);
    if (a->out_v == 1 && lanes == PANEL) {
        UNROLL
        for (int p = 0; p < ROWS; p++) {
            if (p >= rows)
                continue;
            GLOBAL float *to = out + (r + p) * a->out_r + v;
            UNROLL
            for (int q = 0; q < VECS; q++) {
                vec value = a->alpha * acc[p][q];
                if (bias)
                    value += a->bias_on_v ? LOAD(bias + v + q * 16) : (vec)(bias[r + p]);
                if (add)
                    value += LOAD(to + q * 16);
                STORE(to + q * 16, value);
            }
        }
        return;
    }
    float sums[ROWS * PANEL];
    UNROLL
    for (int p = 0; p < ROWS; p++)
        UNROLL
    for (int q = 0; q < VECS; q++)
        STORE(sums + p * PANEL + q * 16, a->alpha * acc[p][q]);
    for (int i = 0; i < lanes; i++)
        for (int p = 0; p < rows; p++) {
            GLOBAL float *to = out + (r + p) * a->out_r + (v + i) * a->out_v;
            *to = finish(sums[p * PANEL + i], bias, a->bias_on_v ? v + i : r + p, to, add);
        }
}

static inline void tile(LOCAL const float *panel, GLOBAL const float *rows, GLOBAL const float *bias,
                 GLOBAL float *out, int r, int v, int count, int add, const GemmArgs *a)
{
    GLOBAL const float *row[ROWS]; /* rows past the end repeat the last; they are not stored */
    vec acc[ROWS][VECS];
    UNROLL
    for (int p = 0; p < ROWS; p++) {
        row[p] = rows + min(r + p, a->R - 1) * a->row_r;
        UNROLL
        for (int q = 0; q < VECS; q++)
            acc[p][q] = (vec)(0.f);
    }
    const long step = a->row_k;
    long at = 0;
    for (int k = 0; k < count; k++) {
        vec b[VECS];
        UNROLL
        for (int q = 0; q < VECS; q++)
            b[q] = LOAD(panel + k * PANEL + q * 16);
        UNROLL
        for (int p = 0; p < ROWS; p++) {
            vec x = (vec)(row[p][at]);
            UNROLL
            for (int q = 0; q < VECS; q++)
                acc[p][q] = fma(x, b[q], acc[p][q]);
        }
        at += step;
    }
    store_tile(acc, out, bias, r, v, add, a);
}

/* Items: (V / item_v, R / item_r, splits). refs rows, vecs, bias or none, out. */
KERNEL ONE void gemm(CREF(float, rows), CREF(float, vecs), CREF(float, bias), REF(float, out),
                     LOCAL float *panels, GemmArgs a)
{
    PLACE(const float, rows);
    PLACE(const float, vecs);
    PLACE_OR_NULL(const float, bias);
    PLACE(float, out);
    const int v0 = ITEM(0) * a.item_v, v1 = min(v0 + a.item_v, a.V);
    const int r0 = ITEM(1) * a.item_r, r1 = min(r0 + a.item_r, a.R);
    const int begin = ITEM(2) * a.split_k, end = min(begin + a.split_k, a.K);
    out += ITEM(2) * a.split_floats;
    for (int k0 = begin; k0 < end; k0 += a.chunk) {
        const int count = min(a.chunk, end - k0), first = k0 == begin;
        for (int v = v0; v < v1; v += PANEL)
            copy_panel(panels + (v - v0) * a.chunk, vecs, v, k0, count, &a);
        for (int v = v0; v < v1; v += PANEL)
            for (int r = r0; r < r1; r += ROWS)
                tile(panels + (v - v0) * a.chunk, rows + k0 * a.row_k, first ? bias : 0, out, r, v,
                     count, !first || a.beta, &a);
    }
}

/* out = sum of the splits' parts, in order, + bias + what out holds. Items: (N / item_cols, M /
 * item_rows). */
KERNEL ONE void gemm_reduce(CREF(float, parts), CREF(float, bias), REF(float, out),
                            GemmReduceArgs a)
{
    PLACE(const float, parts);
    PLACE_OR_NULL(const float, bias);
    PLACE(float, out);
    const int j0 = ITEM(0) * a.item_cols, j1 = min(j0 + a.item_cols, a.N);
    const int i0 = ITEM(1) * a.item_rows, i1 = min(i0 + a.item_rows, a.M);
    for (int i = i0; i < i1; i++) {
        GLOBAL const float *from = parts + (long)i * a.N;
        GLOBAL float *to = out + (long)i * a.ldc;
        int j = j0;
        for (; j + 16 <= j1; j += 16) {
            vec sum = LOAD(from + j);
            for (int s = 1; s < a.splits; s++)
                sum += LOAD(from + s * a.split_floats + j);
            if (bias)
                sum += LOAD(bias + j);
            STORE(to + j, a.beta ? sum + LOAD(to + j) : sum);
        }
        for (; j < j1; j++) {
            float sum = from[j];
            for (int s = 1; s < a.splits; s++)
                sum += from[s * a.split_floats + j];
            to[j] = finish(sum, bias, j, to + j, a.beta);
        }
    }
}
