/* What the files of matrix products share. */
#ifndef PACO_OPENCL_GEMM_H
#define PACO_OPENCL_GEMM_H

#include "algorithm.h"
#include "work.h"

#include "gemm_args.h"

/* The methods, for the table: on processors with A's values or B's as the rows (gemm_cpu.c), on
 * GPUs (gemm_gpu.c), and by a library (clblast.c). */
extern const Method gemm_rows, gemm_swapped;
extern const Method gemm_tile;
extern const Method gemm_clblast;

/* The least of a sum over k that is worth a split, or a panel, of its own. */
enum { GEMM_CHUNK = 256 };

/* Sizes that contradict each other are a broken invariant. */
void gemm_check(const Step *step);
/* The product seen with A as rows, or swapped. */
GemmArgs gemm_view(const GemmDesc *d, bool swapped);
/* Cuts the sum over k into `splits` parts at most; parts lie dense in workspace. */
void gemm_split(const GemmDesc *d, bool swapped, int splits, GemmArgs *g);
uint64_t gemm_workspace(const GemmArgs *g);
/* Appends the operands of a product: rows, vectors, bias, out; with splits no bias, and workspace
 * for out. */
Status gemm_refs(const Step *step, bool swapped, const GemmArgs *g, Prepared *prepared);
/* What adds up the parts of a split product; then appends its operands and `args`. */
GemmReduceArgs gemm_reduce(const GemmDesc *d, const GemmArgs *g);
Status gemm_reduce_refs(const Step *step, const GemmReduceArgs *args, Prepared *prepared);

#endif
