/* Threads of a block as fibers. A thread runs until it waits: at a barrier for all of the block, at a shuffle for its
 * warp. Nothing may depend on the order of threads: every other block runs them backwards, and each begins elsewhere. */
#include "sim.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

enum { THREADS_MAX = 1024, WARP = 32, STACK = 256 << 10, SHARED_MAX = 8 };

typedef enum State { READY, AT_BARRIER, AT_SHUFFLE, FINISHED } State;

typedef struct Fiber {
    SimThread self;
    ucontext_t context; /* what it begins with; with the sanitizer where it goes on, too */
    jmp_buf place;
    char *stack;
    State state;
    int begun;
    long shuffles; /* that it came to so far */
    void *fake;
} Fiber;

static Fiber fibers[THREADS_MAX];
static Fiber *running;
SimThread *sim_self;

static const SimKernel *kernel;
static void *const *arguments;

/* Of each warp: what was handed in for the shuffles of even and of odd number, and how often. */
static struct {
    float values[2][WARP];
    long arrived;
} warps[THREADS_MAX / WARP];

static struct {
    const void *who;
    void *memory;
} shared[SHARED_MAX];

void sim_fail(const char *what)
{
    const SimDim at = fibers[0].self.block;
    const char *equals = strstr(kernel->name, "= "), *name = equals ? equals + 2 : kernel->name;
    fprintf(stderr, "simulated GPU: kernel %.*s: %s (block %u %u %u)\n", (int)strcspn(name, "];("), name, what, at.x, at.y,
            at.z);
    abort();
}

/* Going from the scheduler to a fiber and back. Jumps are ten times as fast as swapcontext, which asks the kernel each
 * time; the sanitizer wants to be told of stacks. */
#ifdef __SANITIZE_ADDRESS__
static ucontext_t scheduler;
static void *scheduler_fake;
static const void *scheduler_stack;
static size_t scheduler_size;

static void to_fiber(Fiber *f)
{
    __sanitizer_start_switch_fiber(&scheduler_fake, f->stack, STACK);
    swapcontext(&scheduler, &f->context);
    __sanitizer_finish_switch_fiber(scheduler_fake, NULL, NULL);
}

static void to_scheduler(Fiber *f)
{
    __sanitizer_start_switch_fiber(&f->fake, scheduler_stack, scheduler_size);
    swapcontext(&f->context, &scheduler);
    __sanitizer_finish_switch_fiber(f->fake, &scheduler_stack, &scheduler_size);
}

static void began(void)
{
    __sanitizer_finish_switch_fiber(NULL, &scheduler_stack, &scheduler_size);
}
#else
static jmp_buf scheduler;

static void to_fiber(Fiber *f)
{
    if (_setjmp(scheduler))
        return;
    if (f->begun)
        _longjmp(f->place, 1);
    f->begun = 1;
    setcontext(&f->context);
}

static void to_scheduler(Fiber *f)
{
    if (!_setjmp(f->place))
        _longjmp(scheduler, 1);
}

static void began(void)
{
}
#endif

static void yield(State state)
{
    running->state = state;
    to_scheduler(running);
}

/* A fiber serves one block after another. */
static void body(void)
{
    began();
    for (;;) {
        kernel->call(arguments);
        yield(FINISHED);
    }
}

static void resume(Fiber *f)
{
    running = f;
    sim_self = &f->self;
    f->state = READY;
    to_fiber(f);
}

void sim_barrier(void)
{
    yield(AT_BARRIER);
}

static int index_of(const Fiber *f)
{
    return (int)(f - fibers);
}

float sim_shuffle(float value, int lane)
{
    Fiber *f = running;
    int at = index_of(f) / WARP, own = (int)(f->shuffles % 2);
    warps[at].values[own][index_of(f) % WARP] = value;
    warps[at].arrived++;
    f->shuffles++;
    yield(AT_SHUFFLE);
    return warps[at].values[own][lane % WARP];
}

void *sim_shared(size_t bytes, const void *who)
{
    for (int i = 0; i < SHARED_MAX; i++) {
        if (shared[i].who == who)
            return shared[i].memory;
        if (!shared[i].who) {
            shared[i].who = who;
            shared[i].memory = malloc(bytes);
            return memset(shared[i].memory, 0xff, bytes);
        }
    }
    sim_fail("more shared arrays than the simulation has");
    return NULL;
}

/* ---- vectors on their way to memory */

typedef struct Late {
    void *to;
    size_t bytes;
    const Fiber *from; /* NULL: other blocks see it */
    char before[16], after[16];
} Late;

static Late *late;
static size_t late_count, late_room, late_begin; /* late_begin: of the running block */
static bool watching, counting, counted; /* counted: the running block is */

void sim_store(void *to, const void *from, size_t bytes)
{
    if (watching) {
        if (late_count == late_room) {
            late_room = late_room ? 2 * late_room : 1024;
            late = realloc(late, late_room * sizeof *late);
        }
        Late *l = &late[late_count++];
        *l = (Late){.to = to, .bytes = bytes, .from = running};
        memcpy(l->before, to, bytes);
    }
    memcpy(to, from, bytes);
}

void sim_fence(void)
{
    for (size_t i = late_begin; i < late_count && !counted; i++)
        if (late[i].from == running)
            late[i].from = NULL;
}

void sim_counts(void)
{
    counting = counted = true;
}

/* The block is done: what it has not told others of is not there for them. */
static void hide(void)
{
    size_t kept = late_begin;
    for (size_t i = late_begin; i < late_count; i++)
        memcpy(late[i].after, late[i].to, late[i].bytes);
    for (size_t i = late_count; i-- > late_begin;)
        if (late[i].from)
            memcpy(late[i].to, late[i].before, late[i].bytes);
    for (size_t i = late_begin; i < late_count; i++)
        if (late[i].from)
            late[kept++] = late[i];
    late_begin = late_count = kept;
}

/* The kernel is done. */
static void show(void)
{
    for (size_t i = 0; i < late_count; i++)
        memcpy(late[i].to, late[i].after, late[i].bytes);
    late_begin = late_count = 0;
}

/* After each block. Of kernels whose blocks do not count each other no more than the first is watched. */
static void settle(void)
{
    if (counting)
        hide();
    else
        late_count = 0;
    watching = counting;
    counted = false;
}

static int can_run(const Fiber *f)
{
    return f->state == READY ||
           (f->state == AT_SHUFFLE && warps[index_of(f) / WARP].arrived >= f->shuffles * WARP);
}

/* The i-th thread to run in the block that is the `number`-th ever. */
static int in_order(int i, int count, unsigned number)
{
    enum { EACH = 37 }; /* of warps and of lanes */
    int begin = (int)(number / 2 * EACH % (unsigned)count), at = number % 2 ? count - 1 - i : i;
    return (begin + at) % count;
}

static void run_block(int count, unsigned number)
{
    memset(warps, 0, sizeof warps);
    for (int i = 0; i < count; i++)
        fibers[i].state = READY, fibers[i].shuffles = 0;
    for (int finished = 0; finished < count;) {
        int moved = 0, waiting = 0;
        for (int i = 0; i < count; i++) {
            Fiber *f = &fibers[in_order(i, count, number)];
            for (; can_run(f); moved = 1)
                resume(f);
        }
        finished = 0;
        for (int i = 0; i < count; i++) {
            finished += fibers[i].state == FINISHED;
            waiting += fibers[i].state == AT_BARRIER;
        }
        if (waiting == count)
            for (int i = 0; i < count; i++)
                fibers[i].state = READY;
        else if (waiting && waiting + finished == count)
            sim_fail("a barrier that not all threads of a block come to");
        else if (!moved && finished < count)
            sim_fail("a shuffle that not all threads of a warp come to");
    }
    for (int i = 0; i < SHARED_MAX && shared[i].who; i++) {
        free(shared[i].memory);
        shared[i].who = NULL;
    }
}

static void make_fiber(Fiber *f)
{
    f->stack = malloc(STACK);
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK;
    f->context.uc_link = NULL;
    makecontext(&f->context, body, 0);
}

void sim_run(const SimKernel *k, void *const *a, SimDim grid, SimDim block)
{
    static unsigned blocks;
    kernel = k;
    arguments = a;
    int count = (int)block.x;
    if (block.y != 1 || block.z != 1 || count < 1 || count > THREADS_MAX)
        sim_fail("a block of another shape than the simulation knows");
    for (int i = 0; i < count; i++)
        if (!fibers[i].stack)
            make_fiber(&fibers[i]);
    watching = true;
    counting = false;
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                for (unsigned i = 0; i < block.x; i++)
                    fibers[i].self = (SimThread){{i, 0, 0}, {x, y, z}, block, grid};
                run_block(count, blocks++);
                settle();
            }
    show();
}
