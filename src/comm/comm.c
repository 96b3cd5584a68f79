/* Finds the engine by what its launcher put into the environment, and polls its transfers: calls
 * that block inside an engine burn a core, so this sleeps between two looks, longer and longer. */
#include "comm/comm.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "comm/cores.h"
#include "comm/deadline.h"
#include "comm/engines.h"
#include "comm/launch.h"
#include "comm/watch.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HOST_ROOM = 192 };

struct Comm {
    const CommEngine *engine;
    int count, index;
    int host, place, first; /* of comm_host, comm_place, comm_first */
    int whole;              /* of comm_whole */
    bool local;             /* all on one host */
    bool wide, fast;
    CommTimes times;
    double timeout;      /* seconds */
    const char *outside; /* what is waited for outside of here; since when, and in which phase */
    double outside_since;
    WatchPhase outside_of;
    Hub *hub; /* of process 0, where the launcher has none */
    bool met; /* all have joined the hub */
    Watch *watch;
};

/* ------------------------------------------------------------------------------------ opening */

/* The launcher's hub, as it says in the environment. */
static bool hub_of_launcher(WatchPlace *place)
{
    const char *text = getenv(LAUNCH_WATCH);
    *place = (WatchPlace){.addresses = {htonl(INADDR_LOOPBACK)}};
    return text && sscanf(text, "%u:%32[0-9a-f]", &place->port, place->secret) == 2;
}

/* What tells this host from others. Names do not where several are called localhost; the kernel's
 * start does, and between containers of one kernel their network. */
typedef struct HostName {
    char host[HOST_ROOM];
    char processes[32]; /* the namespace of processes: those of others cannot be ended from here */
} HostName;

/* The number of this process's namespace of a kind; "": not known. */
static void name_space(const char *kind, char name[32])
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    ssize_t length = readlink(path, name, 31);
    name[length > 0 ? length : 0] = '\0';
}

static void name_host(HostName *name)
{
    char host[64] = "", boot[64] = "", network[32];
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (f && !fgets(boot, sizeof boot, f))
        boot[0] = '\0';
    if (f)
        fclose(f);
    gethostname(host, sizeof host - 1);
    name_space("net", network);
    name_space("pid", name->processes);
    snprintf(name->host, HOST_ROOM, "%s %s %s", host, boot, network);
}

static bool same_host(const HostName *a, const HostName *b)
{
    return strcmp(a->host, b->host) == 0;
}

/* Who is on which host. */
static void find_hosts(Comm *c)
{
    HostName *names = mem_zero((size_t)c->count, sizeof *names);
    name_host(&names[c->index]);
    comm_gather(c, names, sizeof *names);
    int each = 1;
    while (each < c->count && same_host(&names[0], &names[each]))
        each++;
    c->local = each == c->count;
    for (int p = 1; p < c->count; p++)
        c->local = c->local && strcmp(names[0].processes, names[p].processes) == 0;
    bool even = c->count % each == 0;
    for (int p = each; p < c->count && even; p++)
        even = same_host(&names[p - 1], &names[p]) == (p % each != 0);
    c->host = even ? each : c->count;
    for (int p = 0; p < c->index; p++)
        c->place += same_host(&names[p], &names[c->index]);
    while (!same_host(&names[c->first], &names[c->index]))
        c->first++;
    free(names);
}

/* Signs of life, by the launcher's hub or one in process 0. The launcher's processes take their
 * cores here, before they start threads. */
static Status open_watch(Comm *c, double timeout)
{
    WatchPlace place;
    if (hub_of_launcher(&place)) {
        c->whole = cores_bind(c->index, c->count);
    } else {
        Status status =
            c->index == 0 ? hub_open(c->count, timeout, c->local, &c->hub, &place) : STATUS_OK;
        TRY(comm_status(c, status));
        comm_broadcast(c, &place, sizeof place);
    }
    Status status = comm_status(
        c, watch_open(&place, c->index, c->count, timeout, c->engine->abort, &c->watch));
    c->met = status == STATUS_OK;
    return status;
}

/* Why processes that were started together cannot meet. */
static Status cannot_meet(const Started *s)
{
    if (!s->row)
        return status_fail(
            STATUS_USAGE,
            "%s started %d processes (%s) without an MPI to meet by. mpirun, or srun "
            "with --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH), gives them one; for "
            "runs that have nothing to do with each other unset that variable",
            s->who, s->count, s->counts);
    return status_fail(STATUS_PEER, "%s started %d processes, but the module is not there: %s. %s",
                       s->who, s->count, s->why, s->row->help);
}

bool comm_started(void)
{
    Started s;
    return engine_started(&s);
}

/* Until all have met, whoever is waited for can only be guessed. */
static Deadline *bound_meeting(const Started *s, double timeout)
{
    char text[160];
    double seconds = watch_limit(WATCH_START) * timeout;
    snprintf(text, sizeof text,
             "process %d of %d: the others did not all come within %g s (--peer-timeout)", s->index,
             s->count, seconds);
    return deadline_begin(seconds, STATUS_PEER, text);
}

static Status meet(const Started *s, double timeout, const char *program, Comm **comm)
{
    Comm c = {.engine = s->engine, .timeout = timeout};
    TRY(c.engine->start(&c.count, &c.index));
    if (c.count != s->count) {
        c.engine->finish();
        return status_fail(STATUS_USAGE,
                           "processes: %s %s says %d, the launcher %d (%s). Was this built with "
                           "another MPI than that launcher's?",
                           s->row->title, s->engine->version, c.count, s->count, s->counts);
    }
    *comm = mem_zero(1, sizeof **comm);
    **comm = c;
    TRY(comm_agree(*comm, "program", program));
    find_hosts(*comm);
    return open_watch(*comm, timeout);
}

Status comm_open(double timeout, const char *program, Comm **comm)
{
    Started s;
    *comm = NULL;
    if (!engine_started(&s))
        return STATUS_OK;
    if (!s.engine)
        return cannot_meet(&s);
    Deadline *deadline = bound_meeting(&s, timeout);
    Status status = meet(&s, timeout, program, comm);
    deadline_call_off(deadline);
    return status;
}

/* All are there and have left: the engine's end is a matter of moments. */
static void finish(Comm *c, Status status)
{
    Deadline *deadline =
        deadline_begin(c->timeout, status, "the MPI does not end; all was done before");
    c->engine->finish();
    deadline_call_off(deadline);
}

void comm_close(Comm *c, Status status)
{
    if (!c)
        return;
    if (!c->met) /* who never came is not waited for */
        hub_end(c->hub);
    watch_leave(c->watch, status);
    hub_close(c->hub);
    finish(c, status);
    free(c);
}

bool comm_speaks(const Comm *c)
{
    Started s;
    return c ? c->index == 0 : !engine_started(&s) || s.index == 0;
}

int comm_count(const Comm *c)
{
    return c ? c->count : 1;
}

int comm_index(const Comm *c)
{
    return c ? c->index : 0;
}

int comm_place(const Comm *c)
{
    return c ? c->place : 0;
}

int comm_first(const Comm *c)
{
    return c ? c->first : 0;
}

int comm_host(const Comm *c)
{
    return c ? c->host : 1;
}

int comm_whole(const Comm *c)
{
    return c ? c->whole : 0;
}

void comm_list(void *file)
{
    const EngineRow *row;
    for (int i = 0; (row = engine_row(i)); i++) {
        char why[512];
        const CommEngine *engine = engine_load(row, why);
        fprintf(file, "%s  %s%s%s%s\n", row->title,
                engine ? engine->version : "absent: ", engine ? "" : why, engine ? "" : ". ",
                engine ? "" : row->help);
    }
}

/* ------------------------------------------------------------------------------------ transfers */

/* What moves bytes fails before the signs of life tell who is lost. */
_Noreturn void comm_lost(Comm *c, const char *why)
{
    char text[256];
    snprintf(text, sizeof text, "a peer is lost: %s", why);
    nanosleep(&(struct timespec){.tv_sec = 2}, NULL); /* which they soon do, and end this process */
    if (c->watch)
        watch_die(c->watch, text);
    fprintf(stderr, "paco: error: process %d of %d: %s\n", c->index, c->count, text);
    c->engine->abort(STATUS_PEER);
    _exit(STATUS_PEER);
}

static _Noreturn void lost(Comm *c)
{
    comm_lost(c, "MPI cannot reach it");
}

static int begun(Comm *c, int transfer)
{
    if (transfer < 0)
        lost(c);
    return transfer;
}

int comm_send(Comm *c, const void *data, size_t bytes, int to)
{
    return begun(c, c->engine->send(data, bytes, to));
}

int comm_receive(Comm *c, void *data, size_t bytes, int from)
{
    return begun(c, c->engine->receive(data, bytes, from));
}

/* Sleeps between looks grow to this; the first looks come without. */
enum { LOOKS_AT_ONCE = 50, SLEEP_FIRST_NS = 5000, SLEEP_MOST_NS = 300000 };

void comm_wait(Comm *c, const int *transfers, int count)
{
    int looks = 0;
    long sleep = SLEEP_FIRST_NS;
    double began = clock_seconds();
    for (int i = 0; i < count; i++)
        for (int done; (done = c->engine->done(transfers[i])) != 1; looks++) {
            if (done < 0)
                lost(c);
            if (looks < LOOKS_AT_ONCE)
                continue;
            nanosleep(&(struct timespec){.tv_nsec = sleep}, NULL);
            sleep = sleep * 2 < SLEEP_MOST_NS ? sleep * 2 : SLEEP_MOST_NS;
        }
    c->times.waited += clock_seconds() - began;
}

void comm_waits(Comm *c, const char *what)
{
    if (c->outside) {
        watch_enter(c->outside_of, NULL);
        c->times.waited += clock_seconds() - c->outside_since;
    }
    c->outside = what;
    if (what) {
        c->outside_of = watch_enter(WATCH_TOGETHER, what);
        c->outside_since = clock_seconds();
    }
}

double comm_patience(const Comm *c)
{
    return watch_limit(WATCH_DEVICE) * c->timeout;
}

double comm_timeout(const Comm *c)
{
    return c->timeout;
}

CommTimes comm_times(const Comm *c)
{
    return c ? c->times : (CommTimes){0};
}

void comm_summed(Comm *c, double seconds, bool hidden)
{
    c->times.sums += seconds;
    c->times.hidden += hidden ? seconds : 0;
}

static void wait_for(Comm *c, int transfer, const char *what)
{
    begun(c, transfer);
    WatchPhase before = watch_enter(WATCH_TOGETHER, what);
    comm_wait(c, &transfer, 1);
    watch_enter(before, NULL);
}

void comm_gather(Comm *c, void *data, size_t each)
{
    if (c && each)
        wait_for(c, c->engine->gather(data, each), "all-gather");
}

void comm_broadcast(Comm *c, void *data, size_t bytes)
{
    for (size_t at = 0; c && at < bytes; at += COMM_TRANSFER_MAX) {
        size_t left = bytes - at;
        wait_for(c,
                 c->engine->broadcast((char *)data + at,
                                      left < COMM_TRANSFER_MAX ? left : COMM_TRANSFER_MAX),
                 "broadcast");
    }
}

void comm_add(Comm *c, void *data, size_t count)
{
    wait_for(c, c->engine->sum(data, count, c->wide), "sum of gradients");
}

/* ------------------------------------------------------------------------------------ agreeing */

char *comm_texts(Comm *c, const char *text, size_t *each)
{
    if (!c) {
        *each = strlen(text) + 1;
        return mem_string(text);
    }
    uint64_t *lengths = mem_zero((size_t)c->count, sizeof *lengths);
    lengths[c->index] = strlen(text) + 1;
    comm_gather(c, lengths, sizeof *lengths);
    *each = 0;
    for (int i = 0; i < c->count; i++)
        *each = lengths[i] > *each ? lengths[i] : *each;
    free(lengths);
    char *texts = mem_zero((size_t)c->count, *each);
    memcpy(texts + (size_t)c->index * *each, text, strlen(text));
    comm_gather(c, texts, *each);
    return texts;
}

/* Where two texts begin to differ: the beginning of that line or, with commas, of that part. */
static size_t differ(const char *a, const char *b)
{
    size_t at = 0, part = 0;
    for (; a[at] && a[at] == b[at]; at++)
        if (a[at] == '\n' || a[at] == ',')
            part = at + 1;
    return part;
}

Status comm_agree(Comm *c, const char *what, const char *text)
{
    size_t each;
    if (!c)
        return STATUS_OK;
    char *texts = comm_texts(c, text, &each);
    Status status = STATUS_OK;
    for (int i = 1; i < c->count && status == STATUS_OK; i++) {
        const char *other = texts + (size_t)i * each;
        size_t at = differ(texts, other);
        if (strcmp(texts, other) != 0)
            status =
                status_fail(STATUS_USAGE,
                            "process %d: other %s than process 0 (%.*s vs %.*s). All need the same",
                            i, what, (int)strcspn(other + at, "\n"), other + at,
                            (int)strcspn(texts + at, "\n"), texts + at);
    }
    free(texts);
    return status;
}

Status comm_status(Comm *c, Status status)
{
    size_t each;
    if (!c)
        return status;
    int32_t *all = mem_zero((size_t)c->count, sizeof *all);
    int first = 0;
    all[c->index] = status;
    comm_gather(c, all, sizeof *all);
    while (first < c->count && all[first] == STATUS_OK)
        first++;
    Status worst = first < c->count ? (Status)all[first] : STATUS_OK;
    free(all);
    if (worst == STATUS_OK)
        return STATUS_OK;
    char *texts = comm_texts(c, status == STATUS_OK ? "" : status_text(), &each);
    status_fail(worst, "%s", texts + (size_t)first * each);
    free(texts);
    return worst;
}

void comm_set_wide(Comm *c, bool wide)
{
    if (!c)
        return;
    uint8_t *all = mem_zero((size_t)c->count, 1);
    all[c->index] = wide;
    comm_gather(c, all, 1);
    c->wide = memchr(all, 0, (size_t)c->count) == NULL;
    free(all);
}

void comm_set_fast(Comm *c, bool fast)
{
    if (c)
        c->fast = fast;
}

bool comm_fast(const Comm *c)
{
    return c && c->fast;
}

bool comm_wide(const Comm *c)
{
    return c && c->wide;
}
