/* Whether this process gets on: whoever finishes a piece of work that may take long counts it, from
 * any thread, and whoever watches looks whether the count has grown (comm/watch.h). */
#ifndef PACO_BASE_MOVES_H
#define PACO_BASE_MOVES_H

/* A sample is loaded, bytes of a checkpoint are written. */
void moves_count(void);
/* How many so far. */
long long moves(void);

#endif
