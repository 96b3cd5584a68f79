/* Estimates: what a run would need of a device and how long it would take, before it begins. */
#ifndef PACO_MEASURE_ESTIMATE_H
#define PACO_MEASURE_ESTIMATE_H

#include "options/options.h"

#include <stdio.h>

/* A run of the options over so many training images. Prints, in lines that begin with #, the
 * memory of its plan on the options' device; its time there, from a few steps, measured with as
 * many images as a quarter of a minute allows; and that on one H100, predicted. What cannot be said
 * is a line with the reason. options->classes must be known. */
void estimate_print(const Options *options, int64_t images, FILE *out);

#endif
