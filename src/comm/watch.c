/* The thread of a process: tells where it is, hears what becomes of the others. */
#include "comm/watch.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/moves.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Where this process is: written by its other threads. */
static atomic_llong step;
static atomic_int phase;
static _Atomic(const char *) what;
static _Atomic(void (*)(void)) on_stop;
static atomic_int stop_came; /* maybe before anybody wanted to know */

struct Watch {
    int fd, index, count;
    double timeout;
    char host[63], why[300]; /* why: of the failure that it leaves with */
    void (*abort)(int code);
    atomic_int leaving, status; /* leaving: asked to */
    pthread_t thread;
};

WatchPhase watch_enter(WatchPhase next, const char *now)
{
    atomic_store(&what, now);
    return (WatchPhase)atomic_exchange(&phase, next);
}

void watch_step(int64_t now)
{
    atomic_store(&step, now);
}

void watch_on_stop(void (*stop)(void))
{
    atomic_store(&on_stop, stop);
    if (stop && atomic_load(&stop_came))
        stop();
}

int watch_limit(int of)
{
    static const int limits[] = {
#define X(name, words, limit) limit,
        WATCH_PHASE_LIST(X)
#undef X
    };
    return of >= 0 && of < WATCH_PHASES ? limits[of] : limits[0];
}

const char *watch_phase_words(int of)
{
    static const char *const words[] = {
#define X(name, text, limit) text,
        WATCH_PHASE_LIST(X)
#undef X
    };
    return of >= 0 && of < WATCH_PHASES ? words[of] : "somewhere";
}

double watch_gap(double *looked)
{
    double now = clock_seconds(), gap = now - *looked - 1;
    *looked = now;
    return gap > 0 ? gap : 0;
}

/* A message that the system took in part is sent whole: half of one would make nonsense of all that
 * follow. */
static bool send_rest(int fd, const char *rest, size_t size)
{
    for (int i = 0; i < 10 && size > 0; i++) {
        struct pollfd out = {.fd = fd, .events = POLLOUT};
        ssize_t n = poll(&out, 1, 100) > 0 ? send(fd, rest, size, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        rest += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return size == 0;
}

bool watch_send(int fd, const WatchMessage *m)
{
    ssize_t n = send(fd, m, sizeof *m, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    return send_rest(fd, (const char *)m + n, sizeof *m - (size_t)n);
}

static void *abort_all(void *argument)
{
    ((const Watch *)argument)->abort(STATUS_PEER);
    return NULL;
}

/* Says who is lost, gives the others time to say so, and ends: nothing that the main thread waits
 * for will come. */
_Noreturn void watch_die(Watch *w, const char *who)
{
    pthread_t thread;
    const char *now = atomic_load(&what);
    signal(SIGTERM, SIG_IGN); /* of an engine that ends all: this one ends with its own code */
    log_silence(false); /* whoever spoke for this process may be who is lost */
    log_error(
        "process %d of %d on %s: %s. Here: %s%s%s, at step %lld. Checkpoints are whole: --resume "
        "auto goes on",
        w->index, w->count, w->host, who, watch_phase_words(atomic_load(&phase)), now ? ", " : "",
        now ? now : "", (long long)atomic_load(&step));
    nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
    if (w->abort && pthread_create(&thread, NULL, abort_all, w) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    _exit(STATUS_PEER);
}

static WatchMessage sign(const Watch *w, WatchKind kind)
{
    WatchMessage m = {.magic = WATCH_MAGIC,
                      .kind = kind,
                      .index = w->index,
                      .pid = (int32_t)getpid(),
                      .phase = atomic_load(&phase),
                      .status = atomic_load(&w->status),
                      .ticks = moves(),
                      .step = atomic_load(&step)};
    const char *now = atomic_load(&what);
    snprintf(m.what, sizeof m.what, "%s", now ? now : "");
    snprintf(m.host, sizeof m.host, "%s", w->host);
    if (kind == WATCH_LEAVE)
        snprintf(m.text, sizeof m.text, "%s", w->why);
    return m;
}

/* Reads a whole message within the timeout; false: the connection is gone or silent. */
static bool read_message(Watch *w, WatchMessage *m)
{
    size_t got = 0;
    double begun = clock_seconds();
    while (got < sizeof *m && clock_seconds() - begun < w->timeout) {
        struct pollfd fd = {.fd = w->fd, .events = POLLIN};
        if (poll(&fd, 1, 100) <= 0)
            continue;
        ssize_t n = recv(w->fd, (char *)m + got, sizeof *m - got, 0);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        got += n > 0 ? (size_t)n : 0;
    }
    return got == sizeof *m && m->magic == WATCH_MAGIC;
}

/* What a message asks for. True: this process may go. */
static bool obey(Watch *w, WatchMessage *m)
{
    void (*stop)(void) = atomic_load(&on_stop);
    m->text[sizeof m->text - 1] = '\0';
    if (m->kind == WATCH_LOST)
        watch_die(w, m->text);
    if (m->kind == WATCH_STOP)
        atomic_store(&stop_came, 1);
    if (m->kind == WATCH_STOP && stop)
        stop();
    return m->kind == WATCH_GO;
}

static void *run(void *argument)
{
    Watch *w = argument;
    double beat = 0, heard = clock_seconds(), looked = heard;
    for (bool told = false;;) {
        struct pollfd fd = {.fd = w->fd, .events = POLLIN};
        WatchMessage m;
        heard += watch_gap(&looked);
        double now = looked;
        bool leaving = atomic_load(&w->leaving);
        if (now - beat > WATCH_BEATS || leaving != told) {
            m = sign(w, leaving ? WATCH_LEAVE : WATCH_BEAT);
            watch_send(w->fd, &m);
            beat = now;
            told = leaving;
        }
        if (poll(&fd, 1, leaving ? 20 : 50) > 0) {
            if (!read_message(w, &m)) {
                if (leaving)
                    return NULL;
                watch_die(w, "the connection to the hub closed: the launcher or process 0 is lost");
            }
            heard = now;
            if (obey(w, &m))
                return NULL;
        } else if (now - heard > w->timeout) {
            if (leaving)
                return NULL;
            watch_die(w, "no sign of life from the hub: the launcher or process 0 is lost");
        }
    }
}

static bool join(Watch *w, const WatchPlace *place, uint32_t address)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = address,
                             .sin_port = htons((uint16_t)place->port)};
    struct timeval patience = {.tv_sec = 5};
    WatchMessage hello = sign(w, WATCH_HELLO);
    memcpy(hello.secret, place->secret, sizeof hello.secret);
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (w->fd >= 0 && connect(w->fd, (struct sockaddr *)&at, sizeof at) == 0 &&
        watch_send(w->fd, &hello))
        return true;
    if (w->fd >= 0)
        close(w->fd);
    return false;
}

Status watch_open(const WatchPlace *place, int index, int count, double timeout,
                  void (*abort)(int code), Watch **out)
{
    Watch *w = mem_zero(1, sizeof *w);
    bool joined = false;
    w->index = index;
    w->count = count;
    w->timeout = timeout;
    w->abort = abort;
    gethostname(w->host, sizeof w->host - 1);
    for (int i = 0; i < WATCH_ADDRESSES && place->addresses[i] && !joined; i++)
        joined = join(w, place, place->addresses[i]);
    if (joined && pthread_create(&w->thread, NULL, run, w) == 0) {
        *out = w;
        return STATUS_OK;
    }
    if (joined)
        close(w->fd);
    free(w);
    return status_fail(STATUS_PEER, "process %d of %d: no connection to the hub at port %u: %s",
                       index, count, place->port, strerror(errno));
}

void watch_leave(Watch *w, Status status)
{
    if (!w)
        return;
    snprintf(w->why, sizeof w->why, "%s", status == STATUS_OK ? "" : status_text());
    atomic_store(&w->status, status);
    atomic_store(&w->leaving, 1);
    pthread_join(w->thread, NULL);
    close(w->fd);
    free(w);
}
