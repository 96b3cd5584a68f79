/* CHECK: invariants of the program itself. A broken one prints expression, place and the current
 * step, and aborts. Whatever a file, a device or a user can cause is a Status instead. */
#ifndef PACO_BASE_CHECK_H
#define PACO_BASE_CHECK_H

/* What the program is doing now (a step's or node's name), shown by a failed CHECK. Not copied. */
extern _Thread_local const char *check_context;

void check_failed(const char *expression, const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 4, 5)));

#define CHECK(expression)                                                      \
    do {                                                                       \
        if (!(expression))                                                     \
            check_failed(#expression, __FILE__, __LINE__, " ");                \
    } while (0)

/* CHECK with a printf message that shows the values. */
#define CHECKF(expression, ...)                                                \
    do {                                                                       \
        if (!(expression))                                                     \
            check_failed(#expression, __FILE__, __LINE__, __VA_ARGS__);        \
    } while (0)

#endif
