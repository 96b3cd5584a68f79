/* The backends this program can use: modules loaded at run time, and the devices they find.
 *
 * A module is searched in the folder PACO_BACKENDS (environment), beside the program and where it
 * is installed: in ../lib/openpaco relative to the program, or as the build has it. A backend that
 * is missing or cannot work is a row that says why. */
#ifndef PACO_DEVICE_REGISTRY_H
#define PACO_DEVICE_REGISTRY_H

#include "device/backend.h"

#include <stdio.h>

typedef struct BackendRow {
    const char *name;       /* "opencl" */
    const Backend *backend; /* NULL: the module could not be loaded */
    int devices;            /* how many it found; 0 with a reason in `why` */
    char path[512];         /* of the module loaded */
    char why[512];          /* not empty: no device, and why; one line */
} BackendRow;

/* How many backends there are, loadable or not. */
int registry_count(void);
/* Row i. Loads the module at the first call; valid until the program ends. Not for several threads.
 */
const BackendRow *registry_row(int i);

/* Opens a device by name: "opencl", "opencl:1" (its device number 1), or "auto": the first usable
 * device of the best backend, processors last. STATUS_USAGE: no such backend; STATUS_DEVICE: no
 * such device, with what to install. With options->plan_only also a device on paper: "cuda:h100".
 * options may be NULL. Close with (*backend)->close(*device). */
Status device_open(const char *name, const DeviceOptions *options, const Backend **backend,
                   Device **device);

/* Prints every backend and device with what it can do, devices on paper, why one is absent, and
 * what helps a GPU that no driver shows. */
void registry_list(FILE *out);

#endif
