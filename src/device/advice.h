/* Advice to whoever has a GPU that cannot be used: which driver to install, and which one is known
 * to be bad. The rows are those of drivers.def. */
#ifndef PACO_DEVICE_ADVICE_H
#define PACO_DEVICE_ADVICE_H

#include "device/backend.h"

#include <stdio.h>

/* A line for each vendor of whom a GPU is plugged in (PCI, by /sys) while no device of his that is
 * no processor is listed. The environment's PACO_SYSROOT stands before /sys and /etc: for tests. */
void advice_list(FILE *out);
/* The same as messages, once in a process. */
void advice_say(void);

/* What goes wrong with a device's driver, and what to do; NULL where nothing is known. */
typedef struct BadDriver {
    const char *platform, *driver, *what, *instead;
} BadDriver;

const BadDriver *advice_bad_driver(const DeviceInfo *info);
/* Warns of it, once for each row. */
void advice_warn(const char *device, const DeviceInfo *info);

#endif
