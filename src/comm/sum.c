/* A part at a time, so that little memory is needed. Processes of a host talk to each other more
 * cheaply than hosts do, so a part is summed in levels: first among the processes of each host,
 * then, where there are several, between those of the hosts that own the same slice. On a level
 * every member gets the others' pieces of the slice that it owns and adds up what the tree joins;
 * what it holds then is a piece of the next level. Then the slices of the result go out to all
 * members, level by level back. */
#include "comm/sum.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "comm/engine.h"
#include "comm/watch.h"

#include <stdlib.h>
#include <string.h>

enum { SLICE_UNIT = 16, LEVELS_MAX = 2 };

/* A part is large enough that its messages are worth sending, and small enough that little is left
 * to travel when the last gradient is there. */
enum { PARTS = 8, PART_LEAST = 64 << 10, PART_MOST = 4 << 20, PART_UNIT = 1 << 10 };

static int64_t part_size(int64_t count)
{
    int64_t n = (count / PARTS + PART_UNIT - 1) / PART_UNIT * PART_UNIT;
    return n < PART_LEAST ? PART_LEAST : n > PART_MOST ? PART_MOST : n;
}

int sum_parts(int64_t count)
{
    int64_t n = part_size(count);
    return (int)((count + n - 1) / n);
}

SumPart sum_part(int64_t count, int i)
{
    int64_t n = part_size(count), at = n * (sum_parts(count) - 1 - i);
    return (SumPart){at, count - at < n ? count - at : n};
}

/* The processes that a level joins: first, first + stride ... */
typedef struct Level {
    int first, stride, count, own; /* own: which of them this process is */
    int pieces;                    /* of all members together, in the order of ranks */
    RankNode *nodes;               /* [pieces] what each is the sum of */
    int *begin;                    /* [count + 1] number of a member's first piece */
    char **received; /* [pieces] room for others' pieces of the owned slice; own: NULL */
    char **slices;   /* [pieces] where the pieces of the owned slice are */
    char *home;      /* where the sum of the owned slice is to be */
} Level;

typedef struct Summing {
    Comm *comm;
    const CommSum *sum;
    Ranks ranks;
    size_t element; /* bytes */
    Level levels[LEVELS_MAX];
    int level_count;
    char **own; /* [own pieces] of a part, the first where the sum goes */
    int *transfers;
    int transfer_count;
} Summing;

static int member(const Level *l, int m)
{
    return l->first + m * l->stride;
}

/* Where member m's slice of n elements begins. */
static int64_t slice_begin(const Level *l, int64_t n, int m)
{
    int64_t unit = (n + SLICE_UNIT - 1) / SLICE_UNIT, begin = unit * m / l->count * SLICE_UNIT;
    return begin < n ? begin : n;
}

static int64_t slice_count(const Level *l, int64_t n, int m)
{
    return slice_begin(l, n, m + 1) - slice_begin(l, n, m);
}

/* The ranks whose sums a member brings to a level: its own, or on the second level its host's. */
static Ranks brought(const Summing *s, const Level *l, int m)
{
    int processes = comm_count(s->comm), each = s->ranks.all / processes;
    int own = l == s->levels ? each : each * s->levels[0].count;
    return (Ranks){.all = s->ranks.all, .first = member(l, m) / (own / each) * own, .own = own};
}

static void list_pieces(const Summing *s, Level *l)
{
    RankNode nodes[RANK_NODES_MAX];
    l->begin = mem_zero((size_t)l->count + 1, sizeof *l->begin);
    for (int m = 0; m < l->count; m++) {
        int count = ranks_nodes(brought(s, l, m), nodes);
        l->nodes = mem_grow(l->nodes, (size_t)(l->pieces + count) * sizeof *l->nodes);
        memcpy(l->nodes + l->pieces, nodes, (size_t)count * sizeof *nodes);
        l->pieces += count;
        l->begin[m + 1] = l->pieces;
    }
}

static void begin_level(Summing *s, Level level, int64_t n)
{
    Level *l = &s->levels[s->level_count++];
    *l = level;
    list_pieces(s, l);
    l->slices = mem_zero((size_t)l->pieces, sizeof *l->slices);
    l->received = mem_zero((size_t)l->pieces, sizeof *l->received);
    for (int i = 0; i < l->pieces; i++) /* the longest slice, rounded up */
        if (i < l->begin[l->own] || i >= l->begin[l->own + 1])
            l->received[i] = mem_alloc((size_t)(n / l->count + 2 * SLICE_UNIT) * s->element);
}

static int own_pieces(const Level *l)
{
    return l->begin[l->own + 1] - l->begin[l->own];
}

static void begin(Summing *s)
{
    int64_t n = sum_part(s->sum->count, sum_parts(s->sum->count) - 1).count; /* a whole one */
    int all = comm_count(s->comm), index = comm_index(s->comm), host = comm_host(s->comm);
    begin_level(
        s, (Level){.first = index / host * host, .stride = 1, .count = host, .own = index % host},
        n);
    if (host < all)
        begin_level(
            s,
            (Level){
                .first = index % host, .stride = host, .count = all / host, .own = index / host},
            n / host + 2 * SLICE_UNIT);
    int own = own_pieces(s->levels);
    s->own = mem_zero((size_t)own, sizeof *s->own);
    int most = 0;
    for (int k = 0; k < s->level_count; k++) {
        const Level *l = &s->levels[k];
        int count = l->pieces + own_pieces(l) * l->count + 2 * l->count;
        most = count > most ? count : most;
    }
    s->transfers = mem_zero((size_t)most, sizeof *s->transfers);
}

static void end(Summing *s)
{
    for (int k = 0; k < s->level_count; k++) {
        Level *l = &s->levels[k];
        for (int i = 0; i < l->pieces; i++)
            free(l->received[i]);
        free(l->received);
        free(l->slices);
        free(l->nodes);
        free(l->begin);
    }
    free(s->transfers);
    free(s->own);
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
static void exchange_pieces(Summing *s, Level *l, char *const *own, int64_t n)
{
    size_t mine = (size_t)slice_begin(l, n, l->own) * s->element;
    for (int m = 0; m < l->count; m++)
        for (int i = l->begin[m]; i < l->begin[m + 1]; i++) {
            l->slices[i] = m == l->own ? own[i - l->begin[m]] + mine : l->received[i];
            if (m != l->own)
                receive(s, l->slices[i], slice_count(l, n, l->own), member(l, m));
        }
    for (int piece = 0; piece < own_pieces(l); piece++)
        for (int m = 0; m < l->count; m++)
            if (m != l->own)
                send(s, own[piece] + (size_t)slice_begin(l, n, m) * s->element,
                     slice_count(l, n, m), member(l, m));
    wait_all(s);
    l->home = own[0] + mine;
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

static void exchange_places(char **a, char **b)
{
    char *was = *a;
    *a = *b;
    *b = was;
}

/* Halves among the pieces of the owned slice meet as soon as both are complete. What is left comes
 * to the front: as many pieces as the next level brings, on the last one the sum. */
static void add_pieces(const Summing *s, Level *l, int64_t n)
{
    int held = 0;
    RankNode nodes[RANK_NODES_MAX];
    for (int i = 0; i < l->pieces; i++) {
        CHECK(held < RANK_NODES_MAX);
        exchange_places(&l->slices[i],
                        &l->slices[held]); /* that one is joined to another already */
        nodes[held++] = l->nodes[i];
        while (held > 1 && ranks_halves(s->ranks.all, nodes[held - 2], nodes[held - 1])) {
            char **left = &l->slices[held - 2], **right = &l->slices[held - 1];
            if (*right == l->home) /* a + b is b + a, bit for bit */
                exchange_places(left, right);
            add(s, *left, *right, n);
            nodes[held - 2].end = nodes[held - 1].end;
            held--;
        }
    }
    CHECK(held == (l + 1 < s->levels + s->level_count ? own_pieces(l + 1) : 1));
}

/* The owned slices of all members: data[n], of which this process has its own. */
static void exchange_sums(Summing *s, const Level *l, char *data, int64_t n)
{
    char *mine = data + (size_t)slice_begin(l, n, l->own) * s->element;
    for (int m = 0; m < l->count; m++)
        if (m != l->own)
            receive(s, data + (size_t)slice_begin(l, n, m) * s->element, slice_count(l, n, m),
                    member(l, m));
    for (int m = 0; m < l->count; m++)
        if (m != l->own)
            send(s, mine, slice_count(l, n, l->own), member(l, m));
    wait_all(s);
}

/* The sum of own[pieces][n], in the first of them. */
static void sum_level(Summing *s, int level, char *const *own, int64_t n)
{
    Level *l = &s->levels[level];
    int64_t mine = slice_count(l, n, l->own);
    exchange_pieces(s, l, own, n);
    add_pieces(s, l, mine);
    if (level + 1 < s->level_count)
        sum_level(s, level + 1, l->slices, mine);
    if (l->slices[0] != l->home)
        memcpy(l->home, l->slices[0], (size_t)mine * s->element);
    exchange_sums(s, l, own[0], n);
}

/* By the engine: what this process holds of a part, added up here, then over all processes. */
static void sum_fast(Summing *s, int64_t n)
{
    for (int i = 1; i < own_pieces(s->levels); i++)
        add(s, s->own[0], s->own[i], n);
    comm_add(s->comm, s->own[0], (size_t)n);
}

static Status sum_one(Summing *s, SumPart part)
{
    const CommSum *sum = s->sum;
    for (int i = 0; i < own_pieces(s->levels); i++) {
        void *at;
        TRY(sum->load(sum->owner, i, part, &at));
        s->own[i] = at;
    }
    double began = clock_seconds();
    if (comm_fast(s->comm))
        sum_fast(s, part.count);
    else
        sum_level(s, 0, s->own, part.count);
    comm_summed(s->comm, clock_seconds() - began, sum->computes && sum->computes(sum->owner));
    return sum->store(sum->owner, part);
}

static Status sum_all(Summing *s)
{
    for (int i = 0; i < sum_parts(s->sum->count); i++)
        TRY(sum_one(s, sum_part(s->sum->count, i)));
    return STATUS_OK;
}

Status comm_sum(Comm *comm, Ranks ranks, const CommSum *sum)
{
    Summing s = {.comm = comm,
                 .sum = sum,
                 .ranks = ranks,
                 .element = comm_wide(comm) ? sizeof(double) : sizeof(float)};
    if (comm_count(comm) == 1 || sum->count == 0)
        return STATUS_OK;
    CHECK(ranks.own * comm_count(comm) == ranks.all);
    begin(&s);
    WatchPhase before = watch_enter(WATCH_TOGETHER, "sum of gradients");
    Status status = sum_all(&s);
    watch_enter(before, NULL);
    end(&s);
    return status;
}
