/* Messages on stderr. A lock keeps lines of several threads whole. */
#include "base/log.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool progress_shown;
static double progress_time;

static void line(const char *kind, const char *format, va_list args)
{
    pthread_mutex_lock(&lock);
    if (progress_shown)
        fputs("\r\033[K", stderr);
    progress_shown = false;
    fputs(kind, stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    pthread_mutex_unlock(&lock);
}

#define FORWARD(kind)               \
    va_list args;                   \
    va_start(args, format);         \
    line(kind, format, args);       \
    va_end(args)

void log_info(const char *format, ...) { FORWARD("paco: "); }
void log_warn(const char *format, ...) { FORWARD("paco: warning: "); }
void log_error(const char *format, ...) { FORWARD("paco: error: "); }

int log_level(void)
{
    const char *text = getenv("PACO_DEBUG");
    return text ? atoi(text) : 0;
}

void log_debug(int level, const char *format, ...)
{
    if (log_level() < level)
        return;
    FORWARD("paco: debug: ");
}

void log_progress(double seconds, const char *format, ...)
{
    bool terminal = isatty(STDERR_FILENO);
    double now = clock_seconds();
    pthread_mutex_lock(&lock);
    if (now - progress_time >= (terminal ? 0.1 : seconds)) {
        progress_time = now;
        va_list args;
        va_start(args, format);
        if (terminal) /* without wrapping: of a line that is too long only its last row could be
                         cleared */
            fputs("\r\033[K\033[?7l", stderr);
        vfprintf(stderr, format, args);
        fputs(terminal ? "\033[?7h" : "\n", stderr);
        fflush(stderr);
        progress_shown = terminal;
        va_end(args);
    }
    pthread_mutex_unlock(&lock);
}

void log_progress_end(void)
{
    pthread_mutex_lock(&lock);
    if (progress_shown)
        fputc('\n', stderr);
    progress_shown = false;
    progress_time = 0;
    pthread_mutex_unlock(&lock);
}
