/* Running ranges of steps. A range that runs again and again is recorded as a CUDA graph, so that
 * the host launches it with one call. */
#ifndef PACO_CUDA_REPLAY_H
#define PACO_CUDA_REPLAY_H

#include "cuda.h"

Status replay_run(Device *device, const Step *steps, int count);
/* Forgets the graphs in which the step is; NULL: all. Once the stream is done. */
void replay_drop(Device *device, const Step *step);

#endif
