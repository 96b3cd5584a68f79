/* A part at a time, so that little memory is needed: of a part, pieces come in from all processes
 * for the slice that this one owns, and the slices of the result go out to all. */
#include "comm/sum.h"

#include "base/arena.h"
#include "base/check.h"
#include "comm/engine.h"
#include "comm/watch.h"

#include <stdlib.h>
#include <string.h>

enum { PART = 4 << 20 /* elements */, SLICE_UNIT = 16 };

typedef struct Summing {
    Comm *comm;
    const CommSum *sum;
    Ranks ranks;
    size_t element;     /* bytes */
    int processes, own; /* own: this process's number */
    int pieces;         /* of all processes together, in the order of ranks */
    RankNode *nodes;    /* [pieces] what each is the sum of */
    int *first;         /* [processes + 1] number of a process's first piece */
    char **slices;      /* [pieces] of the owned slice */
    char *part;         /* the part, and before that, one piece of it */
    int *transfers;
    int transfer_count;
} Summing;

/* Where process p's slice of n elements begins. */
static int64_t slice_begin(const Summing *s, int64_t n, int p)
{
    int64_t unit = (n + SLICE_UNIT - 1) / SLICE_UNIT, begin = unit * p / s->processes * SLICE_UNIT;
    return begin < n ? begin : n;
}

static int64_t slice_count(const Summing *s, int64_t n, int p)
{
    return slice_begin(s, n, p + 1) - slice_begin(s, n, p);
}

static void list_pieces(Summing *s)
{
    RankNode nodes[RANK_NODES_MAX];
    s->first = mem_zero((size_t)s->processes + 1, sizeof *s->first);
    for (int p = 0; p < s->processes; p++) {
        Ranks share = ranks_share(s->ranks.all, s->processes, p);
        int count = ranks_nodes(share, nodes);
        s->nodes = mem_grow(s->nodes, (size_t)(s->pieces + count) * sizeof *s->nodes);
        memcpy(s->nodes + s->pieces, nodes, (size_t)count * sizeof *nodes);
        s->pieces += count;
        s->first[p + 1] = s->pieces;
    }
}

static void begin(Summing *s)
{
    int64_t n = s->sum->count < PART ? s->sum->count : PART;
    list_pieces(s);
    s->slices = mem_zero((size_t)s->pieces, sizeof *s->slices);
    for (int i = 0; i < s->pieces; i++) /* the longest slice, rounded up */
        s->slices[i] = mem_alloc((size_t)(n / s->processes + 2 * SLICE_UNIT) * s->element);
    int own = s->first[s->own + 1] - s->first[s->own];
    s->part = mem_alloc((size_t)(n * own) * s->element);
    s->transfers =
        mem_zero((size_t)(s->pieces + own * s->processes + 2 * s->processes), sizeof *s->transfers);
}

static void end(Summing *s)
{
    for (int i = 0; i < s->pieces; i++)
        free(s->slices[i]);
    free(s->slices);
    free(s->transfers);
    free(s->part);
    free(s->nodes);
    free(s->first);
}

static void wait_all(Summing *s)
{
    comm_wait(s->comm, s->transfers, s->transfer_count);
    s->transfer_count = 0;
}

static void send(Summing *s, const char *data, int64_t n, int to)
{
    if (n > 0)
        s->transfers[s->transfer_count++] = comm_send(s->comm, data, (size_t)n * s->element, to);
}

static void receive(Summing *s, char *data, int64_t n, int from)
{
    if (n > 0)
        s->transfers[s->transfer_count++] =
            comm_receive(s->comm, data, (size_t)n * s->element, from);
}

/* Every piece of the owned slice comes here, every other slice of the own pieces goes out. */
static Status exchange_pieces(Summing *s, int64_t at, int64_t n)
{
    int64_t mine = slice_count(s, n, s->own);
    for (int p = 0; p < s->processes; p++)
        for (int i = s->first[p]; i < s->first[p + 1] && p != s->own; i++)
            receive(s, s->slices[i], mine, p);
    for (int piece = 0, i = s->first[s->own]; i < s->first[s->own + 1]; piece++, i++) {
        char *from = s->part + (size_t)(n * piece) * s->element;
        TRY(s->sum->load(s->sum->owner, piece, at, n, from));
        for (int p = 0; p < s->processes; p++)
            if (p != s->own)
                send(s, from + (size_t)slice_begin(s, n, p) * s->element, slice_count(s, n, p), p);
        memcpy(s->slices[i], from + (size_t)slice_begin(s, n, s->own) * s->element,
               (size_t)mine * s->element);
    }
    wait_all(s);
    return STATUS_OK;
}

/* left += right */
static void add(const Summing *s, char *left, const char *right, int64_t n)
{
    if (s->element == sizeof(float))
        for (int64_t i = 0; i < n; i++)
            ((float *)left)[i] += ((const float *)right)[i];
    else
        for (int64_t i = 0; i < n; i++)
            ((double *)left)[i] += ((const double *)right)[i];
}

/* The pieces of the owned slice become their sum, in the first of them: halves meet as soon as both
 * are complete. */
static void add_pieces(Summing *s, int64_t n)
{
    int stack[RANK_NODES_MAX], held = 0;
    RankNode nodes[RANK_NODES_MAX];
    for (int i = 0; i < s->pieces; i++) {
        CHECK(held < RANK_NODES_MAX);
        stack[held] = i;
        nodes[held++] = s->nodes[i];
        while (held > 1 && ranks_halves(s->ranks.all, nodes[held - 2], nodes[held - 1])) {
            add(s, s->slices[stack[held - 2]], s->slices[stack[held - 1]], n);
            nodes[held - 2].end = nodes[held - 1].end;
            held--;
        }
    }
    CHECK(held == 1 && stack[0] == 0);
}

static Status exchange_sums(Summing *s, int64_t at, int64_t n)
{
    int64_t mine = slice_count(s, n, s->own);
    for (int p = 0; p < s->processes; p++)
        if (p != s->own)
            receive(s, s->part + (size_t)slice_begin(s, n, p) * s->element, slice_count(s, n, p),
                    p);
    for (int p = 0; p < s->processes; p++)
        if (p != s->own)
            send(s, s->slices[0], mine, p);
    memcpy(s->part + (size_t)slice_begin(s, n, s->own) * s->element, s->slices[0],
           (size_t)mine * s->element);
    wait_all(s);
    return s->sum->store(s->sum->owner, at, n, s->part);
}

static Status sum_parts(Summing *s)
{
    for (int64_t at = 0; at < s->sum->count; at += PART) {
        int64_t left = s->sum->count - at, n = left < PART ? left : PART;
        TRY(exchange_pieces(s, at, n));
        add_pieces(s, slice_count(s, n, s->own));
        TRY(exchange_sums(s, at, n));
    }
    return STATUS_OK;
}

/* By the engine: what this process holds of a part, added up here, then over all processes. */
static Status sum_fast(Summing *s)
{
    int pieces = s->first[s->own + 1] - s->first[s->own];
    for (int64_t at = 0; at < s->sum->count; at += PART) {
        int64_t left = s->sum->count - at, n = left < PART ? left : PART;
        for (int i = 0; i < pieces; i++) {
            char *piece = s->part + (size_t)(n * i) * s->element;
            TRY(s->sum->load(s->sum->owner, i, at, n, piece));
            if (i > 0)
                add(s, s->part, piece, n);
        }
        comm_add(s->comm, s->part, (size_t)n);
        TRY(s->sum->store(s->sum->owner, at, n, s->part));
    }
    return STATUS_OK;
}

Status comm_sum(Comm *comm, Ranks ranks, const CommSum *sum)
{
    Summing s = {.comm = comm,
                 .sum = sum,
                 .ranks = ranks,
                 .processes = comm_count(comm),
                 .own = comm_index(comm),
                 .element = comm_wide(comm) ? sizeof(double) : sizeof(float)};
    if (s.processes == 1 || sum->count == 0)
        return STATUS_OK;
    CHECK(ranks.own * s.processes == ranks.all);
    begin(&s);
    WatchPhase before = watch_enter(WATCH_TOGETHER, "sum of gradients");
    Status status = comm_fast(comm) ? sum_fast(&s) : sum_parts(&s);
    watch_enter(before, NULL);
    end(&s);
    return status;
}
