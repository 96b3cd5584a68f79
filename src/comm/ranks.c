/* The tree of a sum over ranks, walked from its leaves in the order of the ranks: a new partial sum
 * is merged with its left sibling as soon as both are complete, so that few are held at a time. */
#include "comm/ranks.h"

/* Merges that rank's gradient begins: from its leaf upwards, for as long as the node that is then
 * complete is a right half whose left half belongs to the share, too. A node without a right half,
 * as the ranks end before it, is complete with its left one. */
static int merges(Ranks ranks, int rank)
{
    int merged = 0;
    for (int size = 1; size < ranks.all; size *= 2) {
        int node = rank / size;
        bool right_half = node % 2 == 1;
        if (right_half && (node - 1) * size < ranks.first)
            return merged;
        if (!right_half && (node + 1) * size < ranks.all)
            return merged;
        merged += right_half;
    }
    return merged;
}

RankSum ranks_sum(Ranks ranks, int rank)
{
    int held = 0;
    for (int before = ranks.first; before < rank; before++)
        held += 1 - merges(ranks, before);
    return (RankSum){held, merges(ranks, rank)};
}

int ranks_sums_held(Ranks ranks)
{
    int most = 0, held = 0;
    for (int rank = ranks.first; rank < ranks.first + ranks.own; rank++) {
        held += 1 - merges(ranks, rank);
        most = held > most ? held : most;
    }
    return most;
}

bool ranks_halves(int all, RankNode left, RankNode right)
{
    int size = left.end - left.begin, end = left.begin + 2 * size;
    return (size & (size - 1)) == 0 && left.begin % (2 * size) == 0 && right.begin == left.end &&
           right.end == (end < all ? end : all);
}

int ranks_nodes(Ranks ranks, RankNode nodes[RANK_NODES_MAX])
{
    int count = 0;
    for (int rank = ranks.first; rank < ranks.first + ranks.own; rank++) {
        RankNode node = {rank, rank + 1};
        for (int merged = merges(ranks, rank); merged > 0; merged--)
            node.begin = nodes[--count].begin;
        nodes[count++] = node;
    }
    return count;
}

void ranks_joins(int all, int processes, int *pieces, int *merges)
{
    RankNode held[2 * RANK_NODES_MAX], own[RANK_NODES_MAX];
    int holds = 0, piece = 0;
    for (int p = 0; p < processes; p++) {
        pieces[p] = ranks_nodes(ranks_share(all, processes, p), own);
        for (int i = 0; i < pieces[p]; i++, piece++) {
            merges[piece] = 0;
            for (held[holds++] = own[i];
                 holds > 1 && ranks_halves(all, held[holds - 2], held[holds - 1]); holds--) {
                held[holds - 2].end = held[holds - 1].end;
                merges[piece]++;
            }
        }
    }
}
