/* The table of algorithms: names, choosing, and what a step's algorithm launches. */
#ifndef PACO_OPENCL_ALGORITHMS_H
#define PACO_OPENCL_ALGORITHMS_H

#include "algorithm.h"

/* Reads "OP=NAME" of `length` characters, NAME an algorithm that serves OP or a family of such, and
 * forces it on the device (the first word for an operation counts). False: there is none. */
bool algorithms_force(Device *device, const char *word, size_t length);
/* Whether an algorithm of this method is forced. */
bool algorithms_forced(const Device *device, AlgorithmOp op, const Method *method);
/* Name of the i-th algorithm of the device's kind of kernels that could run the step, NULL behind
 * the last. */
const char *algorithms_candidate(const Device *device, const Step *step, int i);
/* For a CONV or GEMM step: picks the algorithm forced, else the one that it names, else the most
 * promising, and fills what Backend.choose fills. A name that cannot run here counts as none. */
Status algorithms_choose(const Device *device, Step *step);
/* Appends the launches of a CONV or GEMM step. */
Status algorithms_prepare(const Device *device, const Step *step, Prepared *prepared);

#endif
