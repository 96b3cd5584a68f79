/* Image benchmark: how fast one thread makes what training and evaluation read. */
#ifndef PACO_MEASURE_IMAGE_BENCH_H
#define PACO_MEASURE_IMAGE_BENCH_H

#include "base/status.h"

#include <stdio.h>

/* Passes over the JPEG and PNG files of a folder, one to warm up and `repetitions` measured, and
 * prints one line of JSON with the median images/s and the seconds of a pass. Modes: "decode";
 * "view" (one randcls view), "pair" (randcls and sim), "eval" (short side 256, centre 224), each
 * with its decoding; "views" (a pair of views of images decoded before, so everything after
 * decoding). Files are read anew each time. Views end as bytes; normalisation is the device's.
 * STATUS_USAGE for an unknown mode. */
Status image_bench_run(const char *mode, const char *folder, int repetitions, FILE *out);

#endif
