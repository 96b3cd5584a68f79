/* What is wrong with one command line, all of it told: everything that fails is said, the last of
 * it by whoever gets the status. */
#ifndef PACO_OPTIONS_CONFLICTS_H
#define PACO_OPTIONS_CONFLICTS_H

#include "base/status.h"

typedef struct Conflicts {
    Status status;              /* of the last failure; begin with STATUS_OK */
    char text[STATUS_TEXT_MAX]; /* its text, not said yet */
} Conflicts;

/* Adds what has just been looked at: nothing where it is STATUS_OK. */
void conflicts_note(Conflicts *conflicts, Status status);
/* The status of the last failure, and its text as status_text has it. */
Status conflicts_end(const Conflicts *conflicts);

#endif
