/* Steps that processes do together, by a group of their devices: whether there is one is agreed on
 * by all, as what one exchanges on its device the others cannot send from the host. */
#include "base/arena.h"
#include "base/log.h"
#include "comm/ranks.h"
#include "plan/passes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ exchanging
 */

/* The rows of every operand: where they lie is the same in all devices of a group. */
static int gather_ranges(const Plan *plan, int first, int count, GroupRange **ranges)
{
    int n = 0;
    *ranges = mem_zero((size_t)count * STEP_MAX_REFS, sizeof **ranges);
    for (int i = first; i < first + count; i++)
        for (int j = 0; j < plan->steps[i].refs_count; j++) {
            int id = plan->plan_steps[i].operands[j].value;
            (*ranges)[n++] =
                (GroupRange){.refs = {plan->steps[i].refs[j]},
                             .count = (int64_t)plan->values[id].bytes / comm_count(plan->comm)};
        }
    return n;
}

Status group_gather(const Plan *plan, int first, int count)
{
    GroupRange *ranges;
    int n = gather_ranges(plan, first, count, &ranges);
    Status status = plan->backend->exchange(plan->device, COMM_GATHER, false, ranges, n);
    free(ranges);
    return status == STATUS_OK ? plan->backend->settle(plan->device) : status;
}

Status group_sum(const Plan *plan, int i)
{
    GroupRange *ranges;
    int n = exchange_ranges(plan->exchange, i, &ranges);
    Status status =
        plan->backend->exchange(plan->device, COMM_SUM, comm_fast(plan->comm), ranges, n);
    free(ranges);
    return status;
}

/* ------------------------------------------------------------------------------------ joining */

/* What a process says of itself; all must say the same. */
typedef struct Offer {
    enum { OFFER_NEVER, OFFER_ABSENT, OFFER_THERE } kind;
    uint64_t ranges; /* a hash of what it exchanges at once */
    char text[GROUP_TEXT];
} Offer;

/* A hash of all that is exchanged, in its order. */
static uint64_t hash_ranges(uint64_t hash, GroupRange *ranges, int n)
{
    for (int i = 0; i < n; i++)
        hash = hash * 31 + (uint64_t)ranges[i].count;
    free(ranges);
    return hash * 31 + (uint64_t)n;
}

static uint64_t hash_all(const Plan *plan)
{
    uint64_t hash = 0;
    GroupRange *ranges;
    for (int i = 0, n; i < plan->steps_count; i++)
        if (plan->steps[i].kind == STEP_COMM && plan->steps[i].comm == COMM_GATHER) {
            n = gather_ranges(plan, i, 1, &ranges);
            hash = hash_ranges(hash, ranges, n);
        }
    for (int i = 0, n; i < exchange_parts(plan->exchange); i++) {
        n = exchange_ranges(plan->exchange, i, &ranges);
        hash = hash_ranges(hash, ranges, n);
    }
    return hash;
}

static int64_t longest_range(const Plan *plan)
{
    int64_t longest = 0;
    for (int i = 0; i < exchange_parts(plan->exchange); i++) {
        GroupRange *ranges;
        int n = exchange_ranges(plan->exchange, i, &ranges);
        for (int j = 0; j < n; j++)
            longest = ranges[j].count > longest ? ranges[j].count : longest;
        free(ranges);
    }
    return longest;
}

static Offer make_offer(const Plan *plan)
{
    Offer offer = {.kind = OFFER_NEVER, .text = "the reference has none"};
    if (plan && !plan->backend->groups)
        snprintf(offer.text, sizeof offer.text, "%s has none", plan->backend->name);
    if (!plan || !plan->backend->groups)
        return offer;
    offer.kind = plan->backend->groups(plan->device, offer.text) ? OFFER_THERE : OFFER_ABSENT;
    offer.ranges = hash_all(plan);
    return offer;
}

static void waits(void *owner, const char *what)
{
    comm_waits(owner, what);
}

static void lost(void *owner, const char *why)
{
    comm_lost(owner, why);
}

/* One makes the id, all join; all or none. */
static Status join(Plan *plan)
{
    int ranks = plan->graph->ranks.all;
    DeviceGroup group = {.count = comm_count(plan->comm),
                         .index = comm_index(plan->comm),
                         .longest = longest_range(plan),
                         .patience = comm_patience(plan->comm),
                         .joining = comm_timeout(plan->comm),
                         .waits = waits,
                         .lost = lost,
                         .owner = plan->comm};
    int *pieces = mem_zero((size_t)group.count, sizeof *pieces);
    int *merges = mem_zero((size_t)ranks, sizeof *merges);
    ranks_joins(ranks, group.count, pieces, merges);
    group.pieces = pieces;
    group.merges = merges;
    Status own = group.index == 0 ? plan->backend->group_id(group.id) : STATUS_OK;
    Status status = comm_status(plan->comm, own);
    if (status == STATUS_OK) {
        comm_broadcast(plan->comm, group.id, sizeof group.id);
        own = plan->backend->join(plan->device, &group);
        status = comm_status(plan->comm, own);
        if (status != STATUS_OK && own == STATUS_OK)
            plan->backend->leave(plan->device);
    }
    free(pieces);
    free(merges);
    return status;
}

/* The first process whose offer is no group like that of process 0, or -1; *known: some could. */
static int find_hindrance(const Offer *offers, int count, bool *known)
{
    int other = -1;
    *known = false;
    for (int p = count - 1; p >= 0; p--) {
        *known |= offers[p].kind != OFFER_NEVER;
        if (offers[p].kind != OFFER_THERE || offers[p].ranges != offers[0].ranges)
            other = p;
    }
    return other;
}

static void tell_staged(const Comm *comm, const char *why)
{
    if (comm_index(comm) == 0)
        log_info("gradients go through the host's memory: %s", why);
}

void plan_group(Plan *plan, Comm *comm)
{
    int count = comm_count(comm);
    bool known;
    char why[GROUP_TEXT + 64];
    Offer *offers = mem_zero((size_t)count, sizeof *offers);
    offers[comm_index(comm)] = make_offer(plan);
    comm_gather(comm, offers, sizeof *offers);
    int other = find_hindrance(offers, count, &known);
    if (other >= 0)
        snprintf(why, sizeof why, "process %d: %s", other,
                 offers[other].kind == OFFER_THERE ? "its parameters lie otherwise"
                                                   : offers[other].text);
    if (other >= 0 && known)
        tell_staged(comm, why);
    if (other < 0 && join(plan) != STATUS_OK)
        tell_staged(comm, status_text());
    else if (other < 0) {
        plan->grouped = true;
        if (comm_index(comm) == 0)
            log_info("gradients go between the devices of %d processes by %s", count,
                     offers[0].text);
    }
    free(offers);
}
