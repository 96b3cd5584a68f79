/* Launches: what a prepared step is made of, in order: kernels with their arguments set once, and
 * calls that enqueue commands in another way. */
#ifndef PACO_OPENCL_LAUNCH_H
#define PACO_OPENCL_LAUNCH_H

#include "opencl.h"

typedef struct Prepared Prepared;

/* Enqueues commands of a step; event may be NULL, else it becomes that of the last command. */
typedef Status LaunchCall(Device *device, const Step *step, cl_event *event);

Prepared *launch_begin(Device *device);
void launch_free(Prepared *prepared);

/* Appends a launch of kernel `name` of a file, with work-items and group size per dimension (local
 * NULL: the driver chooses); its arguments follow in order. */
Status launch_add(Prepared *prepared, const char *file, const char *options, const char *name,
                  const size_t global[3], const size_t local[3]);
/* The same with items that are long loops, each a group of its own. */
Status launch_add_items(Prepared *prepared, const char *file, const char *options, const char *name,
                        const int items[3]);
/* Appends a call; several: it enqueues more than one command, so that its time counts from what
 * stood before it. */
void launch_add_call(Prepared *prepared, LaunchCall *call, bool several);

/* The next argument of the kernel added last: an operand, a value, or local memory. */
Status launch_ref(Prepared *prepared, Ref ref);
Status launch_value(Prepared *prepared, const void *value, size_t bytes);
Status launch_local(Prepared *prepared, size_t bytes);

/* Enqueues all of them. */
Status launch_run(Prepared *prepared, const Step *step);
/* Seconds that the latest run took, where the device was opened with profiling. */
Status launch_elapsed(const Prepared *prepared, double *seconds);

#endif
