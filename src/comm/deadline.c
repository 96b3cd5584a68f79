#include "comm/deadline.h"

#include "base/arena.h"
#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct Deadline {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct timespec end; /* of CLOCK_MONOTONIC */
    bool off;
    int code;
    char *text;
    pthread_t thread;
};

static void *wait_for_end(void *argument)
{
    Deadline *d = argument;
    int result = 0;
    pthread_mutex_lock(&d->lock);
    while (!d->off && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&d->changed, &d->lock, &d->end);
    bool off = d->off;
    pthread_mutex_unlock(&d->lock);
    if (off)
        return NULL;
    log_silence(false);
    log_error("%s", d->text);
    _exit(d->code);
}

Deadline *deadline_begin(double seconds, int code, const char *text)
{
    Deadline *d = mem_zero(1, sizeof *d);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&d->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&d->lock, NULL);
    clock_gettime(CLOCK_MONOTONIC, &d->end);
    d->end.tv_sec += (time_t)ceil(seconds);
    d->code = code;
    d->text = mem_string(text);
    if (pthread_create(&d->thread, NULL, wait_for_end, d) == 0)
        return d;
    free(d->text);
    free(d);
    return NULL;
}

void deadline_call_off(Deadline *d)
{
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->off = true;
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d->text);
    free(d);
}
