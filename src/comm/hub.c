/* The hub: one thread, one poll over all connections. Whoever connects has to say the secret first
 * and within a few seconds; nobody else can make it wait, end or speak. */
#include "comm/watch.h"

#include "base/arena.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Seconds: to say hello, and to come at all. */
#define HELLO_SECONDS 5.0
#define COME_SECONDS 120.0
enum { STRANGERS = 16 }; /* beside those who are expected */

/* A connection: of a stranger until its hello has come. */
typedef struct Peer {
    int fd; /* -1: none */
    size_t got;
    WatchMessage coming, last;
    double since, seen, moved; /* connected; last sign; last move */
    double left;               /* 0: has not */
    bool lost;
} Peer;

struct Hub {
    int listening, count;
    double timeout, opened;
    char secret[33], first_lost[512]; /* the text: written once, before `lost` */
    Peer *peers;                      /* [count] */
    atomic_int *pids;                 /* [count] of those that are there; 0: is not */
    Peer *strangers;                  /* [strangers_room] */
    int strangers_room;
    atomic_int stop, end;
    atomic_int lost, there, came; /* some are; how many are connected; some once were */
    bool told_stop, running, local;
    pthread_t thread;
};

/* ------------------------------------------------------------------------------------ opening */

static Status make_secret(char secret[33])
{
    uint8_t bytes[16];
    FILE *f = fopen("/dev/urandom", "rb");
    bool read = f && fread(bytes, sizeof bytes, 1, f) == 1;
    if (f)
        fclose(f);
    for (int i = 0; i < 16 && read; i++)
        snprintf(secret + 2 * i, 3, "%02x", bytes[i]);
    return read ? STATUS_OK : status_fail(STATUS_IO, "/dev/urandom: cannot be read");
}

static void list_addresses(bool local, WatchPlace *place)
{
    struct ifaddrs *all = NULL;
    int n = 0;
    if (!local && getifaddrs(&all) == 0)
        for (struct ifaddrs *a = all; a && n < WATCH_ADDRESSES - 1; a = a->ifa_next) {
            const struct sockaddr_in *in = (const void *)a->ifa_addr;
            if (in && in->sin_family == AF_INET && in->sin_addr.s_addr != htonl(INADDR_LOOPBACK))
                place->addresses[n++] = in->sin_addr.s_addr;
        }
    if (all)
        freeifaddrs(all);
    place->addresses[n] = htonl(INADDR_LOOPBACK);
}

static Status begin_listening(Hub *h, bool local, WatchPlace *place)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(local ? INADDR_LOOPBACK : INADDR_ANY)};
    socklen_t length = sizeof at;
    h->listening = socket(AF_INET, SOCK_STREAM, 0);
    if (h->listening < 0 || bind(h->listening, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(h->listening, h->count + STRANGERS) != 0 ||
        getsockname(h->listening, (struct sockaddr *)&at, &length) != 0)
        return status_fail(STATUS_IO, "signs of life: cannot listen: %s", strerror(errno));
    fcntl(h->listening, F_SETFL, O_NONBLOCK);
    fcntl(h->listening, F_SETFD, FD_CLOEXEC);
    place->port = ntohs(at.sin_port);
    list_addresses(local, place);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ telling */

/* All but process `except`; -1: all. */
static void tell_all(Hub *h, WatchKind kind, int index, const char *text, int except)
{
    WatchMessage m = {.magic = WATCH_MAGIC, .kind = kind, .index = index};
    snprintf(m.text, sizeof m.text, "%s", text);
    for (int p = 0; p < h->count; p++)
        if (h->peers[p].fd >= 0 && p != except)
            watch_send(h->peers[p].fd, &m);
}

static void drop(Peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

/* Where the others wait for process p; "" where none does. */
static void who_waits(const Hub *h, int p, char text[96])
{
    text[0] = '\0';
    for (int i = 0; i < h->count; i++) {
        const WatchMessage *m = &h->peers[i].last;
        if (i != p && h->peers[i].fd >= 0 && m->phase == WATCH_TOGETHER && m->what[0]) {
            snprintf(text, 96, ", while process %d waited, %s", i, m->what);
            return;
        }
    }
}

/* Process p is lost: all get to know where it was. It may live: on this host it is ended before it
 * could call the others lost, but the one that this hub is in, which ends as they do. */
static void lose(Hub *h, int p, const char *how)
{
    Peer *peer = &h->peers[p];
    char text[512], waits[96];
    who_waits(h, p, waits);
    snprintf(text, sizeof text, "process %d on %s is lost: %s; it was %s%s%s, at step %lld%s", p,
             peer->last.host[0] ? peer->last.host : "an unknown host", how,
             watch_phase_words(peer->last.phase), peer->last.what[0] ? ", " : "", peer->last.what,
             (long long)peer->last.step, waits);
    peer->lost = true;
    if (!atomic_load(&h->lost))
        snprintf(h->first_lost, sizeof h->first_lost, "%s", text);
    atomic_store(&h->lost, 1);
    bool kills = h->local && peer->last.pid > 0 && peer->last.pid != getpid() && peer->left == 0;
    tell_all(h, WATCH_LOST, p, text, kills ? p : -1);
    if (kills)
        kill(peer->last.pid, SIGKILL);
    drop(peer);
}

/* ------------------------------------------------------------------------------------ hearing */

static bool same_secret(const char *a, const char *b)
{
    int other = 0;
    for (int i = 0; i < 33; i++)
        other |= a[i] ^ b[i];
    return other == 0;
}

/* A stranger's first message makes it a peer, or ends the connection. */
static void welcome(Hub *h, Peer *stranger)
{
    const WatchMessage *m = &stranger->coming;
    bool known = m->magic == WATCH_MAGIC && m->kind == WATCH_HELLO && m->index >= 0 &&
                 m->index < h->count && same_secret(m->secret, h->secret) &&
                 h->peers[m->index].fd < 0 && !h->peers[m->index].lost;
    if (!known) {
        drop(stranger);
        return;
    }
    Peer *peer = &h->peers[m->index];
    *peer = (Peer){.fd = stranger->fd, .last = *m, .since = stranger->since};
    peer->last.host[sizeof peer->last.host - 1] = peer->last.what[0] = '\0';
    peer->seen = peer->moved = clock_seconds();
    stranger->fd = -1;
    atomic_store(&h->came, 1);
    if (h->told_stop) /* before it came */
        watch_send(peer->fd, &(WatchMessage){.magic = WATCH_MAGIC, .kind = WATCH_STOP});
}

static void hear(Hub *h, int p)
{
    Peer *peer = &h->peers[p];
    WatchMessage *m = &peer->coming;
    if (m->magic != WATCH_MAGIC || (m->kind != WATCH_BEAT && m->kind != WATCH_LEAVE))
        return;
    peer->seen = clock_seconds();
    if (m->ticks != peer->last.ticks || m->phase != peer->last.phase || m->step != peer->last.step)
        peer->moved = peer->seen;
    memcpy(m->host, peer->last.host, sizeof m->host);
    m->pid = peer->last.pid;
    m->what[sizeof m->what - 1] = m->text[sizeof m->text - 1] = '\0';
    peer->last = *m;
    if (m->kind == WATCH_LEAVE && peer->left == 0) /* it says so again and again */
        peer->left = peer->seen;
}

/* Reads what has come. False: the connection is gone. True with a whole message: *whole. */
static bool take(Peer *peer, bool *whole)
{
    *whole = false;
    ssize_t n = recv(peer->fd, (char *)&peer->coming + peer->got, sizeof peer->coming - peer->got,
                     MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return false;
    peer->got += n > 0 ? (size_t)n : 0;
    if (peer->got == sizeof peer->coming) {
        peer->got = 0;
        *whole = true;
    }
    return true;
}

/* Whether there is room for one more; until there is, whoever connects waits in the queue of the
 * system, and idle strangers go after a few seconds. */
static bool has_room(const Hub *h)
{
    for (int i = 0; i < h->strangers_room; i++)
        if (h->strangers[i].fd < 0)
            return true;
    return false;
}

static void accept_one(Hub *h)
{
    int fd = has_room(h) ? accept(h->listening, NULL, NULL) : -1;
    for (int i = 0; i < h->strangers_room && fd >= 0; i++)
        if (h->strangers[i].fd < 0) {
            fcntl(fd, F_SETFD, FD_CLOEXEC);
            h->strangers[i] = (Peer){.fd = fd, .since = clock_seconds()};
            return;
        }
}

static void read_all(Hub *h)
{
    bool whole;
    for (int i = 0; i < h->strangers_room; i++) {
        Peer *s = &h->strangers[i];
        if (s->fd >= 0 && (!take(s, &whole) || clock_seconds() - s->since > HELLO_SECONDS))
            drop(s);
        else if (s->fd >= 0 && whole)
            welcome(h, s);
    }
    for (int p = 0; p < h->count; p++) {
        Peer *peer = &h->peers[p];
        while (peer->fd >= 0) {
            if (!take(peer, &whole)) {
                if (peer->left > 0)
                    drop(peer);
                else
                    lose(h, p, "its connection closed");
            } else if (whole)
                hear(h, p);
            else
                break;
        }
    }
}

/* ------------------------------------------------------------------------------------ judging */

/* This process was stopped (Ctrl-Z) or the machine busy: time in which it heard nobody counts for
 * nobody. */
static void forgive(Hub *h, double seconds)
{
    h->opened += seconds;
    for (int p = 0; p < h->count; p++) {
        Peer *peer = &h->peers[p];
        peer->seen += seconds;
        peer->moved += seconds;
        peer->left += peer->left > 0 ? seconds : 0;
    }
}

static void judge(Hub *h, int p)
{
    Peer *peer = &h->peers[p];
    double now = clock_seconds();
    char how[80];
    if (peer->lost || peer->left > 0)
        return;
    if (peer->fd < 0) {
        if (now - h->opened > COME_SECONDS)
            lose(h, p, "it never came");
        return;
    }
    double still = watch_limit(peer->last.phase) * h->timeout;
    if (now - peer->seen > h->timeout) {
        snprintf(how, sizeof how, "no sign of life for %g s", h->timeout);
        lose(h, p, how);
    } else if (still > 0 && now - peer->moved > still) {
        snprintf(how, sizeof how, "it did not move for %g s", still);
        lose(h, p, how);
    }
}

/* Whether all that are not lost have left. Who left with a failure that is not that of all is told
 * as lost, once the others had the timeout to follow. */
static bool all_left(Hub *h)
{
    bool all = true;
    int failed = -1;
    for (int p = 0; p < h->count; p++) {
        const Peer *peer = &h->peers[p];
        all &= peer->lost || peer->left > 0;
        bool alone = peer->left > 0 && peer->last.status != STATUS_OK && !peer->lost &&
                     clock_seconds() - peer->left > h->timeout;
        if (alone)
            failed = p;
    }
    if (!all && failed >= 0) {
        char how[400];
        Peer *peer = &h->peers[failed];
        WatchMessage go = {.magic = WATCH_MAGIC, .kind = WATCH_GO};
        snprintf(how, sizeof how, "it ended alone, with exit code %d (%.300s)", peer->last.status,
                 peer->last.text);
        if (peer->fd >= 0)
            watch_send(peer->fd, &go);
        lose(h, failed, how);
    }
    return all;
}

static void wait_for_something(Hub *h)
{
    struct pollfd *fds = mem_zero((size_t)(h->count + h->strangers_room + 1), sizeof *fds);
    int n = 0;
    fds[n++] = (struct pollfd){.fd = has_room(h) ? h->listening : -1, .events = POLLIN};
    for (int i = 0; i < h->strangers_room; i++)
        fds[n++] = (struct pollfd){.fd = h->strangers[i].fd, .events = POLLIN};
    for (int p = 0; p < h->count; p++)
        fds[n++] = (struct pollfd){.fd = h->peers[p].fd, .events = POLLIN};
    poll(fds, (nfds_t)n, 50);
    free(fds);
}

static void *run(void *argument)
{
    Hub *h = argument;
    double beat = 0, looked = clock_seconds();
    while (!atomic_load(&h->end)) {
        wait_for_something(h);
        forgive(h, watch_gap(&looked));
        accept_one(h);
        read_all(h);
        int there = 0;
        for (int p = 0; p < h->count; p++) {
            judge(h, p);
            bool is = h->peers[p].fd >= 0;
            there += is;
            atomic_store(&h->pids[p], is && h->peers[p].left == 0 ? h->peers[p].last.pid : 0);
        }
        atomic_store(&h->there, there);
        if (all_left(h))
            break;
        if (atomic_load(&h->stop) && !h->told_stop) {
            tell_all(h, WATCH_STOP, 0, "", -1);
            h->told_stop = true;
        }
        if (clock_seconds() - beat > WATCH_BEATS) {
            tell_all(h, WATCH_BEAT, 0, "", -1);
            beat = clock_seconds();
        }
    }
    tell_all(h, WATCH_GO, 0, "", -1);
    return NULL;
}

Status hub_open(int count, double timeout, bool local, Hub **out, WatchPlace *place)
{
    Hub *h = mem_zero(1, sizeof *h);
    *place = (WatchPlace){0};
    h->count = count;
    h->timeout = timeout;
    h->local = local;
    h->opened = clock_seconds();
    h->peers = mem_zero((size_t)count, sizeof *h->peers);
    h->pids = mem_zero((size_t)count, sizeof *h->pids);
    h->strangers_room = count + STRANGERS;
    h->strangers = mem_zero((size_t)h->strangers_room, sizeof *h->strangers);
    for (int p = 0; p < count; p++)
        h->peers[p].fd = -1;
    for (int i = 0; i < h->strangers_room; i++)
        h->strangers[i].fd = -1;
    Status status = make_secret(h->secret);
    if (status == STATUS_OK)
        status = begin_listening(h, local, place);
    memcpy(place->secret, h->secret, sizeof place->secret);
    if (status == STATUS_OK && pthread_create(&h->thread, NULL, run, h) != 0)
        status = status_fail(STATUS_LIMIT, "signs of life: cannot start a thread");
    h->running = status == STATUS_OK;
    *out = h;
    if (status != STATUS_OK) {
        hub_close(h);
        *out = NULL;
    }
    return status;
}

const char *hub_lost(Hub *h)
{
    return atomic_load(&h->lost) ? h->first_lost : NULL;
}

bool hub_empty(Hub *h)
{
    return atomic_load(&h->there) == 0;
}

bool hub_came(Hub *h)
{
    return atomic_load(&h->came) != 0;
}

void hub_stop(Hub *h)
{
    atomic_store(&h->stop, 1);
}

void hub_signal(Hub *h, int number)
{
    for (int p = 0; p < h->count; p++) {
        int pid = atomic_load(&h->pids[p]);
        if (pid > 0)
            kill(pid, number);
    }
}

void hub_end(Hub *h)
{
    if (h)
        atomic_store(&h->end, 1);
}

void hub_close(Hub *h)
{
    if (!h)
        return;
    if (h->running)
        pthread_join(h->thread, NULL);
    for (int p = 0; p < h->count; p++)
        drop(&h->peers[p]);
    for (int i = 0; i < h->strangers_room; i++)
        drop(&h->strangers[i]);
    if (h->listening > 0)
        close(h->listening);
    free(h->strangers);
    free(h->peers);
    free(h->pids);
    free(h);
}
