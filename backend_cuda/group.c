/* A sum is made as src/comm/sum.c makes it between processes of one host: every process owns a
 * slice, the others send it their pieces of that slice, it adds them up in the tree of ranks, and
 * the slices of the sum go to all. So bits are those of the exchange through the host's memory. */
#include "group.h"

#include "kernel.h"
#include "memory.h"
#include "wait.h"

#include "base/arena.h"
#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* A slice is a multiple of UNIT floats, but for the last; PART: floats that are summed at once. */
enum { UNIT = 4, PART = 4 << 20 };

#define NCCL_TRY(g, call, where)                                                                   \
    do {                                                                                           \
        ncclResult_t code_ = (g)->nccl->call;                                                      \
        if (code_ != NCCL_SUCCESS && code_ != NCCL_IN_PROGRESS)                                    \
            return nccl_fail(code_, (g)->comm, where);                                             \
    } while (0)

static int pieces_before(const Group *g, int process)
{
    int sum = 0;
    for (int p = 0; p < process; p++)
        sum += g->is.pieces[p];
    return sum;
}

static int own_pieces(const Group *g)
{
    return g->is.pieces[g->is.index];
}

/* ---- joining and leaving */

static int *copy(const int *from, int count)
{
    int *to = mem_alloc((size_t)count * sizeof *to);
    memcpy(to, from, (size_t)count * sizeof *to);
    return to;
}

static Status make_events(Group *g)
{
    CUDA_TRY(cudaEventCreateWithFlags(&g->ready, cudaEventDisableTiming), "an event");
    for (int i = 0; i < GROUP_MARKS; i++) {
        CUDA_TRY(cudaEventCreateWithFlags(&g->marks[i].begin, cudaEventDisableTiming), "an event");
        CUDA_TRY(cudaEventCreateWithFlags(&g->marks[i].end, cudaEventDisableTiming), "an event");
    }
    CUDA_TRY(cudaStreamCreateWithFlags(&g->stream, cudaStreamNonBlocking), "a stream");
    return STATUS_OK;
}

/* The longest slice of each piece. */
static Status make_scratch(Device *device, Group *g)
{
    int64_t n = g->is.longest < PART ? g->is.longest : PART, all = pieces_before(g, g->is.count);
    g->room = (n / g->is.count + (int64_t)UNIT * (g->is.count + 1)) / UNIT * UNIT;
    return g->is.count == 1
               ? STATUS_OK
               : memory_alloc(device, (uint64_t)(all * g->room) * sizeof(float), &g->scratch);
}

static Status join(Device *device, Group *g)
{
    const int any = NCCL_UNDEFINED;
    NcclConfig config = {
        sizeof config, (unsigned)NCCL_MAGIC, NCCL_LEAST, 0, any, any, any, NULL, any, any};
    ncclUniqueId id;
    memcpy(&id, g->is.id, sizeof id);
    TRY(make_events(g));
    TRY(make_scratch(device, g));
    NCCL_TRY(g, ncclCommInitRankConfig(&g->comm, g->is.count, id, g->is.index, &config), "joining");
    TRY(wait_nccl(g, "joining"));
    g->joined = true;
    return STATUS_OK;
}

Status group_join(Device *device, const DeviceGroup *is)
{
    char why[GROUP_TEXT];
    const Nccl *nccl = nccl_load(why);
    if (!nccl)
        return status_fail(STATUS_DEVICE, "NCCL: %s", why);
    Group *g = device->group = mem_zero(1, sizeof *g);
    g->nccl = nccl;
    g->is = *is;
    g->is.pieces = copy(is->pieces, is->count);
    g->is.merges = copy(is->merges, pieces_before(g, is->count));
    Status status = join(device, g);
    if (status != STATUS_OK)
        group_leave(device);
    return status;
}

/* What was begun and has no end never gets one where another process failed, and who has begun
 * nothing may have joined alone: only a group that is at rest is left in peace. */
static bool ends_well(Group *g)
{
    if (!g->joined || g->begun == 0 || !wait_rests(g))
        return false;
    ncclResult_t code = g->nccl->ncclCommFinalize(g->comm);
    g->joined = false; /* no longer than joining may take */
    return (code == NCCL_SUCCESS || code == NCCL_IN_PROGRESS) &&
           wait_nccl(g, "leaving") == STATUS_OK;
}

static void leave(Group *g)
{
    if (ends_well(g))
        g->nccl->ncclCommDestroy(g->comm);
    else
        g->nccl->ncclCommAbort(g->comm);
}

void group_leave(Device *device)
{
    Group *g = device->group;
    if (!g)
        return;
    if (g->comm)
        leave(g);
    device->group = NULL;
    if (g->stream)
        cudaStreamDestroy(g->stream);
    if (g->ready)
        cudaEventDestroy(g->ready);
    for (int i = 0; i < GROUP_MARKS; i++) {
        if (g->marks[i].begin)
            cudaEventDestroy(g->marks[i].begin);
        if (g->marks[i].end)
            cudaEventDestroy(g->marks[i].end);
    }
    memory_release(device, g->scratch);
    free((int *)(uintptr_t)g->is.pieces);
    free((int *)(uintptr_t)g->is.merges);
    free(g);
}

/* ---- exchanging */

static const char *const titles[] = {
    [COMM_GATHER] = "all-gather of keys", [COMM_SUM] = "sum of gradients"};

static Status begin_calls(Group *g)
{
    NCCL_TRY(g, ncclGroupStart(), "a group of calls");
    return STATUS_OK;
}

static Status end_calls(Group *g, const char *what)
{
    NCCL_TRY(g, ncclGroupEnd(), what);
    return wait_nccl(g, what);
}

static Status gather(Group *g, const GroupRange *ranges, int count)
{
    TRY(begin_calls(g));
    for (int i = 0; i < count; i++) {
        char *all = place_of(ranges[i].refs[0]);
        size_t each = (size_t)ranges[i].count;
        NCCL_TRY(g,
                 ncclAllGather(all + (size_t)g->is.index * each, all, each, NCCL_BYTES, g->comm,
                               g->stream),
                 titles[COMM_GATHER]);
    }
    return end_calls(g, titles[COMM_GATHER]);
}

/* What is summed at once: elements of a range, from `refs` on. */
typedef struct Part {
    Ref refs[STEP_MAX_REFS];
    int64_t n;
} Part;

static Ref further(Ref ref, int64_t floats)
{
    return (Ref){ref.buf, ref.off + (uint64_t)floats * sizeof(float)};
}

static int64_t slice_begin(const Group *g, const Part *p, int process)
{
    return p->n / g->is.count / UNIT * UNIT * process;
}

/* The last slice is longer by what does not go into equal ones. */
static int64_t slice_count(const Group *g, const Part *p, int process)
{
    int64_t end = process + 1 == g->is.count ? p->n : slice_begin(g, p, process + 1);
    return end - slice_begin(g, p, process);
}

/* Where piece i of all lies, as far as the owned slice goes. */
static Ref piece_place(const Group *g, const Part *p, int i)
{
    int own = i - pieces_before(g, g->is.index);
    return own >= 0 && own < own_pieces(g) ? further(p->refs[own], slice_begin(g, p, g->is.index))
                                           : further((Ref){g->scratch, 0}, i * g->room);
}

static Status send(Group *g, Ref from, int64_t n, int to)
{
    if (n > 0)
        NCCL_TRY(g, ncclSend(place_of(from), (size_t)n, NCCL_FLOATS, to, g->comm, g->stream),
                 titles[COMM_SUM]);
    return STATUS_OK;
}

static Status receive(Group *g, Ref to, int64_t n, int from)
{
    if (n > 0)
        NCCL_TRY(g, ncclRecv(place_of(to), (size_t)n, NCCL_FLOATS, from, g->comm, g->stream),
                 titles[COMM_SUM]);
    return STATUS_OK;
}

/* Every piece of the owned slice comes here, every other slice of the own pieces goes out. */
static Status exchange_pieces(Group *g, const Part *p)
{
    int64_t mine = slice_count(g, p, g->is.index);
    TRY(begin_calls(g));
    for (int m = 0, i = 0; m < g->is.count; i += g->is.pieces[m++])
        for (int k = 0; k < g->is.pieces[m] && m != g->is.index; k++)
            TRY(receive(g, piece_place(g, p, i + k), mine, m));
    for (int m = 0; m < g->is.count; m++)
        for (int k = 0; k < own_pieces(g) && m != g->is.index; k++)
            TRY(send(g, further(p->refs[k], slice_begin(g, p, m)), slice_count(g, p, m), m));
    return end_calls(g, titles[COMM_SUM]);
}

/* The last sum of all goes where the slice belongs. */
static Status add_pieces(Device *device, Group *g, const Part *p)
{
    enum { HELD_MAX = 64 };
    Ref held[HELD_MAX], to = further(p->refs[0], slice_begin(g, p, g->is.index));
    int all = pieces_before(g, g->is.count), count = 0;
    for (int i = 0; i < all; i++) {
        CHECK(count < HELD_MAX);
        held[count++] = piece_place(g, p, i);
        for (int k = 0; k < g->is.merges[i]; k++, count--) {
            Ref sum = i + 1 == all && count == 2 ? to : held[count - 2];
            TRY(kernel_add(device, g->stream, held[count - 2], held[count - 1], sum,
                           slice_count(g, p, g->is.index)));
            held[count - 2] = sum;
        }
    }
    CHECK(count == 1);
    return STATUS_OK;
}

/* Equal slices in one call; what the last one has beyond that is a broadcast. */
static Status exchange_sums(Group *g, const Part *p)
{
    int64_t each = slice_begin(g, p, 1), rest = p->n - each * g->is.count;
    float *all = place_of(p->refs[0]), *end = all + each * g->is.count;
    TRY(begin_calls(g));
    if (each > 0)
        NCCL_TRY(g,
                 ncclAllGather(all + each * g->is.index, all, (size_t)each, NCCL_FLOATS, g->comm,
                               g->stream),
                 titles[COMM_SUM]);
    if (rest > 0)
        NCCL_TRY(
            g,
            ncclBroadcast(end, end, (size_t)rest, NCCL_FLOATS, g->is.count - 1, g->comm, g->stream),
            titles[COMM_SUM]);
    return end_calls(g, titles[COMM_SUM]);
}

static Status sum(Device *device, Group *g, const Part *p)
{
    TRY(exchange_pieces(g, p));
    TRY(add_pieces(device, g, p));
    return exchange_sums(g, p);
}

/* In NCCL's order. */
static Status sum_fast(Device *device, Group *g, const Part *p)
{
    for (int k = 1; k < own_pieces(g); k++)
        TRY(kernel_add(device, g->stream, p->refs[0], p->refs[k], p->refs[0], p->n));
    float *all = place_of(p->refs[0]);
    NCCL_TRY(g, ncclAllReduce(all, all, (size_t)p->n, NCCL_FLOATS, NCCL_ADD, g->comm, g->stream),
             titles[COMM_SUM]);
    return wait_nccl(g, titles[COMM_SUM]);
}

static Status sum_range(Device *device, Group *g, bool fast, const GroupRange *range)
{
    for (int64_t at = 0; at < range->count; at += PART) {
        Part part = {.n = range->count - at < PART ? range->count - at : PART};
        for (int k = 0; k < own_pieces(g); k++)
            part.refs[k] = further(range->refs[k], at);
        TRY((fast ? sum_fast : sum)(device, g, &part));
    }
    return STATUS_OK;
}

static Status begin_mark(Device *device, Group *g, Mark *m, CommOp op)
{
    m->what = titles[op];
    CUDA_TRY(cudaEventRecord(g->ready, device->stream), m->what);
    CUDA_TRY(cudaStreamWaitEvent(g->stream, g->ready, 0), m->what);
    CUDA_TRY(cudaEventRecord(m->begin, g->stream), m->what);
    return STATUS_OK;
}

static Status exchange(Device *device, Group *g, CommOp op, bool fast, const GroupRange *ranges,
                       int count)
{
    Mark *m = &g->marks[g->begun % GROUP_MARKS];
    if (g->begun - g->done == GROUP_MARKS)
        g->done++; /* it has no mark any more */
    TRY(begin_mark(device, g, m, op));
    if (op == COMM_GATHER)
        TRY(gather(g, ranges, count));
    for (int i = 0; op == COMM_SUM && i < count; i++)
        TRY(sum_range(device, g, fast, &ranges[i]));
    CUDA_TRY(cudaEventRecord(m->end, g->stream), m->what);
    g->begun++;
    return STATUS_OK;
}

Status group_exchange(Device *device, CommOp op, bool fast, const GroupRange *ranges, int count)
{
    Group *g = device->group;
    CHECK(g && g->joined);
    Status status = exchange(device, g, op, fast, ranges, count);
    return status == STATUS_OK ? STATUS_OK : wait_lost(g, status);
}

Status group_settle(Device *device)
{
    Group *g = device->group;
    if (g->begun > 0)
        CUDA_TRY(cudaStreamWaitEvent(device->stream, g->marks[(g->begun - 1) % GROUP_MARKS].end, 0),
                 "results of all");
    return STATUS_OK;
}
