/* Session: the same calls for a plan on a device and for the reference interpreter. */
#include "plan/session.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/log.h"
#include "base/rng.h"
#include "comm/watch.h"
#include "device/advice.h"
#include "device/registry.h"
#include "graph/host.h"
#include "graph/interp.h"
#include "graph/passes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICE_ROOM = 128 }; /* of a device's name in a list */

struct Session {
    Graph *graph;
    double **fetched; /* [fetched_count] of the reference, by ticket; NULL: the ticket is free */
    int fetched_count;
    Interp *interp;         /* the reference, or */
    const Backend *backend; /* a device and its plan */
    Device *device;
    Plan *plan;
    Tuning *tuning; /* loaded for it */
    Comm *comm;
    bool wide; /* the reference in float64 */
    const char *name;
};

/* A GPU that was meant by `auto` and has no driver; a driver that computes wrong. */
static Status advise(const Session *s, const char *name, Status opened,
                     const SessionOptions *options)
{
    const DeviceInfo *info = opened == STATUS_OK ? s->backend->opened(s->device) : NULL;
    char why[STATUS_TEXT_MAX];
    if (comm_index(options->plan.comm) != 0)
        return opened;
    snprintf(why, sizeof why, "%s", status_text());
    if (strcmp(name, "auto") == 0 && (!info || (info->caps & CAP_CPU)))
        advice_say();
    if (info)
        advice_warn(info->name, info);
    return info ? opened : status_fail(opened, "%s", why); /* whoever looks for devices may fail */
}

static Status open_device(Session *s, Graph *graph, const char *name, const SessionOptions *options)
{
    Status status = device_open(name, &options->on, &s->backend, &s->device);
    status = advise(s, name, status, options);
    if (status != STATUS_OK) {
        graph_free(graph);
        return status;
    }
    s->name = s->backend->opened(s->device)->name;
    PlanOptions plan = options->plan;
    if (!plan.tuning)
        plan.tuning = s->tuning = tuning_load(s->backend->opened(s->device), options->on.cache);
    return plan_compile(graph, s->backend, s->device, &plan, &s->plan);
}

/* The device of this process. */
static Status pick_device(const SessionOptions *options, char name[DEVICE_ROOM])
{
    const char *list = options->device ? options->device : "auto", *at = list;
    Comm *comm = options->plan.comm;
    int count = 1, place = comm_place(comm);
    for (const char *c = list; *c; c++)
        count += *c == ',';
    if (count > 1 && !comm)
        return status_fail(STATUS_USAGE,
                           "--device %s: a list is for several processes (--nproc, "
                           "mpirun), this is one",
                           list);
    if (count > 1 && place >= count)
        return status_fail(STATUS_USAGE,
                           "--device %s: process %d is number %d of its host, the list "
                           "has %d. Name one device for all, or one for each of them",
                           list, comm_index(comm), place + 1, count);
    for (int i = 0; i < place && count > 1; i++)
        at += strcspn(at, ",") + 1;
    snprintf(name, DEVICE_ROOM, "%.*s", (int)strcspn(at, ","), at);
    return STATUS_OK;
}

static void warn_of_math(const Session *s, const SessionOptions *options)
{
    if (session_math(s) != options->on.math && comm_index(options->plan.comm) == 0)
        log_warn("--math %s: %s has none, its products are float32's", math_word(options->on.math),
                 s->name);
}

/* A driver may count what its process is bound to, and bits depend on the units. */
static void warn_of_units(const Session *s, const Comm *comm)
{
    const DeviceInfo *on = s->plan ? s->plan->info : NULL;
    if (on && on->caps & CAP_CPU && (int)on->units < comm_whole(comm) && comm_index(comm) == 0)
        log_warn(
            "each process is bound to its share of %d processors, of which %s sees %u: bits are "
            "others than those of one process",
            comm_whole(comm), s->name, on->units);
}

Status session_open(Graph *graph, const SessionOptions *options, Session **out)
{
    char device[DEVICE_ROOM];
    Status picked = pick_device(options, device);
    if (picked != STATUS_OK) {
        graph_free(graph);
        return picked;
    }
    Session *s = mem_zero(1, sizeof *s);
    s->graph = graph;
    s->comm = options->plan.comm;
    bool ref64 = strcmp(device, "ref") == 0, ref32 = strcmp(device, "ref32") == 0;
    if (ref64 || ref32) {
        /* With 16 bits every output of a node is rounded: fused nodes round once where the chain
         * that they replace rounds in between, so the reference fuses as devices do. In float32 it
         * runs the graph as built. */
        if (graph->storage != DTYPE_F32 && !options->plan.no_fuse)
            graph_fuse(graph, 0);
        s->interp = interp_new(graph, ref64 ? DTYPE_F64 : DTYPE_F32, options->plan.comm);
        s->wide = ref64;
        s->name = ref64 ? "ref (float64)" : "ref (float32)";
    } else {
        Status status = open_device(s, graph, device, options);
        if (status != STATUS_OK) {
            session_close(s);
            return status;
        }
    }
    warn_of_math(s, options);
    warn_of_units(s, options->plan.comm);
    *out = s;
    return STATUS_OK;
}

void session_close(Session *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->fetched_count; i++)
        free(s->fetched[i]);
    free(s->fetched);
    plan_free(s->plan);
    interp_free(s->interp);
    tuning_free(s->tuning);
    if (s->device)
        s->backend->close(s->device);
    free(s);
}

static bool exchanges(const Graph *graph)
{
    bool any = false;
    for (int i = 0; i < graph->nodes_count; i++)
        any |= graph->nodes[i]->op == OP_all_gather || graph->nodes[i]->op == OP_all_reduce;
    return any;
}

void session_join(Session *s)
{
    if (s->comm && exchanges(s->graph))
        plan_group(s->plan, s->comm);
}

const Plan *session_plan(const Session *s)
{
    return s->plan;
}

const char *session_device(const Session *s)
{
    return s->name;
}

const char *session_slot(const Session *s)
{
    return s->plan ? s->plan->info->slot : "";
}

Math session_math(const Session *s)
{
    return s->plan ? s->plan->info->math : MATH_STRICT;
}

bool session_wide(const Session *s)
{
    return s->wide;
}

/* Whether a step is there, or where it is, by how ranks are spread over processes (where weights
 * are packed, which partial sums there are, what travels, and in how many parts), or by how much
 * memory is left, where that says what is computed again. No bit depends on it. */
static bool is_incidental(const Plan *plan, int i)
{
    const Step *step = &plan->steps[i];
    return (plan->plan_steps[i].node->again && plan->info->caps & CAP_OWN_MEMORY) ||
           step->kind == STEP_COMM || (step->kind == STEP_CONV && step->conv.op == CONV_PACK) ||
           (step->kind == STEP_KERNEL &&
            (step->kernel.id == KERNEL_grad_sum || step->kernel.id == KERNEL_widen));
}

void session_arithmetic(const Session *s, char text[SESSION_ARITHMETIC])
{
    uint64_t hash = 0;
    for (int i = 0; s->plan && i < s->plan->steps_count; i++) {
        const Step *step = &s->plan->steps[i];
        if (is_incidental(s->plan, i))
            continue;
        hash = hash * 31 + rng_hash(plan_step_label(step));
        hash = hash * 31 + rng_hash(step->algorithm ? step->algorithm : "");
    }
    const DeviceInfo *on = s->plan ? s->plan->info : NULL;
    DType storage = s->graph->storage;
    snprintf(text, SESSION_ARITHMETIC, "%s, %s, %u units, steps %016llx%s%s%s", s->name,
             on ? on->driver : "host", on ? on->units : 0, (unsigned long long)hash,
             storage != DTYPE_F32 ? ", " : "", storage != DTYPE_F32 ? dtype_word(storage) : "",
             math_phrase(session_math(s)));
}

Status session_write(Session *s, const Value *value, const void *host, DType type)
{
    if (s->plan)
        return plan_write(s->plan, value, host, type);
    interp_write(s->interp, value, host, type);
    return STATUS_OK;
}

Status session_read(Session *s, const Value *value, void *host, DType type)
{
    if (s->plan)
        return plan_read(s->plan, value, host, type);
    interp_read(s->interp, value, host, type);
    return STATUS_OK;
}

Status session_fetch(Session *s, const Value *value, int *ticket)
{
    if (s->plan)
        return plan_fetch(s->plan, value, ticket);
    for (*ticket = 0; *ticket < s->fetched_count && s->fetched[*ticket];)
        ++*ticket;
    if (*ticket == s->fetched_count)
        s->fetched = mem_grow(s->fetched, (size_t)++s->fetched_count * sizeof *s->fetched);
    s->fetched[*ticket] = mem_alloc((size_t)dims_count(value->dims) * sizeof(double));
    interp_read(s->interp, value, s->fetched[*ticket], DTYPE_F64);
    return STATUS_OK;
}

Status session_wait(Session *s, const Value *value, int ticket, void *host, DType type)
{
    if (s->plan)
        return plan_wait(s->plan, value, ticket, host, type);
    for (int64_t i = 0; i < dims_count(value->dims); i++)
        host_set(host, type, i, s->fetched[ticket][i]);
    free(s->fetched[ticket]);
    s->fetched[ticket] = NULL;
    return STATUS_OK;
}

Status session_run(Session *s, Segment segment, const StepParams *state)
{
    if (s->plan)
        return plan_run(s->plan, segment, state);
    interp_run(s->interp, segment, state);
    return STATUS_OK;
}

static Status run_step(Session *s, StepParams state)
{
    Ranks ranks = s->graph->ranks;
    for (Segment segment = 0; segment_trains(segment); segment++)
        for (int turn = 0; turn < segment_turns(segment, ranks); turn++) {
            state.turn = turn;
            state.rank = ranks.first + turn;
            state.sum = ranks_sum(ranks, state.rank);
            TRY(session_run(s, segment, &state));
        }
    return STATUS_OK;
}

Status session_step(Session *s, StepParams state)
{
    WatchPhase before = watch_enter(WATCH_DEVICE, "a step");
    Status status = run_step(s, state);
    watch_enter(before, NULL);
    return status;
}

Status session_sync(Session *s)
{
    return s->plan ? s->backend->sync(s->device) : STATUS_OK;
}
