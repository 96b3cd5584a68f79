#include "wait.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

/* Sleeps between looks grow to this; the first looks come without. */
enum { LOOKS_AT_ONCE = 50, SLEEP_FIRST_NS = 5000, SLEEP_MOST_NS = 200000 };

static void rest(int looks)
{
    int doubled = looks - LOOKS_AT_ONCE;
    long sleep = doubled < 8 ? (long)SLEEP_FIRST_NS << (doubled < 0 ? 0 : doubled) : SLEEP_MOST_NS;
    if (doubled >= 0)
        nanosleep(&(struct timespec){.tv_nsec = sleep < SLEEP_MOST_NS ? sleep : SLEEP_MOST_NS},
                  NULL);
}

bool wait_rests(Group *g)
{
    while (g->done < g->begun && cudaEventQuery(g->marks[g->done % GROUP_MARKS].end) == cudaSuccess)
        g->done++;
    return g->done == g->begun;
}

/* The collective in which the device is; NULL: in none. */
static const char *collective(Group *g)
{
    wait_rests(g);
    const Mark *m = &g->marks[g->done % GROUP_MARKS];
    return g->done < g->begun && cudaEventQuery(m->begin) == cudaSuccess ? m->what : NULL;
}

static void say(Group *g, const char *what)
{
    if (what == g->said && g->done == g->said_of)
        return;
    g->said_of = g->done;
    g->since = clock_seconds();
    if (what != g->said)
        g->is.waits(g->is.owner, what);
    g->said = what;
}

/* How NCCL is, and whether what is waited for (NULL: nothing of others) takes too long. */
static Status look(Group *g, const char *what, const char *where, bool *busy)
{
    ncclResult_t state = NCCL_SUCCESS, code = g->nccl->ncclCommGetAsyncError(g->comm, &state);
    if (code == NCCL_SUCCESS)
        code = state;
    *busy = code == NCCL_IN_PROGRESS;
    if (code != NCCL_SUCCESS && !*busy)
        return nccl_fail(code, g->comm, where);
    say(g, what);
    double patience = g->joined ? g->is.patience : g->is.joining;
    if (what && clock_seconds() - g->since > patience)
        return status_fail(STATUS_DEVICE, "NCCL: %s: no end after %g s", what, patience);
    return STATUS_OK;
}

Status wait_lost(Group *g, Status status)
{
    char why[STATUS_TEXT_MAX];
    snprintf(why, sizeof why, "%s", status_text());
    say(g, NULL);
    g->joined = false;
    if (g->comm)
        g->nccl->ncclCommAbort(g->comm);
    g->comm = NULL;
    g->is.lost(g->is.owner, why);
    return status;
}

Status wait_nccl(Group *g, const char *what)
{
    bool busy = true;
    Status status = STATUS_OK;
    for (int looks = 0; busy && status == STATUS_OK; looks++) {
        status = look(g, looks ? what : NULL, what, &busy);
        if (busy)
            rest(looks);
    }
    say(g, NULL);
    return status;
}

static Status wait_for(Device *device, cudaEvent_t event, cudaStream_t stream, const char *where)
{
    Group *g = device->group;
    cudaError_t code;
    for (int looks = 0;; looks++) {
        bool busy;
        code = event ? cudaEventQuery(event) : cudaStreamQuery(stream);
        if (code != cudaErrorNotReady)
            break;
        const char *what = looks < LOOKS_AT_ONCE ? NULL : collective(g);
        Status status =
            looks < LOOKS_AT_ONCE ? STATUS_OK : look(g, what, what ? what : where, &busy);
        if (status != STATUS_OK)
            return wait_lost(g, status);
        rest(looks);
    }
    say(g, NULL);
    CUDA_TRY(code, where);
    return STATUS_OK;
}

Status wait_event(Device *device, cudaEvent_t event, const char *where)
{
    if (device->group && device->group->comm)
        return wait_for(device, event, NULL, where);
    CUDA_TRY(cudaEventSynchronize(event), where);
    return STATUS_OK;
}

Status wait_stream(Device *device, cudaStream_t stream, const char *where)
{
    if (device->group && device->group->comm)
        return wait_for(device, NULL, stream, where);
    CUDA_TRY(cudaStreamSynchronize(stream), where);
    return STATUS_OK;
}
