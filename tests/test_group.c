/* Groups of a backend (device/backend.h): what processes exchange between their devices, each process a child of this
 * one. Sums have the bits of the tree of ranks; exchanges take what steps before them compute, and steps behind `settle`
 * see the results, also where ranges of steps are graphs. On a real GPU all processes are on one: NCCL is told that they
 * are on several hosts. PACO_TEST_ONLY=PATTERN runs the tests that match it; PACO_BENCH=1 prints in their place how long
 * gradients of a ResNet-50 take between two processes. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_device.h"

#include "base/arena.h"
#include "base/clock.h"
#include "comm/ranks.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 4, SKIP = 77, LOST = 7, SECONDS_MAX = 100, PROCESSES_MAX = 4, GATHERS = 2 };

/* What the children share. */
typedef struct Shared {
    atomic_int made;
    uint8_t id[GROUP_ID];
    char why[512];
} Shared;

static Shared *shared;

/* One child's part. */
typedef struct Part {
    TestDevice t;
    int ranks, processes, index;
    int64_t n;
    bool fast, times;
} Part;

static void check(bool good, const char *what, int line)
{
    if (good)
        return;
    fprintf(stderr, "test_group: line %d: %s: %s\n", line, what, status_text());
    _exit(1);
}
#define CHECK_THAT(good) check(good, #good, __LINE__)
#define MUST(call) check((call) == STATUS_OK, #call, __LINE__)

/* ---- what is summed */

static float gradient(int rank, int64_t i, int round)
{
    uint64_t x = ((uint64_t)i * 31 + (uint64_t)rank) * 7919 + (uint64_t)round;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    return (float)((double)(x >> 40) / (1 << 20) - 8) * (rank % 2 ? 1e-3f : 1.0f);
}

/* The sum of ranks begin to end - 1, which are a node of `size` leaves, cut at all ranks. */
static float tree(int begin, int end, int64_t i, int round)
{
    int half = 1;
    if (end - begin == 1)
        return gradient(begin, i, round);
    while (2 * half < end - begin)
        half *= 2;
    return tree(begin, begin + half, i, round) + tree(begin + half, end, i, round);
}

/* ---- a child */

static void waits(void *owner, const char *what)
{
    (void)owner;
    (void)what;
}

static void lost(void *owner, const char *why)
{
    (void)owner;
    fprintf(stderr, "test_group: %s\n", why);
    _exit(LOST);
}

/* One child makes the id, the others wait for it. */
static void share_id(const Part *p, uint8_t id[GROUP_ID])
{
    if (p->index == 0) {
        MUST(p->t.backend->group_id(shared->id));
        atomic_store(&shared->made, 1);
    }
    while (!atomic_load(&shared->made))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    memcpy(id, shared->id, GROUP_ID);
}

static void join(const Part *p)
{
    int pieces[PROCESSES_MAX], merges[64];
    DeviceGroup group = {.count = p->processes,
                         .index = p->index,
                         .pieces = pieces,
                         .merges = merges,
                         .longest = p->n,
                         .patience = SECONDS_MAX,
                         .joining = SECONDS_MAX / 2,
                         .waits = waits,
                         .lost = lost};
    ranks_joins(p->ranks, p->processes, pieces, merges);
    share_id(p, group.id);
    if (p->t.backend->join(p->t.device, &group) == STATUS_OK)
        return;
    snprintf(shared->why, sizeof shared->why, "%s", status_text());
    _exit(SKIP);
}

static Buffer *buffer(const Part *p, int64_t floats)
{
    Buffer *b;
    MUST(p->t.backend->alloc(p->t.device, (uint64_t)floats * sizeof(float), &b));
    return b;
}

static Step copy(const Part *p, Buffer *from, Buffer *to, int64_t floats)
{
    Step step = {.kind = STEP_COPY,
                 .refs_count = 2,
                 .refs = {{from, 0}, {to, 0}},
                 .writes = 2,
                 .given = 3,
                 .bytes = floats * (int64_t)sizeof(float),
                 .name = "copy"};
    MUST(p->t.backend->choose(p->t.device, &step));
    MUST(p->t.backend->prepare(p->t.device, &step));
    return step;
}

/* Values that a step brings to where they are exchanged, and another brings away. */
typedef struct Route {
    Buffer *in, *place, *out;
    int64_t floats;
    Step steps[2];
} Route;

static Route route(const Part *p, int64_t floats)
{
    Route r = {buffer(p, floats), buffer(p, floats), buffer(p, floats), floats, {{0}}};
    r.steps[0] = copy(p, r.in, r.place, floats);
    r.steps[1] = copy(p, r.place, r.out, floats);
    return r;
}

static void put(const Part *p, const Route *r, const float *values)
{
    MUST(p->t.backend->write(p->t.device, (Ref){r->in, 0}, values,
                             (uint64_t)r->floats * sizeof(float)));
    MUST(p->t.backend->run(p->t.device, &r->steps[0], 1));
}

static void get(const Part *p, const Route *r, float *values)
{
    MUST(p->t.backend->run(p->t.device, &r->steps[1], 1));
    MUST(p->t.backend->read(p->t.device, values, (Ref){r->out, 0},
                            (uint64_t)r->floats * sizeof(float)));
}

static void end(const Part *p, Route *r)
{
    for (int i = 0; i < 2; i++)
        p->t.backend->discard(p->t.device, &r->steps[i]);
    p->t.backend->release(p->t.device, r->in);
    p->t.backend->release(p->t.device, r->place);
    p->t.backend->release(p->t.device, r->out);
}

static void judge(const Part *p, const float *seen, int round)
{
    for (int64_t i = 0; i < p->n; i++) {
        float expected = tree(0, p->ranks, i, round), off = seen[i] - expected;
        bool good = p->fast ? off < 1e-4f && off > -1e-4f : seen[i] == expected;
        if (good)
            continue;
        fprintf(stderr, "test_group: %d ranks, %d processes: element %lld of %lld is %a, not %a\n",
                p->ranks, p->processes, (long long)i, (long long)p->n, (double)seen[i],
                (double)expected);
        _exit(1);
    }
}

static void sum_rounds(const Part *p)
{
    RankNode nodes[RANK_NODES_MAX];
    Route routes[RANK_NODES_MAX];
    int held = ranks_nodes(ranks_share(p->ranks, p->processes, p->index), nodes);
    float *values = mem_alloc((size_t)p->n * sizeof *values);
    GroupRange range = {.count = p->n};
    for (int k = 0; k < held; k++) {
        routes[k] = route(p, p->n);
        range.refs[k] = (Ref){routes[k].place, 0};
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < held; k++) {
            for (int64_t i = 0; i < p->n; i++)
                values[i] = tree(nodes[k].begin, nodes[k].end, i, round);
            put(p, &routes[k], values);
        }
        MUST(p->t.backend->exchange(p->t.device, COMM_SUM, p->fast, &range, 1));
        MUST(p->t.backend->settle(p->t.device));
        get(p, &routes[0], values);
        judge(p, values, round);
    }
    for (int k = 0; k < held; k++)
        end(p, &routes[k]);
    free(values);
}

static float row(int process, int64_t i, int which, int round)
{
    return (float)(process * 1000 + which * 100000 + round) + (float)i / 1024;
}

/* Two values at once, one of them of n numbers a process, the other of 3. */
static void gather_rounds(const Part *p)
{
    const int64_t each[GATHERS] = {p->n, 3};
    Route routes[GATHERS];
    GroupRange ranges[GATHERS];
    float *values = mem_alloc((size_t)(p->n + 3) * (size_t)p->processes * sizeof *values);
    for (int w = 0; w < GATHERS; w++) {
        routes[w] = route(p, each[w] * p->processes);
        ranges[w] = (GroupRange){{{routes[w].place, 0}}, each[w] * (int64_t)sizeof(float)};
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int w = 0; w < GATHERS; w++) {
            for (int64_t i = 0; i < each[w] * p->processes; i++)
                values[i] = i / each[w] == p->index ? row(p->index, i % each[w], w, round) : -1;
            put(p, &routes[w], values);
        }
        MUST(p->t.backend->exchange(p->t.device, COMM_GATHER, false, ranges, GATHERS));
        MUST(p->t.backend->settle(p->t.device));
        for (int w = 0; w < GATHERS; w++) {
            get(p, &routes[w], values);
            for (int64_t i = 0; i < each[w] * p->processes; i++)
                CHECK_THAT(values[i] == row((int)(i / each[w]), i % each[w], w, round));
        }
    }
    for (int w = 0; w < GATHERS; w++)
        end(p, &routes[w]);
    free(values);
}

/* Seconds of a sum, the fastest of some, and of bringing as much to the host and back, as a sum there does. */
static void time_sums(const Part *p)
{
    Route r = route(p, p->n);
    GroupRange range = {{{r.place, 0}}, p->n};
    double group = 1e9, host = 1e9;
    float *values = mem_zero((size_t)p->n, sizeof *values);
    put(p, &r, values);
    for (int round = 0; round < ROUNDS; round++) {
        MUST(p->t.backend->sync(p->t.device));
        double begin = clock_seconds();
        MUST(p->t.backend->exchange(p->t.device, COMM_SUM, p->fast, &range, 1));
        MUST(p->t.backend->settle(p->t.device));
        MUST(p->t.backend->sync(p->t.device));
        double middle = clock_seconds();
        MUST(p->t.backend->read(p->t.device, values, range.refs[0], (uint64_t)p->n * sizeof(float)));
        MUST(p->t.backend->write(p->t.device, range.refs[0], values, (uint64_t)p->n * sizeof(float)));
        MUST(p->t.backend->sync(p->t.device));
        group = middle - begin < group ? middle - begin : group;
        host = clock_seconds() - middle < host ? clock_seconds() - middle : host;
    }
    if (p->index == 0)
        printf("%.1f M gradients, %d processes on one device: %.2f ms by the group, %.2f ms to the host and back alone\n",
               1e-6 * (double)p->n, p->processes, 1e3 * group, 1e3 * host);
    fflush(stdout);
    free(values);
    end(p, &r);
}

static _Noreturn void child(Part p)
{
    char host[16], text[GROUP_TEXT];
    snprintf(host, sizeof host, "host%d", p.index);
    setenv("NCCL_HOSTID", host, 1);
    if (p.processes > 1) {
        setenv("NCCL_NET", "Socket", 0);
        setenv("NCCL_SOCKET_IFNAME", "lo", 0);
    }
    alarm(SECONDS_MAX);
    p.t = test_device_open(NULL, false);
    bool there = p.t.backend->groups && p.t.backend->groups(p.t.device, text);
    if (!there)
        snprintf(shared->why, sizeof shared->why, "%s",
                 p.t.backend->groups ? text : "the backend has no groups");
    if (!there)
        _exit(SKIP);
    join(&p);
    if (p.times)
        time_sums(&p);
    else {
        sum_rounds(&p);
        gather_rounds(&p);
    }
    p.t.backend->leave(p.t.device);
    test_device_close(&p.t);
    _exit(0);
}

/* ---- the parent */

/* Of so many processes, each does a part; the worst exit code. */
static int run_parts(Part part)
{
    pid_t children[PROCESSES_MAX];
    int worst = 0;
    *shared = (Shared){0};
    fflush(NULL);
    for (int i = 0; i < part.processes; i++) {
        children[i] = fork();
        part.index = i;
        if (children[i] == 0)
            child(part);
    }
    for (int i = 0; i < part.processes; i++) {
        int status;
        waitpid(children[i], &status, 0);
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        worst = code > worst && worst != 1 ? code : worst;
    }
    if (worst == SKIP)
        printf("skipped: %d processes: %s\n", part.processes, shared->why);
    return worst;
}

static void spread(int ranks, int processes, int64_t n, bool fast)
{
    int code = run_parts((Part){.ranks = ranks, .processes = processes, .n = n, .fast = fast});
    if (code == SKIP)
        skip();
    assert_int_equal(code, 0);
}

static void one_process(void **state)
{
    (void)state;
    spread(1, 1, 1000, false);
    spread(3, 1, 1000, false);
}

static void two_processes(void **state)
{
    (void)state;
    spread(2, 2, 1000, false);
    spread(6, 2, 1003, false);
}

/* Slices of nothing, of one vector, and what does not go into equal ones. */
static void short_ranges(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 20; n += 6)
        spread(2, 2, n, false);
}

static void several_processes(void **state)
{
    (void)state;
    spread(4, 4, 1001, false);
    spread(12, 4, 130, false);
    spread(6, 3, 77, false);
}

/* More than is summed at once. */
static void a_long_range(void **state)
{
    (void)state;
    spread(2, 2, (4 << 20) + 37, false);
}

static void in_any_order(void **state)
{
    (void)state;
    spread(1, 1, 1000, true);
    spread(6, 2, 1003, true);
}

int main(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_process),       cmocka_unit_test(two_processes),
        cmocka_unit_test(short_ranges),      cmocka_unit_test(several_processes),
        cmocka_unit_test(a_long_range),      cmocka_unit_test(in_any_order),
    };
    if (getenv("PACO_BENCH"))
        return run_parts((Part){.ranks = 2,
                                .processes = 2,
                                .n = getenv("PACO_TEST_TINY") ? 100000 : 30000000,
                                .times = true});
    if (getenv("PACO_TEST_ONLY"))
        cmocka_set_test_filter(getenv("PACO_TEST_ONLY"));
    return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
