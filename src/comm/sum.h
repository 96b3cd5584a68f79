/* The sum of a long vector over all ranks, exact unless comm_fast: each element is added up in the
 * tree of comm/ranks.h, however the ranks are spread, so its bits depend on the recipe alone.
 *
 * The vector goes in parts, the last of them first: a network's last gradients are complete first,
 * and travel while the others are computed. Of each part every process owns a slice: the others
 * send it their partial sums of that slice, it adds them up, and sends the result to all. With
 * several hosts that happens within each host first, so that between hosts goes what one process
 * would send.
 */
#ifndef PACO_COMM_SUM_H
#define PACO_COMM_SUM_H

#include "comm/comm.h"
#include "comm/ranks.h"

/* Values of a vector begin at multiples of SUM_UNIT elements, whoever holds them; behind them are
 * zeros. */
enum { SUM_UNIT = 4 };
static inline int64_t sum_room(int64_t count)
{
    return (count + SUM_UNIT - 1) / SUM_UNIT * SUM_UNIT;
}

/* Elements of a part. */
typedef struct SumPart {
    int64_t at, count;
} SumPart;

/* How many parts a vector has, alike in all processes, and which travels as the i-th. */
int sum_parts(int64_t count);
SumPart sum_part(int64_t count, int i);

/* Elements are floats, or doubles where comm_wide says so. */
typedef struct CommSum {
    int64_t count; /* elements */
    void *owner;   /* of the vector */
    /* *at: the elements of a part of partial sum `piece`, which the sum may change. Called for one
     * part after another, in the order in which they travel. */
    Status (*load)(void *owner, int piece, SumPart part, void **at);
    /* The sum of a part is where the elements of piece 0 were. */
    Status (*store)(void *owner, SumPart part);
    /* Whether parts that travel later are still computed; NULL: no. */
    bool (*computes)(void *owner);
} CommSum;

/* `ranks`: this process's share; it holds as many pieces as ranks_nodes says. */
Status comm_sum(Comm *comm, Ranks ranks, const CommSum *sum);

#endif
