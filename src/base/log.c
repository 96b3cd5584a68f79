/* Messages on stderr. A lock keeps lines of several threads whole.
 *
 * On a terminal the progress line stands without an end: what is written next, by whomever, clears
 * it first (CR, then ESC [ K: erase to the end of the line). In a file there is nothing to clear,
 * and progress is a line now and then. */
#include "base/log.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool silent; /* set before there are threads */
static bool progress_shown;
static double progress_time; /* of the last one written; 0: none yet, the next is due at once */

/* The message, malloc'd, with nothing in it that a terminal would obey: names of files and tensors
 * come from outside. */
static char *message(const char *format, va_list args)
{
    va_list again;
    va_copy(again, args); /* the text is made twice: its length, then itself */
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    CHECKF(n >= 0, "%s", format);
    char *raw = mem_alloc((size_t)n + 1), *clean = mem_alloc(4 * (size_t)n + 5);
    vsnprintf(raw, (size_t)n + 1, format, args);
    utf8_clean(clean, 4 * (size_t)n + 5, raw);
    free(raw);
    return clean;
}

void log_text(FILE *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = message(format, args);
    va_end(args);
    fputs(text, out);
    free(text);
}

void log_silence(void)
{
    silent = true;
}

static void line(const char *kind, const char *format, va_list args)
{
    if (silent)
        return;
    char *text = message(format, args);
    pthread_mutex_lock(&lock);
    if (progress_shown)
        fputs("\r\033[K", stderr);
    progress_shown = false;
    fprintf(stderr, "%s%s\n", kind, text);
    pthread_mutex_unlock(&lock);
    free(text);
}

/* The body of a function with a format: a va_list has to be begun where the arguments are. */
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
    if (silent)
        return;
    bool terminal = isatty(STDERR_FILENO);
    double now = clock_seconds();
    pthread_mutex_lock(&lock);
    if (now - progress_time >= (terminal ? 0.1 : seconds)) {
        progress_time = now;
        va_list args;
        va_start(args, format);
        /* ESC [ ? 7 l: no wrapping. Of a line over several rows only the last could be cleared. */
        if (terminal)
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
