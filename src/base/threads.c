/* threads_for starts its threads anew for every loop: its callers work for milliseconds at least.
 *
 * The bodies are handed out one by one, to whoever is free: they take unequal time. Where the
 * system gives no more threads there are fewer, at the least the caller's own. */
#define _GNU_SOURCE
#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { MAX_THREADS = 64 };

int threads_available(void)
{
    cpu_set_t set;
    /* What this process may use: a batch system gives it a part of the machine. */
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n;
}

typedef struct Loop {
    atomic_llong next;
    int64_t count;
    void (*body)(int64_t, void *);
    void *context;
} Loop;

static void *work(void *argument)
{
    Loop *loop = argument;
    for (int64_t i; (i = atomic_fetch_add(&loop->next, 1)) < loop->count;)
        loop->body(i, loop->context);
    return NULL;
}

void threads_for(int64_t count, void (*body)(int64_t i, void *context), void *context)
{
    Loop loop = {.count = count, .body = body, .context = context};
    pthread_t ids[MAX_THREADS];
    int wanted = threads_available(), started = 0;
    if (wanted > MAX_THREADS)
        wanted = MAX_THREADS;
    if (wanted > count)
        wanted = (int)count;
    while (started < wanted - 1 && pthread_create(&ids[started], NULL, work, &loop) == 0)
        started++;
    work(&loop);
    for (int i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
}
