/* Names that a pickle may not hold: the machine calls nothing, but whoever hands the file on to
 * Python would. */
#ifndef PACO_CHECKPOINT_OBJECTS_PICKLE_NAMES_H
#define PACO_CHECKPOINT_OBJECTS_PICKLE_NAMES_H

#include <stdbool.h>

/* Whether "module.name" is a function that no checkpoint needs, such as os.system. */
bool pickle_name_refused(const char *name);

#endif
