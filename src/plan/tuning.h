/* Tuning: which algorithm was fastest for a step on a device, kept in one readable text file per
 * device and kind of kernels.
 *
 * The file's head names device, driver, version and kind; each combination has a file of its own,
 * and a file with another head is not used. Each further line is "step = algorithm milliseconds".
 * A plan asks for every convolution and GEMM that it lowers. */
#ifndef PACO_PLAN_TUNING_H
#define PACO_PLAN_TUNING_H

#include "device/backend.h"

typedef struct Tuning Tuning;

/* The results for this device in `folder` (NULL: the user's cache folder); empty when there are
 * none. */
Tuning *tuning_load(const DeviceInfo *info, const char *folder);
void tuning_free(Tuning *tuning);
/* The algorithm for a step like this one, or NULL. Valid until the table changes. */
const char *tuning_find(const Tuning *tuning, const Step *step);
void tuning_set(Tuning *tuning, const Step *step, const char *algorithm, double seconds);
/* Writes the file, whole or not at all. */
Status tuning_save(const Tuning *tuning);
const char *tuning_path(const Tuning *tuning);
/* What a step computes, in words that are equal for equal steps: "conv.forward N8 C64 ...", with
 * its type and math where they are not float32 and strict. Returns text. */
const char *tuning_key(const Step *step, char text[192]);

#endif
