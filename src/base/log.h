/* Messages to the user: plain lines on stderr, and the one progress line of a terminal. */
#ifndef PACO_BASE_LOG_H
#define PACO_BASE_LOG_H

#include <stdbool.h>
#include <stdio.h>

/* A line for the user: "paco: ..." on stderr. Clears a progress line first. Controls in it, a
 * newline too, are shown as utf8_clean does. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Something the user should look at: "paco: warning: ..." */
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The last line of a failed run: "paco: error: ..." */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* From now on nothing is shown, where another process speaks for this one; or it is again. */
void log_silence(bool silence);
/* Shown when the environment's PACO_DEBUG is at least `level` (1 to 4). */
void log_debug(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* PACO_DEBUG, 0 when unset. */
int log_level(void);
/* The same without "paco: ", on any stream: results that name files or classes. Without a newline:
 * the caller's. */
void log_text(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* From now on lines of info, warnings and progress begin with the time, where stderr is no terminal.
 */
void log_timestamps(void);

/* A part of the progress line. Where a terminal is too narrow for all parts, those with the highest
 * `drop` go first; 0: never. */
typedef struct LogField {
    int drop;
    char text[80];
} LogField;

/* Rewrites the progress line of a terminal, in its width, also when that changes; a plain line of
 * all parts every `seconds` where stderr is a file. */
void log_fields(double seconds, int count, const LogField *fields);
/* The same with one part. */
void log_progress(double seconds, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Leaves the progress line standing and goes to the next. */
void log_progress_end(void);
/* Begins what may take long and tells nothing meanwhile: after a second a terminal shows "WHAT, 31 s"
 * and `hint`, counting, until log_busy_end, which returns the seconds that it took. */
void log_busy(const char *what, const char *hint);
double log_busy_end(void);

#endif
