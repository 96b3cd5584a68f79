/* Values travel one by one, in the type in which they are held. */
#include "train/replicas.h"

#include "base/arena.h"

#include <stdlib.h>

void replicas_join(Run *run)
{
    comm_set_wide(run->comm, session_wide(run->session));
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

static Status share(Run *run, bool (*which)(const Value *))
{
    const Graph *g = run->model.graph;
    for (int i = 0; run->comm && i < g->values_count; i++)
        if (which(g->values[i]))
            TRY(share_value(run, g->values[i]));
    return STATUS_OK;
}

Status replicas_share(Run *run)
{
    return share(run, is_state);
}

Status replicas_share_statistics(Run *run)
{
    return share(run, is_statistic);
}
