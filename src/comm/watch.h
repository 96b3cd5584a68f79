/* Signs of life between the processes of a run. Each has a thread that holds a connection to a hub,
 * which is in the launcher (`paco train --nproc`) or else in process 0, and says five times a
 * second where it is and whether it moves. Who is killed, hangs or stops moving is known to all
 * soon, whatever the engine below notices: each says so in a line and ends with STATUS_PEER's code.
 *
 * Lost is whose connection closes, whose signs stay away for the timeout, or who does not move
 * (base/moves.h) for as long (WATCH_PHASE_LIST says how long in which phase). */
#ifndef PACO_COMM_WATCH_H
#define PACO_COMM_WATCH_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* X(name, words, how many times the timeout a process may be in it without moving; 0: for ever) */
#define WATCH_PHASE_LIST(X)                                                                        \
    X(START, "starting", 20)                                                                       \
    X(WORK, "at work", 1)                                                                          \
    X(DEVICE, "at its device", 20)                                                                 \
    X(SAVE, "saving", 20)                                                                          \
    X(TOGETHER, "waiting for the others", 0)

typedef enum WatchPhase {
#define X(name, words, limit) WATCH_##name,
    WATCH_PHASE_LIST(X)
#undef X
        WATCH_PHASES
} WatchPhase;

/* Enters a phase; returns the one before, to go back to. `what` (a literal) may be NULL. */
WatchPhase watch_enter(WatchPhase phase, const char *what);
/* How many times the timeout a process may be in a phase without moving; 0: for ever. */
int watch_limit(int phase);
/* The step that runs, for messages. */
void watch_step(int64_t step);

/* Where a hub listens. */
enum { WATCH_ADDRESSES = 8 };
typedef struct WatchPlace {
    uint32_t addresses[WATCH_ADDRESSES]; /* IPv4, network order; 0: none */
    uint32_t port;
    char secret[33]; /* who does not know it is none of us */
} WatchPlace;

typedef struct Hub Hub;
/* Opens a hub for `count` processes; `local`: all of them are on this host, and a lost one, which
 * may only hang, is killed. Its thread runs until all have left or hub_close. */
Status hub_open(int count, double timeout, bool local, Hub **hub, WatchPlace *place);
/* Who was lost first, and how: a text that lives as long as the hub; NULL: nobody. */
const char *hub_lost(Hub *hub);
/* Whether no process is there any more; whether one ever was. */
bool hub_empty(Hub *hub);
bool hub_came(Hub *hub);
/* Asks all processes to stop, as a signal to each of them would. */
void hub_stop(Hub *hub);
/* Sends a signal to every process that is there; for hubs whose processes are on this host. */
void hub_signal(Hub *hub, int number);
/* Waits for nobody any more; lets those who are there go. NULL is allowed, here and below. */
void hub_end(Hub *hub);
/* Waits until all have left, or hub_end. */
void hub_close(Hub *hub);

typedef struct Watch Watch;
/* Joins a hub as process `index` of `count`. `abort` is called, in a thread of its own, before the
 * process ends because of a lost peer. */
Status watch_open(const WatchPlace *place, int index, int count, double timeout,
                  void (*abort)(int code), Watch **watch);
/* What becomes of a request to stop that comes over the hub. */
void watch_on_stop(void (*stop)(void));
/* Ends this process because a peer is lost, and says `who` and how. Does not return. */
_Noreturn void watch_die(Watch *watch, const char *who);
/* Leaves with the others: returns once all of them leave, or, with a failure of this process alone,
 * once they know. NULL is allowed. */
void watch_leave(Watch *watch, Status status);

/* ---- what travels; private to src/comm */

typedef enum WatchKind {
    WATCH_HELLO,
    WATCH_BEAT,
    WATCH_LEAVE,
    WATCH_LOST,
    WATCH_STOP,
    WATCH_GO
} WatchKind;

typedef struct WatchMessage {
    uint32_t magic, kind;
    int32_t index, phase, status;
    int32_t pid;
    int64_t ticks, step;
    char secret[33], host[63], what[32];
    char text[512]; /* LOST: how; LEAVE with a failure: why */
} WatchMessage;

enum { WATCH_MAGIC = 0x70614357 };
#define WATCH_BEATS 0.2 /* seconds between two signs */

const char *watch_phase_words(int phase);
/* Seconds since *looked beyond those that a thread which looks ten times a second may be late: it
 * did not run. Sets *looked to now. */
double watch_gap(double *looked);
/* Sends the whole message or nothing; false: the connection is gone. */
bool watch_send(int fd, const WatchMessage *message);

#endif
