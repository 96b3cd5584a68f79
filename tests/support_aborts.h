/* Broken invariants: that a CHECK ends the program, and which one it is. */
#ifndef PACO_TESTS_SUPPORT_ABORTS_H
#define PACO_TESTS_SUPPORT_ABORTS_H

/* Runs harm(context) in a process of its own. Fails the test unless a CHECK of the file ("plan/check.c") aborts
 * it, whose line holds the text `what`: its expression or message. No other check, crash or abort counts. With
 * `what` NULL, nothing may abort it. */
void assert_aborts(void (*harm)(void *context), void *context, const char *file, const char *what);

#endif
