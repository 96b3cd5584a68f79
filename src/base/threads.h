/* Threads: how many cores to use, and a loop spread over them. */
#ifndef PACO_BASE_THREADS_H
#define PACO_BASE_THREADS_H

#include <stdint.h>

/* Cores this process may run on, at least 1. */
int threads_available(void);

/* Calls body(i, context) for i in [0, count), from several threads when count > 1. The calls may
 * come in any order; each must write its own places only. Returns when all are done. */
void threads_for(int64_t count, void (*body)(int64_t i, void *context), void *context);

#endif
