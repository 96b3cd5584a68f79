/* Matrix products, however they are made: checks, the view of the kernels, splits, operands. */
#include "gemm.h"

#include "base/check.h"

void gemm_check(const Step *step)
{
    const GemmDesc *d = &step->gemm;
    CHECKF(d->M > 0 && d->N > 0 && d->K > 0 && d->lda >= (d->trans_a ? d->M : d->K) &&
               d->ldb >= (d->trans_b ? d->K : d->N) && d->ldc >= d->N &&
               (d->beta == 0 || d->beta == 1),
           "%s: matrix product %d x %d x %d, rows of %d, %d, %d", step->name, d->M, d->N, d->K,
           d->lda, d->ldb, d->ldc);
}

GemmArgs gemm_view(const GemmDesc *d, bool swapped)
{
    long a_m = d->trans_a ? 1 : d->lda, a_k = d->trans_a ? d->lda : 1;
    long b_n = d->trans_b ? d->ldb : 1, b_k = d->trans_b ? 1 : d->ldb;
    GemmArgs g = {.K = d->K, .alpha = d->alpha, .beta = d->beta != 0};
    if (swapped) {
        g.R = d->N, g.V = d->M;
        g.row_r = b_n, g.row_k = b_k, g.vec_v = a_m, g.vec_k = a_k;
        g.out_r = 1, g.out_v = d->ldc;
    } else {
        g.R = d->M, g.V = d->N;
        g.row_r = a_m, g.row_k = a_k, g.vec_v = b_n, g.vec_k = b_k;
        g.out_r = d->ldc, g.out_v = 1;
        g.bias_on_v = 1;
    }
    return g;
}

void gemm_split(const GemmDesc *d, bool swapped, int splits, GemmArgs *g)
{
    g->split_k = div_up(g->K, max_int(splits, 1));
    g->splits = div_up(g->K, g->split_k);
    if (g->splits == 1)
        return;
    g->split_floats = (long)d->M * d->N;
    g->out_r = swapped ? 1 : d->N;
    g->out_v = swapped ? d->N : 1;
    g->beta = 0;
}

uint64_t gemm_workspace(const GemmArgs *g)
{
    return sizeof(float) * (uint64_t)g->split_floats * (uint64_t)g->splits;
}

static Ref bias_of(const Step *step)
{
    return step->refs_count > 3 ? step->refs[3] : (Ref){0};
}

Status gemm_refs(const Step *step, bool swapped, const GemmArgs *g, Prepared *prepared)
{
    bool split = g->splits > 1;
    CHECKF(!split || step->workspace.buf, "%s: workspace is missing", step->name);
    TRY(launch_ref(prepared, step->refs[swapped ? 1 : 0]));
    TRY(launch_ref(prepared, step->refs[swapped ? 0 : 1]));
    TRY(launch_ref(prepared, split ? (Ref){0} : bias_of(step)));
    return launch_ref(prepared, split ? step->workspace : step->refs[2]);
}

GemmReduceArgs gemm_reduce(const GemmDesc *d, const GemmArgs *g)
{
    return (GemmReduceArgs){.split_floats = g->split_floats,
                            .M = d->M,
                            .N = d->N,
                            .ldc = d->ldc,
                            .splits = g->splits,
                            .beta = d->beta != 0};
}

Status gemm_reduce_refs(const Step *step, const GemmReduceArgs *args, Prepared *prepared)
{
    TRY(launch_ref(prepared, step->workspace));
    TRY(launch_ref(prepared, bias_of(step)));
    TRY(launch_ref(prepared, step->refs[2]));
    return launch_value(prepared, args, sizeof *args);
}
