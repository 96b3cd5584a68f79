/* The processes that train one recipe together, and what they do together.
 *
 * A Comm is NULL where there is one process; then every call here does what is left to do, mostly
 * nothing. All processes make the same calls in the same order. No call returns without its result:
 * where a peer is lost, the process says so and ends with STATUS_PEER's code. For one thread. */
#ifndef PACO_COMM_COMM_H
#define PACO_COMM_COMM_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Comm Comm;

/* Joins the processes that a launcher started with this one; NULL where none did. `timeout`:
 * seconds without a sign of life after which a peer is lost. `program`: its version, alike in all.
 * STATUS_USAGE where the launcher's engine sees another number of processes than the launcher said,
 * STATUS_PEER where its module is not there, and why. */
Status comm_open(double timeout, const char *program, Comm **comm);
/* Whether a launcher with an MPI started this process beside others. */
bool comm_started(void);
/* Leaves with the status that the program ends with, together with the others (comm/watch.h). NULL
 * is allowed. */
void comm_close(Comm *comm, Status status);
/* How many there are, and which of them this one is, from 0 on. */
int comm_count(const Comm *comm);
int comm_index(const Comm *comm);
/* Whether this process is the one that speaks for all: process 0. Before they have met (NULL) it is
 * by the word of who started them. */
bool comm_speaks(const Comm *comm);
/* The number of this process among those of its host. */
int comm_place(const Comm *comm);
/* The first process of this one's host. */
int comm_first(const Comm *comm);
/* How many processes a host has, where all hosts have as many and neighbours are together; else all
 * count as one host's. */
int comm_host(const Comm *comm);
/* Of how many processors this process is bound to its share (`--nproc`); 0: it is not. */
int comm_whole(const Comm *comm);
/* --peer-timeout where nobody says another, in seconds. */
#define COMM_TIMEOUT 30
/* Prints every engine: whether its module is there, and why not. */
void comm_list(void *file);

/* Each process's `each` bytes to all, in place: data[count][each], of which slice `index` is this
 * process's. */
void comm_gather(Comm *comm, void *data, size_t each);
/* Those of process 0 to all. */
void comm_broadcast(Comm *comm, void *data, size_t bytes);
/* The texts of all, one after another, `*each` bytes apart; malloc'd. */
char *comm_texts(Comm *comm, const char *text, size_t *each);
/* Whether all processes say the same; STATUS_USAGE in all of them where one does not: `what`, the
 * process, and both texts. */
Status comm_agree(Comm *comm, const char *what, const char *text);
/* The status of all: the first that is not STATUS_OK, with its text, in the order of processes. */
Status comm_status(Comm *comm, Status status);
/* Whether sums are of doubles, where every process has them, else of floats: each says what it has,
 * before the first sum. */
void comm_set_wide(Comm *comm, bool wide);
bool comm_wide(const Comm *comm);

/* Whether sums over ranks are the engine's, in any order: their bits depend on how ranks are
 * spread. Not unless asked for. */
void comm_set_fast(Comm *comm, bool fast);
bool comm_fast(const Comm *comm);

/* The engine's sum over all processes, in place: count floats, or doubles where comm_wide. */
void comm_add(Comm *comm, void *data, size_t count);
/* Transfers between two processes, of at most COMM_TRANSFER_MAX bytes, and the wait for `count` of
 * them. */
int comm_send(Comm *comm, const void *data, size_t bytes, int to);
int comm_receive(Comm *comm, void *data, size_t bytes, int from);
void comm_wait(Comm *comm, const int *transfers, int count);
/* Where the others are waited for outside these calls: what for (a literal), NULL once that ends;
 * seconds that it may take; the timeout of comm_open; and that it failed, and how: ends the process
 * as a lost peer does. */
void comm_waits(Comm *comm, const char *what);
double comm_patience(const Comm *comm);
double comm_timeout(const Comm *comm);
_Noreturn void comm_lost(Comm *comm, const char *why);

/* Seconds so far, of this process. */
typedef struct CommTimes {
    double waited;       /* for what others send: their bytes, or they themselves */
    double sums, hidden; /* for sums of gradients; those of it in which its device computed */
} CommTimes;
CommTimes comm_times(const Comm *comm);
/* A part of such a sum took so long. */
void comm_summed(Comm *comm, double seconds, bool hidden);

#endif
