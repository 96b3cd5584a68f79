/* The reference: runs an un-planned graph, un-fused unless images have 16 bits (plan/session.c), by
 * calling each operator's reference on plain memory.
 *
 * Every element is kept as a double. In float32 each output is rounded to float32 after its
 * operator, whose own sums stay in double. It shares nothing with planning or lowering. What the
 * graph stores in 16 bits is rounded to them. */
#ifndef PACO_GRAPH_INTERP_H
#define PACO_GRAPH_INTERP_H

#include "base/status.h"
#include "comm/comm.h"
#include "graph/op.h"

typedef struct Interp Interp;

/* Takes the graph over. `type` is DTYPE_F64 or DTYPE_F32; comm: the processes whose ranks it does
 * not run, or NULL. */
Interp *interp_new(Graph *graph, DType type, Comm *comm);
void interp_free(Interp *interp);
/* Runs the nodes of one segment in order. */
void interp_run(Interp *interp, Segment segment, const StepParams *state);
/* Elements of a value as the host wants them; zeros before anything was written. */
void interp_write(Interp *interp, const Value *value, const void *host, DType type);
void interp_read(Interp *interp, const Value *value, void *host, DType type);

#endif
