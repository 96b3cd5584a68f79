/* Preloaded, for test_peers.sh and test_processes.sh: what goes wrong in a process, when a file says so or at once.
 *     HANGS_WHEN=F  while F.PID is there, whoever opens an image waits, as at a file server that is gone
 *     EXITS_WHEN=F  once F.PID is there, exit(0) is called, as a library might, beside what else runs
 *     SLOW_SAVES=F  the second checkpoint takes SLOW_SECONDS to get its name; F is there as long
 *     FAILS_WHEN=F  once F.PID is there, kernels cannot be launched any more
 *     NANS=1        exp is not a number, and with it the process's losses
 *     UNREADABLE=S  files whose names end with S cannot be opened
 *     CODES=F       F.PID gets the code with which a process that ends by itself does so */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

static int mine(const char *variable, char path[4096])
{
    const char *prefix = getenv(variable);
    snprintf(path, 4096, "%s.%d", prefix ? prefix : "", (int)getpid());
    return prefix != NULL;
}

static int asked_for(const char *variable)
{
    char path[4096];
    return mine(variable, path) && access(path, F_OK) == 0;
}

static void sleep_for(double seconds)
{
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0)
        ;
}

static int ends_with(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcmp(path + n - m, end) == 0;
}

static int open_or_hang(const char *path, int flags, int mode)
{
    const char *unreadable = getenv("UNREADABLE");
    if (unreadable && ends_with(path, unreadable)) {
        errno = EIO;
        return -1;
    }
    while (strstr(path, ".png") && asked_for("HANGS_WHEN"))
        sleep_for(0.05);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* With offsets of 64 bits, as everything here is compiled with, this is open64. */
SHOWN int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    return open_or_hang(path, flags, mode);
}

SHOWN int rename(const char *from, const char *to)
{
    const char *says = getenv("SLOW_SAVES"), *seconds = getenv("SLOW_SECONDS");
    static int saves;
    if (says && seconds && strstr(to, "/step-") && ++saves == 2) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, says, O_CREAT | O_WRONLY, 0600);
        close(fd);
        sleep_for(atof(seconds));
        unlink(says);
    }
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

SHOWN double exp(double x)
{
    static double (*real)(double);
    if (!real) {
        void *symbol = dlsym(RTLD_NEXT, __func__);
        memcpy(&real, &symbol, sizeof real);
    }
    return getenv("NANS") ? NAN : real(x);
}

/* OpenCL's: a handle's type does not matter here. */
SHOWN int clEnqueueNDRangeKernel(void *queue, void *kernel, unsigned dimensions, const size_t *offset,
                                 const size_t *global, const size_t *local, unsigned waits, const void *events,
                                 void *event)
{
    enum { OUT_OF_RESOURCES = -5 };
    static int (*real)(void *, void *, unsigned, const size_t *, const size_t *, const size_t *, unsigned,
                       const void *, void *);
    if (!real) {
        void *library = dlopen("libOpenCL.so.1", RTLD_NOW), *symbol = library ? dlsym(library, __func__) : NULL;
        memcpy(&real, &symbol, sizeof real); /* ISO C has no cast from object to function */
    }
    if (!real || asked_for("FAILS_WHEN"))
        return OUT_OF_RESOURCES;
    return real(queue, kernel, dimensions, offset, global, local, waits, events, event);
}

static void *leave(void *unused)
{
    sigset_t all; /* signals are for the program's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (!asked_for("EXITS_WHEN"))
        sleep_for(0.02);
    exit(0);
    return unused;
}

static void tell_code(int code, void *unused)
{
    char path[4096];
    FILE *f = mine("CODES", path) ? fopen(path, "w") : NULL;
    if (f) {
        fprintf(f, "%d\n", code);
        fclose(f);
    }
    (void)unused;
}

SHOWN void _exit(int code)
{
    tell_code(code, NULL);
    for (;;)
        syscall(SYS_exit_group, code);
}

__attribute__((constructor)) static void begin(void)
{
    pthread_t thread;
    if (getenv("EXITS_WHEN"))
        pthread_create(&thread, NULL, leave, NULL);
    if (getenv("CODES"))
        on_exit(tell_code, NULL);
}
