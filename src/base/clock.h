/* Time and memory as a benchmark sees them. */
#ifndef PACO_BASE_CLOCK_H
#define PACO_BASE_CLOCK_H

#include <stdint.h>

/* Seconds of a monotonic clock. */
double clock_seconds(void);
enum { CLOCK_ABOUT = 32 };
/* "107 days", "9 hours", "35 minutes", "4 seconds": of what is known roughly. Returns text. */
const char *clock_about(double seconds, char text[CLOCK_ABOUT]);
/* Largest resident size of this process so far, in bytes. */
int64_t clock_peak_memory(void);

#endif
