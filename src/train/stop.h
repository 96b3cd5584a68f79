/* Requests to stop: SIGTERM, SIGINT, SIGUSR1, SIGHUP.
 *
 * A thread of its own waits for them and they are blocked in all others, because OpenCL drivers
 * that compile with LLVM put handlers of theirs over those of the program, some of them only when a
 * kernel first runs. */
#ifndef PACO_TRAIN_STOP_H
#define PACO_TRAIN_STOP_H

#include <stdatomic.h>

/* Not zero once a stop was asked for. */
extern atomic_int stop_asked;

/* Asks, as a signal does. */
void stop_ask(void);
/* Begins to listen; before any other thread is made, as they inherit what is blocked. A second
 * request ends the process at once. May be called again. */
void stop_listen(void);
/* From now on the process ends anyway, with the code that all agreed on: further requests, as
 * launchers send them to the rest once one process has ended, change nothing. */
void stop_ending(void);

#endif
