/* Running single steps on a device in tests: operands between guard bytes, packing and workspace as
 * the device asks for, results compared with a double reference by the bounds of the design,
 * section 8. */
#ifndef PACO_TESTS_SUPPORT_DEVICE_H
#define PACO_TESTS_SUPPORT_DEVICE_H

#include "base/rng.h"
#include "device/backend.h"

typedef struct TestDevice {
    const Backend *backend;
    Device *device;
} TestDevice;

/* The device under test: what PACO_TEST_DEVICE names, "opencl" without it. */
const char *test_device_name(void);
/* Skips a test of what only the OpenCL backend has (its algorithms, its cache), where another is under test. */
void test_needs_opencl(void);
/* Opens it with forced kernels; NULL: those of PACO_TEST_KERNELS, without it the device's own. Exits with 77 and the
 * reason where there is none. */
TestDevice test_device_open(const char *kernels, bool profile);
void test_device_close(TestDevice *t);

/* `count` floats on the device between guards, at a place that is a multiple of 64 bytes (aligned)
 * or of 4 only. */
typedef struct Operand {
    Ref ref;
    size_t count, lead; /* lead: bytes of guard before */
} Operand;

Operand operand_new(TestDevice *t, const float *values, size_t count, bool aligned);
/* Reads the values; fails the test when a guard byte changed. */
void operand_read(TestDevice *t, const Operand *o, float *values);
void operand_free(TestDevice *t, Operand *o);

/* Chooses, packs (for a CONV with packed_bytes), prepares and runs a step whose refs are set,
 * twice; what it writes (refs[written]) must have the same bits both times. `before` restores that
 * operand between the runs (NULL: it is filled with not-a-number). The result is left in `result`.
 */
void step_check_twice(TestDevice *t, Step *step, Operand *written, const float *before,
                      float *result);

/* The same for timing: seconds of the fastest of `repeats` runs (the machine may be busy). */
double step_time(TestDevice *t, Step *step, int repeats);

/* n normal numbers. */
float *random_floats(Rng *rng, size_t n);

/* Both bounds for sums of `length` terms; prints the worst figures and fails where one is broken.
 */
void compare_sums(const char *what, const float *seen, const double *expected, size_t count,
                  double length);

#endif
