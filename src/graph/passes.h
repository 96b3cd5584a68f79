/* Passes over a graph, before it is lowered to a plan. Each leaves a graph that computes the same.
 */
#ifndef PACO_GRAPH_PASSES_H
#define PACO_GRAPH_PASSES_H

#include "graph/graph.h"

/* Rewrites neighbouring nodes into one, by the rows of fuse.def: those that ask for no more than
 * these DeviceCaps. */
void graph_fuse(Graph *graph, uint32_t caps);
/* Lets the backward pass compute again what is cheap, so that its place is free in between. */
void graph_recompute(Graph *graph);

#endif
