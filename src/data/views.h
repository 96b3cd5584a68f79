/* The views of one image of a data set, as a loader's spec asks for them: a pair, the query's
 * alone, or the evaluation view. A function of (seed, epoch, sample, image); safe from any number
 * of threads. What becomes of an image that cannot be read is the loader's business. */
#ifndef PACO_DATA_VIEWS_H
#define PACO_DATA_VIEWS_H

#include "data/loader.h"

/* Views of image `i` with the random streams of `sample`: query[size][size][3], and key likewise,
 * each where it is not NULL; key only of LOADER_PAIR. */
Status views_make(const LoaderSpec *spec, uint32_t epoch, uint32_t i, uint64_t sample,
                  uint8_t *query, uint8_t *key);

#endif
