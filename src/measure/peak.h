/* Peak: what a device can do at most, measured: fused multiply-adds without memory, and a copy in
 * memory. */
#ifndef PACO_MEASURE_PEAK_H
#define PACO_MEASURE_PEAK_H

#include "device/backend.h"

typedef struct Peak {
    double flops;     /* per second, float32 */
    double bandwidth; /* bytes per second, read and written together */
} Peak;

/* The best of several runs; 0 where the device's clock saw no time go by. The device must have been
 * opened with profiling. */
Status peak_measure(const Backend *backend, Device *device, Peak *peak);

#endif
