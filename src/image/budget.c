/* A counter under a lock; see budget.h. */
#include "image/budget.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t given = PTHREAD_COND_INITIALIZER;
static size_t taken;
static _Thread_local size_t own;

void budget_take(size_t bytes)
{
    if (bytes < BUDGET_LEAST)
        return;
    pthread_mutex_lock(&lock);
    while (taken > 0 && own == 0 && taken + bytes > BUDGET_BYTES)
        pthread_cond_wait(&given, &lock);
    taken += bytes;
    own += bytes;
    pthread_mutex_unlock(&lock);
}

void budget_give(size_t bytes)
{
    if (bytes < BUDGET_LEAST)
        return;
    pthread_mutex_lock(&lock);
    taken -= bytes;
    own -= bytes < own ? bytes : own;
    pthread_cond_broadcast(&given);
    pthread_mutex_unlock(&lock);
}
