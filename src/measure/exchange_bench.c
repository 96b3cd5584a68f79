#include "measure/exchange_bench.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "comm/sum.h"
#include "measure/seconds.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { REPEATS = 15, UNTIMED = 3, WAIT_SECONDS = 2 };

typedef struct Exchanged {
    Comm *comm;
    Ranks ranks;
    int64_t count;
    float *pieces[RANK_NODES_MAX];
} Exchanged;

static Status load(void *owner, int piece, SumPart part, void **at)
{
    *at = ((Exchanged *)owner)->pieces[piece] + part.at;
    return STATUS_OK;
}

static Status store(void *owner, SumPart part)
{
    (void)owner, (void)part;
    return STATUS_OK;
}

/* The largest of all processes' numbers. */
static double largest(Comm *comm, double own)
{
    double *all = mem_zero((size_t)comm_count(comm), sizeof *all), most = 0;
    all[comm_index(comm)] = own;
    comm_gather(comm, all, sizeof *all);
    for (int i = 0; i < comm_count(comm); i++)
        most = all[i] > most ? all[i] : most;
    free(all);
    return most;
}

/* The engine's own sum of the whole vector at once, of what this process holds of it. */
static Status sum_by_engine(Exchanged *x, int pieces)
{
    for (int p = 1; p < pieces; p++)
        for (int64_t i = 0; i < x->count; i++)
            x->pieces[0][i] += x->pieces[p][i];
    comm_add(x->comm, x->pieces[0], (size_t)x->count);
    return STATUS_OK;
}

static Status time_sum(Exchanged *x, bool by_engine, double *seconds)
{
    RankNode nodes[RANK_NODES_MAX];
    int pieces = ranks_nodes(x->ranks, nodes);
    largest(x->comm, 0); /* all begin together */
    double began = clock_seconds();
    CommSum sum = {x->count, x, load, store, NULL};
    TRY(by_engine ? sum_by_engine(x, pieces) : comm_sum(x->comm, x->ranks, &sum));
    *seconds = largest(x->comm, clock_seconds() - began);
    return STATUS_OK;
}

/* What waiting costs, of a core. */
static double waiting_share(Comm *comm)
{
    struct timespec used, at_end;
    largest(comm, 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    double began = clock_seconds();
    if (comm_index(comm) == 0)
        sleep(WAIT_SECONDS);
    largest(comm, 0);
    double seconds = clock_seconds() - began;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at_end);
    double cpu =
        (double)(at_end.tv_sec - used.tv_sec) + 1e-9 * (double)(at_end.tv_nsec - used.tv_nsec);
    return largest(comm, comm_index(comm) == 0 ? 0 : cpu / seconds);
}

static double median(double *seconds)
{
    seconds_sort(seconds, REPEATS);
    return seconds[REPEATS / 2];
}

static Status measure(Exchanged *x, FILE *out)
{
    double seconds[2][REPEATS];
    for (int i = -UNTIMED; i < REPEATS; i++)
        for (int by = 0; by < 2; by++)
            TRY(time_sum(x, by, &seconds[by][i < 0 ? 0 : i]));
    double exact = median(seconds[0]), engine = median(seconds[1]),
           waiting = waiting_share(x->comm);
    if (comm_index(x->comm) != 0)
        return STATUS_OK;
    JsonWriter w = {.file = out};
    json_begin_object(&w, NULL, JSON_LINE);
    json_put_text(&w, "what", "exchange");
    json_put_integer(&w, "processes", comm_count(x->comm));
    json_put_integer(&w, "processes_a_host", comm_host(x->comm));
    json_put_integer(&w, "ranks", x->ranks.all);
    json_put_fixed(&w, "mib", 4 * (double)x->count / (1 << 20), 2);
    json_put_fixed(&w, "exact_ms", 1e3 * exact, 3);
    json_put_fixed(&w, "engine_ms", 1e3 * engine, 3);
    json_put_fixed(&w, "ratio", exact / engine, 3);
    json_put_fixed(&w, "waiting_percent_of_core", 100 * waiting, 1);
    json_end(&w);
    fputc('\n', out);
    return STATUS_OK;
}

static Status run(Comm *comm, int64_t count, int ranks, FILE *out)
{
    RankNode nodes[RANK_NODES_MAX];
    int processes = comm_count(comm);
    if (processes == 1)
        return status_fail(STATUS_USAGE,
                           "bench exchange: one process has nothing to exchange. Start several: "
                           "mpirun -n 2 paco bench exchange 10");
    if (ranks % processes != 0)
        return status_fail(STATUS_USAGE,
                           "bench exchange: %d processes cannot share %d ranks evenly", processes,
                           ranks);
    Exchanged x = {
        comm, ranks_share(ranks ? ranks : processes, processes, comm_index(comm)), count, {0}};
    int pieces = ranks_nodes(x.ranks, nodes);
    for (int i = 0; i < pieces; i++)
        x.pieces[i] = mem_zero((size_t)count, sizeof(float));
    Status status = measure(&x, out);
    for (int i = 0; i < pieces; i++)
        free(x.pieces[i]);
    return status;
}

Status exchange_bench_run(double mib, int ranks, const char *program, FILE *out)
{
    Comm *comm;
    TRY(comm_open(COMM_TIMEOUT, program, &comm));
    if (comm_index(comm) > 0)
        log_silence(true);
    Status status = run(comm, sum_room((int64_t)(mib * (1 << 18))), ranks, out);
    if (comm &&
        status != STATUS_OK) { /* said before the others end, with whom a launcher ends this one */
        log_error("%s", status_text());
        log_silence(true);
    }
    comm_close(comm, status);
    return status;
}
