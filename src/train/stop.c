/* The thread that waits for signals. */
#include "train/stop.h"

#include "base/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

atomic_int stop_asked;
static atomic_bool ending;

/* A closed terminal is a request too, unless nohup had it ignored. */
static sigset_t requests(void)
{
    sigset_t set;
    struct sigaction hangup;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaddset(&set, SIGHUP);
    return set;
}

static void *wait_for_requests(void *unused)
{
    sigset_t set = requests();
    int number;
    sigwait(&set, &number);
    atomic_store(&stop_asked, 1);
    do
        sigwait(&set, &number);
    while (atomic_load(&ending));
    signal(number, SIG_DFL);
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return unused;
}

void stop_ending(void)
{
    atomic_store(&ending, true);
}

void stop_ask(void)
{
    atomic_store(&stop_asked, 1);
}

void stop_listen(void)
{
    static bool listening;
    sigset_t set = requests();
    pthread_t thread;
    if (listening)
        return;
    listening = true;
    signal(SIGPIPE, SIG_IGN); /* whoever read the lines of a run may go: the run does not */
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (pthread_create(&thread, NULL, wait_for_requests, NULL) == 0) {
        pthread_detach(thread);
        return;
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    log_warn("requests to stop (SIGTERM, SIGUSR1) will not be heard: no thread for them");
}
