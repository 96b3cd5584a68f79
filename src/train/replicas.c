/* Values travel one by one, in the type in which they are held. */
#define _DEFAULT_SOURCE /* gethostname */
#include "train/replicas.h"

#include "base/arena.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Number of the first text that is another than those before it, or -1. */
static int other_text(const char *texts, size_t each, int count)
{
    for (int p = 1; p < count; p++)
        if (strcmp(texts, texts + (size_t)p * each) != 0)
            return p;
    return -1;
}

static bool compute_differently(Run *run)
{
    char line[SESSION_ARITHMETIC];
    size_t each;
    session_arithmetic(run->session, line);
    char *texts = comm_texts(run->comm, line, &each);
    int p = other_text(texts, each, comm_count(run->comm));
    if (p >= 0 && comm_index(run->comm) == 0)
        log_warn(
            "process %d has other arithmetic than process 0 (%s; %s): bits depend on how the work "
            "is spread",
            p, texts + (size_t)p * each, texts);
    free(texts);
    return p >= 0;
}

/* Two processes that have the same text, which is not empty; false: none. */
static bool find_pair(const char *texts, size_t each, int count, int *a, int *b)
{
    for (*a = 0; *a < count; ++*a)
        for (*b = *a + 1; *b < count; ++*b)
            if (texts[(size_t)*a * each] &&
                !strcmp(texts + (size_t)*a * each, texts + (size_t)*b * each))
                return true;
    return false;
}

static void warn_of_shared_gpu(const Run *run)
{
    /* Two hosts may have one name: the first process of each tells them apart. */
    char host[64] = "", place[144] = "";
    const char *slot = session_slot(run->session);
    size_t each;
    int a, b;
    gethostname(host, sizeof host - 1);
    if (slot[0])
        snprintf(place, sizeof place, "%d %s on %s", comm_first(run->comm), slot, host);
    char *texts = comm_texts(run->comm, place, &each);
    if (find_pair(texts, each, comm_count(run->comm), &a, &b) && comm_index(run->comm) == 0)
        log_warn("processes %d and %d share one GPU (%s). --device takes a list, a device for each "
                 "process of a host",
                 a, b, strchr(texts + (size_t)a * each, ' ') + 1);
    free(texts);
}

Status replicas_agree(Comm *comm, const Options *options)
{
    Arena arena = {0};
    Status status = comm_agree(comm, "options", options_dump(options, &arena));
    arena_free(&arena);
    return status;
}

Status replicas_agree_data(Comm *comm, const char *what, const Dataset *data)
{
    char text[128];
    snprintf(text, sizeof text, "%lld images in %d classes, checksum %016llx",
             (long long)data->count, data->classes, (unsigned long long)data->checksum);
    return comm_agree(comm, what, text);
}

void replicas_join(Run *run)
{
    if (!run->comm)
        return;
    comm_set_wide(run->comm, session_wide(run->session));
    session_join(run->session);
    run->mixed = compute_differently(run);
    warn_of_shared_gpu(run);
}

static Status share_value(Run *run, const Value *value)
{
    bool wide = value->dtype == DTYPE_F32 && comm_wide(run->comm);
    DType type = wide ? DTYPE_F64 : value->dtype;
    size_t bytes = (size_t)(dims_count(value->dims) * dtype_bytes(type));
    void *host = mem_alloc(bytes);
    bool gives = comm_index(run->comm) == 0;
    Status status = gives ? session_read(run->session, value, host, type) : STATUS_OK;
    comm_broadcast(run->comm, host, bytes);
    if (!gives)
        status = session_write(run->session, value, host, type);
    free(host);
    return status;
}

static bool is_statistic(const Value *v)
{
    return v->role == ROLE_STATE && v->kind != PARAM_NONE;
}

static bool is_state(const Value *v)
{
    return v->role == ROLE_PARAM || v->role == ROLE_EMA || v->role == ROLE_MOMENTUM ||
           v->role == ROLE_STATE;
}

/* Whether it is a device's own, which others have not. */
static bool is_own(const Plan *plan, const Value *v)
{
    return plan && (v->id == plan->state || v == plan->arrivals);
}

static Status share(Run *run, bool (*which)(const Value *))
{
    const Graph *g = run->model.graph;
    const Plan *plan = session_plan(run->session);
    for (int i = 0; run->comm && i < g->values_count; i++)
        if (which(g->values[i]) && !is_own(plan, g->values[i]))
            TRY(share_value(run, g->values[i]));
    return STATUS_OK;
}

Status replicas_share(Run *run)
{
    return share(run, is_state);
}

Status replicas_meet(Run *run)
{
    return run->mixed ? replicas_share(run) : STATUS_OK;
}

Status replicas_share_statistics(Run *run)
{
    return share(run, is_statistic);
}
