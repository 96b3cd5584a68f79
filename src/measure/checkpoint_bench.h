/* Benchmark of training checkpoints: reading one, against the least that reading can cost, which is
 * all bytes of the file once with their CRC. */
#ifndef PACO_MEASURE_CHECKPOINT_BENCH_H
#define PACO_MEASURE_CHECKPOINT_BENCH_H

#include "base/status.h"

#include <stdio.h>

/* Does one thing once, for memory's sake in a process of its own, and prints one line of JSON with
 * milliseconds, peak memory above that of the start, and bytes of tensors. Modes: "write" makes a
 * training checkpoint of the architecture (resnet50: about 280 MiB) with made-up elements; "read"
 * loads it as --resume does; "crc" reads the file's bytes through zlib's crc32. STATUS_USAGE for an
 * unknown mode, STATUS_INPUT for an unknown architecture. */
Status checkpoint_bench_run(const char *mode, const char *file, const char *arch, FILE *out);

#endif
