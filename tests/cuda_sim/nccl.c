/* A stand-in for NCCL: processes of one host, over sockets, in the streams of the simulated GPU. What is asked for happens
 * when the stream comes to it, and takes as long as the others take. Every other call begins although nobody waits for its
 * stream: neither what it must wait for nor what must wait for it may be forgotten.
 *
 * PACO_SIM_NCCL makes trouble: delay:RANK:CALL:MILLISECONDS, die:RANK:CALL, stop:RANK:CALL and error:RANK:CALL, in the
 * call of that number (a group is one call); join:RANK, which cannot join. */
#include "sim.h"

#include <cuda_runtime_api.h>
#include "nccl_api.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4, INVALID_USAGE = 5, REMOTE_ERROR = 6 };
enum { TRANSFERS_MAX = 1024 };

struct ncclComm {
    int count, index, listening;
    int *sockets; /* [count] -1: none yet */
    char id[33];
    ncclResult_t state;
    long calls;
    int users;    /* calls that are not done, and who has it */
    bool aborted;
};

/* What goes before the bytes of a transfer. */
typedef struct Head {
    long call;
    size_t bytes;
} Head;

typedef struct Transfer {
    int peer;
    bool send;
    char *data;
    Head head, seen;
    size_t at; /* of head and data */
} Transfer;

/* A collective or a group of them. */
typedef struct Call {
    ncclComm_t comm;
    cudaStream_t stream;
    long number;
    bool begun;
    double until; /* a delay */
    int end;      /* the signal that ends it then; 0: none */
    int count;
    Transfer transfers[TRANSFERS_MAX];
    float *all, *to; /* of a sum: [count][floats], and where it goes; NULL: none */
    const float *from;
    size_t floats;
} Call;

static const SimStreams *streams;
static char latest[256];
static int depth; /* of groups */
static Call *grouped;

void sim_nccl_streams(const SimStreams *in);

void sim_nccl_streams(const SimStreams *in)
{
    streams = in;
}

__attribute__((format(printf, 2, 3))) static ncclResult_t fail(ncclResult_t code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(latest, sizeof latest, format, arguments);
    va_end(arguments);
    return code;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- joining */

ncclResult_t ncclGetVersion(int *version)
{
    *version = 22809;
    return NCCL_SUCCESS;
}

const char *ncclGetErrorString(ncclResult_t code)
{
    static const char *const words[] = {"no error", "unhandled cuda error", "unhandled system error", "internal error",
                                        "invalid argument", "invalid usage", "remote process exited", "in progress"};
    return code < sizeof words / sizeof *words ? words[code] : "unknown";
}

const char *ncclGetLastError(ncclComm_t comm)
{
    (void)comm;
    return latest;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
    uint8_t bytes[16];
    int random = open("/dev/urandom", O_RDONLY);
    if (read(random, bytes, sizeof bytes) != sizeof bytes)
        return fail(SYSTEM_ERROR, "/dev/urandom");
    close(random);
    memset(id, 0, sizeof *id);
    for (int i = 0; i < 16; i++)
        sprintf(id->internal + 2 * i, "%02x", bytes[i]);
    return NCCL_SUCCESS;
}

/* Where process `index` of a group listens: a name without a file. */
static socklen_t place(const char *id, int index, struct sockaddr_un *at)
{
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(at->sun_path + 1, sizeof at->sun_path - 1, "paco-nccl-%s-%d", id, index);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

/* The trouble that is wished for: whether it is this one, here. */
static bool wished(const char *what, int index, long call, int *milliseconds)
{
    const char *wish = getenv("PACO_SIM_NCCL");
    char word[16];
    int at;
    long of = -1;
    int n = wish ? sscanf(wish, "%15[a-z]:%d:%ld:%d", word, &at, &of, milliseconds) : 0;
    return n >= 2 && strcmp(word, what) == 0 && at == index && of == call;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int count, ncclUniqueId id, int index, ncclConfig_t *config)
{
    struct sockaddr_un at;
    int none;
    if (config->size != sizeof *config || config->magic != (unsigned)NCCL_MAGIC || config->blocking != 0)
        return fail(INVALID_ARGUMENT, "configuration");
    if (wished("join", index, -1, &none))
        return fail(INVALID_USAGE, "duplicate GPU detected");
    ncclComm_t c = *comm = calloc(1, sizeof *c);
    *c = (struct ncclComm){.count = count, .index = index, .state = NCCL_IN_PROGRESS, .users = 1};
    memcpy(c->id, id.internal, sizeof c->id);
    c->sockets = malloc((size_t)count * sizeof *c->sockets);
    for (int p = 0; p < count; p++)
        c->sockets[p] = -1;
    c->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t length = place(c->id, index, &at);
    if (bind(c->listening, (struct sockaddr *)&at, length) != 0 || listen(c->listening, count) != 0)
        return fail(SYSTEM_ERROR, "%s", strerror(errno));
    return NCCL_IN_PROGRESS;
}

/* Those before this one are called, those behind it call. */
static void meet(ncclComm_t c)
{
    bool all = true;
    for (int p = 0; p < c->index; p++) {
        struct sockaddr_un at;
        socklen_t length = place(c->id, p, &at);
        int s = c->sockets[p] < 0 ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
        if (s >= 0 && connect(s, (struct sockaddr *)&at, length) == 0 &&
            send(s, &c->index, sizeof c->index, MSG_NOSIGNAL) == sizeof c->index)
            c->sockets[p] = s;
        else if (s >= 0)
            close(s);
        all &= c->sockets[p] >= 0;
    }
    int who, s = accept4(c->listening, NULL, NULL, SOCK_CLOEXEC);
    if (s >= 0 && recv(s, &who, sizeof who, MSG_WAITALL) == sizeof who)
        c->sockets[who] = s;
    for (int p = c->index + 1; p < c->count; p++)
        all &= c->sockets[p] >= 0;
    if (all)
        c->state = NCCL_SUCCESS;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t *code)
{
    if (c->state == NCCL_IN_PROGRESS)
        meet(c);
    *code = c->state;
    return NCCL_SUCCESS;
}

static void leave(ncclComm_t c)
{
    if (--c->users > 0)
        return;
    free(c->sockets);
    free(c);
}

static ncclResult_t end(ncclComm_t c)
{
    for (int p = 0; p < c->count; p++)
        if (c->sockets[p] >= 0)
            close(c->sockets[p]);
    close(c->listening);
    c->aborted = true;
    leave(c);
    return NCCL_SUCCESS;
}

ncclResult_t ncclCommFinalize(ncclComm_t c)
{
    return c->users > 1 ? fail(INVALID_USAGE, "calls are on their way") : NCCL_SUCCESS;
}

ncclResult_t ncclCommDestroy(ncclComm_t c)
{
    return end(c);
}

ncclResult_t ncclCommAbort(ncclComm_t c)
{
    return end(c);
}

/* ---- calls */

/* As many bytes of head and data as go now, up to `end` of both; -1: the peer is gone. */
static ssize_t move_some(Transfer *t, int s, size_t end)
{
    size_t head = sizeof t->head;
    bool in_head = t->at < head;
    char *from = in_head ? (char *)(t->send ? &t->head : &t->seen) + t->at : t->data + (t->at - head);
    size_t n = in_head ? head - t->at : end - t->at;
    ssize_t moved = t->send ? send(s, from, n, MSG_DONTWAIT | MSG_NOSIGNAL) : recv(s, from, n, MSG_DONTWAIT);
    if (moved < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return moved > 0 ? moved : -1;
}

static size_t length(const Transfer *t)
{
    return sizeof t->head + t->head.bytes;
}

/* As far as it goes now; false: not done, or in trouble, which is the state of the communicator. */
static bool move(ncclComm_t c, Transfer *t)
{
    while (t->at < length(t)) {
        ssize_t n = move_some(t, c->sockets[t->peer], length(t));
        if (n < 0)
            c->state = fail(REMOTE_ERROR, "process %d is gone", t->peer);
        if (n <= 0)
            return false;
        t->at += (size_t)n;
        if (!t->send && t->at == sizeof t->head && (t->seen.call != t->head.call || t->seen.bytes != t->head.bytes)) {
            c->state = fail(INVALID_USAGE, "call %ld wants %zu bytes of process %d, which sends %zu in its call %ld",
                            t->head.call, t->head.bytes, t->peer, t->seen.bytes, t->seen.call);
            return false;
        }
    }
    return true;
}

/* One after another between two processes and in one direction; all others at the same time. */
static bool move_all(Call *call)
{
    ncclComm_t c = call->comm;
    bool all = true, *stuck = calloc((size_t)c->count, 2);
    for (int i = 0; i < call->count && c->state == NCCL_SUCCESS; i++) {
        Transfer *t = &call->transfers[i];
        bool *waits = &stuck[2 * t->peer + t->send];
        *waits = *waits || !move(c, t);
        all &= !*waits;
    }
    free(stuck);
    return all && c->state == NCCL_SUCCESS;
}

static void make_trouble(Call *call)
{
    ncclComm_t c = call->comm;
    int milliseconds = 0;
    if (wished("delay", c->index, call->number, &milliseconds))
        call->until = now() + 1e-3 * milliseconds;
    if (wished("die", c->index, call->number, &milliseconds))
        call->end = SIGKILL;
    if (wished("stop", c->index, call->number, &milliseconds))
        call->end = SIGSTOP;
    if (call->end) /* signs of life say before where it is */
        call->until = now() + 1;
    if (wished("error", c->index, call->number, &milliseconds))
        c->state = fail(SYSTEM_ERROR, "an error that was wished for");
}

/* Half of the first transfer has gone. */
static void end_in_the_middle(Call *call)
{
    Transfer *t = call->transfers;
    size_t half = sizeof t->head + t->head.bytes / 2;
    for (ssize_t n; call->count && t->at < half; t->at += (size_t)n)
        if ((n = move_some(t, call->comm->sockets[t->peer], half)) <= 0)
            break;
    raise(call->end);
    call->end = 0;
}

/* A sum in an order of its own: from the last process to the first. */
static void add_up(Call *call)
{
    ncclComm_t c = call->comm;
    memcpy(call->all + (size_t)c->index * call->floats, call->from, call->floats * sizeof(float));
    for (size_t i = 0; i < call->floats; i++) {
        float sum = 0;
        for (int p = c->count; p-- > 0;)
            sum += call->all[(size_t)p * call->floats + i];
        call->to[i] = sum;
    }
}

static bool attempt(void *own)
{
    Call *call = *(Call **)own;
    ncclComm_t c = call->comm;
    if (!call->begun && !c->aborted)
        make_trouble(call);
    call->begun = true;
    if (!c->aborted && now() < call->until)
        return false;
    if (call->end && !c->aborted)
        end_in_the_middle(call);
    if (!c->aborted && !move_all(call))
        return false;
    if (call->all && !c->aborted)
        add_up(call);
    leave(c);
    free(call->all);
    free(call);
    return true;
}

static void start(Call *call)
{
    Call **own = malloc(sizeof *own);
    *own = call;
    call->number = call->comm->calls++;
    for (int i = 0; i < call->count; i++)
        call->transfers[i].head.call = call->number;
    call->comm->users++;
    streams->enqueue_try(call->stream, attempt, own);
    if (call->number % 2 == 0)
        streams->hurry(call->stream);
}

/* The call that a function is part of; NULL: it may not be called now. */
static Call *part_of(ncclComm_t c, cudaStream_t stream)
{
    if (c->state != NCCL_SUCCESS || (grouped && (grouped->comm != c || grouped->stream != stream)))
        return NULL;
    Call *call = grouped ? grouped : calloc(1, sizeof *call);
    call->comm = c;
    call->stream = stream;
    if (depth > 0)
        grouped = call;
    return call;
}

static ncclResult_t done_with(Call *call)
{
    if (depth == 0)
        start(call);
    return NCCL_SUCCESS;
}

static ncclResult_t refuse(void)
{
    return fail(INVALID_USAGE, "not now");
}

static void add(Call *call, int peer, bool sends, const void *data, size_t bytes)
{
    if (call->count == TRANSFERS_MAX)
        abort();
    call->transfers[call->count++] =
        (Transfer){.peer = peer, .send = sends, .data = (char *)(uintptr_t)data, .head = {.bytes = bytes}};
}

static size_t size_of(ncclDataType_t type)
{
    return type == NCCL_FLOATS ? sizeof(float) : 1;
}

ncclResult_t ncclGroupStart(void)
{
    depth++;
    return NCCL_SUCCESS;
}

ncclResult_t ncclGroupEnd(void)
{
    if (depth == 0)
        return refuse();
    if (--depth == 0 && grouped)
        start(grouped);
    if (depth == 0)
        grouped = NULL;
    return NCCL_SUCCESS;
}

ncclResult_t ncclSend(const void *from, size_t count, ncclDataType_t type, int to, ncclComm_t c, cudaStream_t stream)
{
    Call *call = part_of(c, stream);
    if (!call)
        return refuse();
    add(call, to, true, from, count * size_of(type));
    return done_with(call);
}

ncclResult_t ncclRecv(void *to, size_t count, ncclDataType_t type, int from, ncclComm_t c, cudaStream_t stream)
{
    Call *call = part_of(c, stream);
    if (!call)
        return refuse();
    add(call, from, false, to, count * size_of(type));
    return done_with(call);
}

ncclResult_t ncclAllGather(const void *from, void *to, size_t each, ncclDataType_t type, ncclComm_t c,
                           cudaStream_t stream)
{
    Call *call = part_of(c, stream);
    size_t bytes = each * size_of(type);
    if (!call)
        return refuse();
    if (from != (char *)to + (size_t)c->index * bytes)
        return fail(INVALID_USAGE, "the stand-in gathers in place");
    for (int p = 0; p < c->count; p++)
        if (p != c->index) {
            add(call, p, true, from, bytes);
            add(call, p, false, (char *)to + (size_t)p * bytes, bytes);
        }
    return done_with(call);
}

ncclResult_t ncclBroadcast(const void *from, void *to, size_t count, ncclDataType_t type, int root, ncclComm_t c,
                           cudaStream_t stream)
{
    Call *call = part_of(c, stream);
    if (!call)
        return refuse();
    for (int p = 0; p < c->count && c->index == root; p++)
        if (p != root)
            add(call, p, true, from, count * size_of(type));
    if (c->index != root)
        add(call, root, false, to, count * size_of(type));
    return done_with(call);
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t c,
                           cudaStream_t stream)
{
    if (type != NCCL_FLOATS || op != NCCL_ADD || depth > 0)
        return fail(INVALID_USAGE, "the stand-in adds floats, alone");
    Call *call = part_of(c, stream);
    if (!call)
        return refuse();
    call->all = malloc((size_t)c->count * count * sizeof(float));
    call->to = to;
    call->from = from;
    call->floats = count;
    for (int p = 0; p < c->count; p++)
        if (p != c->index) {
            add(call, p, true, from, count * sizeof(float));
            add(call, p, false, call->all + (size_t)p * count, count * sizeof(float));
        }
    return done_with(call);
}
