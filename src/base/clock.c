/* Monotonic time and peak resident memory. */
#include "base/clock.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *clock_about(double seconds, char text[CLOCK_ABOUT])
{
    static const struct {
        double seconds;
        const char *name;
    } units[] = {{86400, "days"}, {3600, "hours"}, {60, "minutes"}, {1, "seconds"}};
    int u = 0;
    while (u < 3 && seconds < 2 * units[u].seconds)
        u++;
    if (seconds < 1.5)
        snprintf(text, CLOCK_ABOUT, "a second");
    else
        snprintf(text, CLOCK_ABOUT, "%.0f %s", seconds / units[u].seconds, units[u].name);
    return text;
}

int64_t clock_peak_memory(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)usage.ru_maxrss * 1024;
}
