/* Ranks of a recipe and the share of them that one process runs, and the order in which gradients
 * of ranks are summed.
 *
 * All numbers of a run depend on how many ranks the recipe has, never on how they are spread: a
 * sum over ranks is the sum of a fixed binary tree. Its leaves are the ranks; the node of level l
 * and number i covers ranks i 2^l to (i + 1) 2^l - 1, cut at the last rank; where the cut leaves
 * nothing of a node's right half, the node is its left half. */
#ifndef PACO_COMM_RANKS_H
#define PACO_COMM_RANKS_H

#include <stdbool.h>

typedef struct Ranks {
    int all;        /* R of the recipe, at least 1 */
    int first, own; /* this process runs ranks first to first + own - 1, own >= 1 */
} Ranks;

/* All ranks in one process. */
static inline Ranks ranks_whole(int all)
{
    return (Ranks){.all = all, .first = 0, .own = all};
}

/* The share of process `index` of `processes`, which divide `all`: contiguous blocks, in order. */
static inline Ranks ranks_share(int all, int processes, int index)
{
    return (Ranks){.all = all, .first = all / processes * index, .own = all / processes};
}

/* A node of the tree: ranks begin to end - 1. */
typedef struct RankNode {
    int begin, end;
} RankNode;

/* The partial sums that a share holds behind its last rank: the largest nodes within it, in their
 * order; returns how many, at most 2 log2(all). */
enum { RANK_NODES_MAX = 32 };
int ranks_nodes(Ranks ranks, RankNode nodes[RANK_NODES_MAX]);
/* Whether two nodes are the halves of a third. */
bool ranks_halves(int all, RankNode left, RankNode right);

/* The sum of all pieces that `processes` of equal shares hold, process after process: process p
 * brings pieces[p]; behind piece i, merges[i] times the last two of what is held become one, and
 * one is left in the end. merges has room for one of each rank. */
void ranks_joins(int all, int processes, int *pieces, int *merges);

/* What becomes of a rank's gradient when its turn comes. The share holds `held` partial sums, each
 * of neighbouring ranks before it; the gradient is added to the last of them, that to the one
 * before it, and so on, `merged` times in all, and then held as number held - merged. After the
 * last rank of a whole share one sum is held, number 0: that of all ranks. */
typedef struct RankSum {
    int held, merged;
} RankSum;

RankSum ranks_sum(Ranks ranks, int rank);
/* The largest number of partial sums that the share ever holds. */
int ranks_sums_held(Ranks ranks);

#endif
