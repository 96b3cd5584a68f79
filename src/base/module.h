/* Modules of the program: shared libraries with one entry, found at run time and never closed. */
#ifndef PACO_BASE_MODULE_H
#define PACO_BASE_MODULE_H

#include <stddef.h>

/* Loads `file` from the first folder that has it: PACO_BACKENDS (environment), beside the program,
 * ../lib/openpaco from there. Where it cannot be loaded, `again` (may be NULL) is called once with
 * `context`, and then it is tried once more. Returns the entry, with path; NULL with a reason. */
void *module_entry(const char *file, const char *entry, void (*again)(const char *context),
                   const char *context, char path[512], char why[512]);

#endif
