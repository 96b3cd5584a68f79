/* Messages on stderr. A lock keeps lines of several threads whole.
 *
 * On a terminal the progress line stands without an end: what is written next, by whomever, clears
 * it first (CR, then ESC [ K: erase to the end of the line). A thread keeps it in the terminal's
 * width and counts the seconds of what takes long. In a file there is nothing to clear, and
 * progress is a line now and then. */
#include "base/log.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { FIELDS_MAX = 8, LINE_ROOM = 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool silent, stamped; /* set before there are threads */
static bool progress_shown;
static double progress_time; /* of the last one written; 0: none yet, the next is due at once */
static LogField shown[FIELDS_MAX]; /* what it says */
static int shown_count, shown_width;
static const char *busy, *busy_hint; /* NULL: nothing takes long */
static double busy_since;

/* The message, malloc'd, with nothing in it that a terminal would obey: names of files and tensors
 * come from outside. */
static char *message(const char *format, va_list args)
{
    char *raw = mem_vprintf(format, args);
    size_t room = 4 * strlen(raw) + 5;
    char *clean = mem_alloc(room);
    utf8_clean(clean, room, raw);
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

void log_silence(bool silence)
{
    silent = silence;
}

void log_timestamps(void)
{
    stamped = true;
}

/* The time, for lines in a file. */
static void put_time(void)
{
    char text[32];
    time_t now = time(NULL);
    struct tm parts;
    if (!stamped)
        return;
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S ", localtime_r(&now, &parts));
    fputs(text, stderr);
}

static void clear_progress(void)
{
    if (progress_shown)
        fputs("\r\033[K", stderr);
    progress_shown = false;
}

/* Columns of the terminal; a width that is not known is none. */
static int width_now(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                           : LINE_ROOM;
}

/* Columns that UTF-8 text takes, a character one. */
static int columns(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += !utf8_continues(*text);
    return n;
}

/* Where a line that is wrapped goes on: beneath what follows its first word, where two spaces set
 * that apart, else beneath its begin. */
static size_t hanging(const char *text)
{
    enum { WIDEST = 12 };
    size_t gap = strcspn(text, " ");
    size_t next = gap + strspn(text + gap, " ");
    return text[next] && next > gap + 1 && next <= WIDEST ? next : 0;
}

/* The bytes of text that go into a row: up to a space that fits, best where two of them part the
 * fields of a line; a word wider than the row is left whole, as a path that is copied. */
static size_t row_end(const char *text, int room)
{
    size_t space = 0, gap = 0;
    int used = 0;
    for (size_t at = 0;; at++) {
        bool word_ends = !text[at] || (at > 0 && text[at] == ' ' && text[at - 1] != ' ');
        if (word_ends && used > room)
            return gap ? gap : space ? space : at;
        if (!text[at])
            return at;
        if (word_ends)
            space = at;
        if (word_ends && text[at + 1] == ' ' && used > room / 3)
            gap = at;
        used += !utf8_continues(text[at]);
    }
}

/* A message on a terminal of `width` columns, wrapped between words. */
static void put_wrapped(const char *kind, const char *text, int width)
{
    int indent = (int)strlen(kind);
    int hang = (int)hanging(text);
    size_t n = row_end(text, width - indent);
    fprintf(stderr, "%s%.*s\n", kind, (int)n, text);
    indent += hang;
    for (text += n; text[strspn(text, " ")]; text += n) {
        text += strspn(text, " ");
        n = row_end(text, width - indent);
        fprintf(stderr, "%*s%.*s\n", indent, "", (int)n, text);
    }
}

static void line(const char *kind, bool timed, const char *format, va_list args)
{
    if (silent)
        return;
    char *text = message(format, args);
    pthread_mutex_lock(&lock);
    clear_progress();
    if (isatty(STDERR_FILENO)) {
        put_wrapped(kind, text, width_now());
    } else {
        if (timed)
            put_time();
        fprintf(stderr, "%s%s\n", kind, text);
    }
    pthread_mutex_unlock(&lock);
    free(text);
}

/* The body of a function with a format: a va_list has to be begun where the arguments are. */
#define FORWARD(kind, timed)                                                                       \
    va_list args;                                                                                  \
    va_start(args, format);                                                                        \
    line(kind, timed, format, args);                                                               \
    va_end(args)

void log_info(const char *format, ...)
{
    FORWARD("paco: ", true);
}
void log_warn(const char *format, ...)
{
    FORWARD("paco: warning: ", true);
}
void log_error(const char *format, ...)
{
    FORWARD("paco: error: ", false);
}

int log_level(void)
{
    const char *text = getenv("PACO_DEBUG");
    return text ? atoi(text) : 0;
}

void log_debug(int level, const char *format, ...)
{
    if (log_level() < level)
        return;
    FORWARD("paco: debug: ", false);
}

/* ------------------------------------------------------------------------------------ progress */

/* The fields up to `drop`, two spaces between them; returns the columns. */
static int join(const LogField *fields, int count, int drop, char to[LINE_ROOM])
{
    int width = 0;
    size_t at = 0;
    to[0] = 0;
    for (int i = 0; i < count; i++) {
        if (fields[i].drop > drop)
            continue;
        const char *gap = at ? "  " : "";
        at += (size_t)snprintf(to + at, LINE_ROOM - at, "%s%s", gap, fields[i].text);
        width += (*gap ? 2 : 0) + columns(fields[i].text);
    }
    return width;
}

static void fit(const LogField *fields, int count, int width, char to[LINE_ROOM])
{
    int drop = 0;
    for (int i = 0; i < count; i++)
        drop = fields[i].drop > drop ? fields[i].drop : drop;
    while (join(fields, count, drop, to) > width && drop > 0)
        drop--;
}

/* Rewrites the terminal's line; the last column stays free, where some terminals wrap. */
static void show(const LogField *fields, int count)
{
    char text[LINE_ROOM];
    shown_width = width_now();
    fit(fields, count, shown_width - 1, text);
    /* ESC [ ? 7 l: no wrapping. Of a line over several rows only the last could be cleared. */
    fprintf(stderr, "\r\033[K\033[?7l%s\033[?7h", text);
    fflush(stderr);
    progress_shown = true;
}

static void show_busy(double now)
{
    LogField fields[2] = {{.drop = 0}, {.drop = 1}};
    if (now - busy_since < 1)
        return;
    snprintf(fields[0].text, sizeof fields[0].text, "%s, %.0f s", busy, now - busy_since);
    snprintf(fields[1].text, sizeof fields[1].text, "%s", busy_hint);
    show(fields, 2);
}

/* Looks after the terminal's line for as long as the program lives. */
static void *keep(void *unused)
{
    (void)unused;
    for (;;) {
        nanosleep(&(struct timespec){.tv_nsec = 250000000}, NULL);
        pthread_mutex_lock(&lock);
        if (busy)
            show_busy(clock_seconds());
        else if (progress_shown && shown_width != width_now())
            show(shown, shown_count);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void start_keeper(void)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the other threads' */
    if (pthread_create(&thread, NULL, keep, NULL) == 0)
        pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool on_terminal(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    bool terminal = isatty(STDERR_FILENO);
    if (terminal)
        pthread_once(&once, start_keeper);
    return terminal;
}

void log_fields(double seconds, int count, const LogField *fields)
{
    if (silent)
        return;
    CHECK(count <= FIELDS_MAX);
    bool terminal = on_terminal();
    double now = clock_seconds();
    pthread_mutex_lock(&lock);
    if (now - progress_time >= (terminal ? 0.1 : seconds)) {
        progress_time = now;
        memcpy(shown, fields, (size_t)count * sizeof *fields);
        shown_count = count;
        if (terminal) {
            show(shown, shown_count);
        } else {
            char text[LINE_ROOM];
            fit(fields, count, LINE_ROOM, text);
            put_time();
            fprintf(stderr, "%s\n", text);
        }
    }
    pthread_mutex_unlock(&lock);
}

void log_progress(double seconds, const char *format, ...)
{
    LogField field = {0};
    va_list args;
    va_start(args, format);
    vsnprintf(field.text, sizeof field.text, format, args);
    va_end(args);
    log_fields(seconds, 1, &field);
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

void log_busy(const char *what, const char *hint)
{
    bool watched = !silent && on_terminal();
    pthread_mutex_lock(&lock);
    busy = watched ? what : NULL;
    busy_hint = hint;
    busy_since = clock_seconds();
    pthread_mutex_unlock(&lock);
}

double log_busy_end(void)
{
    pthread_mutex_lock(&lock);
    double seconds = clock_seconds() - busy_since;
    if (busy)
        clear_progress();
    busy = NULL;
    fflush(stderr);
    pthread_mutex_unlock(&lock);
    return seconds;
}
