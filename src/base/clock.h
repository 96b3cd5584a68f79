/* Time and memory as a benchmark sees them. */
#ifndef PACO_BASE_CLOCK_H
#define PACO_BASE_CLOCK_H

#include <stdint.h>

/* Seconds of a monotonic clock. */
double clock_seconds(void);
/* Largest resident size of this process so far, in bytes. */
int64_t clock_peak_memory(void);

#endif
