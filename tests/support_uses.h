/* Everything the program does with a checkpoint, with no result kept: for the malformed files and the fuzzers, that
 * find what a file does behind the door. */
#ifndef PACO_TESTS_SUPPORT_USES_H
#define PACO_TESTS_SUPPORT_USES_H

#include "checkpoint/checkpoint.h"

/* Looks for a state dict and an architecture in it, inspects the file and converts it to every format, whole and bare;
 * whether that works or not. Returns the processor seconds of the slowest of these. */
double use_checkpoint(Checkpoint *checkpoint);

#endif
