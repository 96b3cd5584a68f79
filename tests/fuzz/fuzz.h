/* The fuzz targets: each takes any bytes, opens them as a checkpoint (or as a list file, annotations, a pickle of CIFAR,
 * an image, a record of a run) and reads, inspects and converts what there is. The harness fuzz_NAME.c makes each a
 * libFuzzer program; test_fuzz.c replays the seeds through the same functions. */
#ifndef PACO_TESTS_FUZZ_H
#define PACO_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* TARGET(name): fuzz_target_NAME and fuzz_NAME.c. */
#define FUZZ_TARGETS(X) \
    X(zip) X(pickle) X(legacy) X(tar) X(safetensors) X(list) X(coco) X(cifar) X(image) X(report)

#define X(name) int fuzz_target_##name(const uint8_t *bytes, size_t size);
FUZZ_TARGETS(X)
#undef X

#endif
