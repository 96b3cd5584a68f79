/* Status: how a failure of the outside world (files, devices, user input) travels up to main.
 *
 * A function that can fail returns a Status: STATUS_OK, or an exit code of the program. The text of
 * the failure waits in the calling thread until it is read: one line, without the leading
 * "paco: error: ". A worker thread hands its text over by copying status_text() before it ends.
 * There is one text per thread, also for backend modules (libpaco_base is shared with them).
 * A broken invariant of the program is no Status: see check.h. */
#ifndef PACO_BASE_STATUS_H
#define PACO_BASE_STATUS_H

/* STATUS(name, exit code, meaning): the one list of exit codes (README, "Exit codes"). */
#define STATUS_LIST(X)                                                          \
    X(OK, 0, "done")                                                            \
    X(USAGE, 2, "usage, or options that contradict each other or the data")     \
    X(INPUT, 3, "malformed or unsuitable input file")                           \
    X(IO, 4, "input or output error")                                           \
    X(LIMIT, 5, "limit reached or out of memory")                               \
    X(NAN, 6, "not-a-number where a number must be")                            \
    X(PEER, 7, "peer lost")                                                     \
    X(DEVICE, 8, "device missing, unsuitable or lost")                          \
    X(STOPPED, 75, "stopped on request after a good checkpoint")

typedef enum Status {
#define X(name, code, meaning) STATUS_##name = code,
    STATUS_LIST(X)
#undef X
} Status;

/* Longest text of a failure, with its end. Longer texts are cut. */
enum { STATUS_TEXT_MAX = 1024 };

/* Records the text "FILE: WHERE: WHAT (seen vs expected). hint" for this thread and returns `code`.
 * Bytes that are no printable ASCII or well-formed UTF-8 arrive as \xNN: file text is not trusted.
 */
Status status_fail(Status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "format: " before the text already recorded and returns `code`: for adding the place. */
Status status_prefix(Status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The text of this thread's latest failure; "" when there was none. Valid until the next one. */
const char *status_text(void);

/* Returns from the calling function when `call` fails. */
#define TRY(call)                                    \
    do {                                             \
        Status try_status_ = (call);                 \
        if (try_status_ != STATUS_OK)                \
            return try_status_;                      \
    } while (0)

/* Jumps to `label` with `status` set when `call` fails: for functions that must clean up. */
#define TRY_OR(label, status, call)                  \
    do {                                             \
        if (((status) = (call)) != STATUS_OK)        \
            goto label;                              \
    } while (0)

#endif
